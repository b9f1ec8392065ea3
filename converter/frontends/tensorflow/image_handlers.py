"""tf2onnx handlers for TensorFlow's operators on images (N, H, W, C): windows, resizing, colours."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from converter.frontends.tensorflow.node_building import add_constant, add_node, finish

_ONE = 2**30
"""What stands for 1 in a matrix of integers."""
_END = np.iinfo(np.int64).max


# Windows


def _shifted(graph: Any, node: Any, kernel: Sequence[int], strides: Any, rates: Any, fill: float) -> list[str]:
    """The image as each position of a window sees it, row by row: slices of the padded image."""
    x, extents = node.input[0], graph.get_shape(node.input[0])
    spans = [(size - 1) * rate + 1 for size, rate in zip(kernel, rates, strict=True)]
    if node.get_attr_str("padding") == "SAME":
        totals = [_total(*each) for each in zip(extents[1:3], spans, strides, strict=True)]
        pads = [0, *(total // 2 for total in totals), 0, 0, *(total - total // 2 for total in totals), 0]
        if any(pads):
            x = add_node(
                graph, node, "Pad", [x, add_constant(graph, node, pads, np.int64), add_constant(graph, node, fill)]
            )
    axes, steps = (add_constant(graph, node, values, np.int64) for values in ([1, 2], strides))
    found = []
    for place in np.ndindex(*kernel):
        starts = [index * rate for index, rate in zip(place, rates, strict=True)]
        ends = [start + 1 - span or _END for start, span in zip(starts, spans, strict=True)]
        bounds = [add_constant(graph, node, values, np.int64) for values in (starts, ends)]
        found.append(add_node(graph, node, "Slice", [x, *bounds, axes, steps]))
    return found


def _total(extent: int, span: int, stride: int) -> int:
    """The elements that padding adds to an axis; with a stride they depend on the extent."""
    if stride == 1:
        return span - 1
    if extent < 0:
        raise NotImplementedError("a window with a stride over a free extent")
    return max((-(-extent // stride) - 1) * stride + span - extent, 0)


def _patches(graph: Any, node: Any, **kwargs: Any) -> None:
    """ExtractImagePatches: the slices side by side, in the channels."""
    kernel, strides, rates = (node.get_attr(name).ints[1:3] for name in ("ksizes", "strides", "rates"))
    finish(graph, node, "Concat", _shifted(graph, node, kernel, strides, rates, 0), axis=3)


def _dilation(graph: Any, node: Any, **kwargs: Any) -> None:
    """Dilation2D: the maximum of the slices, each with its element of the filter added."""
    kernel = graph.get_shape(node.input[1])
    if not kernel or -1 in kernel or not node.inputs[1].is_const():
        raise NotImplementedError("a filter that is computed")
    filters = node.inputs[1].get_tensor_value(as_list=False)
    strides, rates = (node.get_attr(name).ints[1:3] for name in ("strides", "rates"))
    lowest = float(np.finfo(np.float32).min)
    slices = _shifted(graph, node, kernel[:2], strides, rates, lowest)
    added = [
        add_node(graph, node, "Add", [each, add_constant(graph, node, np.asarray(filters[place]))])
        for place, each in zip(np.ndindex(*kernel[:2]), slices, strict=True)
    ]
    finish(graph, node, "Max", added)


# Resizing


def _by_tensorflow(operator: str, **arguments: Any) -> np.ndarray:
    """The result of one operator, computed by TensorFlow."""
    import tensorflow as tf

    with tf.Graph().as_default(), tf.compat.v1.Session() as session:
        return np.asarray(session.run(getattr(tf.raw_ops, operator)(**arguments)))


def _extents(graph: Any, node: Any) -> tuple[list[int], list[int]]:
    """The extents of the image and of the result."""
    shape, size = graph.get_shape(node.input[0]), node.inputs[1]
    if not shape or -1 in shape[1:3] or not size.is_const():
        raise NotImplementedError("resizing from or to extents that are not fixed")
    return shape[1:3], [int(n) for n in size.get_tensor_value()]


def _linear(graph: Any, node: Any, matrices: Sequence[np.ndarray]) -> None:
    """Resize both axes by matrices; they are computed from integers, so that they are no weights that train."""
    import onnx

    def number(matrix: np.ndarray) -> str:
        negative = add_constant(graph, node, np.round(-matrix.astype(np.float64) * _ONE), np.int64)
        whole = add_node(graph, node, "Cast", [add_node(graph, node, "Neg", [negative])], to=onnx.TensorProto.FLOAT)
        graph.set_dtype(whole, onnx.TensorProto.FLOAT)
        return add_node(graph, node, "Mul", [whole, add_constant(graph, node, 1 / _ONE)])

    _, _, width, channels = graph.get_shape(node.input[0])
    rows, columns = map(number, matrices)
    x = add_node(graph, node, "Cast", [node.input[0]], to=onnx.TensorProto.FLOAT)
    graph.set_dtype(x, onnx.TensorProto.FLOAT)
    flat = add_node(graph, node, "Reshape", [x, add_constant(graph, node, [0, 0, width * channels], np.int64)])
    tall = add_node(graph, node, "MatMul", [rows, flat])
    back = add_node(graph, node, "Reshape", [tall, add_constant(graph, node, [0, 0, width, channels], np.int64)])
    finish(graph, node, "MatMul", [columns, back])


def _scale_and_translate(graph: Any, node: Any, **kwargs: Any) -> None:
    """ScaleAndTranslate, which `tf.image.resize` writes with antialiasing and for most methods: two matrices."""
    extents, sizes = _extents(graph, node)
    if not all(source.is_const() for source in node.inputs[2:]) or graph.get_shape(node.input[0])[3] < 0:
        raise NotImplementedError("a scale that is computed, or a free number of channels")
    scales, moves = (source.get_tensor_value() for source in node.inputs[2:])
    how = {"kernel_type": node.get_attr_str("kernel_type"), "antialias": bool(node.get_attr_value("antialias"))}
    matrices = []
    for extent, size, scale, move in zip(extents, sizes, scales, moves, strict=True):
        lines = np.eye(extent, dtype=np.float32).reshape(1, extent, 1, extent)
        matrix = _by_tensorflow(
            "ScaleAndTranslate", images=lines, size=[size, 1], scale=[scale, 1.0], translation=[move, 0.0], **how
        )
        matrices.append(matrix.reshape(size, extent))
    _linear(graph, node, matrices)


def _by_matrices(graph: Any, node: Any) -> bool:
    """Make a ResizeBicubic or ResizeArea two matrices; returns False where an extent is not fixed."""
    try:
        extents, sizes = _extents(graph, node)
    except NotImplementedError:
        return False
    if graph.get_shape(node.input[0])[3] < 0:
        return False
    options = ("align_corners", "half_pixel_centers") if node.type == "ResizeBicubic" else ("align_corners",)
    how = {name: bool(node.get_attr_value(name)) for name in options}
    matrices = []
    for extent, size in zip(extents, sizes, strict=True):
        lines = np.eye(extent, dtype=np.float32).reshape(1, extent, 1, extent)
        matrices.append(_by_tensorflow(node.type, images=lines, size=[size, 1], **how).reshape(size, extent))
    _linear(graph, node, matrices)
    return True


def _by_computed_matrices(graph: Any, node: Any) -> None:
    """Make a ResizeBicubic between free extents two matrices that the network computes.

    TensorFlow looks the weights up in a table of 1,024 places between two pixels. Beyond the border pixels do not count
    with `half_pixel_centers`, else those at the border are repeated.
    """
    import onnx

    def op(kind: str, *inputs: str, dtype: int = onnx.TensorProto.FLOAT, **attributes: Any) -> str:
        made = add_node(graph, node, kind, list(inputs), **attributes)
        graph.set_dtype(made, dtype)
        return made

    def whole(kind: str, *inputs: str, **attributes: Any) -> str:
        return op(kind, *inputs, dtype=onnx.TensorProto.INT64, **attributes)

    def real(value: str) -> str:
        return op("Cast", value, to=onnx.TensorProto.FLOAT)

    def number(value: float) -> str:
        return add_constant(graph, node, value)

    def integer(value: int) -> str:
        return add_constant(graph, node, value, np.int64)

    def polynomial(x: str, *factors: float) -> str:
        result = number(factors[0])
        for factor in factors[1:]:
            result = op("Mul", result, x)
            result = op("Add", result, number(factor)) if factor else result
        return result

    aligned, half = (bool(node.get_attr_value(name)) for name in ("align_corners", "half_pixel_centers"))
    a = -0.5 if half else -0.75
    size = whole("Cast", node.input[1], to=onnx.TensorProto.INT64)
    extents = whole("Shape", node.input[0])
    one = integer(1)
    matrices = []
    for axis in (0, 1):
        count = whole("Gather", size, integer(axis), axis=0)
        extent = whole("Gather", extents, integer(axis + 1), axis=0)
        ratio = (extent, count)
        if aligned:
            ratio = (whole("Sub", extent, one), whole("Max", whole("Sub", count, one), one))
        scale = op("Div", *map(real, ratio))
        lines = real(whole("Range", integer(0), count, one))
        points = op("Mul", op("Add", lines, number(0.5)) if half else lines, scale)
        points = op("Sub", points, number(0.5)) if half else points
        below = op("Floor", points)
        part = op("Div", op("Round", op("Mul", op("Sub", points, below), number(1024.0))), number(1024.0))
        points = op("Unsqueeze", op("Add", below, part), add_constant(graph, node, [1], np.int64))
        places = whole("Range", integer(-2), whole("Add", extent, integer(2)), one)
        far = op("Abs", op("Sub", points, real(places)))
        near = op("Less", far, number(1.0), dtype=onnx.TensorProto.BOOL)
        reached = op("Less", far, number(2.0), dtype=onnx.TensorProto.BOOL)
        outer = op("Where", reached, polynomial(far, a, -5 * a, 8 * a, -4 * a), number(0.0))
        weights = op("Where", near, polynomial(far, a + 2, -(a + 3), 0.0, 1.0), outer)
        pixels = places if half else whole("Clip", places, integer(0), whole("Sub", extent, one))
        rows = whole("Unsqueeze", pixels, add_constant(graph, node, [1], np.int64))
        same = op("Equal", rows, whole("Range", integer(0), extent, one), dtype=onnx.TensorProto.BOOL)
        matrix = op("MatMul", weights, real(same))
        total = op("ReduceSum", matrix, add_constant(graph, node, [1], np.int64))
        matrices.append(op("Div", matrix, total))
    rows, columns = matrices
    x = op("Transpose", real(node.input[0]), perm=[0, 3, 1, 2])
    tall = op("MatMul", rows, x)
    finish(graph, node, "Transpose", [op("MatMul", tall, op("Transpose", columns, perm=[1, 0]))], perm=[0, 2, 3, 1])


def _nearest(graph: Any, node: Any, **kwargs: Any) -> None:
    """ResizeNearestNeighbor: ONNX's Resize, or where it rounds in another way, the rows and columns that are taken."""
    from tf2onnx.onnx_opset.nn import Resize

    how = {name: bool(node.get_attr_value(name)) for name in ("align_corners", "half_pixel_centers")}
    shape = graph.get_shape(node.input[0])
    wanted = node.inputs[1].get_tensor_value() if node.inputs[1].is_const() else [0, 0]
    whole = shape and -1 not in shape[1:3] and all(n and not n % m for n, m in zip(wanted, shape[1:3], strict=True))
    if not any(how.values()) or (whole and not how["align_corners"]):
        node.set_attr("half_pixel_centers", 0)
        Resize.version_11(graph, node, **kwargs)
        return
    if how["half_pixel_centers"] and not how["align_corners"] and (not shape or -1 in shape[1:3] or not wanted[0]):
        _nearest_of_any_extent(graph, node)
        return
    extents, sizes = _extents(graph, node)
    places = []
    for extent, size in zip(extents, sizes, strict=True):
        line = np.arange(extent, dtype=np.float32).reshape(1, extent, 1, 1)
        found = _by_tensorflow("ResizeNearestNeighbor", images=line, size=[size, 1], **how)
        places.append(add_constant(graph, node, found.reshape(-1), np.int64))
    rows = add_node(graph, node, "Gather", [node.input[0], places[0]], axis=1)
    finish(graph, node, "Gather", [rows, places[1]], axis=2)


def _nearest_of_any_extent(graph: Any, node: Any) -> None:
    """Row `floor((i + 0.5) * extent / size)` for each row i of the result; columns likewise."""
    import onnx

    def to(dtype: int, value: str) -> str:
        made = add_node(graph, node, "Cast", [value], to=dtype)
        graph.set_dtype(made, dtype)
        return made

    image, size = node.input[0], to(onnx.TensorProto.INT64, node.input[1])
    extents = graph.make_node("Shape", [image], dtypes=[onnx.TensorProto.INT64]).output[0]
    zero, one = (add_constant(graph, node, number, np.int64) for number in (0, 1))
    for axis in (1, 2):
        count = add_node(graph, node, "Gather", [size, add_constant(graph, node, axis - 1, np.int64)], axis=0)
        extent = add_node(graph, node, "Gather", [extents, add_constant(graph, node, axis, np.int64)], axis=0)
        line = to(onnx.TensorProto.FLOAT, add_node(graph, node, "Range", [zero, count, one]))
        middle = add_node(graph, node, "Add", [line, add_constant(graph, node, 0.5)])
        scale = add_node(graph, node, "Div", [to(onnx.TensorProto.FLOAT, value) for value in (extent, count)])
        place = add_node(graph, node, "Floor", [add_node(graph, node, "Mul", [middle, scale])])
        rows = to(onnx.TensorProto.INT64, place)
        if axis == 1:
            image = add_node(graph, node, "Gather", [image, rows], axis=1)
    finish(graph, node, "Gather", [image, rows], axis=2)


def _area(graph: Any, node: Any, **kwargs: Any) -> None:
    """AveragePool, if the area of each pixel of the result consists of whole pixels of the input; else two matrices."""
    shape, size = graph.get_shape(node.input[0]), node.inputs[1]
    wanted = size.get_tensor_value() if size.is_const() else (0, 0)
    whole = shape and -1 not in shape[1:3] and all(n and not m % n for m, n in zip(shape[1:3], wanted, strict=True))
    if not whole or node.get_attr_value("align_corners"):
        if not _by_matrices(graph, node):
            raise NotImplementedError("areas of parts of pixels between free extents")
        return
    window = [extent // n for extent, n in zip(shape[1:3], wanted, strict=True)]
    image = graph.make_node("Transpose", [node.input[0]], attr={"perm": [0, 3, 1, 2]}).output[0]
    pool = graph.make_node(
        "AveragePool", [image], attr={"kernel_shape": window, "strides": window}, name=node.name + "/pool"
    )
    node.type = "Transpose"
    node.set_attr("perm", [0, 2, 3, 1])
    graph.replace_inputs(node, pool.output)


def _bicubic(graph: Any, node: Any, **kwargs: Any) -> None:
    """Two matrices, known or computed: Resize computes what TensorFlow looks up in a table, and is off by 1e-3."""
    if not _by_matrices(graph, node):
        _by_computed_matrices(graph, node)


def _bilinear(graph: Any, node: Any, **kwargs: Any) -> None:
    """tf2onnx's own handler."""
    from tf2onnx.onnx_opset.nn import Resize

    Resize.version_11(graph, node, **kwargs)


def _in_float32(resize: Any) -> Any:
    """A handler that resizes images of any type in float32, which is the type of the result."""

    def handle(graph: Any, node: Any, **kwargs: Any) -> None:
        import onnx

        if graph.get_dtype(node.input[0]) != onnx.TensorProto.FLOAT:
            image = add_node(graph, node, "Cast", [node.input[0]], to=onnx.TensorProto.FLOAT)
            graph.set_dtype(image, onnx.TensorProto.FLOAT)
            graph.copy_shape(node.input[0], image)
            graph.replace_inputs(node, [image, *node.input[1:]])
        resize(graph, node, **kwargs)

    return handle


# Colours


def _channels(graph: Any, node: Any) -> list[str]:
    from tf2onnx import utils

    dtypes = [graph.get_dtype(node.input[0])] * 3
    sizes = add_constant(graph, node, [1, 1, 1], np.int64)
    name = utils.make_name(f"{node.name}/Split")
    return graph.make_node(
        "Split", [node.input[0], sizes], attr={"axis": -1}, output_count=3, name=name, dtypes=dtypes
    ).output


def _rgb_to_hsv(graph: Any, node: Any, **kwargs: Any) -> None:
    """Hue, saturation and value, each from 0 to 1.

    https://github.com/tensorflow/tensorflow/blob/master/tensorflow/core/kernels/image/colorspace_op.h
    """
    red, green, blue = _channels(graph, node)

    def make(operator: str, *inputs: Any) -> str:
        return add_node(
            graph, node, operator, [i if isinstance(i, str) else add_constant(graph, node, i) for i in inputs]
        )

    value = make("Max", red, green, blue)
    spread = make("Sub", value, make("Min", red, green, blue))
    zero = make("Mul", spread, 0.0)
    saturation = make("Where", make("Greater", value, 0.0), make("Div", spread, value), zero)
    sixth = make("Mul", spread, 6.0)
    hues = [
        make("Add", make("Div", make("Sub", one, other), sixth), shift)
        for one, other, shift in ((green, blue, 0.0), (blue, red, 2 / 6), (red, green, 4 / 6))
    ]
    hue = make("Where", make("Equal", green, value), hues[1], hues[2])
    hue = make("Where", make("Equal", red, value), hues[0], hue)
    hue = make("Where", make("Greater", spread, 0.0), hue, zero)
    hue = make("Where", make("Less", hue, 0.0), make("Add", hue, 1.0), hue)
    finish(graph, node, "Concat", [hue, saturation, value], axis=-1)


def _hsv_to_rgb(graph: Any, node: Any, **kwargs: Any) -> None:
    """The inverse of `_rgb_to_hsv`."""
    hue, saturation, value = _channels(graph, node)

    def make(operator: str, *inputs: Any) -> str:
        return add_node(
            graph, node, operator, [i if isinstance(i, str) else add_constant(graph, node, i) for i in inputs]
        )

    sector = make("Mul", hue, 6.0)
    red = make("Sub", make("Abs", make("Sub", sector, 3.0)), 1.0)
    green, blue = (make("Sub", 2.0, make("Abs", make("Sub", sector, middle))) for middle in (2.0, 4.0))
    rest = make("Sub", 1.0, saturation)
    mixed = [
        make("Mul", make("Add", rest, make("Mul", saturation, make("Clip", part, 0.0, 1.0))), value)
        for part in (red, green, blue)
    ]
    finish(graph, node, "Concat", mixed, axis=-1)


def _adjust_saturation(graph: Any, node: Any, **kwargs: Any) -> None:
    """Move each channel away from the largest, or towards it; tf2onnx's handler permutes the channels.

    With v the largest and d the largest minus the smallest, the saturation is d / v: `v - (v - x) * r`, where r is the
    scale, but at most v / d, at which the saturation is 1.
    """
    image, scale = node.input
    dtype = graph.get_dtype(image)
    zero = add_constant(graph, node, 0.0)

    def make(operator: str, *inputs: str, **attributes: Any) -> str:
        made = add_node(graph, node, operator, list(inputs), **attributes)
        graph.set_dtype(made, dtype)
        return made

    last = add_constant(graph, node, [-1], np.int64)
    value, least = (make(operator, image, last, keepdims=1) for operator in ("ReduceMax", "ReduceMin"))
    spread = make("Sub", value, least)
    is_grey = add_node(graph, node, "Equal", [spread, zero])
    limit = make("Div", value, make("Where", is_grey, add_constant(graph, node, 1.0), spread))
    ratio = make("Max", make("Min", make("Where", is_grey, scale, limit), scale), zero)
    finish(graph, node, "Sub", [value, make("Mul", make("Sub", value, image), ratio)])


IMAGE_HANDLERS: Mapping[str, Any] = {
    "AdjustSaturation": _adjust_saturation,
    "Dilation2D": _dilation,
    "ExtractImagePatches": _patches,
    "HSVToRGB": _hsv_to_rgb,
    "ResizeArea": _in_float32(_area),
    "ResizeBicubic": _in_float32(_bicubic),
    "ResizeBilinear": _in_float32(_bilinear),
    "ResizeNearestNeighbor": _nearest,
    "RGBToHSV": _rgb_to_hsv,
    "ScaleAndTranslate": _scale_and_translate,
}
