"""Provenance: a node that replaces others keeps their names, scopes and metadata of the source."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import onnx_ir as ir

from converter.graph.annotations import refusal_of
from converter.graph.hints import scopes

MERGED_NODES = "converter.absorbed"
"""Key of a node's `meta`: nodes that it replaces, except the one it is named after: `MergedNode`s and lists of them.

A node refers to the lists of the nodes that it replaces. In a chain of replacements, copies of them would grow with the
square of its length.
"""
OPERATOR = "converter.operator"
"""Metadata: the operator of the source node that a node is named after."""


class MergedNode(NamedTuple):
    """A node of the source that another node replaces."""

    operator: str
    name: str
    scope: str


def operator_of(node: ir.Node) -> str:
    """The operator of a node in the source: `onnx::MatMul`."""
    domain = "onnx" if refusal_of(node) else node.domain or "onnx"
    return node.metadata_props.get(OPERATOR, f"{domain}::{node.op_type}")


def merged_nodes_of(node: ir.Node) -> list[MergedNode]:
    """Operator, name and scope of the nodes that a node replaces, except the one it is named after."""
    found, pending = [], [node.meta.get(MERGED_NODES, ())]
    while pending:
        part = pending.pop()
        if isinstance(part, MergedNode):
            found.append(part)
        else:
            pending.extend(reversed(part))
    return found


def transfer_provenance(old: Sequence[ir.Node], new: Sequence[ir.Node]) -> None:
    """Give the names, scopes and metadata of `old` to `new`.

    The last of `new` is named after the most characteristic node. It keeps that node's scope if both have the same
    operator (a convolution merged with its padding), else it gets the innermost scope that contains all of `old`. Other
    new nodes are named after an old node with the same operator; without one, `operator_of` is empty.
    """
    last, left = new[-1], list(old)
    for node in reversed(new):
        origins = left if node is last else [other for other in left if _is_alike(node, other)]
        if origins:
            origin = _most_telling(node, origins)
            left.remove(origin)
            node.name = origin.name
            node.metadata_props.update(origin.metadata_props)
            node.metadata_props[OPERATOR] = operator_of(origin)
            node.meta[MERGED_NODES] = origin.meta.get(MERGED_NODES, ())
        else:
            node.metadata_props.update(last.metadata_props)
            node.metadata_props[OPERATOR] = ""
    if not any(_is_alike(last, node) for node in old):
        widen_scope(last, old)
    merge_provenance(last, left)


def merge_provenance(node: ir.Node, others: Iterable[ir.Node]) -> None:
    """Record that `node` replaces `others` too."""
    parts = [node.meta.get(MERGED_NODES, ())]
    for other in others:
        if operator := operator_of(other):
            scope = "/".join(scope.name for scope in scopes.scopes_of(other))
            parts.append(MergedNode(operator, other.name or "", scope))
        parts.append(other.meta.get(MERGED_NODES, ()))
    node.meta[MERGED_NODES] = [part for part in parts if part]


def widen_scope(node: ir.Node, old: Iterable[ir.Node]) -> None:
    """Set the scope of `node` to the innermost one that contains all of `old`; nodes without a scope are ignored."""
    path = scopes.path_of(node)
    depth = len(path)
    for other in old:
        if scopes.TORCH_SCOPES in other.metadata_props or "/" in (other.name or ""):
            theirs = scopes.path_of(other)
            depth = next((i for i in range(depth) if theirs[i : i + 1] != path[i : i + 1]), depth)
    if depth == len(path):
        return
    for key in (scopes.TORCH_SCOPES, scopes.TORCH_CLASSES):
        if key == scopes.TORCH_SCOPES or key in node.metadata_props:
            recorded = ast.literal_eval(node.metadata_props.get(key, str([*path, node.name])))
            del recorded[len(recorded) - 1 - (len(path) - depth) : -1]
            node.metadata_props[key] = str(recorded)


def _most_telling(new: ir.Node, old: Sequence[ir.Node]) -> ir.Node:
    """The node that a new one is named after: of the same operator, then with the largest constant, then the first."""

    def rank(node: ir.Node) -> tuple[bool, int]:
        sizes = [value.const_value.size for value in node.inputs if value is not None and value.const_value is not None]
        return _is_alike(node, new), max([1, *sizes])

    return max(old, key=rank)


def _is_alike(node: ir.Node, other: ir.Node) -> bool:
    return node.op_type == other.op_type
