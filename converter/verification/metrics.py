"""Metrics: the errors of the script's values relative to the source's."""

from __future__ import annotations

from typing import Any

import numpy as np

from converter.verification.comparisons import Difference, badness

TOLERANCES = {"float16": 2e-3, "bfloat16": 2e-2, "int8": 2e-2}
"""Largest error of an output relative to its largest value, by element type."""
TOLERANCE = 1e-4
"""The same for every other floating type; integers, bools and strings must be equal."""

TINY = float(np.finfo(np.float32).tiny)
FLUSHED = 1024 * TINY
"""What is missing from a sum of so many products that are flushed to zero."""
BLOCK = 2**16
"""Number of elements that are compared at a time."""


def difference(got: Any, want: Any, precision: str = "") -> Difference:
    """Compare a value with its reference, arrays of any shape. Sequences are compared element by element.

    `precision` is the element type in which they were computed, if it is not their own.
    """
    if isinstance(want, (list, tuple)) or want is None:
        return _structure_difference(got, want, precision)
    got, want = np.asarray(got), np.asarray(want)
    if got.shape != want.shape:
        return Difference("differs", note=f"its shape is {got.shape}, the source's {want.shape}")
    if want.dtype.kind not in "fciubV":
        return Difference("same" if bool((got == want).all()) else "differs")
    exact = want.dtype.kind in "iub"
    errors = _Errors()
    for start in range(0, want.size, BLOCK):
        errors.add(*(_wide(array.reshape(-1)[start : start + BLOCK]) for array in (got, want)))
    if not np.isfinite(errors.largest_error):
        return Difference("differs", note="one has NaN or infinities where the other has numbers")
    tolerance = TOLERANCES.get(precision or want.dtype.name, TOLERANCE)
    allowed = 0.0 if exact else max(tolerance * errors.largest, FLUSHED)  # some kernels flush small numbers to zero
    return Difference(
        "same" if errors.largest_error <= allowed else "differs",
        errors.largest_error,
        errors.largest_relative,
        errors.relative / want.size if want.size else 0.0,
        errors.cosine,
        f"{errors.unequal} of {want.size} elements are unequal" if exact and errors.unequal else "",
    )


def _wide(array: np.ndarray) -> np.ndarray:
    return array.astype(np.complex128 if array.dtype.kind == "c" else np.float64)


class _Errors:
    """Maxima and sums, updated block by block, so that large values need little memory."""

    def __init__(self) -> None:
        self.largest = self.largest_error = self.largest_relative = self.relative = 0.0
        self.unequal = 0
        self._products = np.zeros(3)  # of got and want, got and got, want and want

    def add(self, got: np.ndarray, want: np.ndarray) -> None:
        """Add a block: `got` and `want` are vectors of one shape (n,)."""
        finite, one, other = np.isfinite(want), got, want
        if finite.all():
            error, numbers = np.abs(got - want), np.abs(want)
            largest = numbers
        else:  # infinities and NaN must be at the same positions
            alike = (got == want) | (np.isnan(got) & np.isnan(want))
            with np.errstate(invalid="ignore"):
                error, numbers = np.where(alike, 0.0, np.abs(got - want)), np.where(finite, np.abs(want), 1.0)
            error = np.where(alike | finite, error, np.inf)
            largest, one, other = numbers[finite], got[finite], want[finite]
        relative = np.divide(error, numbers, out=np.zeros_like(error), where=numbers > 0)
        largest_error = float(error.max())  # NaN if any is NaN
        self.largest_error = max(self.largest_error, np.inf if np.isnan(largest_error) else largest_error)
        self.largest = max(self.largest, float(largest.max(initial=0.0)))
        self.largest_relative = max(self.largest_relative, float(relative.max()))
        self.relative += float(relative.sum())
        self.unequal += int(np.count_nonzero(error))
        self._products += [np.vdot(one, other).real, np.vdot(one, one).real, np.vdot(other, other).real]

    @property
    def cosine(self) -> float | None:
        """Cosine similarity; None when one is all zeros, or too large to be squared."""
        both, one, other = (float(product) for product in self._products)
        scale = np.sqrt(one) * np.sqrt(other)
        return float(np.clip(both / scale, -1.0, 1.0)) if 0.0 < scale < np.inf else None


def _structure_difference(got: Any, want: Any, precision: str) -> Difference:
    if want is None or got is None:
        same = want is None and got is None
        return Difference("same" if same else "differs", note="" if same else "one is absent")
    if len(got) != len(want):
        return Difference("differs", note=f"{len(got)} elements, the source has {len(want)}")
    parts = [difference(one, other, precision) for one, other in zip(got, want, strict=True)]
    return max(parts, key=badness, default=Difference("same"))
