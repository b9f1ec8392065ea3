"""NotEqual: a comparison that ONNX does not have; exporters write it as two operators."""

from __future__ import annotations

import numpy as np
import onnx_ir as ir

from converter.graph.fusions import Builder, FusedOperator, Fusion, NoMatch, Pattern, op
from converter.rows import Arg, Node, Operand, expr
from operator_maps.fusions.floor_divide import shape
from operator_maps.lib.scalars import operands_with_scalar


def opposite_of_equal(x: Pattern, y: Pattern) -> Pattern:
    """What is equal is not, also where one is no number."""
    return op.Not(op.Equal(x, y))


def not_equal(builder: Builder, x: ir.Value, y: ir.Value) -> ir.Value:
    """NotEqual, of anything but texts."""
    if x.dtype is None or x.dtype == ir.DataType.STRING:
        raise NoMatch(f"it compares {x.dtype}")
    return builder.fused(NOT_EQUAL, x, y)


def reference(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """`np.not_equal`."""
    return np.not_equal(x, y)


def row(node: Node, x: Operand, y: Operand) -> Arg:
    """A comparison; a scalar constant is a Python number."""
    return expr("{0} != {1}", *operands_with_scalar(x, y))


NOT_EQUAL = FusedOperator(
    "NotEqual",
    phase="padding",  # after the masks and divisions whose patterns it is a part of
    steps=(Fusion(opposite_of_equal, not_equal),),
    shape=shape,
    reference=reference,
    row=row,
    dtype=ir.DataType.BOOL,
)
