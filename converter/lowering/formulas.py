"""Formulas: constants that a short expression computes, `ops.arange(257)`, `ops.full((1, 64), 0.5)`.

Distances between positions are tables that count along both axes: `ops.arange(7, 14).reshape((7, 1)) - ops.arange(0, 7)`.
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
    """An expression for equal numbers, or for integers that count through or along axes; None for others.

    Args:
        array: the constant.
        dtype: MindSpore's name of its element type.
    """
    if array.dtype.kind not in "bif" or not 1 < array.size <= LARGEST:
        return None
    first = array.reshape(-1)[0]
    if (array == first).all():
        return _full(array.shape, first.item() if array.dtype.kind != "f" else shapes.shortest(first), dtype)
    return _counted(array, dtype)


def _full(shape: tuple[int, ...], number: Any, dtype: Arg) -> Arg:
    for known, function in ((0, "ops.zeros"), (1, "ops.ones")):
        if number == known and not (number == 0 and np.signbit(number)):
            return invoke(function, shape, dtype=dtype)
    if isinstance(number, int) and abs(number) >= 2**31:  # MindSpore cuts it
        return None
    return invoke("ops.full", shape, number, dtype=dtype)


def _counted(array: NDArray[Any], dtype: Arg) -> Arg:
    """Integers that count through all elements, or along one or two axes; None for others."""
    if array.dtype.name not in _COUNTED or not (np.abs(array) < _EXACT).all():
        return None
    if (step := _step(array.reshape(-1))) is not None:
        return _shaped(_arange(int(array.reshape(-1)[0]), step, array.size, dtype), array.shape, 1)
    axes = [extent for extent in array.shape if extent > 1]
    return _shaped(_table(array.reshape(axes), dtype), array.shape, 2) if len(axes) == 2 else None


def _table(array: NDArray[Any], dtype: Arg) -> Arg:
    """`ops.arange(7, 14).reshape((7, 1)) - ops.arange(0, 7)`: what the rows count, and what the columns count.

    All tables have one form, so that blocks with tables of different sizes are of one class.
    """
    rows, columns = _step(array[:, 0]), _step(array[0])
    if rows is None or columns is None or not np.array_equal(array, array[:, :1] + (array[:1] - array[0, 0])):
        return None
    start, (height, width) = int(array[0, 0]), array.shape
    if rows == 0:
        return expr("{0}.broadcast_to({1})", _between(start, columns, width, dtype), array.shape)
    down = expr("{0}.reshape({1})", _between(start, rows, height, dtype), (height, 1))
    if columns == 0:
        return expr("{0}.broadcast_to({1})", down, array.shape)
    across = _between(0, abs(columns), width, dtype)
    return expr("{0} + {1}" if columns > 0 else "{0} - {1}", down, across)


def _between(start: int, step: int, count: int, dtype: Arg) -> Arg:
    """`ops.arange(0, 512, step=2)`."""
    options = unless_default(step=(step, 1), dtype=(dtype, expr("ms.int64")))
    return invoke("ops.arange", start, start + step * count, **options)


def _step(numbers: NDArray[Any]) -> int | None:
    """The difference between each number and the one before it; None if they are no integers, or it varies."""
    step = int(numbers[1]) - int(numbers[0])
    return step if np.array_equal(numbers, int(numbers[0]) + step * np.arange(numbers.size)) else None


def _arange(start: int, step: int, count: int, dtype: Arg) -> Arg:
    """`ops.arange(0, 512, 2)`."""
    stop = start + step * count
    bounds = (stop,) if (start, step) == (0, 1) else (start, stop) if step == 1 else (start, stop, step)
    return invoke("ops.arange", *bounds, **unless_default(dtype=(dtype, expr("ms.int64"))))


def _shaped(made: Arg, shape: tuple[int, ...], rank: int) -> Arg:
    """What has this rank in another shape; None for None."""
    return made if made is None or len(shape) == rank else expr("{0}.reshape({1})", made, shape)
