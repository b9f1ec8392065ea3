"""MaskedSoftmax: the softmax of attention, with zeros in rows of which a mask hides everything, as in PyTorch."""

from __future__ import annotations

import math

import numpy as np
import onnx_ir as ir

from converter.graph import may_hide_rows, numbers_of, rank_of
from converter.graph.fusions import Builder, FusedOperator, Fusion, Pattern, op, scalar, shape_of_first
from converter.rows import Arg, Node, Operand, expr
from operator_maps.lib.masked_softmax import masked_softmax


def zeros_in_hidden_rows(scores: Pattern, axes: Pattern, infinity: Pattern, zero: Pattern) -> Pattern:
    """Softmax with zeros in rows of minus infinity, as `converter/frontends/pytorch/functions.py` writes it."""
    hidden = op.Equal(op.ReduceMax(scores, axes, keepdims=1), scalar(infinity))
    return op.Where(hidden, scalar(zero), op.Softmax(op.Where(hidden, scalar(zero), scores), axis=-1))


def softmax(builder: Builder, scores: ir.Value, axes: ir.Value, infinity: float, zero: float) -> ir.Value | None:
    """MaskedSoftmax; Softmax, where no whole row can be hidden."""
    rank = rank_of(scores)
    if (infinity, zero) != (-math.inf, 0) or rank is None or numbers_of(axes) not in ((-1,), (rank - 1,)):
        return None
    return builder.fused(MASKED_SOFTMAX, scores) if may_hide_rows(scores) else builder.Softmax(scores, axis=-1)


def reference(scores: np.ndarray) -> np.ndarray:
    """Softmax along the last axis, computed in 64 bits; zeros in a row of minus infinity."""
    wide = scores.astype(np.float64)
    largest = wide.max(-1, keepdims=True, initial=-np.inf)
    weights = np.exp(wide - np.where(np.isneginf(largest), 0, largest))
    total = weights.sum(-1, keepdims=True)
    return (weights / np.where(total == 0, 1, total)).astype(scores.dtype)


def row(node: Node, scores: Operand) -> Arg:
    """The softmax of PyTorch's attention, where a mask may hide a whole row."""
    return expr("{0}({1})", masked_softmax, scores)


MASKED_SOFTMAX = FusedOperator(
    "MaskedSoftmax",
    phase="attention",
    steps=(Fusion(zeros_in_hidden_rows, softmax),),
    shape=shape_of_first,
    reference=reference,
    row=row,
)
