"""The source graph as plain data: the inputs, outputs and attributes of every node, before fusions."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import onnx_ir as ir

from converter.graph.provenance import operator_of
from converter.graph.walk import all_nodes, all_values, subgraphs

SHORT = 80
"""Characters of an attribute's value that are kept."""

_NAMES = {ir.DataType.FLOAT: "float32", ir.DataType.DOUBLE: "float64"}
"""Element types whose names in NumPy and ONNX differ."""

Key = tuple[str, str]
"""Operator and name of a node, by which a record refers to it."""


@dataclass(frozen=True, slots=True)
class SourceNode:
    """One node of the source.

    Attributes:
        inputs, outputs: names of values; "" for an omitted one.
        attributes: name → value, shortened to `SHORT` characters.
        within: the node whose sub-graph contains it.
    """

    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    attributes: Mapping[str, str]
    within: Key | None = None


@dataclass(frozen=True, slots=True)
class SourceValue:
    """A value of the source: its element type, its extents (a name where dynamic), whether it is constant."""

    dtype: str | None
    shape: tuple[int | str | None, ...] | None
    constant: bool


@dataclass(frozen=True)
class SourceGraph:
    """Nodes by operator and name, values by name."""

    nodes: Mapping[Key, SourceNode]
    values: Mapping[str, SourceValue]


def source_graph(model: ir.Model) -> SourceGraph:
    """Describe a normalised graph, its sub-graphs included."""
    around = {inner: node for node in all_nodes(model.graph) for graph in subgraphs(node) for inner in graph}
    nodes = {_key(node): _describe(node, around.get(node)) for node in all_nodes(model.graph)}
    read = {name for node in nodes.values() for name in (*node.inputs, *node.outputs)}
    return SourceGraph(nodes, {v.name: _value(v) for v in all_values(model) if v.name in read})


def _key(node: ir.Node) -> Key:
    return operator_of(node), node.name or ""


def _describe(node: ir.Node, holder: ir.Node | None) -> SourceNode:
    return SourceNode(
        tuple(value.name or "" if value is not None else "" for value in node.inputs),
        tuple(value.name or "" for value in node.outputs),
        {name: _short(item) for name, item in _attributes(node)},
        None if holder is None else _key(holder),
    )


def _attributes(node: ir.Node) -> Iterator[tuple[str, Any]]:
    for name, attribute in node.attributes.items():
        yield name, "a graph" if attribute.type == ir.AttributeType.GRAPH else attribute.value


def _short(item: Any) -> str:
    if not isinstance(item, (int, float, str, tuple)) and isinstance(item, ir.TensorProtocol):  # a slow question
        return f"{_NAMES.get(item.dtype, item.dtype.name.lower())} tensor of shape {list(item.shape.numpy())}"
    text = item if isinstance(item, str) else repr(list(item) if isinstance(item, tuple) else item)
    return text if len(text) <= SHORT else text[: SHORT - 1] + "…"


def _value(value: ir.Value) -> SourceValue:
    shape = value.shape
    return SourceValue(
        None if value.dtype is None else _NAMES.get(value.dtype, value.dtype.name.lower()),
        None if shape is None else tuple(dim if isinstance(dim, int) else dim.value for dim in shape),
        value.const_value is not None,
    )
