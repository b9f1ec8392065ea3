"""Padding by a value, whose gradient is right in every step of a training.

The gradient of `ops.pad` is an `ops.pad` by negative amounts, and MindSpore's kernel on the CPU cuts by these at its
first call only: in graph mode a training is wrong from the second step on. `ops.Pad` has another gradient.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from converter.rows import Arg, expr

if TYPE_CHECKING:
    from mindspore import ops

_Pair = tuple[Arg, Arg]


def pad_axes(x: Arg, pairs: Sequence[_Pair], value: Arg = 0) -> Arg:
    """Pad each axis by (before, after): numbers that are not negative, or computed amounts, of a tensor of floats."""
    fixed = tuple(pair if _known(pair) else (0, 0) for pair in pairs)
    zeros = isinstance(value, int | float) and value == 0
    if any(pair != (0, 0) for pair in fixed):
        x = expr("ops.Pad({0})({1})", fixed, x) if zeros else expr("{0}({1}, {2}, {3})", pad_with, x, fixed, value)
    for axis, pair in enumerate(pairs):
        if not _known(pair):
            form = "{0}({1}, {2}, {3}, {4})" if zeros else "{0}({1}, {2}, {3}, {4}, {5})"
            x = expr(form, pad_axis, x, axis, *pair, *([] if zeros else [value]))
    return x


def _known(pair: _Pair) -> bool:
    return all(isinstance(amount, int) for amount in pair)


def pad_with(x, widths, value):
    """Pad with a value. ops.pad has a wrong gradient in graph mode on the CPU."""
    inside = ops.Pad(widths)(ops.ones_like(x)) > 0
    return ops.where(inside, ops.Pad(widths)(x), value)


def pad_axis(x, axis, before, after, value=0):
    """Pad by computed amounts; negative ones crop. ops.pad has a wrong gradient in graph mode on the CPU."""
    indices = ops.arange(-before, x.shape[axis] + after)
    nearest = ops.clamp(indices, 0, x.shape[axis] - 1)
    inside = (indices == nearest).reshape((-1,) + (1,) * (x.ndim - 1 - axis))
    return ops.where(inside, ops.gather(x, nearest, axis), value)
