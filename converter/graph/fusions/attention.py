"""Attention: transposed keys, scales and guarded softmax, as torch exports them."""

from __future__ import annotations

import math

import numpy as np
import onnx_ir as ir

from converter.graph.edge_values import may_be_nan, may_hide_rows
from converter.graph.fusions.log import NoMatch
from converter.graph.fusions.pattern import Pattern, named, op, scalar
from converter.graph.fusions.rewrite import Builder, Fusion
from converter.graph.queries import number_of, shape_of

_LARGEST_MASK = 1 << 24  # elements; 4096 positions


def transpose_in_three_axes(x: Pattern, flat: Pattern, shape: Pattern, matrices: Pattern, y: Pattern) -> Pattern:
    """Transpose of the last two axes with all others flattened into one, as torch exports it for the keys."""
    return named(y, op.Reshape(op.Transpose(named(matrices, op.Reshape(x, flat)), perm=(0, 2, 1)), shape))


def transpose_of_last_two(builder: Builder, x: ir.Value, matrices: ir.Value, y: ir.Value) -> ir.Value:
    """Transpose."""
    before, middle, after = shape_of(x), shape_of(matrices), shape_of(y)
    if before is None or middle is None or after is None or None in before or len(before) < 3:
        raise NoMatch(f"its shapes {before}, {middle}, {after} are not known, or of less than three axes")
    *batch, rows, columns = before
    if middle[1:] != (rows, columns) or after != (*batch, columns, rows):
        raise NoMatch(f"{before} is reshaped to {middle} and {after}")
    rank = len(before)
    return builder.Transpose(x, perm=[*range(rank - 2), rank - 1, rank - 2])


def product_of_scaled(a: Pattern, b: Pattern, c: Pattern, d: Pattern) -> Pattern:
    """MatMul of two tensors that are both multiplied by a number, as torch exports it for queries and keys."""
    return op.MatMul(op.Mul(a, scalar(c)), op.Mul(b, scalar(d)))


def scaled_product(builder: Builder, a: ir.Value, b: ir.Value, c: float, d: float) -> ir.Value | None:
    """MatMul without the scales, then one Mul by `c * d`; not in float16, whose products may overflow."""
    if a.dtype is None or a.dtype == ir.DataType.FLOAT16:
        return None
    scale = np.array(_root_of_head(c * d), a.dtype.numpy())
    return builder.Mul(builder.MatMul(a, b), builder.constant("scale", scale))


def _root_of_head(scale: float) -> float:
    """The exact scale 1 / sqrt(n) when `scale` is close to it for an integer n, the size of a head; else `scale`."""
    size = round(1 / scale**2) if scale else 0
    return size**-0.5 if size and math.isclose(scale, size**-0.5, rel_tol=3e-7) else scale


def product_of_scaled_by_roots(a: Pattern, b: Pattern, square: Pattern) -> Pattern:
    """MatMul of two tensors that are both multiplied by a square root, which is computed from a shape."""
    return op.MatMul(op.Mul(a, op.Sqrt(square)), op.Mul(b, op.Sqrt(square)))


def product_scaled_by_square(builder: Builder, a: ir.Value, b: ir.Value, square: ir.Value) -> ir.Value | None:
    """MatMul without the scales, then one Mul by `square`; not in float16, whose products may overflow."""
    if a.dtype == ir.DataType.FLOAT16:
        return None
    if not set(shape_of(square) or ()) <= {1}:
        raise NoMatch(f"its scale has shape {shape_of(square)}")
    return builder.Mul(builder.MatMul(a, b), square)


def guarded_softmax(scores: Pattern, mask: Pattern, zero: Pattern) -> Pattern:
    """Softmax of masked scores, with NaN, its result for rows that are masked entirely, replaced by zeros."""
    weights = op.Softmax(op.Add(scores, mask), axis=-1)
    return op.Where(op.IsNaN(weights), scalar(zero), weights)


def softmax_of_finite(builder: Builder, scores: ir.Value, mask: ir.Value, zero: float) -> ir.Value:
    """Softmax, when the mask leaves at least one element in every row."""
    if zero != 0 or not _allows_something(mask) or may_hide_rows(scores):
        raise NoMatch("its mask may exclude a whole row, where Softmax gives NaN")
    return builder.Softmax(builder.Add(scores, mask), axis=-1)


def guarded_softmax_of_products(scores: Pattern, zero: Pattern) -> Pattern:
    """Softmax without a mask, with NaN replaced by zeros: torch exports the guard where the mask hides nothing, too."""
    weights = op.Softmax(scores, axis=-1)
    return op.Where(op.IsNaN(weights), scalar(zero), weights)


def softmax_of_products(builder: Builder, scores: ir.Value, zero: float) -> ir.Value:
    """Softmax, when nothing hides a whole row and the scores are no input."""
    if zero != 0 or may_hide_rows(scores) or may_be_nan(scores):
        raise NoMatch("a whole row may be hidden, where Softmax gives NaN")
    return builder.Softmax(scores, axis=-1)


def _allows_something(mask: ir.Value) -> bool:
    """Whether every row of an additive mask, (..., queries, keys), has a finite element, and none makes NaN."""
    node = mask.producer()
    while node is not None and node.op_type in ("Expand", "Unsqueeze") and node.inputs[0] is not None:
        mask = node.inputs[0]
        node = mask.producer()
    if node is not None and node.op_type == "Where":
        chosen = [number_of(value) for value in node.inputs[1:]]
        return all(number is not None and math.isfinite(number) for number in chosen)
    if mask.const_value is None or not mask.const_value.shape or mask.const_value.size > _LARGEST_MASK:
        return False
    array = mask.const_value.numpy()
    return bool(np.isfinite(array).any(-1).all() and (array < np.inf).all())


FUSIONS = (
    Fusion(transpose_in_three_axes, transpose_of_last_two),
    Fusion(product_of_scaled, scaled_product),
    Fusion(product_of_scaled_by_roots, product_scaled_by_square),
    Fusion(guarded_softmax, softmax_of_finite),
    Fusion(guarded_softmax_of_products, softmax_of_products),
)
