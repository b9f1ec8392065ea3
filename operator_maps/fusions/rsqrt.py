"""Rsqrt: the reciprocal of a square root, which ONNX does not have; norms multiply by it."""

from __future__ import annotations

import numpy as np
import onnx_ir as ir

from converter.graph.fusions import Builder, FusedOperator, Fusion, NoMatch, Pattern, op, shape_of_first
from converter.rows import Arg, Node, Operand, invoke


def reciprocal_of_root(x: Pattern) -> Pattern:
    """The reciprocal of a square root."""
    return op.Reciprocal(op.Sqrt(x))


def rsqrt(builder: Builder, x: ir.Value) -> ir.Value:
    """Rsqrt, of types that do not round the root in between to a few digits."""
    if x.dtype not in (ir.DataType.FLOAT, ir.DataType.DOUBLE):
        raise NoMatch(f"it is a root of {x.dtype}")
    return builder.fused(RSQRT, x)


def reference(x: np.ndarray) -> np.ndarray:
    """1 / sqrt(x)."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(1, x.dtype) / np.sqrt(x)


def row(node: Node, x: Operand) -> Arg:
    """The reciprocal of a square root."""
    return invoke("ops.rsqrt", x)


RSQRT = FusedOperator(
    "Rsqrt",
    phase="roots",
    steps=(Fusion(reciprocal_of_root, rsqrt),),
    shape=shape_of_first,
    reference=reference,
    row=row,
)
