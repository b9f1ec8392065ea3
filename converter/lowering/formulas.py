"""Formulas: constants that a short expression computes.

`ops.arange(257)`, `ops.full((1, 64), 0.5)`, `ops.arange(0, 12, 4).reshape((-1, 1)) + ops.arange(8)`.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from converter import shapes
from converter.script import Arg, expr, invoke, unless_default

LARGEST = 1 << 22
"""Elements of a constant whose numbers are looked at."""
_COUNTED = ("int32", "int64", "float32", "float64")
"""Element types of `ops.arange` on every device."""
_EXACT = 1 << 24
"""Numbers up to this size are exact in float32."""


def formula_of(array: NDArray[Any], dtype: Arg) -> Arg:
    """An expression for equal numbers, or for integers that count through the elements; None for others.

    Args:
        array: the constant.
        dtype: MindSpore's name of its element type.
    """
    if array.dtype.kind not in "bif" or not 1 < array.size <= LARGEST:
        return None
    first = array.reshape(-1)[0]
    if (array == first).all():
        return _full(array.shape, first.item() if array.dtype.kind != "f" else shapes.shortest(first), dtype)
    return _counted(array, dtype) or _grid(array, dtype)


def _full(shape: tuple[int, ...], number: Any, dtype: Arg) -> Arg:
    for known, function in ((0, "ops.zeros"), (1, "ops.ones")):
        if number == known and not (number == 0 and np.signbit(number)):
            return invoke(function, shape, dtype=dtype)
    if isinstance(number, int) and abs(number) >= 2**31:  # MindSpore cuts it
        return None
    return invoke("ops.full", shape, number, dtype=dtype)


def _counted(array: NDArray[Any], dtype: Arg, shape: tuple[int, ...] = ()) -> Arg:
    """`ops.arange(0, 512).reshape((1, 512))`, for integers that count through all elements; None for others."""
    numbers = array.reshape(-1)
    if array.dtype.name not in _COUNTED or not (np.abs(numbers) < _EXACT).all():
        return None
    start, step = int(numbers[0]), int(numbers[1]) - int(numbers[0])
    if step == 0 or not np.array_equal(numbers, start + step * np.arange(array.size)):
        return None
    stop = start + step * array.size
    bounds = (stop,) if (start, step) == (0, 1) else (start, stop) if step == 1 else (start, stop, step)
    counted = invoke("ops.arange", *bounds, **unless_default(dtype=(dtype, expr("ms.int64"))))
    return counted if array.ndim == 1 else expr("{0}.reshape({1})", counted, shape or array.shape)


def _grid(array: NDArray[Any], dtype: Arg) -> Arg:
    """The sum of numbers that count along one axis and of those along another one: windows, places in a plane."""
    wide = [axis for axis, extent in enumerate(array.shape) if extent > 1]
    if len(wide) != 2 or array.dtype.name not in _COUNTED:
        return None
    matrix = array.reshape([array.shape[axis] for axis in wide])
    rows, columns = matrix[:, :1], matrix[:1] - matrix[0, 0]
    if not np.array_equal(rows + columns, matrix):
        return None
    parts = []
    for axis, numbers in zip(wide, (rows, columns), strict=True):
        shape = [1] * (array.ndim - axis)
        shape[0] = -1
        whole = numbers.reshape(-1) if len(shape) == 1 else numbers.reshape(shape)
        if (counted := _counted(whole, dtype, tuple(shape))) is None:
            return None
        parts.append(counted)
    total = expr("{0} + {1}", *parts)
    return total if wide[0] == 0 else expr("({0}).reshape({1})", total, array.shape)
