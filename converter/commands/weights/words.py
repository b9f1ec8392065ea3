"""Words: numbers, lists of names and shapes for a reader."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from converter.artifacts import TensorSpec

_MOST_NAMES = 10


def count(number: int, noun: str) -> str:
    """`1 tensor`, `1,024 tensors`."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def some(names: Sequence[str]) -> str:
    """The first names, and how many more there are."""
    rest = len(names) - _MOST_NAMES
    return ", ".join(names[:_MOST_NAMES]) + (f" and {rest} more" if rest > 0 else "")


def shape(array: TensorSpec) -> str:
    """`3, 4`, or `scalar`."""
    return ", ".join(map(str, array.shape)) or "scalar"
