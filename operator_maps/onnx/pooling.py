"""Pooling: layers if they compute exactly ONNX's windows, else compositions; global pooling as reductions."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import onnx_ir as ir

from converter.graph import may_be_empty
from converter.rows import Arg, Expression, Node, Operand, expr, invoke, unless_default
from operator_maps.lib.precision import in_float32
from operator_maps.lib.windows import Window, pad_input, padding_of, scalar, sizes_of, window_of
from operator_maps.onnx.slicing import subscript

if TYPE_CHECKING:
    from mindspore import ops

LOWEST = {
    ir.DataType.FLOAT16: -65504.0,
    ir.DataType.FLOAT: -3.4028234663852886e38,
    ir.DataType.DOUBLE: -1.7976931348623157e308,
}
"""The padding value of max pooling by element type: lower than every element."""


def _window(node: Node, x: Operand, kernel: Sequence[int], auto_pad: str, *rest: Any) -> Window:
    window = window_of(node, x, kernel, auto_pad, *rest)
    if auto_pad.startswith("SAME") and max(window.dilations) > 1:
        raise node.decline(f"onnxruntime and ONNX's specification differ on {auto_pad} with dilations")
    return window


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
    """ONNX MaxPool in one to three dimensions: `nn.MaxPool2d`.

    `x` is (N, C, H, W). Padding that the layer does not support (asymmetric, more than half the kernel) is an `ops.Pad`
    before it. Integers are computed in float32, as MindSpore's kernels pad them with 0. The layer's indices are flat
    indices into a plane (H, W), ONNX's into the whole tensor: a function converts them.

    Raises:
        Unsupported: the padding is negative, or there are more than three spatial axes; or the indices count from
            padding that depends on a free extent.
    """
    window = _window(node, x, kernel_shape, auto_pad, strides, dilations, pads, ceil_mode)
    integer, indexed = x.kind in "iu", len(node.used) > 1 and node.used[1]
    source: Arg = expr("{0}.astype(ms.float32)", x) if integer else x
    same = window.plain and window.auto_pad == "SAME_UPPER" and not indexed
    begin = (0,) * window.rank
    given = window
    if not same and not _layer_supports(window):
        if window.ceil_mode:
            window = window.without_ceil_mode(sizes_of(x, window.rank))
        source = pad_input(source, window, LOWEST[ir.DataType.FLOAT if integer else x.dtype])  # type: ignore[index]
        source = node.let("padded", source) if indexed else source
        begin, window = window.begin, window.without_padding()  # type: ignore[assignment]
    bare = window.plain and not window.padded and not indexed
    if bare and window.rank < 3 and may_be_empty(x.value):  # the layer refuses a batch of no images
        y: Arg
        if window.rank == 2:
            y = expr("ops.max_pool2d({0}, {1}, {2})", source, scalar(window.kernel), scalar(window.strides))
        else:
            plane = expr("ops.unsqueeze({0}, 2)", source)
            y = expr("ops.max_pool2d({0}, {1}, {2})", plane, (1, *window.kernel), (1, *window.strides))
            y = expr("ops.squeeze({0}, 2)", y)
        y = _in_the_input(x, y, given)
        return expr("{0}.astype({1})", y, node.dtype()) if integer else y
    options = unless_default(
        pad_mode=("same" if same else "valid" if bare else "pad", "valid"),
        padding=(0 if same else scalar(window.begin), 0),
        dilation=(scalar(window.dilations), 1),
        return_indices=(indexed, False),
        ceil_mode=(window.ceil_mode, False),
    )
    layer = invoke(f"nn.MaxPool{window.rank}d", scalar(window.kernel), scalar(window.strides), **options)
    pooled = node.apply(layer, {}, source)
    if not indexed:
        y = _in_the_input(x, pooled, given)
        return expr("{0}.astype({1})", y, node.dtype()) if integer else y
    y, found = (_in_the_input(x, part, given) for part in node.unpack(("values", "indices"), pooled))
    if None in begin:
        raise node.decline("its indices count from padding that depends on a free extent")
    template = "{0}({1}, {2}.shape, {3}.shape, {4}, {5})"
    indices = expr(template, whole_indices, found, x, source, begin, bool(storage_order))
    return expr("{0}.astype({1})", y, node.dtype()) if integer else y, indices


def _layer_supports(window: Window) -> bool:
    """Whether `nn.MaxPool2d` supports the padding: symmetric, at most half the kernel."""
    return window.symmetric and all(2 * pad <= k for pad, k in zip(window.begin, window.kernel, strict=True))  # type: ignore[operator]


def _in_the_input(x: Operand, y: Arg, window: Window) -> Arg:
    """Of the windows that `without_ceil_mode` leaves along free axes, those that begin in the input or before it."""
    if not window.ceil_mode or not window.known:
        return y
    first = {}
    for i, size in enumerate(sizes_of(x, window.rank)):
        begin, end, stride, extent = window.begin[i] or 0, window.end[i] or 0, window.strides[i], window.extents[i]
        if size is None and end > extent - stride:
            count = expr("({0}.shape[{1}] + {2}) // {3}", x, i + 2, begin + stride - 1, stride)
            first[i + 2] = slice(None, count)
    return subscript(y, first, window.rank + 2) if first else y


def whole_indices(indices, shape, padded, begin, column_major):
    """Turn indices into (padded) planes into indices into the whole tensor, its rows or its columns in sequence."""
    whole = ops.arange(shape[0] * shape[1]).reshape((shape[0], shape[1]) + (1,) * (len(shape) - 2))
    order = range(len(shape) - 1, 1, -1) if column_major else range(2, len(shape))
    for axis in order:
        inner = 1
        for size in padded[axis + 1 :]:
            inner = inner * size
        whole = whole * shape[axis] + indices // inner % padded[axis] - begin[axis - 2]
    return whole


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
    """ONNX AveragePool in one to three dimensions: `nn.AvgPool2d`; with padding `ops.avg_pool2d`.

    (The layer does not support padding on some Ascend devices.) For dilations, and padding that the function does not
    support, the sum over each window is divided by the number of elements that count; so it is for a batch that may be
    of nothing, which the function refuses.

    Raises:
        Unsupported: as for MaxPool.
    """
    window = _window(node, x, kernel_shape, auto_pad, strides, dilations, pads, ceil_mode)
    include = bool(count_include_pad)
    size = scalar(window.kernel), scalar(window.strides)
    same = window.same_upper and not include and window.rank < 3  # in 3-D MindSpore's "same" counts the padding
    if window.plain and (same or not window.padded):
        mode = unless_default(pad_mode=("same" if window.padded else "valid", "valid"))
        if window.rank == 1 and window.padded and not _has_several_windows(x, window):
            layer = invoke("nn.AvgPool2d", (1, *window.kernel), (1, *window.strides), **mode)
            return expr("ops.squeeze({0}, 2)", node.apply(layer, {}, expr("ops.unsqueeze({0}, 2)", x)))
        return node.apply(invoke(f"nn.AvgPool{window.rank}d", *size, **mode), {}, x)
    if max(window.dilations) > 1 or not _function_supports(window) or may_be_empty(x.value):
        return _window_means(node, x, window, include)
    padding: Any = scalar(window.begin)
    if isinstance(padding, tuple) or not window.symmetric:
        padding = padding_of(window)
    options = unless_default(ceil_mode=(window.ceil_mode, False), count_include_pad=(include, True))
    return invoke(f"ops.avg_pool{window.rank}d", x, *size, padding, **options)


def _has_several_windows(x: Operand, window: Window) -> bool:
    """Whether there are several windows even without padding; else `nn.AvgPool1d` computes one, whatever `pad_mode`."""
    (size,), (kernel,), (stride,) = sizes_of(x, 1), window.kernel, window.strides
    return size is not None and size - kernel >= stride


def _function_supports(window: Window) -> bool:
    """Whether `ops.avg_pool2d` supports the padding: known, symmetric in 1-D, not larger than the kernel."""
    if not window.known or (window.rank == 1 and not window.symmetric):
        return False
    return all(b + e <= k for b, e, k in zip(window.begin, window.end, window.kernel, strict=True))  # type: ignore[operator]


def _window_means(node: Node, x: Operand, window: Window, count_include_pad: bool) -> Arg:
    """The sum over each window divided by its number of counted elements; padding added by `ceil_mode` never counts."""
    full = window.without_ceil_mode(sizes_of(x, window.rank)) if window.ceil_mode else window
    sums = _sums(node, pad_input(x, full) if full.padded else x, window)
    ends = zip(full.end, window.end, strict=True) if window.known else ()
    beyond = [max(more - pad, 0) for more, pad in ends if more is not None and pad is not None]
    if (count_include_pad or not full.padded) and not any(beyond):
        return _in_the_input(x, expr("{0} / {1}", sums, math.prod(window.kernel)), window)
    counted: Arg = expr("ops.ones_like({0}[:1, :1])", x)
    if may_be_empty(x.value):
        counted = expr("ops.ones((1, 1, *{0}.shape[2:]), dtype={1})", x, node.dtype())
    if count_include_pad:
        inside = tuple(end - more for end, more in zip(full.end, beyond, strict=True))  # type: ignore[operator]
        counted = pad_input(counted, replace(full, end=inside), 1.0)
        full = replace(full, begin=(0,) * window.rank, end=tuple(beyond))
    means = expr("{0} / {1}", sums, _sums(node, pad_input(counted, full), window))
    return _in_the_input(x, means, window)


def _sums(node: Node, x: Arg, window: Window) -> Expression:
    """The sum over each window; of float64, for which MindSpore has no convolution, in float32."""
    double = node.outputs[0].dtype == ir.DataType.DOUBLE
    planes = expr("{0}.astype(ms.float32)", x) if double else x
    size = (window.kernel, window.strides, window.dilations)
    sums = expr("{0}({1}, {2}, {3}, {4})", window_sums, planes, *size)
    return expr("{0}.astype(ms.float64)", sums) if double else sums


def window_sums(x, kernel, strides, dilations):
    """Sum over the windows of every channel: a convolution with ones."""
    planes = x.reshape((-1, 1, *x.shape[2:]))
    ones = ops.ones((1, 1, *kernel), dtype=x.dtype)
    if x.ndim == 3:
        sums = ops.conv1d(planes, ones, stride=strides[0], dilation=dilations[0])
    elif x.ndim == 4:
        sums = ops.conv2d(planes, ones, stride=strides, dilation=dilations)
    else:
        sums = ops.conv3d(planes, ones, stride=strides, dilation=dilations)
    return sums.reshape((*x.shape[:2], *sums.shape[2:]))


def lp_pool(
    node: Node,
    x: Operand,
    *,
    auto_pad: str = "NOTSET",
    ceil_mode: int = 0,
    dilations: tuple[int, ...] | None = None,
    kernel_shape: tuple[int, ...] = (),
    p: int = 2,
    pads: tuple[int, ...] | None = None,
    strides: tuple[int, ...] | None = None,
) -> Arg:
    """ONNX LpPool: the p-norm of every window (`ops.lp_pool2d` does not take absolute values).

    Raises:
        Unsupported: as for MaxPool.
    """
    window = _window(node, x, kernel_shape, auto_pad, strides, dilations, pads, ceil_mode)
    full = window.without_ceil_mode(sizes_of(x, window.rank)) if window.ceil_mode else window

    def norms(wide: Arg) -> Expression:
        powers = _power(wide, p)
        padded = pad_input(powers, full) if full.padded else powers
        return _root(_sums(node, padded, full), p)

    return _in_the_input(x, in_float32(x.dtype, norms, x), window)


def _power(x: Arg, p: int) -> Expression:
    return (
        expr("ops.square({0})", x)
        if p == 2
        else expr("ops.pow(ops.abs({0}), {1})", x, p)
        if p > 1
        else expr("ops.abs({0})", x)
    )


def _root(x: Expression, p: int) -> Expression:
    return expr("ops.sqrt({0})", x) if p == 2 else expr("ops.pow({0}, 1 / {1})", x, p) if p > 1 else x


def global_average_pool(node: Node, x: Operand) -> Arg:
    """ONNX GlobalAveragePool: the mean over the spatial axes."""
    return expr("ops.mean({0}, {1}, True)", x, _spatial_axes(node, x))


def global_max_pool(node: Node, x: Operand) -> Arg:
    """ONNX GlobalMaxPool: the maximum over the spatial axes."""
    return expr("ops.amax({0}, {1}, True)", x, _spatial_axes(node, x))


def global_lp_pool(node: Node, x: Operand, *, p: int = 2) -> Arg:
    """ONNX GlobalLpPool: the p-norm over the spatial axes."""
    axes = _spatial_axes(node, x)

    def norm(wide: Arg) -> Expression:
        return _root(expr("ops.sum({0}, {1}, keepdim=True)", _power(wide, p), axes), p)

    return in_float32(x.dtype, norm, x)


def _spatial_axes(node: Node, x: Operand) -> tuple[int, ...]:
    if x.rank is None:
        raise node.decline("the rank of its input is unknown")
    return tuple(range(2, x.rank))


def max_unpool(
    node: Node,
    x: Operand,
    indices: Operand,
    output_shape: Operand | None,
    *,
    kernel_shape: tuple[int, ...] = (),
    pads: tuple[int, ...] | None = None,
    strides: tuple[int, ...] | None = None,
) -> Arg:
    """ONNX MaxUnpool: scatter the values into zeros at their flat indices into the result.

    If an output shape is given, the indices are flat indices into that shape, as in onnxruntime and as MaxPool returns
    them.

    Raises:
        Unsupported: the rank of the input, or that of the output, is unknown.
    """
    shape = x.shape_python()
    if shape is None:
        raise node.decline("the rank of its input is unknown")
    window = window_of(node, x, kernel_shape, "NOTSET", strides, None, pads)
    if output_shape is not None:
        result = output_shape.items(computed=True)
        if result is None:
            raise node.decline("the rank of its output is unknown")
    else:
        result = shape[:2]
        axes = zip(shape[2:], window.kernel, window.strides, window.begin, window.end, strict=True)
        for size, kernel, stride, begin, end in axes:
            more = kernel - stride - begin - end  # type: ignore[operator]
            result += (size * stride + more if isinstance(size, int) else expr("{0} * {1} + {2}", size, stride, more),)
    return expr("{0}({1}, {2}, {3})", scatter_flat, x, indices, result)


def scatter_flat(x, indices, shape):
    """Put the elements of `x` at flat indices into zeros of `shape`."""
    size = 1
    for extent in shape:
        size = size * extent
    zeros = ops.zeros((size,), dtype=x.dtype)
    return ops.tensor_scatter_elements(zeros, indices.reshape(-1), x.reshape(-1)).reshape(shape)


ROWS = {
    "AveragePool": average_pool,
    "GlobalAveragePool": global_average_pool,
    "GlobalLpPool": global_lp_pool,
    "GlobalMaxPool": global_max_pool,
    "LpPool": lp_pool,
    "MaxPool": max_pool,
    "MaxUnpool": max_unpool,
}
