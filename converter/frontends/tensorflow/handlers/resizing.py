"""Handlers of operators that resize images (N, H, W, C)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from onnx import TensorProto

from converter.frontends.tensorflow.handlers.node_builder import Handler, NodeBuilder

_ONE = 2**30
"""What stands for 1 in a matrix of integers."""


def _by_tensorflow(operator: str, **arguments: Any) -> np.ndarray:
    """The result of one operator, computed by TensorFlow."""
    import tensorflow as tf

    with tf.Graph().as_default(), tf.compat.v1.Session() as session:
        return np.asarray(session.run(getattr(tf.raw_ops, operator)(**arguments)))


def _extents(build: NodeBuilder) -> tuple[list[int], list[int]]:
    """The extents of the image and of the result."""
    shape, size = build.shape(build.inputs[0]), build.sources[1]
    if not shape or -1 in shape[1:3] or not size.is_const():
        raise NotImplementedError("resizing from or to extents that are not fixed")
    return shape[1:3], [int(n) for n in size.get_tensor_value()]


def _linear(build: NodeBuilder, matrices: Sequence[np.ndarray]) -> None:
    """Resize both axes by matrices; they are computed from integers, so that they are no weights that train."""

    def number(matrix: np.ndarray) -> str:
        negative = build.int64(np.round(-matrix.astype(np.float64) * _ONE))
        return build.add("Mul", build.cast(build.add("Neg", negative), TensorProto.FLOAT), 1 / _ONE)

    _, _, width, channels = build.shape(build.inputs[0])
    rows, columns = map(number, matrices)
    x = build.cast(build.inputs[0], TensorProto.FLOAT)
    flat = build.add("Reshape", x, build.int64([0, 0, width * channels]))
    tall = build.add("MatMul", rows, flat)
    build.finish("MatMul", columns, build.add("Reshape", tall, build.int64([0, 0, width, channels])))


def _scale_and_translate(build: NodeBuilder) -> None:
    """ScaleAndTranslate, which `tf.image.resize` writes with antialiasing and for most methods: two matrices."""
    extents, sizes = _extents(build)
    if not all(source.is_const() for source in build.sources[2:]) or build.shape(build.inputs[0])[3] < 0:
        raise NotImplementedError("a scale that is computed, or a free number of channels")
    scales, moves = (source.get_tensor_value() for source in build.sources[2:])
    how = {"kernel_type": build.attribute("kernel_type"), "antialias": bool(build.attribute("antialias"))}
    matrices = []
    for extent, size, scale, move in zip(extents, sizes, scales, moves, strict=True):
        lines = np.eye(extent, dtype=np.float32).reshape(1, extent, 1, extent)
        matrix = _by_tensorflow(
            "ScaleAndTranslate", images=lines, size=[size, 1], scale=[scale, 1.0], translation=[move, 0.0], **how
        )
        matrices.append(matrix.reshape(size, extent))
    _linear(build, matrices)


def _by_matrices(build: NodeBuilder) -> bool:
    """Make a ResizeBicubic or ResizeArea two matrices; returns False where an extent is not fixed."""
    try:
        extents, sizes = _extents(build)
    except NotImplementedError:
        return False
    if build.shape(build.inputs[0])[3] < 0:
        return False
    options = ("align_corners", "half_pixel_centers") if build.node.type == "ResizeBicubic" else ("align_corners",)
    how = {name: bool(build.attribute(name)) for name in options}
    matrices = []
    for extent, size in zip(extents, sizes, strict=True):
        lines = np.eye(extent, dtype=np.float32).reshape(1, extent, 1, extent)
        matrices.append(_by_tensorflow(build.node.type, images=lines, size=[size, 1], **how).reshape(size, extent))
    _linear(build, matrices)
    return True


def _by_computed_matrices(build: NodeBuilder) -> None:
    """Make a ResizeBicubic between free extents two matrices that the network computes.

    TensorFlow looks the weights up in a table of 1,024 places between two pixels. Beyond the border pixels do not count
    with `half_pixel_centers`, else those at the border are repeated.
    """
    matrices = [_computed_matrix(build, axis) for axis in (0, 1)]
    x = build.add("Transpose", build.cast(build.inputs[0], TensorProto.FLOAT), perm=[0, 3, 1, 2])
    rows, columns = matrices[0], build.add("Transpose", matrices[1], perm=[1, 0])
    wide = build.add("MatMul", build.add("MatMul", rows, x), columns)
    build.finish("Transpose", wide, perm=[0, 2, 3, 1])


def _computed_matrix(build: NodeBuilder, axis: int) -> str:
    """The weights (size, extent) with which the pixels of one axis make those of the result."""
    aligned, half = (bool(build.attribute(name)) for name in ("align_corners", "half_pixel_centers"))
    zero, one, column = build.int64(0), build.int64(1), build.int64([1])
    extent, size = _run_time_extents(build, axis)
    ratio = (extent, size)
    if aligned:
        ratio = (build.add("Sub", extent, one), build.add("Max", build.add("Sub", size, one), one))
    scale = build.add("Div", *(build.cast(value, TensorProto.FLOAT) for value in ratio))
    lines = build.cast(build.add("Range", zero, size, one), TensorProto.FLOAT)
    points = build.add("Mul", build.add("Add", lines, 0.5) if half else lines, scale)
    points = build.add("Sub", points, 0.5) if half else points
    below = build.add("Floor", points)
    step = build.add("Div", build.add("Round", build.add("Mul", build.add("Sub", points, below), 1024.0)), 1024.0)
    points = build.add("Unsqueeze", build.add("Add", below, step), column)
    places = build.add("Range", build.int64(-2), build.add("Add", extent, build.int64(2)), one)
    far = build.add("Abs", build.add("Sub", points, build.cast(places, TensorProto.FLOAT)))
    weights = _cubic_weights(build, far, -0.5 if half else -0.75)
    pixels = places if half else build.add("Clip", places, zero, build.add("Sub", extent, one))
    same = build.add("Equal", build.add("Unsqueeze", pixels, column), build.add("Range", zero, extent, one))
    matrix = build.add("MatMul", weights, build.cast(same, TensorProto.FLOAT))
    return build.add("Div", matrix, build.add("ReduceSum", matrix, column))


def _cubic_weights(build: NodeBuilder, far: str, a: float) -> str:
    """The weight of a pixel at each distance, of Keys' cubic convolution with the parameter `a`."""

    def polynomial(*factors: float) -> str:
        result: str | float = factors[0]
        for factor in factors[1:]:
            result = build.add("Mul", far, result)
            result = build.add("Add", result, factor) if factor else result
        return str(result)

    near, reached = build.add("Less", far, 1.0), build.add("Less", far, 2.0)
    outer = build.add("Where", reached, polynomial(a, -5 * a, 8 * a, -4 * a), 0.0)
    return build.add("Where", near, polynomial(a + 2, -(a + 3), 0.0, 1.0), outer)


def _run_time_extents(build: NodeBuilder, axis: int) -> tuple[str, str]:
    """The extent of the image, and that of the result, along the axis of rows (0) or columns (1)."""
    image, sizes = build.inputs
    extent = build.add("Gather", build.add("Shape", image), build.int64(axis + 1), axis=0)
    return extent, build.add("Gather", build.cast(sizes, TensorProto.INT64), build.int64(axis), axis=0)


def _nearest(build: NodeBuilder) -> None:
    """ResizeNearestNeighbor: ONNX's Resize, or where it rounds in another way, the rows and columns that are taken."""
    from tf2onnx.onnx_opset.nn import Resize

    how = {name: bool(build.attribute(name)) for name in ("align_corners", "half_pixel_centers")}
    shape = build.shape(build.inputs[0])
    wanted = build.sources[1].get_tensor_value() if build.sources[1].is_const() else [0, 0]
    whole = shape and -1 not in shape[1:3] and all(n and not n % m for n, m in zip(wanted, shape[1:3], strict=True))
    if not any(how.values()) or (whole and not how["align_corners"]):
        build.node.set_attr("half_pixel_centers", 0)
        build.leave_to(Resize.version_11)
        return
    if how["half_pixel_centers"] and not how["align_corners"] and (not shape or -1 in shape[1:3] or not wanted[0]):
        _nearest_of_any_extent(build)
        return
    extents, sizes = _extents(build)
    places = []
    for extent, size in zip(extents, sizes, strict=True):
        line = np.arange(extent, dtype=np.float32).reshape(1, extent, 1, 1)
        found = _by_tensorflow("ResizeNearestNeighbor", images=line, size=[size, 1], **how)
        places.append(build.int64(found.reshape(-1)))
    rows = build.add("Gather", build.inputs[0], places[0], axis=1)
    build.finish("Gather", rows, places[1], axis=2)


def _nearest_of_any_extent(build: NodeBuilder) -> None:
    """Row `floor((i + 0.5) * extent / size)` for each row i of the result; columns likewise."""
    image = build.inputs[0]
    places = []
    for axis in (0, 1):
        extent, size = _run_time_extents(build, axis)
        line = build.cast(build.add("Range", build.int64(0), size, build.int64(1)), TensorProto.FLOAT)
        scale = build.add("Div", *(build.cast(value, TensorProto.FLOAT) for value in (extent, size)))
        place = build.add("Floor", build.add("Mul", build.add("Add", line, 0.5), scale))
        places.append(build.cast(place, TensorProto.INT64))
    build.finish("Gather", build.add("Gather", image, places[0], axis=1), places[1], axis=2)


def _area(build: NodeBuilder) -> None:
    """AveragePool, if the area of each pixel of the result consists of whole pixels of the input; else two matrices."""
    shape, size = build.shape(build.inputs[0]), build.sources[1]
    wanted = size.get_tensor_value() if size.is_const() else (0, 0)
    whole = shape and -1 not in shape[1:3] and all(n and not m % n for m, n in zip(shape[1:3], wanted, strict=True))
    if not whole or build.attribute("align_corners"):
        if not _by_matrices(build):
            raise NotImplementedError("areas of parts of pixels between free extents")
        return
    window = [extent // n for extent, n in zip(shape[1:3], wanted, strict=True)]
    image = build.add("Transpose", build.inputs[0], perm=[0, 3, 1, 2])
    pooled = build.add("AveragePool", image, kernel_shape=window, strides=window)
    build.finish("Transpose", pooled, perm=[0, 2, 3, 1])


def _bicubic(build: NodeBuilder) -> None:
    """Two matrices, known or computed: Resize computes what TensorFlow looks up in a table, and is off by 1e-3."""
    if not _by_matrices(build):
        _by_computed_matrices(build)


def _bilinear(build: NodeBuilder) -> None:
    """tf2onnx's own handler."""
    from tf2onnx.onnx_opset.nn import Resize

    build.leave_to(Resize.version_11)


def _in_float32(resize: Handler) -> Handler:
    """A handler that resizes images of any type in float32, which is the type of the result."""

    def handle(build: NodeBuilder) -> None:
        image, *others = build.inputs
        if build.dtype(image) != TensorProto.FLOAT:
            converted = build.cast(image, TensorProto.FLOAT)
            build.graph.copy_shape(image, converted)
            build.graph.replace_inputs(build.node, [converted, *others])
        resize(build)

    return handle


HANDLERS: Mapping[str, Handler] = {
    "ResizeArea": _in_float32(_area),
    "ResizeBicubic": _in_float32(_bicubic),
    "ResizeBilinear": _in_float32(_bilinear),
    "ResizeNearestNeighbor": _nearest,
    "ScaleAndTranslate": _scale_and_translate,
}
