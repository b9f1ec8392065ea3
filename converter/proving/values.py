"""Values: the tensors in what a network returns, and samples of them that are small enough to keep."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np

from converter.artifacts import LazyTensor, TensorSpec

_SAMPLE = 4096
"""Elements of each tensor that are compared inside the network. Outputs are compared as a whole."""


def tensors_in(value: Any, is_tensor: Callable[[Any], bool], path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Pairs (path, tensor) of the tensors in tuples, lists, dictionaries and data classes, in order."""
    if is_tensor(value):
        yield path, value
    elif isinstance(value, Mapping):
        for key, each in value.items():
            yield from tensors_in(each, is_tensor, (*path, key))
    elif isinstance(value, tuple | list):
        for number, each in enumerate(value):
            yield from tensors_in(each, is_tensor, (*path, number))
    elif dataclasses.is_dataclass(value) and not isinstance(value, type):
        for field in dataclasses.fields(value):
            yield from tensors_in(getattr(value, field.name), is_tensor, (*path, field.name))


def name_of(path: tuple[Any, ...]) -> str:
    """The name of an output by its path: `logits`, `1`, `features.0`; `0` for the only one."""
    return ".".join(map(str, path)) or "0"


def sample(array: np.ndarray) -> np.ndarray:
    """A copy of elements (n,) of an array, at the same places for all arrays of its size; all where they are few."""
    flat = array.reshape(-1)
    if flat.size <= _SAMPLE:
        return flat.copy()
    return flat[np.random.default_rng(flat.size).integers(0, flat.size, _SAMPLE)]


def lazy(name: str, value: np.ndarray) -> LazyTensor:
    """An array in memory as a tensor of a file."""
    return LazyTensor(TensorSpec(name, value.shape, value.dtype.name), lambda: value)
