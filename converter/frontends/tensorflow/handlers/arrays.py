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


def _list_diff(build: NodeBuilder) -> None:
    """The elements of one list that another does not have, and their places."""
    x, y = build.inputs
    rows, columns = build.add("Unsqueeze", x, build.int64([1])), build.add("Unsqueeze", y, build.int64([0]))
    same = build.cast(build.add("Equal", rows, columns), TensorProto.INT32)
    count = build.add("ReduceSum", same, build.int64([1]), keepdims=0)
    only = build.add("Equal", count, build.constant(0, np.int32))
    places = build.add("Squeeze", build.cast(build.add("NonZero", only), TensorProto.INT64), build.int64([0]))
    build.replace(build.add("Gather", x, places, axis=0), build.cast(places, build.dtype(build.node.output[1])))


def _nth_element(build: NodeBuilder) -> None:
    """The last of the n + 1 smallest elements of each row; with `reverse`, of the largest."""
    x, n = build.inputs
    index = build.cast(n, TensorProto.INT64)
    count = build.add("Unsqueeze", build.add("Add", index, build.int64(1)), build.int64([0]))
    largest = int(bool(build.attribute("reverse")))
    found = build.add_split("TopK", x, count, outputs=2, axis=-1, largest=largest, sorted=1)[0]
    build.finish("Gather", found, index, axis=-1)


def _in_top_k(build: NodeBuilder) -> None:
    """Whether fewer than k scores are larger than that of the target; not where a score is not finite."""
    scores, targets, *rest = build.inputs
    k = build.cast(rest[0], TensorProto.INT64) if rest else build.int64(build.attribute("k"))
    targets, last = build.cast(targets, TensorProto.INT64), build.int64([1])
    classes = build.add("Gather", build.add("Shape", scores), build.int64(1), axis=0)
    known = build.add("And", build.add("GreaterOrEqual", targets, build.int64(0)), build.add("Less", targets, classes))
    place = build.add("Unsqueeze", build.add("Where", known, targets, build.int64(0)), last)
    larger = build.add("Greater", scores, build.add("GatherElements", scores, place, axis=1))
    count = build.add("ReduceSum", build.cast(larger, TensorProto.INT64), last, keepdims=0)
    nothing = build.add("ReduceSum", build.add("Sub", scores, scores), last, keepdims=0)
    finite = build.add("Equal", nothing, build.constant(0))
    build.finish("And", build.add("And", build.add("Less", count, k), known), finite)


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


def _pad(build: NodeBuilder) -> None:
    """Padding of real numbers; tf2onnx casts complex numbers to floats for it, and loses their imaginary parts."""
    from tf2onnx.onnx_opset.nn import Pad

    if build.numpy_dtype(build.inputs[0]).kind == "c":
        raise NotImplementedError("complex numbers")
    build.leave_to(Pad.version_11)


HANDLERS: Mapping[str, Handler] = {
    "BroadcastArgs": _broadcast_args,
    **dict.fromkeys(("ComplexAbs", "FFT", "FFT2D", "RFFT", "RFFT2D"), _complex),
    "DeepCopy": alias("Identity"),
    "GuaranteeConst": alias("Identity"),
    **dict.fromkeys(("InTopK", "InTopKV2"), _in_top_k),
    "ListDiff": _list_diff,
    "NthElement": _nth_element,
    "NonMaxSuppressionV5": _non_max_suppression,
    "OneHot": _one_hot,
    **dict.fromkeys(("Pad", "PadV2"), _pad),
    "ParallelConcat": _parallel_concat,
    "Print": _print,
    "ScatterNd": _scatter,
    "Select": _select,
    "SelectV2": _select,
    "ShapeN": _shape_n,
    "Snapshot": alias("Identity"),
}
