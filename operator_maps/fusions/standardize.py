"""Standardize: a norm without scale and bias."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import onnx_ir as ir

from converter.graph import numbers_of
from converter.graph.fusions import (
    Builder,
    FusedOperator,
    Fusion,
    Pattern,
    mean,
    mean_square,
    over_root,
    scalar,
    shape_of_first,
)
from converter.rows import Arg, Node, Operand, expr

if TYPE_CHECKING:
    from mindspore import ops


def deviation_alone(x: Pattern, axes: Pattern, epsilon: Pattern) -> Pattern:
    """The deviation from the mean over the standard deviation, and no scale."""
    deviation = x - mean(x, axes)
    return over_root(deviation, mean_square(deviation, axes) + scalar(epsilon))


def standardize(builder: Builder, x: ir.Value, axes: ir.Value, epsilon: float) -> ir.Value | None:
    """Standardize: ONNX's norms want a scale, which the source does not have."""
    numbers = numbers_of(axes)
    return builder.fused(STANDARDIZE, x, axes=numbers, epsilon=epsilon) if numbers else None


def reference(x: np.ndarray, *, axes: tuple[int, ...] = (), epsilon: float = 1e-5) -> np.ndarray:
    """Zero mean and unit variance over some axes, computed in 64 bits."""
    wide, axes = x.astype(np.float64), tuple(axes)
    wide = wide - wide.mean(axes, keepdims=True)
    return (wide / np.sqrt(np.square(wide).mean(axes, keepdims=True) + epsilon)).astype(x.dtype)


def row(node: Node, x: Operand, *, axes: tuple[int, ...] = (), epsilon: float = 1e-5) -> Arg:
    """A norm without scale and bias (`nn.LayerNorm` always has both)."""
    return expr("{0}({1}, {2}, {3})", zero_mean_unit_variance, x, axes, epsilon)


def zero_mean_unit_variance(x, axes, epsilon):
    """Shift and scale `x` over `axes`."""
    x = x - ops.mean(x, axes, True)
    return x * ops.rsqrt(ops.mean(ops.square(x), axes, True) + epsilon)


STANDARDIZE = FusedOperator(
    "Standardize",
    phase="norms without a scale",
    steps=(Fusion(deviation_alone, standardize),),
    shape=shape_of_first,
    reference=reference,
    row=row,
)
