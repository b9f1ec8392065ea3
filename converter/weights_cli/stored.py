"""Tensors that lie in a file: what is known of them at once, and their values when they are asked for."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from converter.weight_map import Array


@dataclass(frozen=True)
class Stored:
    """A tensor in a file; `load` reads its values."""

    array: Array
    load: Callable[[], np.ndarray]


@dataclass(frozen=True)
class Contents:
    """What a file holds.

    Attributes:
        kind: what kind of file it is, as a phrase.
        tensors: by name, in the file's order.
    """

    kind: str
    tensors: Mapping[str, Stored]


def contents(kind: str, *tensors: Stored) -> Contents:
    """The contents of a file; of two tensors of one name the first counts."""
    by_name: dict[str, Stored] = {}
    for tensor in tensors:
        by_name.setdefault(tensor.array.name, tensor)
    return Contents(kind, by_name)
