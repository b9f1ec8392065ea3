"""Ranges: numbers that one module counts several times, as for positions and for a mask, are one Range."""

from __future__ import annotations

import onnx_ir as ir

from converter.graph.hints import scopes
from converter.graph.walk import all_graphs

_EXTENTS = frozenset({"Cast", "Gather", "Shape", "Size", "Slice", "Squeeze", "Unsqueeze"})
"""Operators that read an extent of a tensor, or write it in another form."""
_DEEPEST = 8
"""Nodes that are followed from an end of a range to the tensor whose extent it is."""


def merge_equal_ranges(model: ir.Model) -> None:
    """Let the nodes of one module read one Range where it has equal ones. The nodes are sorted."""
    for graph in all_graphs(model):
        first: dict[tuple[object, ...], ir.Node] = {}
        for node in list(graph):
            module = scopes.path_of(node)
            if node.op_type != "Range" or node.domain or node.outputs[0].is_graph_output() or not module:
                continue
            key = (module, *(_key(value, _DEEPEST) for value in node.inputs))
            same = first.setdefault(key, node)
            if same is not node:
                node.outputs[0].replace_all_uses_with(same.outputs[0])
                graph.remove(node, safe=True)


def _key(value: ir.Value | None, depth: int) -> object:
    """What equal numbers have in common: a constant's value, or how an extent of a tensor is read."""
    if value is None:
        return None
    if value.const_value is not None and value.const_value.size <= 1:
        return value.const_value.dtype, tuple(value.const_value.shape.numpy()), value.const_value.tobytes()
    node = value.producer()
    if node is None or node.domain or node.op_type not in _EXTENTS or not depth:
        return value
    attributes = tuple(sorted((name, str(each.value)) for name, each in node.attributes.items()))
    return node.op_type, attributes, tuple(_key(each, depth - 1) for each in node.inputs)
