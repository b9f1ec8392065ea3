"""NonZeroRows: the positions of elements that are not 0 as rows, as torch has them; ONNX has them as columns."""

from __future__ import annotations

import numpy as np
import onnx_ir as ir

from converter.graph.fusions import Builder, FusedOperator, Fusion, NoMatch, Pattern, Shape, op
from converter.rows import Arg, Node, Operand
from operator_maps.onnx.selection import rows_of_nonzero


def turned_columns(x: Pattern, perm: Pattern) -> Pattern:
    """The positions of NonZero, turned around."""
    return op.Transpose(op.NonZero(x), perm=perm)


def nonzero_rows(builder: Builder, x: ir.Value, perm: tuple[int, ...] | None) -> ir.Value:
    """NonZeroRows; a Transpose without `perm` turns all axes around."""
    if (perm is not None and tuple(perm) != (1, 0)) or not x.shape:
        raise NoMatch(f"it turns {perm}, of {x.shape}")
    return builder.fused(NONZERO_ROWS, x)


def shape(x: Shape) -> Shape:
    """(found, rank of x)."""
    return (None, len(x))


def reference(x: np.ndarray) -> np.ndarray:
    """`np.argwhere`."""
    return np.argwhere(x)


def row(node: Node, x: Operand) -> Arg:
    """The positions of elements that are not 0: `ops.nonzero(x)`."""
    return rows_of_nonzero(node, x)


NONZERO_ROWS = FusedOperator(
    "NonZeroRows",
    phase="views",
    steps=(Fusion(turned_columns, nonzero_rows),),
    shape=shape,
    reference=reference,
    row=row,
    dtype=ir.DataType.INT64,
)
