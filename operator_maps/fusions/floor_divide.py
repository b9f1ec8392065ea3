"""FloorDivide: integers divided and rounded down, Python's `//`; torch's exporters write it as six operators."""

from __future__ import annotations

import numpy as np
import onnx_ir as ir

from converter.graph.fusions import Builder, FusedOperator, Fusion, NoMatch, Pattern, constant, either, op
from converter.graph.fusions import Shape as Dims
from converter.rows import Arg, Node, Operand, expr
from operator_maps.lib.scalars import operands_with_scalar
from operator_maps.onnx.arithmetic import may_be_large, rounding_down


def truncated_and_corrected(x: Pattern, y: Pattern, negative: Pattern) -> Pattern:
    """The quotient, and 1 less where the signs differ and the division is not exact."""
    quotient = op.Div(x, y)
    signs = op.Xor(op.Less(x, 0), either(op.Less(y, 0), constant(negative)))
    return op.Where(op.And(signs, op.Not(op.Equal(op.Mod(x, y), 0))), quotient - 1, quotient)


def corrected_by_difference(x: Pattern, y: Pattern, positive: Pattern) -> Pattern:
    """The quotient less 1 or 0, as a number."""
    signs = op.Equal(op.Less(x, 0), either(op.Greater(y, 0), constant(positive)))
    return op.Sub(op.Div(x, y), op.Cast(op.And(signs, op.Cast(op.Mod(x, y)))))


def floor_division(
    builder: Builder, x: ir.Value, y: ir.Value, negative: ir.Value | None = None, positive: ir.Value | None = None
) -> ir.Value:
    """FloorDivide, where `negative` or `positive`, which was folded, is the sign of the divisor."""
    if x.dtype not in (ir.DataType.INT32, ir.DataType.INT64):
        raise NoMatch(f"it divides {x.dtype}")
    if negative is not None and not _is_sign(negative, y, np.less):
        raise NoMatch("the sign is not that of the divisor")
    if positive is not None and not _is_sign(positive, y, np.greater):
        raise NoMatch("the sign is not that of the divisor")
    return builder.fused(FLOOR_DIVIDE, x, y)


def _is_sign(sign: ir.Value, divisor: ir.Value, compare: np.ufunc) -> bool:
    if sign.const_value is None or divisor.const_value is None:
        return False
    return np.array_equal(sign.const_value.numpy(), compare(divisor.const_value.numpy(), 0))


def shape(x: Dims, y: Dims) -> Dims:
    """The shape of the dividend, where the divisor is no larger; else unknown."""
    return x if len(y) == 0 or (len(y) <= len(x) and set(y) == {1}) or x == y else (None,) * max(len(x), len(y))


def reference(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """`np.floor_divide`."""
    return np.floor_divide(x, y)


def row(node: Node, x: Operand, y: Operand) -> Arg:
    """Integers divided and rounded down: `ops.floor_divide`, which is exact up to 2**53; beyond, by a helper."""
    if may_be_large(x.value):
        divide, divisor = rounding_down(x, y)
        return expr("{0}({1}, {2})", divide, x, divisor)
    return expr("ops.floor_divide({0}, {1})", *operands_with_scalar(x, y))


FLOOR_DIVIDE = FusedOperator(
    "FloorDivide",
    phase="activations",
    steps=(
        Fusion(truncated_and_corrected, floor_division),
        Fusion(corrected_by_difference, floor_division),
    ),
    shape=shape,
    reference=reference,
    row=row,
)
