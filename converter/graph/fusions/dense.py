"""Dense layers: a product with a constant matrix and the bias behind it."""

from __future__ import annotations

import onnx_ir as ir

from converter.graph.fusions.pattern import Pattern, constant, named, op
from converter.graph.fusions.rewrite import DOMAIN, Builder, Fusion
from converter.graph.queries import is_float, rank_of, shape_of


def product_plus_bias(x: Pattern, weight: Pattern, bias: Pattern) -> Pattern:
    """MatMul with a matrix, then Add of a vector."""
    return op.MatMul(x, constant(weight)) + constant(bias)


def dense(builder: Builder, x: ir.Value, weight: ir.Value, bias: ir.Value) -> ir.Value | None:
    """`fusion.Dense`: ONNX has no operator for more than two axes (Gemm has two)."""
    rank, extents, biases = rank_of(x) or 0, shape_of(weight) or (), shape_of(bias) or ()
    if rank < 2 or len(extents) != 2 or not is_float(weight):
        return None
    if not 1 <= len(biases) <= rank or biases != (1,) * (len(biases) - 1) + extents[-1:]:
        return None
    return builder.Dense(x, weight, bias, domain=DOMAIN)


def product_of_rows(
    x: Pattern, flat: Pattern, weight: Pattern, bias: Pattern, trans: Pattern, shape: Pattern, y: Pattern
) -> Pattern:
    """All rows of a tensor as one matrix through Gemm, which takes no other, and back: torch's `addmm` of a view."""
    rows = op.Gemm(op.Reshape(x, flat), constant(weight), constant(bias), alpha=1.0, beta=1.0, transA=0, transB=trans)
    return named(y, op.Reshape(rows, shape))


def dense_of_rows(
    builder: Builder,
    x: ir.Value,
    flat: ir.Value,
    weight: ir.Value,
    bias: ir.Value,
    trans: int,
    shape: ir.Value,
    y: ir.Value,
) -> ir.Value | None:
    """`fusion.Dense` over the last axis."""
    matrix = builder.Transpose(weight, perm=[1, 0]) if trans else weight
    before, extents = shape_of(x), shape_of(matrix) or (None, None)
    if before is None or None in before or before[-1] != extents[0] or shape_of(y) != (*before[:-1], extents[1]):
        return None
    return dense(builder, x, matrix, bias)


def einsum_plus_bias(x: Pattern, weight: Pattern, bias: Pattern, equation: Pattern) -> Pattern:
    """Einsum with a weight, then Add of a bias of several axes: heads of an attention."""
    return op.Einsum(x, constant(weight), equation=equation) + constant(bias)


def dense_of_axes(builder: Builder, x: ir.Value, weight: ir.Value, bias: ir.Value, equation: str) -> ir.Value | None:
    """`fusion.Dense`: the axes that are summed over are taken as one, and so are those that the weight brings."""
    count = _summed(equation)
    extents, sizes = shape_of(x), shape_of(weight)
    if count is None or extents is None or sizes is None or not is_float(weight) or None in sizes:
        return None
    new, biases = sizes[count:], shape_of(bias) or ()
    if biases[len(biases) - len(new) :] != new or any(extent != 1 for extent in biases[: len(biases) - len(new)]):
        return None
    return builder.Dense(x, weight, bias, domain=DOMAIN, axes=count)


def _summed(equation: str) -> int | None:
    """How many axes, the last of x and the first of the weight, are summed over: 1 in `abc,cde->abde`."""
    left, _, output = equation.replace(" ", "").partition("->")
    x, _, weight = left.partition(",")
    for count in range(1, min(len(x), len(weight) - 1) + 1):
        distinct = len(set(x + weight)) == len(x + weight) - count
        if distinct and x[-count:] == weight[:count] and output == x[:-count] + weight[count:]:
            return count if (x + weight).isalpha() else None
    return None


FUSIONS = (
    Fusion(product_plus_bias, dense),
    Fusion(product_of_rows, dense_of_rows),
    Fusion(einsum_plus_bias, dense_of_axes),
)
