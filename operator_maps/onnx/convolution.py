"""Convolutions: layers (`nn`) if the weights are constants, functions (`ops`) if they are computed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

from converter.rows import Arg, Expression, Node, Operand, expr, invoke, reshape, unless_default
from operator_maps.lib.padding import pad_axes, pad_axis
from operator_maps.lib.windows import Window, pad_input, padding_of, scalar, sizes_of, window_of

if TYPE_CHECKING:
    from mindspore import ops


def conv(
    node: Node,
    x: Operand,
    w: Operand,
    b: Operand | None,
    *,
    auto_pad: str = "NOTSET",
    dilations: tuple[int, ...] | None = None,
    group: int = 1,
    kernel_shape: tuple[int, ...] | None = None,
    pads: tuple[int, ...] | None = None,
    strides: tuple[int, ...] | None = None,
) -> Arg:
    """ONNX Conv in one to three dimensions: `nn.Conv2d` on constant weights, else `ops.conv2d`.

    `x` is (N, C, H, W), `w` (O, C / group, kH, kW), `b` (O,); in one or three dimensions accordingly. Padding that the
    layer or the function does not support (asymmetric in 1-D or on computed weights) is an `ops.Pad` before it.

    Raises:
        Unsupported: the kernel's extents are unknown and the padding depends on them, the padding is negative, there
            are more than three spatial axes, or weight, groups and channels do not fit together.
    """
    check_channels(node, x, w, group)
    if kernel_shape is None and w.shape is not None and None in w.shape[2:] and not auto_pad.startswith("SAME"):
        window = window_of(node, x, (1,) * (len(w.shape) - 2), auto_pad, strides, dilations, pads)
        padded = pad_input(x, window) if window.padded else x
        y = expr("{0}({1}, {2}, {3}, {4}, {5})", convolve_by_taps, padded, w, window.strides, window.dilations, group)
        return y if b is None else _plus_bias(y, b, window.rank)
    kernel = _kernel(node, w, kernel_shape)
    return convolution(node, x, w, b, window_of(node, x, kernel, auto_pad, strides, dilations, pads), group)


def convolution(node: Node, x: Arg, w: Operand, b: Operand | None, window: Window, group: int) -> Expression:
    """Make a convolution: a layer if `w` is a trainable weight, else a function."""
    if not w.is_weight or w.is_buffer:
        return convolve(x, w, window, group, b)
    if not (window.symmetric or window.auto_pad == "SAME_UPPER" or (window.rank > 1 and window.known)):
        x, window = pad_input(x, window), window.without_padding()
    mode = _pad_mode(window)
    never_padded = mode == "valid" and set(window.kernel) == {1}  # in each pad_mode
    options = unless_default(
        stride=(scalar(window.strides), 1),
        pad_mode=("same", "same") if never_padded else (mode, ...),
        padding=(padding_of(window) if mode == "pad" else 0, 0),
        dilation=(scalar(window.dilations), 1),
        group=(group, 1),
    )
    out, inner = w.shape[:2]  # type: ignore[index, misc]
    function = partial(convolve, x, window=window, group=group)
    return _layer(node, f"nn.Conv{window.rank}d", x, w, b, (inner * group, out), options, function)  # type: ignore[operator, arg-type]


def convolve(x: Arg, w: Arg, window: Window, group: int, bias: Arg = None) -> Expression:
    """Make a convolution whose weights are computed or never trained: `ops.conv2d`, after an `ops.Pad` if needed."""
    if not (window.symmetric or window.auto_pad == "SAME_UPPER"):
        x, window = pad_input(x, window), window.without_padding()
    mode = _pad_mode(window)
    bias = () if bias is None else (bias,)
    options = unless_default(
        stride=(scalar(window.strides), 1),
        pad_mode=(mode, "valid"),
        padding=(scalar(window.begin) if mode == "pad" else 0, 0),
        dilation=(scalar(window.dilations), 1),
        groups=(group, 1),
    )
    return invoke(f"ops.conv{window.rank}d", x, w, *bias, **options)


def convolve_by_taps(x, weight, strides, dilations, groups):
    """Convolve by a kernel whose extents are known when it runs: gather the elements of each window, then a product."""
    rank = weight.ndim - 2
    batch, outputs = x.shape[0], weight.shape[0]
    counts = []
    for i in range(rank):
        kernel, axis = weight.shape[i + 2], 2 + 2 * i
        count = (x.shape[axis] - (kernel - 1) * dilations[i] - 1) // strides[i] + 1
        places = (ops.arange(kernel) * dilations[i]).unsqueeze(1) + ops.arange(count) * strides[i]
        x = ops.gather(x, places, axis)
        counts.append(count)
    order = (0, 1, *range(2, 2 + 2 * rank, 2), *range(3, 3 + 2 * rank, 2))
    taps = weight.reshape((groups, outputs // groups, -1))
    windows = x.transpose(order).reshape((batch, groups, taps.shape[2], -1))
    return ops.matmul(taps, windows).reshape((batch, outputs, *counts))


def _pad_mode(window: Window) -> str:
    return "same" if window.auto_pad == "SAME_UPPER" else "pad" if window.padded else "valid"


def conv_transpose(
    node: Node,
    x: Operand,
    w: Operand,
    b: Operand | None,
    *,
    auto_pad: str = "NOTSET",
    dilations: tuple[int, ...] | None = None,
    group: int = 1,
    kernel_shape: tuple[int, ...] | None = None,
    output_padding: tuple[int, ...] | None = None,
    output_shape: tuple[int, ...] | None = None,
    pads: tuple[int, ...] | None = None,
    strides: tuple[int, ...] | None = None,
) -> Arg:
    """ONNX ConvTranspose in one to three dimensions: `nn.Conv2dTranspose` on constant weights, else functions.

    `x` is (N, C, H, W), `w` (C, O / group, kH, kW). `output_padding` is written as less padding at the end: the layer's
    own option of that name fills the rows with zeros instead of computing them. Rows beyond the full result contain
    only the bias.

    Raises:
        Unsupported: the kernel's extents are unknown, the padding is negative, or weight, groups and channels do not
            fit together.
    """
    check_channels(node, x, w, group, transposed=True)
    window = window_of(node, x, _kernel(node, w, kernel_shape), "NOTSET", strides, dilations, pads)
    added = output_padding or (0,) * window.rank
    if output_shape and None in sizes_of(x, window.rank):
        y = _transposed(node, x, w, None, window.without_padding(), group)
        options = (output_shape[-window.rank :], window.strides, added, auto_pad == "SAME_UPPER")
        y = expr("{0}({1}, {2}, {3}, {4}, {5})", crop_to, y, *options)
        return y if b is None else _plus_bias(y, b, window.rank)
    window, more = _trim(x, window, auto_pad, added, output_shape)
    late_bias = b if any(map(any, more)) or not _is_layer(w, window) else None
    y = _transposed(node, x, w, None if late_bias else b, window, group)
    if any(map(any, more)):
        y = pad_axes(y, ((0, 0), (0, 0), *more))
    return y if late_bias is None else _plus_bias(y, late_bias, window.rank)


def _is_layer(w: Operand, window: Window) -> bool:
    """Whether a transposed convolution is a layer, which does not dilate the depth."""
    return w.is_weight and not (window.rank == 3 and window.dilations[0] > 1)


def _transposed(node: Node, x: Operand, w: Operand, b: Operand | None, window: Window, group: int) -> Expression:
    """Make a transposed convolution: a layer with the bias, or a function without it."""
    if _is_layer(w, window):
        return _transposed_layer(node, x, w, b, window, group)
    return _transposed_function(x, w, window, group)


def check_channels(node: Node, x: Operand, w: Operand, group: int, transposed: bool = False) -> None:
    """Check that the groups divide the first extent of the weight, and that the weight is for the channels of `x`.

    Raises:
        Unsupported: they do not, or it is not.
    """
    outer, inner = w.shape[:2] if w.shape is not None else (None, None)
    if group < 1 or (isinstance(outer, int) and outer % group):
        raise node.decline(f"its group, {group}, does not divide its channels")
    meant = outer if transposed else inner * group if isinstance(inner, int) else None
    found = x.shape[1] if x.shape is not None else None
    if isinstance(meant, int) and isinstance(found, int) and meant != found:
        raise node.decline(f"its weight is for {meant} channels, and its input has {found}")


def _kernel(node: Node, w: Operand, kernel_shape: tuple[int, ...] | None) -> tuple[int, ...]:
    kernel = kernel_shape or (None if w.shape is None else w.shape[2:])
    if kernel is None or None in kernel:
        raise node.decline("the extents of its kernel are unknown")
    return kernel  # type: ignore[return-value]


def _layer(
    node: Node,
    name: str,
    x: Arg,
    w: Operand,
    b: Operand | None,
    channels: tuple[int, int],
    options: dict[str, Any],
    function: Callable[[Arg], Expression],
) -> Expression:
    """Make a convolution layer on `x`; a bias that is not a constant is added to its result.

    Where another layer has the weight, `function` is applied to that instead.
    """
    kernel: Sequence[int] = w.shape[2:]  # type: ignore[assignment, index]
    weights = {"weight": w.weight(reshape(*w.shape[:2], 1, *kernel)) if len(kernel) == 1 else w.weight()}  # type: ignore[index, misc]
    own_bias = b is not None and b.is_weight
    if own_bias:
        weights["bias"] = b.weight()  # type: ignore[union-attr]
    options |= unless_default(has_bias=(own_bias, False), dtype=(node.mindspore_dtype(w.dtype), expr("ms.float32")))
    layer = invoke(name, *channels, scalar(kernel), **options)
    if (tied := node.tied(layer, weights)) is not None:
        y = function(expr("{0}.squeeze(2)", tied["weight"]) if len(kernel) == 1 else tied["weight"])
        return y if b is None else _plus_bias(y, tied.get("bias", b), len(kernel))
    y = node.apply(layer, weights, x)
    return y if b is None or own_bias else _plus_bias(y, b, len(kernel))


def _plus_bias(y: Arg, b: Arg, rank: int) -> Expression:
    return expr("{0} + {1}.reshape({2})", y, b, (1, -1, *(1,) * rank))


# Transposed convolution


def _trim(
    x: Operand,
    window: Window,
    auto_pad: str,
    output_padding: Sequence[int],
    output_shape: Sequence[int] | None,
) -> tuple[Window, tuple[tuple[int, int], ...]]:
    """How the full result is cropped (as the window's padding), and the zeros that are then added to each axis."""
    sizes = sizes_of(x, window.rank)
    begin, end = list(window.begin), list(window.end)
    for i in range(window.rank):
        extent, stride = window.extents[i], window.strides[i]
        if output_shape:
            total = stride * (sizes[i] - 1) + extent + output_padding[i] - output_shape[i - window.rank]  # type: ignore[operator]
        elif auto_pad.startswith("SAME"):
            total = max(extent - stride + output_padding[i], 0)
        else:
            continue
        if -stride < total < 0:
            begin[i] = 0
        else:
            begin[i] = total // 2 if auto_pad == "SAME_UPPER" else total - total // 2
        end[i] = total - begin[i]  # type: ignore[operator]
    trimmed = [taken - more for taken, more in zip(end, output_padding, strict=True)]  # type: ignore[operator]
    more = zip(_positive([-n for n in begin]), _positive([-n for n in trimmed]), strict=True)  # type: ignore[operator]
    return replace(window, begin=_positive(begin), end=_positive(trimmed)), (*more,)  # type: ignore[arg-type]


def _positive(numbers: Sequence[int]) -> tuple[int, ...]:
    return tuple(max(number, 0) for number in numbers)


def _transposed_layer(node: Node, x: Operand, w: Operand, b: Operand | None, window: Window, group: int) -> Expression:
    """Make `nn.Conv2dTranspose` or its 1-D or 3-D form; the result of the 1-D layer, which supports symmetric padding
    only, is cropped by a slice.
    """
    cut = None
    if window.rank == 1 and not window.symmetric:
        cut, window = window, window.without_padding()
    options = unless_default(
        stride=(scalar(window.strides), 1),
        pad_mode=("pad", "same"),
        padding=(padding_of(window), 0),
        dilation=(scalar(window.dilations), 1),
        group=(group, 1),
    )
    inner, out = w.shape[:2]  # type: ignore[index, misc]
    function = partial(_transposed_function, x, window=window, group=group)
    y = _layer(node, f"nn.Conv{window.rank}dTranspose", x, w, b, (inner, out * group), options, function)  # type: ignore[operator, arg-type]
    if cut is None:
        return y
    if cut.end[0]:
        return expr("{0}[:, :, {1}:{2}]", y, cut.begin[0], -cut.end[0])
    return expr("{0}[:, :, {1}:]", y, cut.begin[0])


def _transposed_function(x: Arg, w: Arg, window: Window, group: int) -> Expression:
    """Make a transposed convolution whose weights are computed, or those of another layer."""
    helper = (conv_transpose1d, conv_transpose2d, conv_transpose3d)[window.rank - 1]
    pads = tuple(pad for pair in zip(window.begin, window.end, strict=True) for pad in pair)
    return expr("{0}({1}, {2}, {3}, {4}, {5}, {6})", helper, x, w, window.strides, pads, window.dilations, group)


def crop_to(y, shape, strides, added, upper):
    """Crop or extend the full result of a transposed convolution to `shape`; an odd number of rows is cropped more at
    the end (upper) or at the beginning. Fewer rows than a stride are only added at the end.
    """
    for i in range(len(shape)):
        extent = y.shape[i + 2]
        total = extent + added[i] - shape[i]
        start = total // 2 if upper else total - total // 2
        if total < 0 and total > -strides[i]:
            start = 0
        y = pad_axis(y, i + 2, -start, start + shape[i] - extent)
    return y


def conv_transpose1d(x, weight, stride, padding, dilation, group):
    """Transposed convolution in 1-D with computed weights; padding is (begin, end)."""
    y = conv_transpose2d(x.unsqueeze(2), weight.unsqueeze(2), (1, *stride), (0, 0, *padding), (1, *dilation), group)
    return y.squeeze(2)


def conv_transpose2d(x, weight, stride, padding, dilation, group):
    """Transposed convolution in 2-D with computed weights; padding is (top, bottom, left, right)."""
    kernel = weight.shape[2:]
    height = (x.shape[2] - 1) * stride[0] + (kernel[0] - 1) * dilation[0] + 1 - padding[0] - padding[1]
    width = (x.shape[3] - 1) * stride[1] + (kernel[1] - 1) * dilation[1] + 1 - padding[2] - padding[3]
    transpose = ops.Conv2DTranspose(
        weight.shape[0], kernel, pad_mode="pad", pad=padding, stride=stride, dilation=dilation, group=group
    )
    return transpose(x, weight, (x.shape[0], weight.shape[1] * group, height, width))


def conv_transpose3d(x, weight, stride, padding, dilation, group):
    """Transposed convolution in 3-D with computed weights; padding is (head, tail, top, bottom, left, right).

    The operator does not dilate the depth: zeros are written between the weights.
    """
    if dilation[0] > 1:
        inputs, outputs, depth, height, width = weight.shape
        zeros = ops.zeros((inputs, outputs, depth, dilation[0] - 1, height, width), weight.dtype)
        weight = ops.cat((weight.unsqueeze(3), zeros), 3).reshape((inputs, outputs, -1, height, width))
        weight = weight[:, :, : (depth - 1) * dilation[0] + 1]
        dilation = (1, *dilation[1:])
    transpose = ops.Conv3DTranspose(
        weight.shape[0],
        weight.shape[1] * group,
        weight.shape[2:],
        pad_mode="pad",
        pad=padding,
        stride=stride,
        dilation=dilation,
        group=group,
    )
    return transpose(x, weight)


# Deformable convolution


def deform_conv(
    node: Node,
    x: Operand,
    w: Operand,
    offset: Operand,
    b: Operand | None,
    mask: Operand | None,
    *,
    dilations: tuple[int, ...] | None = None,
    group: int = 1,
    kernel_shape: tuple[int, ...] | None = None,
    offset_group: int = 1,
    pads: tuple[int, ...] | None = None,
    strides: tuple[int, ...] | None = None,
) -> Arg:
    """ONNX DeformConv in 2-D: sample the image once for each tap of the kernel, then one product with the weights.

    Raises:
        Unsupported: the kernel's extents are unknown, the padding is negative, there are not two spatial axes, or
            weight, groups and channels do not fit together.
    """
    check_channels(node, x, w, group)
    window = window_of(node, x, _kernel(node, w, kernel_shape), "NOTSET", strides, dilations, pads)
    if window.rank != 2:
        raise node.decline(f"it has {window.rank} spatial axes (2 are supported)")
    options = (window.kernel, window.strides, window.dilations, window.begin, group, offset_group)
    template = "{0}({1}, {2}, {3}, {4}, {5}, {6}, {7}, {8}, {9}, {10})"
    y = expr(template, deformable_conv, x, w, offset, mask, *options)
    return y if b is None else _plus_bias(y, b, 2)


def deformable_conv(x, weight, offset, mask, kernel, strides, dilations, padding, groups, offset_groups):
    """Convolve images (N, C, H, W) where every tap of the kernel is moved by its offset (vertical, horizontal)."""
    batch, channels, height, width = x.shape
    taps = kernel[0] * kernel[1]
    out_height, out_width = offset.shape[2:]
    offset = offset.reshape((batch * offset_groups, taps, 2, out_height, out_width))
    rows = (ops.arange(out_height) * strides[0] - padding[0]).reshape((-1, 1))
    columns = ops.arange(out_width) * strides[1] - padding[1]
    images = x.reshape((batch * offset_groups, channels // offset_groups, height, width))
    samples = []
    for tap in range(taps):
        y = offset[:, tap, 0] + (rows + tap // kernel[1] * dilations[0])
        z = offset[:, tap, 1] + (columns + tap % kernel[1] * dilations[1])
        grid = ops.stack(((2 * z + 1) / width - 1, (2 * y + 1) / height - 1), -1)
        sample = ops.grid_sample(images, grid, align_corners=False)
        if mask is not None:
            sample = sample * mask.reshape((batch * offset_groups, taps, 1, out_height, out_width))[:, tap]
        samples.append(sample.reshape((batch, groups, channels // groups, 1, -1)))
    matrix = ops.cat(samples, 3).reshape((batch, groups, channels // groups * taps, -1))
    weight = weight.reshape((groups, weight.shape[0] // groups, -1))
    return ops.matmul(weight, matrix).reshape((batch, -1, out_height, out_width))


ROWS = {
    "Conv": conv,
    "ConvTranspose": conv_transpose,
    "DeformConv": deform_conv,
}
