"""Extents: computing with a free extent, where torch or its exporter would take that of the example, or refuses it.

torch.export fixes an extent that a function of torch asks for as a number; inside `free_in_functions` these functions
compute the same without. torch's ONNX functions of some operators want a number, too: `TRANSLATIONS` do not.
"""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Callable, Iterator
from typing import Any

import onnx_ir as ir
import torch
from onnxscript import opset18
from onnxscript.function_libs.torch_lib.ops import core

op: Any = opset18


@contextlib.contextmanager
def free_in_functions() -> Iterator[None]:
    """Inside the block functions of torch that read an extent as a number can be exported where it is free."""
    missing = object()
    kept = {place: vars(place[0]).get(place[1], missing) for place in _FREE}
    for (owner, name), function in _FREE.items():
        known = getattr(owner, name)
        setattr(owner, name, _calling(function, known))
    try:
        yield
    finally:
        for (owner, name), function in kept.items():
            if function is missing:
                delattr(owner, name)
            else:
                setattr(owner, name, function)


def _calling(function: Callable[..., Any], known: Callable[..., Any]) -> Callable[..., Any]:
    """The function with torch's own one as its first argument; in a class it is a method."""

    @functools.wraps(known)
    def called(*args: Any, **options: Any) -> Any:
        return function(known, *args, **options)

    return called


def _linspace(known: Callable[..., Any], *args: Any, **options: Any) -> torch.Tensor:
    """`torch.linspace`: a step many times, where the number of steps is free."""
    given = dict(zip(("start", "end", "steps"), args, strict=False)) | options
    steps = given.pop("steps", None)
    if not isinstance(steps, torch.SymInt) or given.get("out") is not None:
        return known(*args, **options)  # type: ignore[no-any-return]
    count: Any = steps
    start, end = given.pop("start"), given.pop("end")
    dtype = given.pop("dtype", None) or torch.get_default_dtype()
    given.pop("out", None)
    return torch.arange(count, dtype=dtype, **given) * ((end - start) / (count - 1)) + start


def _roll(known: Callable[..., Any], x: torch.Tensor, shifts: Any, dims: Any = (), **options: Any) -> torch.Tensor:
    """`torch.roll`: the last part before the first one, where the shift along one axis is free."""
    shift = shifts[0] if isinstance(shifts, (list, tuple)) and len(shifts) == 1 else shifts
    axis = dims[0] if isinstance(dims, (list, tuple)) and len(dims) == 1 else dims
    if not isinstance(shift, torch.SymInt) or not isinstance(axis, int) or options:
        return known(x, shifts, dims, **options)  # type: ignore[no-any-return]
    length = x.shape[axis]
    first = length - shift % length
    return torch.cat([x.narrow(axis, first, length - first), x.narrow(axis, 0, first)], axis)


def _along(known: Callable[..., Any], x: torch.Tensor, indices: torch.Tensor, dim: int | None = None) -> torch.Tensor:
    """`torch.take_along_dim`, of which the shapes are not compared: an axis of one element is repeated."""
    if dim is None or not any(isinstance(size, torch.SymInt) for size in (*x.shape, *indices.shape)):
        return known(x, indices, dim)  # type: ignore[no-any-return]
    axis = dim % x.dim()
    sizes = [b if isinstance(a, int) and a == 1 else a for a, b in zip(x.shape, indices.shape, strict=True)]
    parts = (each.expand([*sizes[:axis], each.shape[axis], *sizes[axis + 1 :]]) for each in (x, indices))
    return torch.gather(next(parts), axis, next(parts))


def _one_hot(known: Callable[..., Any], x: torch.Tensor, num_classes: Any = -1) -> torch.Tensor:
    """`one_hot`: each number beside all classes, whose count is free."""
    if not isinstance(num_classes, torch.SymInt):
        return known(x, num_classes)  # type: ignore[no-any-return]
    count: Any = num_classes
    return (x.unsqueeze(-1) == torch.arange(count)).long()


_FREE: dict[tuple[Any, str], Callable[..., Any]] = {
    (torch, "linspace"): _linspace,
    (torch, "roll"): _roll,
    (torch, "take_along_dim"): _along,
    (torch.Tensor, "roll"): _roll,
    (torch.Tensor, "take_along_dim"): _along,
    (torch.nn.functional, "one_hot"): _one_hot,
}
"""Where torch has a function → what is called instead: it is given torch's function, and the arguments."""


def _remainder(x: Any, other: Any) -> Any:
    if not isinstance(other, ir.Value):
        return core.aten_remainder_scalar(x, other)
    divisor = op.CastLike(other, x)
    if x.dtype.is_integer():
        return op.Mod(x, divisor)
    return op.Sub(x, op.Mul(op.Floor(op.Div(x, divisor)), divisor))


def _power(x: Any, exponent: Any) -> Any:
    if not isinstance(exponent, ir.Value):
        return core.aten_pow_tensor_scalar(x, exponent)
    return op.Pow(x, op.CastLike(exponent, x))


TRANSLATIONS: dict[Any, Callable[..., Any]] = {
    torch.ops.aten.remainder.Scalar: _remainder,
    torch.ops.aten.pow.Tensor_Scalar: _power,
}
"""Operators whose number may be an extent, and their ONNX functions."""
