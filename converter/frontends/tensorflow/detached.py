"""Values behind `tf.stop_gradient`, which tf2onnx would write as nothing, and gradients that a graph gives by hand."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

import onnx

from converter.base.trained import TRAINED, YES
from converter.frontends.endpoints import listed
from converter.frontends.tensorflow import graph as graphs
from converter.graph import STOP_DOMAIN, STOP_OPERATOR, mark_detached, proto_nodes, proto_subgraphs

if TYPE_CHECKING:
    from tensorflow.core.framework.graph_pb2 import GraphDef
    from tensorflow.core.framework.node_def_pb2 import NodeDef

_GRADIENT = "_gradient_op_type"
"""Attribute of a node whose gradient is another than that of its operator: the name of the gradient."""


def gradients_of_their_own(graph: GraphDef) -> list[str]:
    """A sentence about nodes with `tf.custom_gradient` or `gradient_override_map`."""
    found = []
    for nodes in (graph.node, *(function.node_def for function in graph.library.function)):
        named = {node.name: node for node in nodes}
        for node in nodes:
            gradient = node.attr[_GRADIENT].s if _GRADIENT in node.attr else b""
            if gradient and b"PartitionedCall" not in gradient and not _is_silu(node, named):
                found.append(node.name)
    if not found:
        return []
    told = (
        f"{listed(found)}: the graph has a gradient of its own there (tf.custom_gradient, gradient_override_map), "
        "which is in no file. The script computes the same, but trains with the derivative of what it computes: "
        "write a bprop where that is another."
    )
    return [told]


def _is_silu(node: NodeDef, named: Mapping[str, NodeDef]) -> bool:
    """Whether a node is the end of `tf.nn.silu`, whose gradient saves memory, and is the derivative."""

    def source(tensor: str) -> NodeDef | None:
        return named.get(graphs.split(tensor)[0])

    product = source(node.input[0]) if node.op == "IdentityN" else None
    return (
        product is not None
        and product.op == "Mul"
        and any((factor := source(each)) is not None and factor.op == "Sigmoid" for each in product.input)
    )


def rewrite_stop_gradient(graph: Any, ops: list[Any]) -> list[Any]:
    """Keep each StopGradient but that of `tf.nn.moments`, as a node of our own. A rewriter for tf2onnx."""
    for node in ops:
        if node.type == "StopGradient":
            node.type = "Identity" if _is_mean_of_variance(graph, node) else STOP_OPERATOR
            if node.type == STOP_OPERATOR:
                node.domain, node.skip_conversion = STOP_DOMAIN, True
    return ops


def _is_mean_of_variance(graph: Any, node: Any) -> bool:
    """Whether a value is a mean that only a variance reads: the variance has no gradient by the mean."""
    mean = node.inputs[0]
    readers = graph.find_output_consumers(node.output[0])
    return mean.type == "Mean" and bool(readers) and all(_is_deviation(graph, each, mean) for each in readers)


def _is_deviation(graph: Any, node: Any, mean: Any) -> bool:
    """Whether a node is the squared difference from a mean of which nothing but the mean is read."""
    if node.type != "SquaredDifference" or mean.input[0] not in node.input:
        return False
    means = graph.find_output_consumers(node.output[0])
    return all(each.type == "Mean" and _axes(each) == _axes(mean) for each in means)


def _axes(mean: Any) -> Any:
    axes = mean.inputs[1]
    return sorted(axes.get_tensor_value(as_list=False).ravel().tolist()) if axes.is_const() else None


def mark_stops(model: onnx.ModelProto) -> None:
    """Mark the values of a model of tf2onnx through which a gradient would reach a weight; the model is changed."""
    mark_detached(model, {tensor.name for tensor in _tensors(model.graph) if _is_trained(tensor)})


def _tensors(graph: onnx.GraphProto) -> Iterator[onnx.TensorProto]:
    yield from graph.initializer
    for node in proto_nodes(graph):
        for body in proto_subgraphs(node):
            yield from body.initializer


def _is_trained(tensor: onnx.TensorProto) -> bool:
    """Whether a tensor is trained as far as is known."""
    known = [entry.value for entry in tensor.metadata_props if entry.key == TRAINED]
    return known == [YES] or (not known and tensor.data_type in _FLOATS)


_FLOATS = {onnx.TensorProto.FLOAT, onnx.TensorProto.DOUBLE, onnx.TensorProto.FLOAT16, onnx.TensorProto.BFLOAT16}
