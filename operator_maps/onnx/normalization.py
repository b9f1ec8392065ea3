"""Normalisation layers (`nn`) if scale, bias and statistics are constants, functions otherwise."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

import onnx_ir as ir

from converter.rows import (
    Arg,
    Argument,
    Assign,
    Block,
    Branch,
    Call,
    Cell,
    Expression,
    Member,
    Node,
    Operand,
    Statement,
    Variable,
    expr,
    invoke,
    unless_default,
)
from operator_maps.lib.no_elements import unless_empty
from operator_maps.lib.precision import in_float32

if TYPE_CHECKING:
    import mindspore as ms
    from mindspore import ops

BATCH_NORMS = {2: "nn.BatchNorm1d", 3: "nn.BatchNorm1d", 4: "nn.BatchNorm2d", 5: "nn.BatchNorm3d"}
"""Rank of the input → layer."""


def batch_normalization(
    node: Node,
    x: Operand,
    scale: Operand,
    b: Operand,
    mean: Operand,
    variance: Operand,
    *,
    epsilon: float = 1e-5,
    momentum: float = 0.9,
    training_mode: int = 0,
) -> Arg:
    """ONNX BatchNormalization: `nn.BatchNorm2d` on constant vectors, else arithmetic.

    `x` is (N, C, …), the others are (C,). In ONNX and in MindSpore `momentum` is the fraction of the running statistics
    that is kept. A layer that the source freezes never uses the batch's statistics; in training mode a layer always
    does; if the graph reads the updated running statistics, a function computes all three outputs.

    Raises:
        Unsupported: the rank of the input is unknown.
    """
    vectors = (scale, b, mean, variance)
    if x.rank is None:
        raise node.decline("the rank of its input is unknown")
    if training_mode and any(node.used[1:]):
        template = "{0}({1}, {2}, {3}, {4}, {5}, {6}, {7})"
        results = ("y", "running_mean", "running_variance")
        moved = node.unpack(results, expr(template, batch_norm_training, x, *vectors, momentum, epsilon))
        return moved[: len(node.outputs)]
    is_layer = x.rank in BATCH_NORMS and all(v.is_weight and v.shape == scale.shape for v in vectors)
    if not is_layer or len({v.dtype for v in vectors}) > 1 or scale.dtype == ir.DataType.DOUBLE:
        if training_mode:
            return expr(
                "{0}({1}, {2}, {3}, {4}, {5}, {6}, {7})[0]", batch_norm_training, x, *vectors, momentum, epsilon
            )
        return expr("{0}({1}, {2}, {3}, {4}, {5}, {6})", batch_norm, x, *vectors, epsilon)
    statistics = True if training_mode else False if scale.is_of_inference or b.is_of_inference else None
    options = unless_default(eps=(epsilon, 1e-5), momentum=(momentum, 0.9), use_batch_statistics=(statistics, None))
    options |= _affine(scale, b)
    prefix = "bn2d." if x.rank == 5 else ""
    weights = {
        f"{prefix}moving_mean": replace(mean.weight(), trainable=False),
        f"{prefix}moving_variance": replace(variance.weight(), trainable=False),
        f"{prefix}gamma": scale.weight(),
        f"{prefix}beta": b.weight(),
    }
    options |= dtype_of(node, scale)
    if node.is_biased and statistics is None:
        weights = {f"norm.{key}": weight for key, weight in weights.items()}
        made = node.cell(_BIASED_BATCH_NORMS[x.rank])
        layer = Call(made, (scale.shape[0], *options.values()), tuple(options))  # type: ignore[index]
    else:
        layer = invoke(BATCH_NORMS[x.rank], scale.shape[0], **options)  # type: ignore[index]
    return node.apply(layer, weights, x)


def biased_batch_norm_class(rank: int) -> Cell:
    """`BiasedBatchNorm2d(num_features, …)`: a batch norm whose variance moves towards that of the batch itself."""
    name = BATCH_NORMS[rank].removeprefix("nn.")
    size = Argument("num_features")
    options = {key: Argument(key, default, has_default=True) for key, default in _DEFAULTS.items()}
    made = invoke(BATCH_NORMS[rank], size, **options)
    norm, x, y = Member("norm", made), Variable("x"), Variable("y")
    variance = expr("{0}.bn2d.moving_variance" if rank == 5 else "{0}.moving_variance", norm)
    of_batch, surplus = Variable("variance"), Variable("surplus")
    axes = expr("(0, *range(2, {0}.ndim))", x) if rank < 4 else (0, *range(2, rank))
    batch = expr("ops.var(ops.stop_gradient({0}).astype(ms.float32), {1}, 1)", x, axes)
    too_much = expr("{0} * ((1 - {1}) * {2}.shape[1] / {2}.size)", of_batch, options["momentum"], x)
    moved = expr("ops.assign_sub({0}, {1}.astype({0}.dtype))", variance, surplus)
    corrected = Block([Assign((of_batch,), batch), Assign((surplus,), too_much), Assign((), moved)])
    statements: list[Statement] = [
        Assign((y,), Call(norm, (x,))),
        Branch((), expr("self.training"), corrected, Block()),
    ]
    return Cell(
        f"Biased{name}",
        f"A batch norm whose moving variance follows that of the batch, of n values; nn.{name}'s n / (n - 1) of it.",
        arguments=[size, *options.values()],
        members=[norm],
        inputs=[x],
        body=Block(statements, (y,)),
    )


_DEFAULTS = {"eps": 1e-5, "momentum": 0.9, "affine": True, "dtype": expr("ms.float32")}
_BIASED_BATCH_NORMS = {rank: partial(biased_batch_norm_class, rank) for rank in BATCH_NORMS}


def _affine(scale: Operand, b: Operand) -> dict[str, Any]:
    """The option `affine` of a layer whose scale and bias the source does not train, else no option."""
    return unless_default(affine=(is_trained(scale, b), True))


def is_trained(*vectors: Operand) -> bool:
    """Whether the source trains one of these weights."""
    return any(vector.weight().trainable for vector in vectors)


def dtype_of(node: Node, weight: Operand) -> dict[str, Any]:
    """The option `dtype` of a layer if its parameters are not float32, else no option."""
    return unless_default(dtype=(node.mindspore_dtype(weight.dtype), expr("ms.float32")))


def batch_norm(x, scale, bias, mean, variance, epsilon):
    """Normalise every channel by given statistics."""
    shape = (-1,) + (1,) * (x.ndim - 2)
    scale = (scale * ops.rsqrt(variance + epsilon)).reshape(shape)
    return ((x - mean.reshape(shape)) * scale + bias.reshape(shape)).astype(x.dtype)


def batch_norm_training(x, scale, bias, mean, variance, momentum, epsilon):
    """Normalise every channel by its own statistics, and move the running ones towards them."""
    axes = (0, *range(2, x.ndim))
    batch_mean = ops.mean(x, axes)
    shape = (-1,) + (1,) * (x.ndim - 2)
    batch_variance = ops.mean(ops.square(x - batch_mean.reshape(shape)), axes)
    y = batch_norm(x, scale, bias, batch_mean, batch_variance, epsilon)
    mean = mean * momentum + batch_mean.astype(mean.dtype) * (1 - momentum)
    variance = variance * momentum + batch_variance.astype(variance.dtype) * (1 - momentum)
    return y, mean, variance


def instance_normalization(node: Node, x: Operand, scale: Operand, b: Operand, *, epsilon: float = 1e-5) -> Arg:
    """ONNX InstanceNormalization: a group norm with one group per channel (InstanceNorm2d has no CPU kernel)."""
    channels = scale.shape[0] if scale.shape is not None else None
    if channels is None and x.shape is not None:
        channels = x.shape[1]
    if channels is None:
        return expr("{0}({1}, {2}, {3}, {4})", instance_norm, x, scale, b, epsilon)
    return _group_norm(node, x, channels, channels, scale, b, epsilon)


def instance_norm(x, scale, bias, epsilon):
    """Normalise every channel of every item by its own mean and variance, in float32."""
    axes, shape = tuple(range(2, x.ndim)), (1, -1) + (1,) * (x.ndim - 2)
    wide = x.astype(ms.float32)
    centred = wide - ops.mean(wide, axes, True)
    normalized = centred * ops.rsqrt(ops.mean(ops.square(centred), axes, True) + epsilon)
    return normalized.astype(x.dtype) * scale.reshape(shape) + bias.reshape(shape)


def group_normalization(
    node: Node,
    x: Operand,
    scale: Operand,
    b: Operand,
    *,
    epsilon: float = 1e-5,
    num_groups: int = 1,
    stash_type: int = 1,
) -> Arg:
    """ONNX GroupNormalization: `nn.GroupNorm` on constant vectors, else `ops.group_norm`; both compute in float32."""
    channels = scale.shape[0] if scale.shape is not None else None
    return _group_norm(node, x, num_groups, channels, scale, b, epsilon)


def _group_norm(
    node: Node, x: Operand, groups: int, channels: int | None, scale: Operand, b: Operand, epsilon: float
) -> Expression:
    if scale.is_weight and b.is_weight and scale.shape == b.shape == (channels,):
        options = unless_default(eps=(epsilon, 1e-5)) | _affine(scale, b) | dtype_of(node, scale)
        weights = {"gamma": scale.weight(), "beta": b.weight()}
        return node.apply(invoke("nn.GroupNorm", groups, channels, **options), weights, x)
    return expr("ops.group_norm({0}, {1}, {2}, {3}, {4})", x, groups, scale, b, epsilon)


def layer_normalization(
    node: Node,
    x: Operand,
    scale: Operand,
    b: Operand | None,
    *,
    axis: int = -1,
    epsilon: float = 1e-5,
    stash_type: int = 1,
) -> Arg:
    """ONNX LayerNormalization: `nn.LayerNorm` on a trained scale and bias, else `ops.LayerNorm`.

    Without a bias it is a function, as the layer always has a bias; so too without anything that is trained.
    """
    axes = axes_from(node, x, axis)
    if any(node.used[1:]) or not _covers(scale, x, axes) or (b is not None and b.shape != scale.shape):
        template = "{0}({1}, {2}, {3})"
        normalized, mean, deviation = node.unpack(
            ("normalized", "mean", "inverse_deviation"), expr(template, standardize, x, axes, epsilon)
        )
        y = expr("{0}.astype({1}.dtype) * {2}", normalized, x, scale)
        y = y if b is None else expr("{0} + {1}", y, b)
        return (y, mean, deviation)[: len(node.outputs)]
    begin = -1 if len(axes) == 1 else x.rank - len(axes)  # type: ignore[operator]
    plain = scale.is_weight and not is_trained(scale) and _holds(scale, 1)
    if plain and (b is None or (b.is_weight and not is_trained(b) and _holds(b, 0))):
        return expr("{0}({1}, {2}, {3})", normalize, x, begin, epsilon)
    if b is not None and scale.is_weight and b.is_weight and is_trained(scale, b):
        options = unless_default(begin_norm_axis=(begin, -1), begin_params_axis=(begin, -1), epsilon=(epsilon, 1e-7))
        weights = {"gamma": scale.weight(), "beta": b.weight()}
        layer = invoke("nn.LayerNorm", scale.shape, **options, **dtype_of(node, scale))
        return unless_empty(x, node.apply(layer, weights, x))
    if b is None:
        return unless_empty(x, expr("{0}({1}, {2}, {3}, {4})", layer_norm, x, scale, begin, epsilon))
    y = expr("ops.LayerNorm({0}, {0}, {1})({2}, {3}, {4})[0]", begin, epsilon, x, scale, b)
    return unless_empty(x, y)


def _holds(vector: Operand, number: int) -> bool:
    """Whether all elements of a constant are this number."""
    array = vector.constant
    return array is not None and bool((array == number).all())


def normalize(x, begin, epsilon):
    """Give `x` mean 0 and variance 1 from the axis `begin` on: nn.LayerNorm without scale and bias."""
    ones = ops.ones(x.shape[begin:], dtype=x.dtype)
    return ops.LayerNorm(begin, begin, epsilon)(x, ones, ops.zeros_like(ones))[0]


def layer_norm(x, scale, begin, epsilon):
    """Give `x` mean 0 and variance 1 from the axis `begin` on, then scale: nn.LayerNorm without a bias."""
    return ops.LayerNorm(begin, begin, epsilon)(x, scale, ops.zeros_like(scale))[0]


def _covers(scale: Operand, x: Operand, axes: tuple[int, ...]) -> bool:
    """Whether the shape of the scale is that of the normalised axes of `x`, so that it is not broadcast."""
    if scale.shape is None or None in scale.shape or len(scale.shape) != len(axes):
        return False
    extents = (None,) * len(axes) if x.shape is None else x.shape[-len(axes) :]
    return all(s == extent or (extent is None and s != 1) for s, extent in zip(scale.shape, extents, strict=True))


def standardize(x, axes, epsilon):
    """Give `x` mean 0 and variance 1 over `axes`, in float32; also return the mean and the scale."""
    wide = x.astype(ms.float32)
    mean = ops.mean(wide, axes, True)
    scale = ops.rsqrt(ops.mean(ops.square(wide - mean), axes, True) + epsilon)
    return (wide - mean) * scale, mean, scale


def axes_from(node: Node, x: Operand, axis: int) -> tuple[int, ...]:
    """The axes from `axis` to the last, as negative numbers."""
    if axis >= 0 and x.rank is None:
        raise node.decline("the rank of its input is unknown")
    return tuple(range(axis if axis < 0 else axis - x.rank, 0))  # type: ignore[operator]


def lp_normalization(node: Node, x: Operand, *, axis: int = -1, p: int = 2) -> Arg:
    """ONNX LpNormalization: division by the 1-norm or 2-norm along an axis; vectors of zeros stay zeros."""
    return in_float32(x.dtype, lambda wide: expr("{0}({1}, {2}, {3})", lp_normalize, wide, p, axis), x)


def lp_normalize(x, p, axis):
    """Divide by the p-norm along `axis`; p is 1 or 2."""
    norm = ops.abs(x).sum(axis, keepdims=True) if p == 1 else ops.sqrt(ops.square(x).sum(axis, keepdims=True))
    return x / ops.where(norm == 0, ops.ones_like(norm), norm)


def mean_variance_normalization(node: Node, x: Operand, *, axes: tuple[int, ...] = (0, 2, 3)) -> Arg:
    """ONNX MeanVarianceNormalization: a function; 1e-9 is added to the deviation, as in the specification."""
    return in_float32(x.dtype, lambda wide: expr("{0}({1}, {2})", mean_variance_normalize, wide, tuple(axes)), x)


def mean_variance_normalize(x, axes):
    """Subtract the mean over `axes` and divide by the standard deviation."""
    centred = x - ops.mean(x, axes, True)
    return centred / (ops.sqrt(ops.mean(ops.square(centred), axes, True)) + 1e-9)


def local_response_normalization(
    node: Node, x: Operand, *, alpha: float = 0.0001, beta: float = 0.75, bias: float = 1.0, size: int = 1
) -> Arg:
    """ONNX LRN: a function, as `nn.LRN` supports neither Ascend nor an even number of channels."""
    if x.rank is None:
        raise node.decline("the rank of its input is unknown")
    template = "{0}({1}, {2}, {3}, {4}, {5})"
    y = in_float32(x.dtype, lambda wide: expr(template, local_response_norm, wide, size, alpha, beta, bias), x)
    return unless_empty(x, y)


def local_response_norm(x, size, alpha, beta, bias):
    """Divide by a power of the sum of squares over `size` neighbouring channels."""
    channels = x.shape[1]
    widths = ((0, 0), ((size - 1) // 2, size // 2)) + ((0, 0),) * (x.ndim - 2)
    squares = ops.Pad(widths)(ops.square(x))
    total = squares[:, :channels]
    for i in range(1, size):
        total = total + squares[:, i : channels + i]
    return x / ops.pow(bias + alpha / size * total, beta)


ROWS = {
    "BatchNormalization": batch_normalization,
    "GroupNormalization": group_normalization,
    "InstanceNormalization": instance_normalization,
    "LRN": local_response_normalization,
    "LayerNormalization": layer_normalization,
    "LpNormalization": lp_normalization,
    "MeanVarianceNormalization": mean_variance_normalization,
}
