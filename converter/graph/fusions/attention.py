"""What exporters make of attention around its two products."""

from __future__ import annotations

import math

import numpy as np
import onnx_ir as ir

from converter.graph.fusions.pattern import Pattern, named, op, scalar
from converter.graph.fusions.rewrite import DOMAIN, Builder, Fusion
from converter.graph.fusions.views import names_all
from converter.graph.queries import axes_of, number_of, numbers_of, rank_of, shape_of

_LARGEST_MASK = 1 << 24  # elements that are looked at: 4096 positions


def transpose_in_three_axes(x: Pattern, flat: Pattern, shape: Pattern, matrices: Pattern, y: Pattern) -> Pattern:
    """The last two axes changed over with all others flattened into one, which torch does to the keys."""
    return named(y, op.Reshape(op.Transpose(named(matrices, op.Reshape(x, flat)), perm=(0, 2, 1)), shape))


def transpose_of_last_two(
    builder: Builder, x: ir.Value, flat: ir.Value, shape: ir.Value, matrices: ir.Value, y: ir.Value
) -> ir.Value | None:
    """Transpose."""
    before, middle, after = shape_of(x), shape_of(matrices), shape_of(y)
    if before is None or middle is None or after is None or None in before or len(before) < 3:
        return None
    *batch, rows, columns = before
    if middle[1:] != (rows, columns) or after != (*batch, columns, rows):
        return None
    rank = len(before)
    return builder.Transpose(x, perm=[*range(rank - 2), rank - 1, rank - 2])


def product_of_scaled(a: Pattern, b: Pattern, c: Pattern, d: Pattern) -> Pattern:
    """A matrix product of two tensors that are both scaled by a number, as torch does to queries and keys."""
    return op.MatMul(op.Mul(a, scalar(c)), op.Mul(b, scalar(d)))


def scaled_product(builder: Builder, a: ir.Value, b: ir.Value, c: float, d: float) -> ir.Value | None:
    """One scale, of the product: the square of a root."""
    if a.dtype is None:
        return None
    scale = np.array(_root_of_head(c * d), a.dtype.numpy())
    return builder.Mul(builder.MatMul(a, b), builder.constant("scale", scale))


def _root_of_head(scale: float) -> float:
    """One over the root of a whole number, the size of a head, where a scale is that but for what rounding left."""
    size = round(1 / scale**2) if scale else 0
    return size**-0.5 if size and math.isclose(scale, size**-0.5, rel_tol=3e-7) else scale


def product_of_scaled_by_roots(a: Pattern, b: Pattern, square: Pattern) -> Pattern:
    """The same with a scale that is computed from the shape."""
    return op.MatMul(op.Mul(a, op.Sqrt(square)), op.Mul(b, op.Sqrt(square)))


def product_scaled_by_square(builder: Builder, a: ir.Value, b: ir.Value, square: ir.Value) -> ir.Value | None:
    """One scale, of the product."""
    return builder.Mul(builder.MatMul(a, b), square) if set(shape_of(square) or ()) <= {1} else None


def expanded_and_merged(
    x: Pattern, axes: Pattern, shape: Pattern, merged: Pattern, wide: Pattern, y: Pattern
) -> Pattern:
    """A new axis of copies, merged with the axis before it."""
    return named(y, op.Reshape(named(wide, op.Expand(op.Unsqueeze(x, axes), shape)), merged))


def repeated_heads(
    builder: Builder, x: ir.Value, axes: ir.Value, shape: ir.Value, merged: ir.Value, wide: ir.Value, y: ir.Value
) -> ir.Value | None:
    """`fusion.RepeatInterleave`: the heads of keys and values in grouped-query attention, one for several queries.

    Where the batch and the heads become one axis at once, for a product of matrices, that is a step of its own.
    """
    before, expanded, after, new = shape_of(x), shape_of(wide), shape_of(y), axes_of(axes, wide)
    if before is None or expanded is None or new is None or len(new) != 1 or not new[0]:
        return None
    axis = new[0] - 1
    repeats, heads = expanded[axis + 1], before[axis]
    if not isinstance(repeats, int) or not isinstance(heads, int) or None in before:
        return None
    if expanded != (*before[: axis + 1], repeats, *before[axis + 1 :]):
        return None
    repeated = (*before[:axis], heads * repeats, *before[axis + 1 :])
    if after == repeated:
        return builder.RepeatInterleave(x, domain=DOMAIN, repeats=repeats, axis=axis)
    if after is None or len(after) != len(before) - 1 or after[1:] != repeated[2:] or not names_all(merged):
        return None
    result = builder.RepeatInterleave(x, domain=DOMAIN, repeats=repeats, axis=axis)
    result.shape = ir.Shape(repeated)
    return builder.Reshape(result, merged)


def negated_and_swapped(
    x: Pattern, zero: Pattern, half: Pattern, end: Pattern, axes: Pattern, axis: Pattern
) -> Pattern:
    """The second half negated, before the first half."""
    return op.Concat(op.Neg(op.Slice(x, half, end, axes, 1)), op.Slice(x, zero, half, axes, 1), axis=axis)


def rotate_half(
    builder: Builder, x: ir.Value, zero: ir.Value, half: ir.Value, end: ir.Value, axes: ir.Value, axis: int
) -> ir.Value | None:
    """`fusion.RotateHalf`: the turn of a rotary position embedding."""
    rank, extents, along = rank_of(x), shape_of(x), axes_of(axes, x)
    bounds = [numbers_of(value) for value in (zero, half, end)]
    if rank is None or extents is None or along != (rank - 1,) or axis % rank != rank - 1:
        return None
    width = extents[-1]
    if not isinstance(width, int) or bounds[:2] != [(0,), (width // 2,)] or width % 2 or (bounds[2] or (0,))[0] < width:
        return None
    return builder.RotateHalf(x, domain=DOMAIN)


def guarded_softmax(scores: Pattern, mask: Pattern, zero: Pattern) -> Pattern:
    """Softmax of masked scores, with zeros for the rows that a mask forbids altogether, where it gives NaN."""
    weights = op.Softmax(op.Add(scores, mask), axis=-1)
    return op.Where(op.IsNaN(weights), scalar(zero), weights)


def softmax_of_finite(builder: Builder, scores: ir.Value, mask: ir.Value, zero: float) -> ir.Value | None:
    """Softmax, when the mask leaves something in every row."""
    if zero != 0 or not _allows_something(mask):
        return None
    return builder.Softmax(builder.Add(scores, mask), axis=-1)


def _allows_something(mask: ir.Value) -> bool:
    """Whether every row of a mask that is added to scores has a finite number."""
    node = mask.producer()
    if node is not None and node.op_type in ("Expand", "Reshape", "Unsqueeze"):
        return node.op_type != "Reshape" and node.inputs[0] is not None and _allows_something(node.inputs[0])
    if node is not None and node.op_type == "Where":
        chosen = [number_of(value) for value in node.inputs[1:]]
        return all(number is not None and math.isfinite(number) for number in chosen)
    if mask.const_value is None or not mask.const_value.shape or mask.const_value.size > _LARGEST_MASK:
        return False
    return bool(np.isfinite(mask.const_value.numpy()).any(-1).all())


FUSIONS = (
    Fusion(transpose_in_three_axes, transpose_of_last_two),
    Fusion(product_of_scaled, scaled_product),
    Fusion(product_of_scaled_by_roots, product_scaled_by_square),
    Fusion(negated_and_swapped, rotate_half),
    Fusion(guarded_softmax, softmax_of_finite),
)
HEADS = (Fusion(expanded_and_merged, repeated_heads),)
"""Those that must see the reshapes of single steps."""
