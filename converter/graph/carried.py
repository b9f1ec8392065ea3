"""What a written model carries for a later conversion: the annotations of its nodes and constants, as metadata."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import onnx_ir as ir

from converter.graph.annotations import FOLDED, LITERAL
from converter.graph.provenance import MERGED_NODES, MergedNode, merged_nodes_of
from converter.graph.walk import all_graphs, all_nodes

_CONSTANT = "onnx2mindspore.constant"
"""Metadata of a constant: `literal`, `folded` or both."""
_MERGED = "onnx2mindspore.merged"
"""Metadata of a node: operator, name and scope of the nodes that it replaces."""


@contextmanager
def carrying(model: ir.Model) -> Iterator[None]:
    """For the length of the block, the annotations of a model are metadata too."""
    constants, nodes = list(_constants(model)), list(all_nodes(model.graph))
    for value in constants:
        if kinds := [kind for kind in (LITERAL, FOLDED) if value.meta.get(kind)]:
            value.metadata_props[_CONSTANT] = " ".join(kinds)
    for node in nodes:
        if merged := merged_nodes_of(node):
            node.metadata_props[_MERGED] = json.dumps(merged)
    try:
        yield
    finally:
        for value in constants:
            value.metadata_props.pop(_CONSTANT, None)
        for node in nodes:
            node.metadata_props.pop(_MERGED, None)


def restore_carried(model: ir.Model) -> None:
    """Make annotations of the metadata that `carrying` wrote."""
    for value in _constants(model):
        for kind in value.metadata_props.pop(_CONSTANT, "").split():
            if kind in (LITERAL, FOLDED):
                value.meta[kind] = True
    for node in all_nodes(model.graph):
        if text := node.metadata_props.pop(_MERGED, ""):
            with suppress(ValueError, TypeError):  # somebody edited it: the report is less complete
                node.meta[MERGED_NODES] = [MergedNode(*map(str, item)) for item in json.loads(text)]


def _constants(model: ir.Model) -> Iterator[ir.Value]:
    for graph in all_graphs(model):
        yield from graph.initializers.values()
