"""Nearest: check that a source has the tensors that a weight map names; suggest the most similar ones if not."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence

import numpy as np

from converter.artifacts import Entry, TensorSpec
from converter.errors import WeightMatchError

_NEAREST = 3


def check(entries: Sequence[Entry], arrays: Mapping[str, TensorSpec], what: str, hints: Sequence[str] = ()) -> None:
    """Compare the tensors of a source with those that a map names.

    Args:
        entries: the entries of the map.
        arrays: the tensors of the source, by name.
        what: the error message after the number of mismatches.
        hints: further lines after the list of mismatches.

    Raises:
        WeightMatchError: a tensor is missing, has another shape, or a type that cannot be cast to the map's.
    """
    taken = {entry.source.name for entry in entries if _problem(entry.source, arrays.get(entry.source.name)) is None}
    candidates = _Candidates([array for name, array in arrays.items() if name not in taken])
    details = [
        f"{entry.converted.name}: {problem}{candidates.nearest(entry)}"
        for entry in entries
        if (problem := _problem(entry.source, arrays.get(entry.source.name)))
    ]
    if details:
        raise WeightMatchError(f"{len(details)} {what}. Nothing was written.", (*details, *hints))


def _problem(wanted: TensorSpec, found: TensorSpec | None) -> str | None:
    if found is None:
        return f"'{wanted.name}' {_text(wanted)} is missing"
    if found.shape != wanted.shape or not _fits(found.dtype, wanted.dtype):
        return f"'{wanted.name}' is {_text(found)}, not {_text(wanted)}"
    return None


def _fits(dtype: str, wanted: str) -> bool:
    """Whether every value of element type `dtype` can be cast to the type `wanted` without loss."""
    if dtype == wanted:
        return True
    upcast = {"bfloat16": "float32"}.get(dtype, dtype)
    try:
        return np.can_cast(np.dtype(upcast), np.dtype(wanted), "safe") and np.dtype(wanted).kind == "f"
    except TypeError:  # a type that NumPy lacks
        return False


class _Candidates:
    """The tensors of the source that match no entry of the map."""

    def __init__(self, arrays: Sequence[TensorSpec]) -> None:
        self._arrays = [(array, _words(array.name)) for array in arrays]

    def nearest(self, entry: Entry) -> str:
        """The tensors most similar to an entry's, as text: by shape, then by the words of their names.

        A matrix may be transposed: torch's exporter transposes the weight of a linear layer and generates its name.
        """
        wanted, words = entry.source, _words(entry.source.name) | _words(entry.converted.name)
        free = [pair for pair in self._arrays if ("float" in pair[0].dtype) == ("float" in wanted.dtype)]
        shapes = (wanted.shape, wanted.shape[::-1]) if len(wanted.shape) == 2 else (wanted.shape,)
        alike = [pair for pair in free if pair[0].shape in shapes]
        alike = alike or [pair for pair in free if math.prod(pair[0].shape) == math.prod(wanted.shape)]
        near = alike or [pair for pair in free if words & pair[1]]
        near.sort(key=lambda pair: (-_similarity(words & pair[1]), pair[0].shape != wanted.shape, len(pair[1])))
        listed = ", ".join(
            f"'{array.name}' {_text(array)}" + ", transposed" * (array.shape in shapes and array.shape != wanted.shape)
            for array, _ in near[:_NEAREST]
        )
        return f". Nearest: {listed}" if listed else ""


def _words(name: str) -> set[str]:
    """The words and numbers in a name: `layer1/conv2d_12/kernel` → layer, 1, conv, 2, d, 12, kernel."""
    return set(re.findall(r"[a-z]+|\d+", name.lower()))


def _similarity(words: set[str]) -> int:
    """The similarity of two names that have these words in common: a number counts 1, another word 2."""
    return sum(1 if word.isdecimal() else 2 for word in words)


def _text(array: TensorSpec) -> str:
    return f"{array.dtype} ({', '.join(map(str, array.shape))})"
