"""Outputs: the tensors in what a module returns (a tensor, a tuple, a dictionary, a dataclass), and their names."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Collection, Mapping
from typing import Any

import numpy as np
import torch
from torch.utils import _pytree as pytree

from converter.errors import SourceRunError
from converter.frontends.pytorch.lines import culprit
from converter.frontends.pytorch.loading import Loaded
from converter.frontends.pytorch.settings import as_network


def named_outputs(result: Any, inputs: Collection[str]) -> dict[str, torch.Tensor]:
    """The tensors of a result by name, in the order in which an exporter writes them.

    A tensor alone is `output`, those of a tuple are `output_0`, `output_1`, those of a dictionary or a dataclass have
    the names of the keys and fields, with dots where such are nested. What is None is left out. A name that an input
    has gets `output_` before it.
    """
    if isinstance(result, torch.Tensor):
        return {"output" if "output" not in inputs else "output_0": result}
    leaves, _ = pytree.tree_flatten_with_path(result)
    found: dict[str, torch.Tensor] = {}
    for path, leaf in leaves:
        if isinstance(leaf, torch.Tensor):
            name = ".".join(_text(key) for key in path)
            found[f"output_{name}" if name[:1].isdecimal() or name in inputs else name] = leaf
    return found


def _text(key: Any) -> str:
    for attribute in ("key", "name", "idx"):
        if hasattr(key, attribute):
            return str(getattr(key, attribute))
    return str(key)


def register_dataclasses(result: Any) -> None:
    """Tell torch how the dataclasses in a result are taken apart, so that it can export them."""
    if dataclasses.is_dataclass(result) and not isinstance(result, type):
        if type(result) not in pytree.SUPPORTED_NODES:
            with contextlib.suppress(ValueError):  # it is registered already
                torch.export.register_dataclass(type(result))
        inside = [getattr(result, field.name) for field in dataclasses.fields(result)]
    elif isinstance(result, Mapping):
        inside = list(result.values())
    elif isinstance(result, list | tuple):
        inside = list(result)
    else:
        inside = []
    for item in inside:
        register_dataclasses(item)


def outputs_of(loaded: Loaded, values: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The outputs of a loaded module by name.

    Raises:
        SourceRunError: the module does not take these inputs.
    """
    tensors = {name: torch.from_numpy(np.array(array)) for name, array in values.items()}
    with as_network(loaded.module):
        try:
            result = loaded.run(tensors)
        except Exception as error:  # the user's code may raise any
            raise SourceRunError(f"torch refuses these inputs: {culprit(error)}") from error
    register_dataclasses(result)
    return {name: tensor.detach().numpy() for name, tensor in named_outputs(result, values).items()}
