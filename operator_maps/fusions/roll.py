"""Roll: elements moved along an axis, from its end to its beginning."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import onnx_ir as ir

from converter.graph import axes_of, numbers_of, rank_of, shape_of
from converter.graph.fusions import FAR, Builder, FusedOperator, Fusion, NoMatch, Pattern, either, op, shape_of_first
from converter.rows import Arg, Node, Operand, expr
from operator_maps.lib.no_elements import unless_empty

if TYPE_CHECKING:
    from mindspore import ops


def swapped_slices(x: Pattern, zero: Pattern, start: Pattern, end: Pattern, axes: Pattern, axis: Pattern) -> Pattern:
    """The two parts of a tensor along an axis, concatenated in reverse order."""
    after = either(op.Slice(x, start, end, axes), op.Slice(x, start, end, axes, 1))
    before = either(op.Slice(x, zero, start, axes), op.Slice(x, zero, start, axes, 1))
    return op.Concat(after, before, axis=axis)


def roll_by_slices(
    builder: Builder, x: ir.Value, zero: ir.Value, start: ir.Value, end: ir.Value, axes: ir.Value, axis: int
) -> ir.Value:
    """Roll: elements that leave at one side come in at the other."""
    rank, first, cut, last = rank_of(x), numbers_of(zero), numbers_of(start), numbers_of(end)
    if rank is None or axes_of(axes, x) != (axis % rank,) or first != (0,) or cut is None or last is None:
        raise NoMatch("its slices are along another axis, or their bounds are computed")
    extent = (shape_of(x) or ())[axis % rank]
    if last[0] < (extent if isinstance(extent, int) else FAR):
        raise NoMatch(f"the end, {last[0]}, leaves elements out")
    shift = -cut[0]
    if isinstance(extent, int):  # the shift of smallest size
        shift = (shift + extent // 2) % extent - extent // 2
    return builder.fused(ROLL, x, shift=shift, axis=axis % rank)


def reference(x: np.ndarray, *, shift: int = 0, axis: int = 0) -> np.ndarray:
    """`np.roll`."""
    return np.roll(x, shift, axis)


def row(node: Node, x: Operand, *, shift: int = 0, axis: int = 0) -> Arg:
    """Elements moved along an axis, from its end to its beginning (`ops.roll` has no CPU kernel)."""
    return unless_empty(x, expr("{0}({1}, {2}, {3})", roll, x, shift, axis))


def roll(x, shift, axis):
    """Move the elements along an axis; those that leave at one side come in at the other."""
    cut = -shift % x.shape[axis]
    before, behind = ops.split(x, [cut, x.shape[axis] - cut], axis)
    return ops.cat((behind, before), axis)


ROLL = FusedOperator(
    "Roll",
    phase="views",
    steps=(Fusion(swapped_slices, roll_by_slices),),
    shape=shape_of_first,
    reference=reference,
    row=row,
)
