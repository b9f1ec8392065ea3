"""Compare: the differences between two checkpoints, parameter by parameter."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from converter.artifacts import LazyTensor, TensorSpec
from converter.base.stages import Each


@dataclass(frozen=True)
class Difference:
    """The comparison of one parameter.

    Attributes:
        name: of the parameter.
        first, second: shape and type in each checkpoint; None if the checkpoint lacks the parameter.
        max_abs: the largest absolute difference; None when the values cannot be compared.
        max_rel: the largest difference relative to the larger of the two magnitudes, at most 2.
        note: the reason why there is no number, or a remark on the number.
    """

    name: str
    first: TensorSpec | None
    second: TensorSpec | None
    max_abs: float | None = None
    max_rel: float | None = None
    note: str = ""

    @property
    def same(self) -> bool:
        """Whether both have the parameter, with the same values."""
        return self.max_abs == 0.0 and not self.note


def compare(first: Mapping[str, LazyTensor], second: Mapping[str, LazyTensor], each: Each = iter) -> list[Difference]:
    """Compare every parameter of two checkpoints: those of the first in its order, then those only in the second.

    `each` wraps the iteration over the names, to report progress.
    """
    names = list(dict.fromkeys((*first, *second)))
    return [_difference(name, first.get(name), second.get(name)) for name in each(names)]


def _difference(name: str, one: LazyTensor | None, other: LazyTensor | None) -> Difference:
    if one is None or other is None:
        if other is None:
            return Difference(name, one.array if one else None, None, note="only in the first")
        return Difference(name, None, other.array, note="only in the second")
    if one.array.shape != other.array.shape:
        return Difference(name, one.array, other.array, note="another shape")
    note = "" if one.array.dtype == other.array.dtype else "another type"
    return Difference(name, one.array, other.array, *_distance(one.load(), other.load(), note))


def _distance(one: np.ndarray, other: np.ndarray, note: str) -> tuple[float | None, float | None, str]:
    """The largest absolute and relative difference of two arrays of equal shape, and a note.

    Equal infinities, and NaN at the same positions, count as equal.
    """
    wide = np.clongdouble if "c" in (one.dtype.kind, other.dtype.kind) else np.longdouble  # holds any 64-bit integer
    one, other = one.astype(wide), other.astype(wide)
    differs = ~((one == other) | (np.isnan(one) & np.isnan(other)))
    one, other = one[differs], other[differs]
    if not (np.isfinite(one).all() and np.isfinite(other).all()):
        return None, None, note or "NaN or infinity in one of them"
    error = np.abs(one - other)
    relative = error / np.maximum(np.abs(one), np.abs(other))
    return float(error.max(initial=0.0)), float(relative.max(initial=0.0)), note
