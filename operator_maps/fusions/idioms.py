"""Operators that ONNX does not have, which `converter.graph.fusions` recognises."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from converter.rows import Arg, Node, Operand, Unpacked, call, expr, invoke, reshape, transpose, unless_default
from operator_maps.lib.windows import scalar
from operator_maps.onnx import linear_algebra

if TYPE_CHECKING:
    from mindspore import ops


def dense(node: Node, x: Operand, weight: Operand, bias: Operand, *, axes: int = 1) -> Arg:
    """A product with a constant matrix, plus a vector: nn.Dense; the last `axes` of x are one for it."""
    summed, brought = weight.shape[:axes], weight.shape[axes:]  # type: ignore[index]
    sizes = math.prod(summed), math.prod(brought)  # type: ignore[arg-type]
    matrix = weight.weight(*([] if weight.rank == 2 else [reshape(*sizes)]), transpose(1, 0))
    vector = bias.weight(*([] if bias.rank == 1 else [reshape(-1)]))
    extents = (x.shape_python() or ())[:-axes]
    flat = x if axes == 1 else expr("{0}.reshape({1})", x, (*extents, sizes[0]))
    y = linear_algebra.dense(node, flat, matrix, vector)
    return y if len(brought) == 1 else expr("{0}.reshape({1})", y, (*extents, *brought))


def standardize(node: Node, x: Operand, *, axes: tuple[int, ...] = (), epsilon: float = 1e-5) -> Arg:
    """A norm without scale and bias (`nn.LayerNorm` always has both)."""
    return expr("{0}({1}, {2}, {3})", zero_mean_unit_variance, x, axes, epsilon)


def zero_mean_unit_variance(x, axes, epsilon):
    """Shift and scale `x` over `axes`."""
    x = x - ops.mean(x, axes, True)
    return x * ops.rsqrt(ops.mean(ops.square(x), axes, True) + epsilon)


def unbind(node: Node, x: Operand, *, axis: int = 0) -> Arg:
    """All elements along an axis: `q, k, v = ops.unbind(x)`."""
    return Unpacked(invoke("ops.unbind", x, *((axis,) if axis else ())))


def repeat_interleave(node: Node, x: Operand, *, repeats: int = 1, axis: int = 0) -> Arg:
    """Each element along an axis, several times."""
    return expr("ops.repeat_interleave({0}, {1}, {2})", x, repeats, axis)


def roll_row(node: Node, x: Operand, *, shift: int = 0, axis: int = 0) -> Arg:
    """Elements moved along an axis, from its end to its beginning (`ops.roll` has no CPU kernel)."""
    return expr("{0}({1}, {2}, {3})", roll, x, shift, axis)


def roll(x, shift, axis):
    """Move the elements along an axis; those that leave at one side come in at the other."""
    cut = -shift % x.shape[axis]
    before, behind = ops.split(x, [cut, x.shape[axis] - cut], axis)
    return ops.cat((behind, before), axis)


def rotate_half_row(node: Node, x: Operand) -> Arg:
    """The turn of rotary position embeddings."""
    return expr("{0}({1})", rotate_half, x)


def rotate_half(x):
    """Take the two halves of the last axis as coordinates, and turn every point by a right angle."""
    a, b = ops.chunk(x, 2, -1)
    return ops.cat((-b, a), -1)


def stack(node: Node, *parts: Operand, axis: int = 0) -> Arg:
    """Tensors along a new axis: `ops.stack((a, b), 1)`."""
    return invoke("ops.stack", parts, *((axis,) if axis else ()))


def unfold(
    node: Node,
    x: Operand,
    *,
    kernel: tuple[int, ...] = (1, 1),
    dilation: tuple[int, ...] = (1, 1),
    padding: tuple[int, ...] = (0, 0),
    stride: tuple[int, ...] = (1, 1),
) -> Arg:
    """The patches of an image as columns."""
    options = unless_default(dilation=(scalar(dilation), 1), padding=(scalar(padding), 0), stride=(scalar(stride), 1))
    return invoke("ops.unfold", x, scalar(kernel), **options)


ROWS = {
    "fusion.AdaptiveAvgPool": call("ops.adaptive_avg_pool2d({0}, {output_size})", output_size=(1, 1)),
    "fusion.ChannelShuffle": call("ops.channel_shuffle({0}, {groups})", groups=1),
    "fusion.Dense": dense,
    "fusion.PixelUnshuffle": call("ops.pixel_unshuffle({0}, {factor})", factor=1),
    "fusion.RepeatInterleave": repeat_interleave,
    "fusion.Roll": roll_row,
    "fusion.RotateHalf": rotate_half_row,
    "fusion.Stack": stack,
    "fusion.Standardize": standardize,
    "fusion.Unbind": unbind,
    "fusion.Unfold": unfold,
}
