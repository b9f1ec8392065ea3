"""Padding: elements added before and after each axis, or cropped where an amount is negative."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from converter.graph import may_be_empty
from converter.rows import Arg, Node, Operand, expr
from operator_maps.lib.padding import pad_axes, pad_with
from operator_maps.onnx.slicing import subscript

if TYPE_CHECKING:
    import mindspore as ms
    from mindspore import ops

MODES = {"reflect": "reflect", "edge": "replicate", "wrap": "circular"}
"""ONNX's mode → `ops.pad`'s mode."""

_Amounts = dict[int, tuple[Arg, Arg]]
"""Axis → the number of elements added before and after; negative numbers crop."""


def pad(
    node: Node, x: Operand, pads: Operand, value: Operand | None, axes: Operand | None, *, mode: str = "constant"
) -> Arg:
    """ONNX Pad: `ops.Pad(((0, 0), (0, 0), (0, 1), (0, 1)))(x)`; ops.pad in other modes, ops.gather if it lacks one."""
    amounts, which = pads.items(computed=mode != "constant"), _axes(x, axes)
    if mode == "constant" and (amounts is None or which is None):
        chosen = expr("ops.arange({0}.ndim)", x) if axes is None else axes
        return _constant(x, expr("{0}({1}, {2}, {3})", last_axis_first, x, pads, chosen), value)
    if which is None or amounts is None:
        raise node.decline("its axes are computed, or the rank of its input is unknown")
    count = len(which)
    around = dict(zip(which, zip(amounts[:count], amounts[count:], strict=True), strict=True))
    around = {axis: both for axis, both in sorted(around.items()) if both != (0, 0)}
    if not around:
        return x
    last = (x.rank or 0) - min(around) if mode == "constant" else _axes_to_pad(x, around, mode)
    if last is None:
        return _by_index(node, x, around, mode)
    leaves_nothing = _may_crop_everything(x, around)
    cropped, around = _crop(x, around)
    if not around:
        return cropped
    if mode == "constant":
        return _constant_by_axis(x, cropped, around, leaves_nothing, value)
    return expr("ops.pad({0}, {1}, {2})", cropped, _pad_list(around, x.rank or 0, last), MODES[mode])


def _constant_by_axis(x: Operand, cropped: Arg, around: _Amounts, leaves_nothing: bool, value: Operand | None) -> Arg:
    """Pad what cropping leaves of `x`; MindSpore pads no axis without elements."""
    pairs = tuple(around.get(axis, (0, 0)) for axis in range(x.rank or 0))
    known = all(isinstance(amount, int) for pair in pairs for amount in pair)
    if known and (leaves_nothing or any(may_be_empty(x.value, axis) for axis in around)):
        fill = value.number_or_tensor() if value is not None else 0.0 if x.kind == "f" else 0
        return expr("{0}({1}, {2}, {3})", pad_or_fill, cropped, pairs, fill)
    if x.kind == "f" or (known and may_be_empty(x.value)):
        return pad_axes(cropped, pairs, 0 if value is None else _fill(value))
    return _constant(cropped, _pad_list(around, x.rank or 0, (x.rank or 0) - min(around)), value)


def pad_or_fill(x, widths, value):
    """Pad a tensor that may have no elements."""
    if x.size == 0:
        return ops.full_like(ops.Pad(widths)(x), value)
    return pad_with(x, widths, value)


def _may_crop_everything(x: Operand, around: _Amounts) -> bool:
    """Whether cropping may leave nothing of an axis: of all its elements, or of a free extent."""
    cropped = {
        axis: sum(-amount for amount in both if isinstance(amount, int) and amount < 0) for axis, both in around.items()
    }
    return any(count and ((x.shape or ())[axis] or 0) <= count for axis, count in cropped.items())


def _crop(x: Operand, around: _Amounts) -> tuple[Arg, _Amounts]:
    """Crop by a slice where amounts are negative; return the rest of the amounts.

    In PyNative mode ops.pad handles a negative amount correctly in its first call only.
    """
    slices, added = {}, {}
    for axis, both in around.items():
        before, after = (amount if isinstance(amount, int) and amount < 0 else 0 for amount in both)
        if before or after:
            slices[axis] = slice(-before or None, after or None)
        added[axis] = tuple(0 if taken else amount for taken, amount in zip((before, after), both, strict=True))
    left = {axis: (first, second) for axis, (first, second) in added.items() if (first, second) != (0, 0)}
    return subscript(x, slices) if slices else x, left


def _axes(x: Operand, axes: Operand | None) -> tuple[int, ...] | None:
    """The padded axes, non-negative; None if they are not known."""
    if x.rank is None or axes is None:
        return None if x.rank is None else tuple(range(x.rank))
    items = axes.items()
    return None if items is None else tuple(axis % x.rank for axis in items)


def _pad_list(around: _Amounts, rank: int, count: int) -> tuple[Arg, ...]:
    """The amounts of the last `count` axes in the order of ops.pad: the last axis first."""
    return tuple(amount for axis in range(rank - 1, rank - 1 - count, -1) for amount in around.get(axis, (0, 0)))


def _constant(x: Arg, amounts: Arg, value: Operand | None) -> Arg:
    """`ops.pad`: of integers, or by amounts that are a tensor."""
    if value is None:
        return expr("ops.pad({0}, {1})", x, amounts)
    fill = _fill(value)
    return (
        expr("ops.pad({0}, {1})", x, amounts) if fill == 0 else expr("ops.pad({0}, {1}, value={2})", x, amounts, fill)
    )


def _fill(value: Operand) -> Arg:
    """The number, or a tensor: MindSpore rounds a number to 32 bits."""
    return value if value.dtype == value.dtype.DOUBLE else value.number_or_tensor()  # type: ignore[union-attr]


def _axes_to_pad(x: Operand, around: _Amounts, mode: str) -> int | None:
    """The number of last axes for which ops.pad needs amounts in a mode that repeats elements; None if unsupported."""
    rank = x.rank or 0
    needed = rank - min(around)
    extents = x.shape or ()
    short = any(_is_short(extents[axis], amount, mode) for axis, both in around.items() for amount in both)
    most = 2 if mode == "reflect" else 3
    if x.kind == "b" or short or not 2 <= rank <= most + 2:
        return None
    return next((count for count in (rank - 2, rank - 1) if max(needed, 1) <= count <= most), None)


def _is_short(extent: int | None, amount: Arg, mode: str) -> bool:
    """Whether an axis has fewer elements than the amount takes, or may have: ops.pad repeats no element twice."""
    if extent is None or not isinstance(amount, int):
        return mode == "wrap"
    return (mode == "wrap" and amount > extent) or (mode == "reflect" and amount >= extent)


def _by_index(node: Node, x: Operand, around: _Amounts, mode: str) -> Arg:
    """Pad by an ops.gather along every axis, with the indices of the elements that a padded axis repeats."""
    result: Arg = x
    for axis, (before, after) in around.items():
        extent = (x.shape or ())[axis]
        if extent is not None and isinstance(before, int) and isinstance(after, int):
            picked = node.constant(_indices(extent, before, after, mode), "indices")
        else:
            count: Arg = (x.shape_python() or ())[axis]
            cropped = [-n if isinstance(n, int) and n < 0 else 0 for n in (before, after)]
            if any(cropped) and (before, after) != (-cropped[0], -cropped[1]):  # what is added repeats what is left
                result = subscript(result, {axis: slice(cropped[0] or None, -cropped[1] or None)})
                count = expr("{0} - {1}", count, sum(cropped))
                before, after = (0 if n else amount for n, amount in zip(cropped, (before, after), strict=True))
            picked = expr("{0}({1}, {2}, {3}, {4})", padded_indices, count, before, after, mode)
        result = expr("ops.gather({0}, {1}, {2})", result, picked, axis)
    return result


def _indices(extent: int, before: int, after: int, mode: str) -> np.ndarray:
    """The indices of the elements along a padded axis; negative amounts crop."""
    left = np.arange(extent)[max(-before, 0) : extent - max(-after, 0)]
    return np.pad(left, (max(before, 0), max(after, 0)), mode)  # type: ignore[call-overload]


def padded_indices(extent, before, after, mode):
    """Which elements stand along a padded axis: mirrored ("reflect"), the outermost ("edge") or the others ("wrap")."""
    indices = ops.arange(-before, extent + after)
    if mode == "edge":
        return ops.clamp(indices, 0, extent - 1)
    if mode == "wrap":
        return indices % extent
    return extent - 1 - ops.abs(extent - 1 - indices % (2 * extent - 2))


def last_axis_first(x, pads, axes):
    """The amounts of padding as ops.pad takes them, from ONNX's: all those before, then all those after, by axis."""
    where = ops.unsqueeze(ops.where(axes < 0, axes + x.ndim, axes), 1)
    zeros = ops.zeros((x.ndim, 2), dtype=ms.int64)
    both = ops.tensor_scatter_update(zeros, where, pads.reshape((2, -1)).transpose((1, 0)))
    return ops.flip(both, (0,)).reshape((-1,))


ROWS = {"Pad": pad}
