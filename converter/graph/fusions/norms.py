"""Normalisation layers that exporters write as arithmetic."""

from __future__ import annotations

import onnx_ir as ir

from converter.graph.fusions.log import NoMatch
from converter.graph.fusions.pattern import Pattern, constant, either, named, op, scalar
from converter.graph.fusions.rewrite import Builder, Fusion
from converter.graph.queries import axes_of, has_shape_of, is_filled, numbers_of, rank_of, shape_of, spans


def over_root(x: Pattern, square: Pattern) -> Pattern:
    """A value over a square root."""
    return either(x / op.Sqrt(square), x / op.Pow(square, 0.5), x * op.Pow(square, -0.5))


def mean(x: Pattern, axes: Pattern) -> Pattern:
    """The mean over `axes`, which stay with extent 1 (keepdims)."""
    return op.ReduceMean(x, axes, keepdims=1)


def mean_square(x: Pattern, axes: Pattern) -> Pattern:
    """The mean of the squares over `axes`, which stay with extent 1 (keepdims)."""
    return mean(either(x * x, op.Pow(x, 2)), axes)


# Statistics computed from the input


def deviation_over_root(x: Pattern, axes: Pattern, epsilon: Pattern, gamma: Pattern, beta: Pattern) -> Pattern:
    """The deviation from the mean over the standard deviation, times a scale, plus a bias."""
    deviation = x - mean(x, axes)
    variance = mean_square(deviation, axes)
    return over_root(deviation * constant(gamma), variance + scalar(epsilon)) + constant(beta)


def factor_and_rest(x: Pattern, axes: Pattern, epsilon: Pattern, gamma: Pattern, beta: Pattern) -> Pattern:
    """The same in the form `x * factor + rest`, as TensorFlow and Keras write it."""
    center = mean(x, axes)
    factor = over_root(constant(gamma), mean_square(x - center, axes) + scalar(epsilon))
    rest = either(constant(beta) - op.Mul(center, factor), op.Mul(op.Neg(center), factor) + constant(beta))
    return op.Mul(x, factor) + rest


def scaled_deviation_over_root(x: Pattern, axes: Pattern, epsilon: Pattern, gamma: Pattern) -> Pattern:
    """The deviation from the mean over the standard deviation, times a scale."""
    deviation = x - mean(x, axes)
    return over_root(deviation * constant(gamma), mean_square(deviation, axes) + scalar(epsilon))


def layer_instance_or_group_norm(
    builder: Builder, x: ir.Value, axes: ir.Value, epsilon: float, gamma: ir.Value, beta: ir.Value | None = None
) -> ir.Value:
    """LayerNormalization; with scale and bias per channel, InstanceNormalization or GroupNormalization."""
    rank, count = rank_of(x) or 0, _count_last(x, axes)
    normalised = (shape_of(x) or ())[rank - count :]
    if spans(gamma, normalised) and (beta is None or spans(beta, normalised)):
        vectors = [builder.reshaped(vector, normalised) for vector in (gamma, beta) if vector is not None]
        return builder.LayerNormalization(x, *vectors, axis=-count, epsilon=epsilon)
    if beta is None or rank < 3 or count not in (rank - 2, rank - 1) or not _are_per_channel(x, gamma, beta):
        shapes = " and bias ".join(str(shape_of(vector)) for vector in (gamma, beta) if vector is not None)
        raise NoMatch(f"its scale has shape {shapes}, the normalised axes {normalised}")
    scale, bias = _per_channel(builder, x, gamma, beta)
    if count == rank - 2:
        return builder.InstanceNormalization(x, scale, bias, epsilon=epsilon)
    return builder.GroupNormalization(x, scale, bias, epsilon=epsilon, num_groups=1)


def _count_last(x: ir.Value, axes: ir.Value) -> int:
    """The number of `axes`, which must be the last axes of `x`.

    Raises:
        NoMatch: they are other axes, or unknown.
    """
    positive, rank = axes_of(axes, x), rank_of(x)
    if not positive or rank is None:
        raise NoMatch("its axes or the rank of its input are unknown")
    if positive != tuple(range(rank - len(positive), rank)):
        raise NoMatch(f"it normalises the axes {positive} of {rank}, which are not the last ones")
    return len(positive)


def _are_per_channel(x: ir.Value, *vectors: ir.Value) -> bool:
    """Whether vectors have one element for each channel of x, (N, C, ...): shape (C, 1, ...)."""
    wanted = (shape_of(x) or ())[1:2] + (1,) * ((rank_of(x) or 0) - 2)
    return all(spans(vector, wanted) for vector in vectors)


def _per_channel(builder: Builder, x: ir.Value, *vectors: ir.Value) -> list[ir.Value]:
    """Reshape vectors with one element for each channel of x, (N, C, ...), to (C,).

    Raises:
        NoMatch: one has another shape.
    """
    if not _are_per_channel(x, *vectors):
        shapes = ", ".join(str(shape_of(vector)) for vector in vectors)
        raise NoMatch(f"its parameters have the shapes {shapes}, not one number for each channel of {shape_of(x)}")
    return [builder.reshaped(vector, (shape_of(x) or ())[1:2]) for vector in vectors]


def over_root_mean_square(x: Pattern, axes: Pattern, epsilon: Pattern, gamma: Pattern) -> Pattern:
    """A value divided by the square root of its mean square, times a scale."""
    return over_root(x * constant(gamma), mean_square(x, axes) + scalar(epsilon))


def rms_norm(builder: Builder, x: ir.Value, axes: ir.Value, epsilon: float, gamma: ir.Value) -> ir.Value:
    """RMSNormalization."""
    count = _count_last(x, axes)
    normalised = (shape_of(x) or ())[-count:]
    if not spans(gamma, normalised):
        raise NoMatch(f"its scale has shape {shape_of(gamma)}, the normalised axes {normalised}")
    return builder.RMSNormalization(x, builder.reshaped(gamma, normalised), axis=-count, epsilon=epsilon)


def norm_of_groups(
    x: Pattern,
    split: Pattern,
    ones: Pattern,
    zeros: Pattern,
    epsilon: Pattern,
    shape: Pattern,
    y: Pattern,
    gamma: Pattern,
    beta: Pattern,
) -> Pattern:
    """An InstanceNormalization of channels reshaped to groups, then a scale and a bias per channel."""
    groups = op.InstanceNormalization(op.Reshape(x, split), ones, zeros, epsilon=epsilon)
    return named(y, op.Reshape(groups, shape)) * constant(gamma) + constant(beta)


def group_norm(
    builder: Builder,
    x: ir.Value,
    split: ir.Value,
    ones: ir.Value,
    zeros: ir.Value,
    epsilon: float,
    y: ir.Value,
    gamma: ir.Value,
    beta: ir.Value,
) -> ir.Value:
    """GroupNormalization."""
    batch, groups, *rest = numbers_of(split) or (None, None)
    if batch != 0 or len(rest) != 1 or not has_shape_of(y, x):
        raise NoMatch("its reshapes do not split the channels into groups and merge them again")
    _want_no_scale(ones, zeros)
    scale, bias = _per_channel(builder, x, gamma, beta)
    return builder.GroupNormalization(x, scale, bias, epsilon=epsilon, num_groups=groups)


def _want_no_scale(ones: ir.Value, zeros: ir.Value) -> None:
    """Check that a normalisation has scale 1 and bias 0.

    Raises:
        NoMatch: it has others.
    """
    if not is_filled(ones, 1) or not is_filled(zeros, 0):
        raise NoMatch("the InstanceNormalization has a scale or bias of its own")


def norm_of_channels(
    x: Pattern, ones: Pattern, zeros: Pattern, epsilon: Pattern, gamma: Pattern, beta: Pattern
) -> Pattern:
    """An InstanceNormalization of scale 1 and bias 0, then Mul and Add of a number for each channel."""
    return op.InstanceNormalization(x, ones, zeros, epsilon=epsilon) * constant(gamma) + constant(beta)


def instance_norm(
    builder: Builder,
    x: ir.Value,
    ones: ir.Value,
    zeros: ir.Value,
    epsilon: float,
    gamma: ir.Value,
    beta: ir.Value,
) -> ir.Value:
    """InstanceNormalization with that scale and bias."""
    _want_no_scale(ones, zeros)
    return builder.InstanceNormalization(x, *_per_channel(builder, x, gamma, beta), epsilon=epsilon)


# Constant statistics


def running_deviation_over_root(
    x: Pattern, mean: Pattern, variance: Pattern, epsilon: Pattern, gamma: Pattern, beta: Pattern
) -> Pattern:
    """The deviation from a constant mean over a constant standard deviation, times a scale, plus a bias."""
    deviation = (x - constant(mean)) * constant(gamma)
    return over_root(deviation, constant(variance) + scalar(epsilon)) + constant(beta)


def running_factor_and_rest(
    x: Pattern, mean: Pattern, variance: Pattern, epsilon: Pattern, gamma: Pattern, beta: Pattern
) -> Pattern:
    """The same in the form `x * factor + rest`."""
    factor = over_root(constant(gamma), constant(variance) + scalar(epsilon))
    return op.Mul(x, factor) + (constant(beta) - op.Mul(constant(mean), factor))


def batch_norm(
    builder: Builder,
    x: ir.Value,
    mean: ir.Value,
    variance: ir.Value,
    epsilon: float,
    gamma: ir.Value,
    beta: ir.Value,
) -> ir.Value:
    """BatchNormalization."""
    if (rank_of(x) or 0) < 2:
        raise NoMatch("its input has no axis of channels, or an unknown rank")
    return builder.BatchNormalization(x, *_per_channel(builder, x, gamma, beta, mean, variance), epsilon=epsilon)


FUSIONS = (
    Fusion(deviation_over_root, layer_instance_or_group_norm),
    Fusion(factor_and_rest, layer_instance_or_group_norm),
    Fusion(norm_of_groups, group_norm),
    Fusion(norm_of_channels, instance_norm),
    Fusion(running_deviation_over_root, batch_norm),
    Fusion(running_factor_and_rest, batch_norm),
)
WITHOUT_BIAS = (
    Fusion(scaled_deviation_over_root, layer_instance_or_group_norm),
    Fusion(over_root_mean_square, rms_norm),
)
