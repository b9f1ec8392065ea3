"""Activation functions that exporters write as arithmetic."""

from __future__ import annotations

from math import pi, sqrt

import numpy as np
import onnx_ir as ir

from converter.graph.fusions.log import NoMatch
from converter.graph.fusions.pattern import Pattern, either, op, scalar
from converter.graph.fusions.rewrite import Builder, Fusion
from converter.graph.queries import is_float, numbers_of


def gelu_by_erf(x: Pattern) -> Pattern:
    """Gelu, exact; Keras writes it with the complement of erf."""
    return 0.5 * x * either(1 + op.Erf(x / sqrt(2)), 1 - op.Erf(op.Neg(x) / sqrt(2)))


def gelu(builder: Builder, x: ir.Value) -> ir.Value:
    """Gelu with `approximate` none."""
    return builder.Gelu(x, approximate="none")


def gelu_by_tanh(x: Pattern) -> Pattern:
    """Gelu approximated by tanh, with either form of the polynomial."""
    a, b = sqrt(2 / pi), 0.044715
    cubic = a * (x + either(b * op.Pow(x, 3), b * x * x * x))
    square = a * x * (1 + either(b * op.Pow(x, 2), b * x * x))
    return 0.5 * x * (1 + op.Tanh(either(cubic, square)))


def gelu_tanh(builder: Builder, x: ir.Value) -> ir.Value:
    """Gelu with `approximate` tanh."""
    return builder.Gelu(x, approximate="tanh")


def silu(x: Pattern) -> Pattern:
    """Swish with alpha 1."""
    return x * op.Sigmoid(x)


def swish(builder: Builder, x: ir.Value) -> ir.Value:
    """Swish."""
    return builder.Swish(x)


def sigmoid_of_scaled(x: Pattern, alpha: Pattern) -> Pattern:
    """Swish with any other alpha (1.702: an approximation of Gelu)."""
    return x * op.Sigmoid(op.Mul(x, scalar(alpha)))


def swish_alpha(builder: Builder, x: ir.Value, alpha: float) -> ir.Value:
    """Swish with an alpha."""
    return builder.Swish(x, alpha=alpha)


def _clip(x: Pattern, low: float, high: float) -> Pattern:
    lower = either(op.Max(x, low), op.Relu(x)) if low == 0 else op.Max(x, low)
    return either(op.Clip(x, low, high), op.Min(lower, high), op.Max(op.Min(x, high), low))


def min_and_max(x: Pattern, low: Pattern, high: Pattern) -> Pattern:
    """Clip by its bounds: `tf.clip_by_value`, NumPy's `minimum` and `maximum`."""
    return either(
        op.Min(op.Max(x, scalar(low)), scalar(high)),
        op.Max(op.Min(x, scalar(high)), scalar(low)),
    )


def clip(builder: Builder, x: ir.Value, low: float, high: float) -> ir.Value:
    """Clip of floats: integers may be larger than the numbers that a pattern binds."""
    if not is_float(x) or x.dtype is None:
        raise NoMatch("it has no floats")
    if not low <= high:
        raise NoMatch(f"its lower bound {low} is above the upper one {high}")
    dtype = x.dtype.numpy()
    return builder.Clip(
        x, builder.constant("low", np.array(low, dtype)), builder.constant("high", np.array(high, dtype))
    )


def clip_of_sum(x: Pattern) -> Pattern:
    """HardSigmoid of slope 1/6 by a Relu6."""
    return _clip(x + 3, 0, 6) / 6


def clip_of_line(x: Pattern, alpha: Pattern, divisor: Pattern, beta: Pattern) -> Pattern:
    """HardSigmoid of any slope."""
    return _clip(either(op.Mul(x, scalar(alpha)), op.Div(x, scalar(divisor))) + scalar(beta), 0, 1)


def hard_sigmoid(
    builder: Builder, x: ir.Value, alpha: float | None = 1 / 6, divisor: float | None = None, beta: float = 0.5
) -> ir.Value:
    """HardSigmoid."""
    slope = alpha if divisor is None else 1 / divisor
    return builder.HardSigmoid(x, alpha=slope, beta=beta)


def hard_swish_by_clip(x: Pattern) -> Pattern:
    """HardSwish with its HardSigmoid as Clip and Div."""
    return x * _clip(x + 3, 0, 6) / 6


def hard_swish_by_sigmoid(x: Pattern) -> Pattern:
    """HardSwish by a HardSigmoid."""
    return x * op.HardSigmoid(x, alpha=1 / 6, beta=0.5)


def hard_swish(builder: Builder, x: ir.Value) -> ir.Value:
    """HardSwish."""
    return builder.HardSwish(x)


def log_of_exp(x: Pattern) -> Pattern:
    """Softplus as log(1 + exp(x))."""
    return op.Log(op.Exp(x) + 1)


def linear_above_threshold(x: Pattern, threshold: Pattern) -> Pattern:
    """Softplus as torch exports it: above its threshold, x itself."""
    return op.Where(op.Greater(x, scalar(threshold)), x, op.Softplus(x))


def softplus_without_threshold(builder: Builder, x: ir.Value, threshold: float) -> ir.Value:
    """Softplus, when it equals x in float32 from the threshold on."""
    if threshold < 20:
        raise NoMatch(f"Softplus differs from x at its threshold {threshold}")
    return builder.Softplus(x)


def softplus(builder: Builder, x: ir.Value) -> ir.Value:
    """Softplus."""
    return builder.Softplus(x)


def tanh_of_softplus(x: Pattern) -> Pattern:
    """Mish."""
    return x * op.Tanh(op.Softplus(x))


def mish(builder: Builder, x: ir.Value) -> ir.Value:
    """Mish."""
    return builder.Mish(x)


def exp_over_sum(x: Pattern, axes: Pattern) -> Pattern:
    """Softmax that subtracts the maximum first."""
    exp = op.Exp(x - op.ReduceMax(x, axes, keepdims=1))
    return exp / op.ReduceSum(exp, axes, keepdims=1)


def softmax(builder: Builder, x: ir.Value, axes: ir.Value) -> ir.Value:
    """Softmax along one axis."""
    axis = numbers_of(axes) or ()
    if len(axis) != 1:
        raise NoMatch(f"it normalises the axes {axis}, not one")
    return builder.Softmax(x, axis=axis[0])


FUSIONS = (
    Fusion(gelu_by_erf, gelu),
    Fusion(gelu_by_tanh, gelu_tanh),
    Fusion(silu, swish),
    Fusion(sigmoid_of_scaled, swish_alpha),
    Fusion(min_and_max, clip),
    Fusion(clip_of_sum, hard_sigmoid),
    Fusion(clip_of_line, hard_sigmoid),
    Fusion(hard_swish_by_clip, hard_swish),
    Fusion(hard_swish_by_sigmoid, hard_swish),
    Fusion(log_of_exp, softplus),
    Fusion(linear_above_threshold, softplus_without_threshold),
    Fusion(tanh_of_softplus, mish),
    Fusion(exp_over_sum, softmax),
)
