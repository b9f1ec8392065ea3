"""Broadcasts: an Expand in front of an operator that would expand its input by itself."""

from __future__ import annotations

import onnx_ir as ir

from converter.idioms.rewrite import replace
from converter.idioms.values import shape_of

_BROADCASTING = frozenset(
    ("Add", "And", "Div", "Equal", "Greater", "GreaterOrEqual", "Less", "LessOrEqual", "Mod", "Mul", "Or", "Sub", "Xor")
)


def drop_expansions(model: ir.Model) -> None:
    """Take an Expand out where all that read it have the wanted shape from another input (`expand_as` in torch)."""
    for graph in model.graphs():
        for node in graph:
            if node.op_type == "Expand" and not node.domain and node.inputs[0] is not None and _is_needless(node):
                replace([node], [], {node.outputs[0]: node.inputs[0]}, at=node)


def _is_needless(expand: ir.Node) -> bool:
    wide = expand.outputs[0]
    readers = wide.consumers()
    if not readers or wide.is_graph_output() or wide.shape is None or None in (shape_of(wide) or (None,)):
        return False
    for reader in readers:
        others = [other for other in reader.inputs if other is not None and other is not wide]
        if reader.op_type not in _BROADCASTING or reader.domain:
            return False
        if not any(shape_of(other) == shape_of(wide) for other in others):
            return False
    return True
