"""Handlers of operators that select, join, place and describe elements."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from onnx import TensorProto, helper

from converter.frontends.tensorflow.handlers.arithmetic import alias
from converter.frontends.tensorflow.handlers.node_builder import Handler, NodeBuilder


def _broadcast_args(build: NodeBuilder) -> None:
    """The shape to which tensors of two shapes are broadcast."""
    lengths = [build.shape(shape) for shape in build.inputs]
    if any(not length or length[0] < 0 for length in lengths):
        raise NotImplementedError("shapes of unknown rank")
    rank = max(length[0] for length in lengths)

    def padded(shape: str, missing: int) -> str:
        if not missing:
            return shape
        ones = build.constant(np.ones(missing), build.numpy_dtype(shape))
        return build.add("Concat", ones, shape, axis=0)

    one, other = (padded(shape, rank - length[0]) for shape, length in zip(build.inputs, lengths, strict=True))
    build.finish("Where", build.add("Equal", one, build.number(1)), other, one)


def _print(build: NodeBuilder) -> None:
    """Identity of the first input; nothing is printed."""
    build.finish("Identity", build.inputs[0])


def _scatter(build: NodeBuilder) -> None:
    """ScatterND into zeros; TensorFlow adds the updates of duplicate indices."""
    indices, updates, shape = build.inputs
    zero = helper.make_tensor("value", build.dtype(updates), [1], [0])
    zeros = build.add("ConstantOfShape", build.cast(shape, TensorProto.INT64), value=zero)
    build.finish("ScatterND", zeros, build.cast(indices, TensorProto.INT64), updates, reduction="add")


def _select(build: NodeBuilder) -> None:
    """Where; if the condition of Select is a vector, it selects rows and is reshaped to (-1, 1, …)."""
    condition, *values = build.inputs
    rank = len(build.shape(values[0]))
    if build.node.type == "Select" and len(build.shape(condition)) == 1 and rank > 1:
        condition = build.add("Reshape", condition, build.int64([-1] + [1] * (rank - 1)))
    build.finish("Where", condition, *values)


def _one_hot(build: NodeBuilder) -> None:
    """OneHot in which a negative index is none at all; ONNX counts it from the end."""
    indices, depth = (build.cast(value, TensorProto.INT64) for value in build.inputs[:2])
    on, off = (build.add("Unsqueeze", value, build.int64([0])) for value in build.inputs[2:])
    outside = build.add("Where", build.add("Less", indices, build.int64(0)), depth, indices)
    values = build.add("Concat", off, on, axis=0)
    build.finish("OneHot", outside, depth, values, axis=build.attribute("axis"))


def _shape_n(build: NodeBuilder) -> None:
    """The shape of each input."""
    dtype = build.attribute("out_type")
    build.replace(*[build.cast(build.add("Shape", x), dtype) for x in build.inputs])


def _parallel_concat(build: NodeBuilder) -> None:
    """Concat along the first axis."""
    build.finish("Concat", *build.inputs, axis=0)


def _non_max_suppression(build: NodeBuilder) -> None:
    """tf2onnx's own handler, only if soft_nms_sigma is 0, which that handler does not check."""
    from tf2onnx.onnx_opset.tensor import NonMaxSuppression

    sigma = build.sources[5]
    if not sigma.is_const() or sigma.get_tensor_value():
        raise NotImplementedError("scores that fall where boxes overlap")
    opset = build.graph.opset
    build.leave_to(lambda graph, node, **options: NonMaxSuppression.any_version(opset, graph, node, **options))


def _complex(build: NodeBuilder) -> None:
    """Keep the node, for which there is a row; tf2onnx writes transforms as products with large matrices."""
    raise NotImplementedError("complex numbers")


HANDLERS: Mapping[str, Handler] = {
    "BroadcastArgs": _broadcast_args,
    **dict.fromkeys(("ComplexAbs", "FFT", "FFT2D", "RFFT", "RFFT2D"), _complex),
    "DeepCopy": alias("Identity"),
    "GuaranteeConst": alias("Identity"),
    "NonMaxSuppressionV5": _non_max_suppression,
    "OneHot": _one_hot,
    "ParallelConcat": _parallel_concat,
    "Print": _print,
    "ScatterNd": _scatter,
    "Select": _select,
    "SelectV2": _select,
    "ShapeN": _shape_n,
    "Snapshot": alias("Identity"),
}
