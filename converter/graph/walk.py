"""Every graph, node and value of a model, sub-graphs included.

The same as onnx_ir's iterators, but several times as fast: many passes spend most of their time here.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import onnx
import onnx_ir as ir

_GRAPH, _GRAPHS = ir.AttributeType.GRAPH, ir.AttributeType.GRAPHS


def subgraphs(node: ir.Node) -> list[ir.Graph]:
    """The sub-graphs of `node`: branches, the body of a loop."""
    found: list[ir.Graph] = []
    for attribute in node.attributes.data.values():
        kind = attribute.type
        if (kind is _GRAPH or kind is _GRAPHS) and not attribute.is_ref():
            found += [attribute.value] if kind is _GRAPH else attribute.value
    return found


def all_nodes(graph: Iterable[ir.Node]) -> Iterator[ir.Node]:
    """The nodes of `graph`, each before those of its sub-graphs."""
    for node in graph:
        yield node
        if node.attributes.data:
            for inner in subgraphs(node):
                yield from all_nodes(inner)


def proto_subgraphs(node: onnx.NodeProto) -> Iterator[onnx.GraphProto]:
    """The graphs that are attributes of a node before onnx_ir reads it: the bodies of an If, Loop or Scan."""
    for attribute in node.attribute:
        if attribute.HasField("g"):
            yield attribute.g
        yield from attribute.graphs


def proto_nodes(graph: onnx.GraphProto) -> Iterator[onnx.NodeProto]:
    """The nodes of a graph and of its sub-graphs, before onnx_ir reads it."""
    for node in graph.node:
        yield node
        for inner in proto_subgraphs(node):
            yield from proto_nodes(inner)


def all_graphs(model: ir.Model) -> list[ir.Graph]:
    """The graph of `model` and its sub-graphs."""
    return [model.graph, *_graphs_in(model.graph)]


def _graphs_in(graph: Iterable[ir.Node]) -> Iterator[ir.Graph]:
    for node in graph:
        if node.attributes.data and (found := subgraphs(node)):
            yield from found
            for inner in found:
                yield from _graphs_in(inner)


def all_values(model: ir.Model) -> Iterator[ir.Value]:
    """Every value, some of them twice; first the inputs, outputs and initializers of the graphs."""
    for graph in all_graphs(model):
        yield from graph.inputs
        yield from graph.outputs
        yield from graph.initializers.values()
    for node in all_nodes(model.graph):
        yield from node.outputs
