"""Handlers of batch norms."""

from __future__ import annotations

from collections.abc import Mapping

from converter.frontends.tensorflow.handlers.node_builder import Handler, NodeBuilder


def _in_dtype_of_scale(build: NodeBuilder) -> None:
    """Compute a norm of 16-bit values in the type of its scale, as TensorFlow does."""
    graph, node = build.graph, build.node
    narrow, wide = (build.dtype(value) for value in build.inputs[:2])
    if narrow != wide:
        widened = graph.insert_new_node_on_input(node, "Cast", node.input[0], to=wide)
        graph.copy_shape(widened.input[0], widened.output[0])
        graph.set_dtype(widened.output[0], wide)
        graph.set_dtype(node.output[0], wide)
        narrowed = graph.insert_new_node_on_output("Cast", node.output[0], to=narrow)
        graph.copy_shape(node.output[0], narrowed.output[0])
        graph.set_dtype(narrowed.output[0], narrow)
    _batch_norm(build)


def _batch_norm(build: NodeBuilder) -> None:
    """tf2onnx's own handler; a norm that trains uses the mean and the variance of the batch itself."""
    from tf2onnx.onnx_opset.nn import BatchNorm

    if not build.attribute("is_training", True):
        build.leave_to(BatchNorm.version_9)
        return
    x, gamma, beta = build.inputs[:3]
    last = build.attribute("data_format", "NHWC") == "NHWC"
    axes = build.int64([0, 1, 2] if last else [0, 2, 3])
    if not last:
        gamma, beta = (build.add("Reshape", vector, build.int64([-1, 1, 1])) for vector in (gamma, beta))
    centred = build.add("Sub", x, build.add("ReduceMean", x, axes, keepdims=1))
    squares = build.add("Mul", centred, centred)
    variance = build.add("ReduceMean", squares, axes, keepdims=1)
    deviation = build.add("Sqrt", build.add("Add", variance, build.number(build.attribute("epsilon"))))
    normal = build.add("Add", build.add("Mul", build.add("Div", centred, deviation), gamma), beta)
    results = [normal, build.add("ReduceMean", x, axes, keepdims=0)]
    if _is_read(build, 2):
        variance = build.add("ReduceMean", squares, axes, keepdims=0)
        results.append(build.add("Mul", variance, _correction(build)))
    build.replace(*results)


def _is_read(build: NodeBuilder, index: int) -> bool:
    """Whether an output of the node is an input of another, or a result of the graph."""
    outputs = build.node.output
    if len(outputs) <= index:
        return False
    return bool(build.graph.find_output_consumers(outputs[index]) or outputs[index] in build.graph.outputs)


def _correction(build: NodeBuilder) -> str:
    """N / max(n - 1, 1) for the n elements of a channel, which makes their variance that of a sample."""
    elements, channels = (build.add("Size", value) for value in build.inputs[:2])
    count = build.cast(build.add("Div", elements, channels), build.dtype(build.inputs[0]))
    one = build.number(1)
    return build.add("Div", count, build.add("Max", build.add("Sub", count, one), one))


HANDLERS: Mapping[str, Handler] = dict.fromkeys(
    ("FusedBatchNorm", "FusedBatchNormV2", "FusedBatchNormV3"), _in_dtype_of_scale
)
