"""Functions with a gradient of their own: subclasses of `torch.autograd.Function`, of which exporters write `forward`.

Where the gradient is that of `forward`, nothing is lost. Where it is a multiple of the incoming one (an estimator that
passes it straight through, a reversal), the values are exported as `factor * x + (y - factor * x).detach()`. Any other
is not in the script, and named.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import torch
from torch.utils import _pytree as pytree

Gradients = dict[type, float | None]
"""The factor of the incoming gradient, by class of function; 0 if it is that of `forward`, None for any other."""
_OF_FORWARD = 0.0
_NEAR = 1e-4
_SCALES = (1.0, 0.05, 20.0)


@contextlib.contextmanager
def applying(replace: Callable[[Callable[..., Any], type, tuple[Any, ...]], Any]) -> Iterator[None]:
    """Inside the block a function is called by `replace`: it is given torch's `apply`, the class and the arguments."""
    base: Any = torch.autograd.function._SingleLevelFunction  # code may hold `Function.apply` itself

    def apply(cls: type, *args: Any) -> Any:
        return super(base, cls).apply(*args)  # type: ignore[misc]

    base.apply = classmethod(lambda cls, *args: replace(apply, cls, args))
    try:
        yield
    finally:
        del base.apply


def noting_gradients(found: Gradients) -> contextlib.AbstractContextManager[None]:
    """Inside the block, in which the module runs, it is noted what gradients functions have."""

    def call(apply: Callable[..., Any], cls: type, args: tuple[Any, ...]) -> Any:
        gradient = _gradient_of(apply, cls, args)
        found[cls] = gradient if found.get(cls, gradient) == gradient else None
        return apply(cls, *args)

    return applying(call)


def with_factor(y: Any, args: tuple[Any, ...], factor: float | None) -> Any:
    """The result of a function with the gradient that it has in the source, as far as that is known."""
    if not factor:
        return y
    x = next(each for each in args if _is_float(each))
    straight = x if factor == 1 else x * factor
    return straight + (y - straight).detach()


def note_of(found: Mapping[type, float | None]) -> str | None:
    """A sentence about gradients that are not in the script."""
    others = sorted(f"'{cls.__qualname__}'" for cls, factor in found.items() if factor is None)
    if not others:
        return None
    return (
        f"{', '.join(others)}: the backward of this torch.autograd.Function is not, as far as can be compared, the "
        "derivative of its forward. The script computes the same, but trains with the derivative of the forward: write "
        "a bprop for it."
    )


def _gradient_of(apply: Callable[..., Any], cls: Any, args: tuple[Any, ...]) -> float | None:
    """What gradient a function has on these arguments, and on smaller and larger ones."""
    try:
        found = {_gradient_at(apply, cls, [_times(each, scale) for each in args]) for scale in _SCALES}
    except Exception:  # the user's code may raise any, also as it works on copies
        return None
    return found.pop() if len(found) == 1 else None


def _gradient_at(apply: Callable[..., Any], cls: Any, args: list[Any]) -> float | None:
    with torch.enable_grad():
        own, incoming = _gradients(lambda given: apply(cls, *given), args)
        of_forward, _ = _gradients(lambda given: _forward(cls, given), args)
    if all(map(_same, own, of_forward)):
        return _OF_FORWARD
    if len(own) != 1 or len(incoming) != 1 or own[0] is None or own[0].shape != incoming[0].shape:
        return None
    factor = round(float((own[0] / incoming[0]).mean()), 6)
    return factor if factor and _same(own[0], incoming[0] * factor) else None


def _times(value: Any, scale: float) -> Any:
    return value * scale if _is_float(value) else value


def _gradients(compute: Callable[[list[Any]], Any], args: list[Any]) -> tuple[list[Any], list[torch.Tensor]]:
    """The gradients of the float arguments, and those of the float results from which they are computed."""
    leaves = [each.detach().clone().requires_grad_() for each in args if _is_float(each)]
    copies = iter([leaf.clone() for leaf in leaves])  # a function may work in place
    results = compute([next(copies) if _is_float(each) else each for each in args])
    results = [each for each in pytree.tree_leaves(results) if _is_float(each)]
    incoming = [torch.linspace(0.5, 1.5, each.numel(), dtype=each.dtype).reshape(each.shape) for each in results]
    pairs = [pair for pair in zip(results, incoming, strict=True) if pair[0].requires_grad]
    if not pairs:
        return [None] * len(leaves), incoming
    found = torch.autograd.grad([y for y, _ in pairs], leaves, [gradient for _, gradient in pairs], allow_unused=True)
    return list(found), incoming


def _forward(cls: Any, given: list[Any]) -> Any:
    """What a function computes, with the gradient of its code."""
    if cls.setup_context is not torch.autograd.Function.setup_context:
        return cls.forward(*given)
    return cls.forward(_Context(tuple(map(_is_float, given))), *given)


class _Context:
    """Takes what a function keeps for its backward."""

    def __init__(self, needs_input_grad: tuple[bool, ...]) -> None:
        self.needs_input_grad = needs_input_grad

    def save_for_backward(self, *tensors: Any) -> None:
        """Nothing: no backward is called."""

    mark_dirty = mark_non_differentiable = set_materialize_grads = save_for_backward


def _is_float(value: Any) -> bool:
    return isinstance(value, torch.Tensor) and value.is_floating_point()


def _same(one: torch.Tensor | None, other: torch.Tensor | None) -> bool:
    if one is None or other is None:
        present = other if one is None else one
        return present is None or not bool(present.any())
    near = _NEAR * float(other.abs().max())
    return one.shape == other.shape and torch.allclose(one, other, _NEAR, near, equal_nan=True)
