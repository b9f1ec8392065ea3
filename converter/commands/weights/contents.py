"""Contents of a file of weights: its kind, and its tensors by name."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from converter.artifacts import LazyTensor


@dataclass(frozen=True)
class Contents:
    """The tensors of a file.

    Attributes:
        kind: the kind of the file, as a phrase.
        tensors: by name, in the file's order.
    """

    kind: str
    tensors: Mapping[str, LazyTensor]


def contents(kind: str, *tensors: LazyTensor) -> Contents:
    """Create the contents of a file; of two tensors with the same name the first is used."""
    by_name: dict[str, LazyTensor] = {}
    for tensor in tensors:
        by_name.setdefault(tensor.array.name, tensor)
    return Contents(kind, by_name)
