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
    if list(tensors) == list(named):
        return module, tensors
    original = module.forward

    def forward(**values: Any) -> Any:
        given = [values.get(name, leaf) for name, leaf in zip(names, leaves, strict=True)]
        return original(**pytree.tree_unflatten(given, structure))

    kind = inspect.Parameter.POSITIONAL_OR_KEYWORD
    forward.__signature__ = inspect.Signature([inspect.Parameter(name, kind) for name in tensors])  # type: ignore[attr-defined]
    taking = copy.copy(module)
    taking.forward = forward  # type: ignore[method-assign]
    return taking, tensors


def _text(key: Any) -> str:
    """The key or the index of a part."""
    return str(getattr(key, "key", getattr(key, "idx", key)))
