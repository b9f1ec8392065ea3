"""Values through which the source lets no gradient: `Tensor.detach`, `tf.stop_gradient`."""

from __future__ import annotations

from collections.abc import Collection, Iterator

import onnx

from converter.base.trained import DETACHED, YES
from converter.graph.walk import proto_nodes, proto_subgraphs

STOP_DOMAIN, STOP_OPERATOR = "onnx2mindspore", "StopGradient"
"""The operator that exporters write for a detached value."""

_COMPARISONS = ("Equal", "Greater", "GreaterOrEqual", "IsInf", "IsNaN", "Less", "LessOrEqual")
_NOT_PASSED = {*_COMPARISONS, "And", "ArgMax", "ArgMin", "NonZero", "Not", "Or", "Shape", "Size", "Xor"}
"""Operators through which no gradient passes."""


def mark_detached(model: onnx.ModelProto, trained: Collection[str]) -> None:
    """Make each StopGradient an Identity, marked where a gradient would reach a weight.

    None is marked where no gradient comes from an output: the source does not train this network.

    Args:
        model: is changed.
        trained: the names of the weights.
    """
    if not any(node.domain == STOP_DOMAIN for node in proto_nodes(model.graph)):
        return
    passes = set(trained)
    marked = _stops(model.graph, passes)
    if not passes.isdisjoint(value.name for value in model.graph.output):
        for node in marked:
            node.metadata_props.add(key=DETACHED, value=YES)
    kept = [opset for opset in model.opset_import if opset.domain != STOP_DOMAIN]
    del model.opset_import[:]
    model.opset_import.extend(kept)


def _stops(graph: onnx.GraphProto, passes: set[str]) -> list[onnx.NodeProto]:
    """The nodes of a graph and its sub-graphs that stop a gradient; all become Identity.

    `passes` are the values that pass gradients to a weight: those from outside, to which those of the graph are added.
    """
    found = []
    for node in graph.node:
        stops = node.domain == STOP_DOMAIN
        if stops:
            node.op_type, node.domain = "Identity", ""
        reaches = not passes.isdisjoint(_read(node))
        for body in proto_subgraphs(node):  # what a loop carries may pass gradients in a later iteration
            found += _stops(body, passes | {value.name for value in body.input} if reaches else set(passes))
        if not reaches or node.op_type in _NOT_PASSED or _makes_integers(node):
            continue
        if stops:
            found.append(node)
        else:
            passes.update(node.output)
    return found


def _read(node: onnx.NodeProto) -> Iterator[str]:
    """The values that a node reads, also in its sub-graphs, and those that these return."""
    yield from node.input
    for graph in proto_subgraphs(node):
        yield from (value.name for value in graph.output)
        for inner in graph.node:
            yield from _read(inner)


def _makes_integers(node: onnx.NodeProto) -> bool:
    integers = (onnx.TensorProto.BOOL, onnx.TensorProto.INT32, onnx.TensorProto.INT64)
    return node.op_type == "Cast" and any(each.name == "to" and each.i in integers for each in node.attribute)
