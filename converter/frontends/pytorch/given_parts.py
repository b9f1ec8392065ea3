"""Parts of given inputs: tensors in tuples, lists and dictionaries, such as a state or caches."""

from __future__ import annotations

import copy
import inspect
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch.utils import _pytree as pytree

from converter.errors import BadParamError

_CONSTANTS = (type(None), bool, int, float, str)
"""What an example may hold besides tensors; it is the same in every run."""


def in_parts(module: torch.nn.Module, named: Mapping[str, Any]) -> tuple[torch.nn.Module, dict[str, torch.Tensor]]:
    """A module that takes every tensor by itself, and the tensors; the module itself if it takes nothing else.

    The second of the tuple `state` is `state_1`; the module that is returned shares all parts of the given one.

    Raises:
        BadParamError: an example is neither.
    """
    named = pytree.tree_map_only(np.ndarray, torch.as_tensor, dict(named))
    flat, structure = pytree.tree_flatten_with_path(named)
    unfit = {_text(path[0]) for path, leaf in flat if not isinstance(leaf, (torch.Tensor, *_CONSTANTS))}
    if not any(isinstance(leaf, torch.Tensor) for _, leaf in flat):
        unfit |= set(named)
    if unfit:
        raise BadParamError(
            f"the input(s) {', '.join(sorted(unfit))} are no tensors. Derive a module that takes tensors only."
        )
    names = ["_".join(map(_text, path)) for path, _ in flat]
    leaves = [leaf.detach().cpu() if isinstance(leaf, torch.Tensor) else leaf for _, leaf in flat]
    tensors = {name: leaf for name, leaf in zip(names, leaves, strict=True) if isinstance(leaf, torch.Tensor)}
    original = module.forward
    parameters = signature_of(module).parameters
    if list(tensors) == list(named) and all(_is_plain(parameters.get(name)) for name in named):
        return module, tensors
    ordered, variadic = _by_position(parameters)

    def forward(*positional: Any, **values: Any) -> Any:  # torch's older exporter gives them by position
        values |= zip(tensors, positional, strict=False)
        given = [values.get(name, leaf) for name, leaf in zip(names, leaves, strict=True)]
        arguments = pytree.tree_unflatten(given, structure)
        first = [arguments.pop(name) for name in ordered if name in arguments]
        return original(*first, *arguments.pop(variadic, ()), **arguments)

    kind = inspect.Parameter.POSITIONAL_OR_KEYWORD
    forward.__signature__ = inspect.Signature([inspect.Parameter(name, kind) for name in tensors])  # type: ignore[attr-defined]
    taking = copy.copy(module)
    taking.forward = forward  # type: ignore[method-assign]
    return taking, tensors


def signature_of(module: Any) -> inspect.Signature:
    """The signature of a module's `forward`, also of one of TorchScript; there, the annotations are its types."""
    if not isinstance(module, torch.jit.ScriptModule):
        return inspect.signature(module.forward)
    return inspect.Signature(
        [
            inspect.Parameter(
                each.name,
                inspect.Parameter.POSITIONAL_OR_KEYWORD,
                default=each.default_value if each.has_default_value() else inspect.Parameter.empty,
                annotation=str(each.type),
            )
            for each in module.forward.schema.arguments[1:]  # type: ignore[attr-defined]
        ]
    )


def _is_plain(parameter: inspect.Parameter | None) -> bool:
    """Whether a parameter can be given by its name; one that `**kwargs` takes is none of the function's own."""
    return parameter is not None and parameter.kind in (parameter.POSITIONAL_OR_KEYWORD, parameter.KEYWORD_ONLY)


def _by_position(parameters: Mapping[str, inspect.Parameter]) -> tuple[list[str], str]:
    """The parameters that are given by position, and the name of `*args`, before which all are; "" without one."""
    every = list(parameters.values())
    variadic = next((i for i, each in enumerate(every) if each.kind is each.VAR_POSITIONAL), None)
    if variadic is not None:
        return [each.name for each in every[:variadic]], every[variadic].name
    return [each.name for each in every if each.kind is each.POSITIONAL_ONLY], ""


def _text(key: Any) -> str:
    """The key or the index of a part."""
    return str(getattr(key, "key", getattr(key, "idx", key)))
