"""Pooling: layers for windows of floats, reductions for whole images."""

from __future__ import annotations

from converter.operator_maps.windows import Window, scalar, window_of
from converter.rows import Arg, Node, Operand, expr, invoke

LOWEST = {"float16": -65504.0, "float32": -3.4028235e38, "float64": -1.7976931348623157e308}


def max_pool(
    node: Node,
    x: Operand,
    *,
    auto_pad: str = "NOTSET",
    ceil_mode: int = 0,
    dilations: tuple[int, ...] | None = None,
    kernel_shape: tuple[int, ...] = (),
    pads: tuple[int, ...] | None = None,
    storage_order: int = 0,
    strides: tuple[int, ...] | None = None,
) -> Arg:
    """ONNX MaxPool."""
    if len(node.used) > 1 and node.used[1]:
        raise node.decline("indices")
    window = window_of(node, x, kernel_shape, auto_pad, strides, dilations, pads, ceil_mode)
    return node.apply(invoke(f"nn.MaxPool{window.rank}d", *_size(window), *_padding(node, window)), {}, x)


def average_pool(
    node: Node,
    x: Operand,
    *,
    auto_pad: str = "NOTSET",
    ceil_mode: int = 0,
    count_include_pad: int = 0,
    dilations: tuple[int, ...] | None = None,
    kernel_shape: tuple[int, ...] = (),
    pads: tuple[int, ...] | None = None,
    strides: tuple[int, ...] | None = None,
) -> Arg:
    """ONNX AveragePool."""
    window = window_of(node, x, kernel_shape, auto_pad, strides, dilations, pads, ceil_mode)
    if max(window.dilations) > 1 or ceil_mode:
        raise node.decline("dilations")
    padding = _padding(node, window)
    if padding and padding[0] == "pad":
        return expr(
            "ops.avg_pool2d({0}, {1}, {2}, {3}, count_include_pad={4})",
            x,
            *_size(window),
            padding[1],
            bool(count_include_pad),
        )
    return node.apply(invoke(f"nn.AvgPool{window.rank}d", *_size(window), *padding), {}, x)


def _size(window: Window):
    return scalar(window.kernel), scalar(window.strides)


def _padding(node, window: Window):
    if window.auto_pad == "SAME_UPPER":
        return ("same",)
    if not window.symmetric:
        raise node.decline("asymmetric")
    return ("pad", scalar(window.begin)) if window.padded else ()


def global_average_pool(node: Node, x: Operand) -> Arg:
    """ONNX GlobalAveragePool: the mean over the spatial axes."""
    return expr("ops.mean({0}, {1}, keep_dims=True)", x, _spatial_axes(node, x))


def global_max_pool(node: Node, x: Operand) -> Arg:
    """ONNX GlobalMaxPool: the maximum over the spatial axes."""
    return expr("ops.amax({0}, {1}, keepdims=True)", x, _spatial_axes(node, x))


def _spatial_axes(node: Node, x: Operand) -> tuple[int, ...]:
    if x.rank is None:
        raise node.decline("the rank of its input is unknown")
    return tuple(range(2, x.rank))


ROWS = {
    "AveragePool": average_pool,
    "GlobalAveragePool": global_average_pool,
    "GlobalMaxPool": global_max_pool,
    "MaxPool": max_pool,
}
