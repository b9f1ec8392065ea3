"""What a file holds, tensor by tensor."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from converter.artifacts.tensors import LazyTensor


@dataclass(frozen=True)
class Contents:
    """What a file holds.

    Attributes:
        kind: what kind of file it is, as a phrase.
        tensors: by name, in the file's order.
    """

    kind: str
    tensors: Mapping[str, LazyTensor]


def contents(kind: str, *tensors: LazyTensor) -> Contents:
    """The contents of a file; of two tensors of one name the first counts."""
    by_name: dict[str, LazyTensor] = {}
    for tensor in tensors:
        by_name.setdefault(tensor.array.name, tensor)
    return Contents(kind, by_name)
