"""Trunc: numbers rounded towards zero, which ONNX does not have; torch exports it as three operators."""

from __future__ import annotations

import numpy as np
import onnx_ir as ir

from converter.graph.fusions import Builder, FusedOperator, Fusion, NoMatch, Pattern, op, shape_of_first
from converter.rows import Arg, Node, Operand, invoke


def rounded_size_with_sign(x: Pattern) -> Pattern:
    """The absolute value rounded down, with the sign of the number."""
    return op.Mul(op.Floor(op.Abs(x)), op.Sign(x))


def trunc(builder: Builder, x: ir.Value) -> ir.Value:
    """Trunc, of floating-point numbers."""
    if x.dtype is None or not x.dtype.is_floating_point():
        raise NoMatch(f"it rounds {x.dtype}")
    return builder.fused(TRUNC, x)


def reference(x: np.ndarray) -> np.ndarray:
    """`np.trunc`."""
    return np.trunc(x)


def row(node: Node, x: Operand) -> Arg:
    """Numbers rounded towards zero."""
    return invoke("ops.trunc", x)


TRUNC = FusedOperator(
    "Trunc",
    phase="activations",
    steps=(Fusion(rounded_size_with_sign, trunc),),
    shape=shape_of_first,
    reference=reference,
    row=row,
)
