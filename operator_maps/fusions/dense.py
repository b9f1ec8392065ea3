"""Dense: a product with a constant matrix, plus a bias."""

from __future__ import annotations

import math

import numpy as np
import onnx_ir as ir

from converter.graph import is_float, rank_of, shape_of
from converter.graph.fusions import Builder, FusedOperator, Fusion, NoMatch, Pattern, Shape, constant, named, op
from converter.rows import Arg, Node, Operand, expr, reshape, transpose
from converter.shapes import product
from operator_maps.onnx import linear_algebra


def matmul_plus_bias(x: Pattern, weight: Pattern, bias: Pattern) -> Pattern:
    """MatMul with a matrix, then Add of a vector."""
    return op.MatMul(x, constant(weight)) + constant(bias)


def dense(builder: Builder, x: ir.Value, weight: ir.Value, bias: ir.Value) -> ir.Value:
    """Dense: ONNX has no operator for more than two axes (Gemm has two)."""
    rank, extents, biases = rank_of(x) or 0, shape_of(weight) or (), shape_of(bias) or ()
    if rank < 2 or len(extents) != 2 or 0 in extents or not is_float(weight):
        raise NoMatch(f"its input has rank {rank}, its weight shape {extents} and type {weight.dtype}")
    if not 1 <= len(biases) <= rank or biases != (1,) * (len(biases) - 1) + extents[-1:]:
        raise NoMatch(f"its bias has shape {biases}, its weight {extents}")
    return builder.fused(DENSE, x, weight, bias)


def gemm_of_rows(
    x: Pattern, flat: Pattern, weight: Pattern, bias: Pattern, trans: Pattern, shape: Pattern, y: Pattern
) -> Pattern:
    """Gemm of a tensor reshaped to a matrix, and the result reshaped back: torch's `addmm` of a view."""
    rows = op.Gemm(op.Reshape(x, flat), constant(weight), constant(bias), alpha=1.0, beta=1.0, transA=0, transB=trans)
    return named(y, op.Reshape(rows, shape))


def dense_of_rows(builder: Builder, x: ir.Value, weight: ir.Value, bias: ir.Value, trans: int, y: ir.Value) -> ir.Value:
    """Dense over the last axis, or over the last axes as one: the heads of an attention."""
    matrix = builder.Transpose(weight, perm=[1, 0]) if trans else weight
    before, extents, after = shape_of(x), shape_of(matrix) or (None, None), shape_of(y)
    if before is None or not after or None in after or after[-1] != extents[1] or len(before) < len(after):
        raise NoMatch(f"its reshapes go from {before} to {after}, its weight has shape {extents}")
    kept = len(after) - 1
    if before[:kept] != after[:kept] or product(before[kept:]) != extents[0]:
        raise NoMatch(f"its reshapes go from {before} to {after}, its weight has shape {extents}")
    if len(before) > len(after):
        x = builder.Reshape(x, builder.constant("shape", np.array([*[0] * kept, extents[0]])))
    return dense(builder, x, matrix, bias)


def einsum_plus_bias(x: Pattern, weight: Pattern, bias: Pattern, equation: Pattern) -> Pattern:
    """Einsum with a weight, then Add of a bias of several axes: heads of an attention."""
    return op.Einsum(x, constant(weight), equation=equation) + constant(bias)


def dense_of_axes(builder: Builder, x: ir.Value, weight: ir.Value, bias: ir.Value, equation: str) -> ir.Value:
    """Dense over several axes of x, and with several axes of the weight in the result."""
    count = _summed(equation)
    extents, sizes = shape_of(x), shape_of(weight)
    if count is None:
        raise NoMatch(f"the equation {equation} does not sum over the last axes of x and the first of the weight")
    if extents is None or sizes is None or not is_float(weight) or None in sizes:
        raise NoMatch(f"its input has shape {extents}, its weight shape {sizes} and type {weight.dtype}")
    new, biases = sizes[count:], shape_of(bias) or ()
    if biases[len(biases) - len(new) :] != new or any(extent != 1 for extent in biases[: len(biases) - len(new)]):
        raise NoMatch(f"its bias has shape {biases}, the axes of its weight in the result {new}")
    return builder.fused(DENSE, x, weight, bias, axes=count)


def _summed(equation: str) -> int | None:
    """The number of axes, last of x and first of the weight, that are summed: 1 in `abc,cde->abde`; else None."""
    left, _, output = equation.replace(" ", "").partition("->")
    x, _, weight = left.partition(",")
    for count in range(1, min(len(x), len(weight) - 1) + 1):
        distinct = len(set(x + weight)) == len(x + weight) - count
        if distinct and x[-count:] == weight[:count] and output == x[:-count] + weight[count:]:
            return count if (x + weight).isalpha() else None
    return None


def shape(x: Shape, weight: Shape, bias: Shape, *, axes: int = 1) -> Shape:
    """(*batch, *summed), (*summed, *new) to (*batch, *new), with `axes` axes summed over."""
    return (*x[:-axes], *weight[axes:])


def reference(x: np.ndarray, weight: np.ndarray, bias: np.ndarray, *, axes: int = 1) -> np.ndarray:
    """The product over the last `axes` of x and the first of the weight, in 64 bits, plus the bias."""
    return (np.tensordot(x.astype(np.float64), weight, axes) + bias).astype(x.dtype)


def row(node: Node, x: Operand, weight: Operand, bias: Operand, *, axes: int = 1) -> Arg:
    """A product with a constant matrix, plus a vector: nn.Linear; the last `axes` of x are one for it."""
    summed, new = weight.shape[:axes], weight.shape[axes:]  # type: ignore[index]
    sizes = math.prod(summed), math.prod(new)  # type: ignore[arg-type]
    matrix = weight.weight(*([] if weight.rank == 2 else [reshape(*sizes)]), transpose(1, 0))
    vector = bias.weight(*([] if bias.rank == 1 else [reshape(-1)]))
    extents = (x.shape_python() or ())[:-axes]
    flat = x if axes == 1 else expr("{0}.reshape({1})", x, (*extents, sizes[0]))
    y = linear_algebra.dense(node, flat, matrix, vector)
    return y if len(new) == 1 else expr("{0}.reshape({1})", y, (*extents, *new))


DENSE = FusedOperator(
    "Dense",
    phase="products",
    steps=(
        Fusion(matmul_plus_bias, dense),
        Fusion(gemm_of_rows, dense_of_rows),
        Fusion(einsum_plus_bias, dense_of_axes),
    ),
    shape=shape,
    reference=reference,
    row=row,
)
