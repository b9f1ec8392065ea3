"""Dense layers: a product with a constant matrix and the bias behind it."""

from __future__ import annotations

import onnx_ir as ir

from converter.idioms.pattern import Pattern, constant, op
from converter.idioms.rewrite import DOMAIN, Builder, Idiom
from converter.idioms.values import is_float, rank_of, shape_of


def product_plus_bias(x: Pattern, weight: Pattern, bias: Pattern) -> Pattern:
    """MatMul with a matrix, then Add of a vector."""
    return op.MatMul(x, constant(weight)) + constant(bias)


def dense(builder: Builder, x: ir.Value, weight: ir.Value, bias: ir.Value) -> ir.Value | None:
    """`idiom.Dense`: ONNX has no operator for more than two axes (Gemm has two)."""
    rank, extents, biases = rank_of(x) or 0, shape_of(weight) or (), shape_of(bias) or ()
    if rank < 2 or len(extents) != 2 or not is_float(weight):
        return None
    if not 1 <= len(biases) <= rank or biases != (1,) * (len(biases) - 1) + extents[-1:]:
        return None
    return builder.Dense(x, weight, bias, domain=DOMAIN)


IDIOMS = (Idiom(product_plus_bias, dense),)
