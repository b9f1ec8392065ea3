"""Judging a node on edge inputs: what the operator leaves open, or what follows from rounding, is no difference."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from converter.graph import Trait, operators_with
from converter.verification.comparisons import Difference
from converter.verification.metrics import TINY, TOLERANCE, TOLERANCES, difference

_EXACT = operators_with(Trait.ELEMENTWISE | Trait.DATA_MOVEMENT) | frozenset(
    [
        "ArgMax",
        "ArgMin",
        "Hardmax",
        "LogSoftmax",
        "MaxPool",
        "ReduceLogSumExp",
        "ReduceMax",
        "ReduceMin",
        "Softmax",
        "TopK",
    ]
)
"""Operators that add no products: what they compute of numbers of any size does not depend on the order."""
_OPEN = frozenset({"Cast", "CastLike", "QuantizeLinear"})
"""Operators whose result for numbers that the integer type does not hold is undefined."""
_NO_ORDER = frozenset({"DynamicQuantizeLinear", "NonMaxSuppression", "TopK", "Unique"})
"""Operators that order numbers, or take the smallest and the largest; ONNX does not say where NaN stands."""
_LARGE = {2**24: "integers beyond 2^24", 2**53: "integers beyond 2^53"}
_LARGE_FLOATS = {44.0: "numbers from 44"}


def judged(operator: str, inputs: Iterable[Any], got: Any, want: Any, other: np.ndarray | None = None) -> Difference:
    """Compare a node's output on edge inputs, element by element, with the values that are right for it.

    Args:
        operator: its name without the domain.
        inputs: what the node read.
        got: the script's value.
        want: the reference.
        other: the value of another reference, which is right, too.
    """
    if not isinstance(want, np.ndarray) or not isinstance(got, np.ndarray) or got.shape != want.shape:
        return difference(got, want)
    given = [array for array in inputs if isinstance(array, np.ndarray)]
    right = want.copy()
    if other is not None and other.shape == want.shape:
        taken = ~_alike(got, right) & _alike(got, other)
        right[taken] = got[taken].astype(right.dtype)
    open_ones = _undefined(operator, given, got, want)
    right[open_ones] = got[open_ones].astype(right.dtype)
    return difference(got, right)


def _alike(got: np.ndarray, want: np.ndarray) -> np.ndarray:
    if want.dtype.kind not in "fV":
        return np.asarray(got == want)
    one, other = got.astype(np.float64), want.astype(np.float64)
    with np.errstate(invalid="ignore", over="ignore"):
        scale = np.abs(other[np.isfinite(other)]).max(initial=0.0)
        near = np.abs(one - other) <= TOLERANCES.get(want.dtype.name, TOLERANCE) * scale
    return (one == other) | near | (np.isnan(one) & np.isnan(other))


def _undefined(operator: str, inputs: Sequence[np.ndarray], got: np.ndarray, want: np.ndarray) -> np.ndarray:
    """The elements that the operator leaves open, or that rounding decides."""
    floats = [array for array in inputs if _is_float(array)]
    if operator in _OPEN and want.dtype.kind in "iu" and floats:
        return _unholdable(floats[0], want.dtype, want.shape)
    if operator in _NO_ORDER and any(np.isnan(array.astype(np.float64)).any() for array in floats):
        return np.ones(want.shape, bool)
    if operator == "GridSample" and not np.isfinite(inputs[1].astype(np.float64)).all():  # a place that is no number
        return np.ones(want.shape, bool)
    if not _is_float(want):
        return np.zeros(want.shape, bool)
    one, other = got.astype(np.float64), want.astype(np.float64)
    undefined = _is_tiny(one) & _is_tiny(other)
    if operator not in _EXACT and any(_squares_overflow(array) for array in floats):
        undefined[...] = True
    return np.asarray(undefined)


def _is_tiny(array: np.ndarray) -> np.ndarray:
    """Where a number is so small that some kernels, and TensorFlow, compute zero."""
    return np.abs(array) <= 4 * TINY


def _unholdable(given: np.ndarray, dtype: np.dtype, shape: tuple[int, ...]) -> np.ndarray:
    """Where a number is outside the range of an integer type, or none."""
    if given.shape != shape:
        return np.zeros(shape, bool)
    limits = np.iinfo(dtype)
    wide = given.astype(np.float64)
    with np.errstate(invalid="ignore"):
        return ~((wide > float(limits.min) - 1) & (wide < float(limits.max) + 1))


def _squares_overflow(array: np.ndarray) -> bool:
    """Whether a product of two of the finite numbers may overflow."""
    wide = np.abs(array.astype(np.float64))
    largest = wide[np.isfinite(wide)].max(initial=0.0)
    return bool(largest > np.sqrt(_most_of(array)) / 64)


def _most_of(array: np.ndarray) -> float:
    """The largest number of a type of floats, of which bfloat16 has nearly that of float32."""
    return float(np.finfo(array.dtype if array.dtype.kind == "f" else np.float32).max)


def _is_float(array: np.ndarray) -> bool:
    return array.dtype.kind == "f" or array.dtype.name == "bfloat16"


def symptoms(inputs: Mapping[str, Any]) -> list[str]:
    """What is special about the inputs of a node, in words that `cpu_kernels.FAULTS` knows."""
    found: dict[str, None] = {}
    for array in inputs.values():
        if not isinstance(array, np.ndarray):
            continue
        if array.size == 0:
            found["no elements"] = None
        elif _is_float(array):
            wide = array.astype(np.float64)
            found |= dict.fromkeys(["NaN"] if np.isnan(wide).any() else [])
            found |= dict.fromkeys(["infinity"] if np.isinf(wide).any() else [])
            largest = wide[np.isfinite(wide)].max(initial=0.0)
            found |= {text: None for limit, text in _LARGE_FLOATS.items() if largest > limit}
            found |= dict.fromkeys(["numbers whose double is infinite"] if largest > _most_of(array) / 2 else [])
            near = np.abs(np.abs(wide) - 5) < 0.1
            found |= dict.fromkeys(["numbers near 5"] if array.dtype == np.float32 and near.any() else [])
            found |= dict.fromkeys(["numbers below 1e-7"] if ((wide != 0) & (np.abs(wide) < 1e-7)).any() else [])
        elif array.dtype.kind in "iu":
            largest = max(abs(int(array.max())), abs(int(array.min())))
            found |= {text: None for limit, text in _LARGE.items() if largest > limit}
    return list(found)


def without_tiny(value: Any) -> Any:
    """The value, with zero in the place of numbers that some kernels flush to zero."""
    if not isinstance(value, np.ndarray) or not _is_float(value):
        return value
    return np.where(_is_tiny(value.astype(np.float64)), value.dtype.type(0), value)


def where_finite(got: Any, want: Any) -> Any:
    """The script's value, with the source's in the places where that overflowed."""
    if not isinstance(want, np.ndarray) or not isinstance(got, np.ndarray) or not _is_float(want):
        return got
    overflows = ~np.isfinite(want.astype(np.float64))
    return got if got.shape != want.shape else np.where(overflows, want.astype(got.dtype), got)
