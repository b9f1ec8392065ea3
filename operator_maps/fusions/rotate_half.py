"""RotateHalf: the two halves of the last axis, swapped, the second one negated, as in rotary position embeddings."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import onnx_ir as ir

from converter.graph import axes_of, numbers_of, rank_of, shape_of
from converter.graph.fusions import Builder, FusedOperator, Fusion, NoMatch, Pattern, op, shape_of_first
from converter.rows import Arg, Node, Operand, expr

if TYPE_CHECKING:
    from mindspore import ops


def negated_and_swapped(
    x: Pattern, zero: Pattern, half: Pattern, end: Pattern, axes: Pattern, axis: Pattern
) -> Pattern:
    """The second half negated, before the first half."""
    return op.Concat(op.Neg(op.Slice(x, half, end, axes, 1)), op.Slice(x, zero, half, axes, 1), axis=axis)


def rotate_half_by_slices(
    builder: Builder, x: ir.Value, zero: ir.Value, half: ir.Value, end: ir.Value, axes: ir.Value, axis: int
) -> ir.Value:
    """RotateHalf, as a rotary position embedding has it."""
    rank, extents, along = rank_of(x), shape_of(x), axes_of(axes, x)
    bounds = [numbers_of(value) for value in (zero, half, end)]
    if rank is None or extents is None or along != (rank - 1,) or axis % rank != rank - 1:
        raise NoMatch("its halves are not those of the last axis")
    width = extents[-1]
    if not isinstance(width, int) or bounds[:2] != [(0,), (width // 2,)] or width % 2 or (bounds[2] or (0,))[0] < width:
        raise NoMatch(f"its slices of {width} elements, {bounds}, are no halves")
    return builder.fused(ROTATE_HALF, x)


def reference(x: np.ndarray) -> np.ndarray:
    """The second half negated, before the first."""
    half = x.shape[-1] // 2
    return np.concatenate((-x[..., half:], x[..., :half]), -1)


def row(node: Node, x: Operand) -> Arg:
    """The rotation of rotary position embeddings."""
    return expr("{0}({1})", rotate_half, x)


def rotate_half(x):
    """Take the two halves of the last axis as coordinates, and turn every point by a right angle."""
    a, b = ops.chunk(x, 2, -1)
    return ops.cat((-b, a), -1)


ROTATE_HALF = FusedOperator(
    "RotateHalf",
    phase="attention",
    steps=(Fusion(negated_and_swapped, rotate_half_by_slices),),
    shape=shape_of_first,
    reference=reference,
    row=row,
)
