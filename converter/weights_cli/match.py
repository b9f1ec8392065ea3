"""Match: whether the tensors of a source are those that a weight map was made of, and which come nearest."""

from __future__ import annotations

import difflib
import math
from collections.abc import Mapping, Sequence

import numpy as np

from converter.errors import WeightMatchError
from converter.weight_map import Array, Entry

_NEAREST = 3
_SIMILAR = 0.3
"""Least similarity of two names, of 0 to 1, that is worth mentioning."""


def check(entries: Sequence[Entry], arrays: Mapping[str, Array], what: str, hints: Sequence[str] = ()) -> None:
    """Compare the tensors of a source with those that a map names.

    Args:
        entries: of the map.
        arrays: of the source, by name.
        what: goes on after the number of mismatches.
        hints: follow the list of mismatches.

    Raises:
        WeightMatchError: a tensor is missing, has another shape, or a type that does not fit into the map's.
    """
    taken = {entry.source.name for entry in entries if _problem(entry.source, arrays.get(entry.source.name)) is None}
    free = [array for name, array in arrays.items() if name not in taken]
    details = [
        f"{entry.converted.name}: {problem}{_candidates(entry.source, free)}"
        for entry in entries
        if (problem := _problem(entry.source, arrays.get(entry.source.name)))
    ]
    if details:
        raise WeightMatchError(f"{len(details)} {what}. Nothing was written.", (*details, *hints))


def _problem(wanted: Array, found: Array | None) -> str | None:
    if found is None:
        return f"'{wanted.name}' {_text(wanted)} is missing"
    if found.shape != wanted.shape or not _fits(found.dtype, wanted.dtype):
        return f"'{wanted.name}' is {_text(found)}, not {_text(wanted)}"
    return None


def _fits(dtype: str, wanted: str) -> bool:
    """Whether every value of one type has its like in the other."""
    if dtype == wanted:
        return True
    widened = {"bfloat16": "float32"}.get(dtype, dtype)
    try:
        return np.can_cast(np.dtype(widened), np.dtype(wanted), "safe") and np.dtype(wanted).kind == "f"
    except TypeError:  # a type that NumPy lacks
        return False


def _candidates(wanted: Array, free: Sequence[Array]) -> str:
    """The tensors that nobody else takes, nearest by shape, then by name."""
    free = [array for array in free if ("float" in array.dtype) == ("float" in wanted.dtype)]
    alike = [array for array in free if array.shape == wanted.shape]
    alike = alike or [array for array in free if math.prod(array.shape) == math.prod(wanted.shape)]
    names = {array.name: array for array in alike or free}
    similarity = 0.0 if alike else _SIMILAR
    nearest = difflib.get_close_matches(wanted.name, names, _NEAREST, similarity)
    listed = ", ".join(f"'{name}' {_text(names[name])}" for name in nearest)
    return f". Nearest: {listed}" if nearest else ""


def _text(array: Array) -> str:
    return f"{array.dtype} ({', '.join(map(str, array.shape))})"
