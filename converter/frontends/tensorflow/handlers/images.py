"""Handlers of operators on images (N, H, W, C): windows and colours."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from converter.frontends.tensorflow.handlers.node_builder import Handler, NodeBuilder

_END = np.iinfo(np.int64).max


# Windows


def _shifted(build: NodeBuilder, kernel: Sequence[int], strides: Any, rates: Any, fill: float) -> list[str]:
    """The image as each position of a window sees it, row by row: slices of the padded image."""
    x, extents = build.inputs[0], build.shape(build.inputs[0])
    spans = [(size - 1) * rate + 1 for size, rate in zip(kernel, rates, strict=True)]
    if build.attribute("padding") == "SAME":
        totals = [_total(*each) for each in zip(extents[1:3], spans, strides, strict=True)]
        pads = [0, *(total // 2 for total in totals), 0, 0, *(total - total // 2 for total in totals), 0]
        if any(pads):
            x = build.add("Pad", x, build.int64(pads), build.constant(fill))
    axes, steps = (build.int64(values) for values in ([1, 2], strides))
    found = []
    for place in np.ndindex(*kernel):
        starts = [index * rate for index, rate in zip(place, rates, strict=True)]
        ends = [start + 1 - span or _END for start, span in zip(starts, spans, strict=True)]
        bounds = [build.int64(values) for values in (starts, ends)]
        found.append(build.add("Slice", x, *bounds, axes, steps))
    return found


def _total(extent: int, span: int, stride: int) -> int:
    """The elements that padding adds to an axis; with a stride they depend on the extent."""
    if stride == 1:
        return span - 1
    if extent < 0:
        raise NotImplementedError("a window with a stride over a free extent")
    return max((-(-extent // stride) - 1) * stride + span - extent, 0)


def _patches(build: NodeBuilder) -> None:
    """ExtractImagePatches: the slices side by side, in the channels."""
    kernel, strides, rates = (build.node.get_attr(name).ints[1:3] for name in ("ksizes", "strides", "rates"))
    build.finish("Concat", *_shifted(build, kernel, strides, rates, 0), axis=3)


def _dilation(build: NodeBuilder) -> None:
    """Dilation2D: the maximum of the slices, each with its element of the filter added."""
    kernel = build.shape(build.inputs[1])
    if not kernel or -1 in kernel or not build.sources[1].is_const():
        raise NotImplementedError("a filter that is computed")
    filters = build.sources[1].get_tensor_value(as_list=False)
    strides, rates = (build.node.get_attr(name).ints[1:3] for name in ("strides", "rates"))
    lowest = float(np.finfo(np.float32).min)
    slices = _shifted(build, kernel[:2], strides, rates, lowest)
    added = [
        build.add("Add", each, build.constant(filters[place]))
        for place, each in zip(np.ndindex(*kernel[:2]), slices, strict=True)
    ]
    build.finish("Max", *added)


# Colours


def _channels(build: NodeBuilder) -> list[str]:
    return build.add_split("Split", build.inputs[0], build.int64([1, 1, 1]), outputs=3, axis=-1)


def _rgb_to_hsv(build: NodeBuilder) -> None:
    """Hue, saturation and value, each from 0 to 1.

    https://github.com/tensorflow/tensorflow/blob/master/tensorflow/core/kernels/image/colorspace_op.h
    """
    red, green, blue = _channels(build)

    value = build.add("Max", red, green, blue)
    spread = build.add("Sub", value, build.add("Min", red, green, blue))
    zero = build.add("Mul", spread, 0.0)
    saturation = build.add("Where", build.add("Greater", value, 0.0), build.add("Div", spread, value), zero)
    sixth = build.add("Mul", spread, 6.0)
    hues = [
        build.add("Add", build.add("Div", build.add("Sub", one, other), sixth), shift)
        for one, other, shift in ((green, blue, 0.0), (blue, red, 2 / 6), (red, green, 4 / 6))
    ]
    hue = build.add("Where", build.add("Equal", green, value), hues[1], hues[2])
    hue = build.add("Where", build.add("Equal", red, value), hues[0], hue)
    hue = build.add("Where", build.add("Greater", spread, 0.0), hue, zero)
    hue = build.add("Where", build.add("Less", hue, 0.0), build.add("Add", hue, 1.0), hue)
    build.finish("Concat", hue, saturation, value, axis=-1)


def _hsv_to_rgb(build: NodeBuilder) -> None:
    """The inverse of `_rgb_to_hsv`."""
    hue, saturation, value = _channels(build)

    sector = build.add("Mul", hue, 6.0)
    red = build.add("Sub", build.add("Abs", build.add("Sub", sector, 3.0)), 1.0)
    green, blue = (build.add("Sub", 2.0, build.add("Abs", build.add("Sub", sector, middle))) for middle in (2.0, 4.0))
    rest = build.add("Sub", 1.0, saturation)
    mixed = [
        build.add("Mul", build.add("Add", rest, build.add("Mul", saturation, build.add("Clip", part, 0.0, 1.0))), value)
        for part in (red, green, blue)
    ]
    build.finish("Concat", *mixed, axis=-1)


def _adjust_saturation(build: NodeBuilder) -> None:
    """Move each channel away from the largest, or towards it; tf2onnx's handler permutes the channels.

    With v the largest and d the largest minus the smallest, the saturation is d / v: `v - (v - x) * r`, where r is the
    scale, but at most v / d, at which the saturation is 1.
    """
    image, scale = build.inputs
    last = build.int64([-1])
    value, least = (build.add(operator, image, last, keepdims=1) for operator in ("ReduceMax", "ReduceMin"))
    spread = build.add("Sub", value, least)
    is_grey = build.add("Equal", spread, 0.0)
    limit = build.add("Div", value, build.add("Where", is_grey, 1.0, spread))
    ratio = build.add("Max", build.add("Min", build.add("Where", is_grey, scale, limit), scale), 0.0)
    build.finish("Sub", value, build.add("Mul", build.add("Sub", value, image), ratio))


HANDLERS: Mapping[str, Handler] = {
    "AdjustSaturation": _adjust_saturation,
    "Dilation2D": _dilation,
    "ExtractImagePatches": _patches,
    "HSVToRGB": _hsv_to_rgb,
    "RGBToHSV": _rgb_to_hsv,
}
