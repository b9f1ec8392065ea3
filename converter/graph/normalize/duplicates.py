"""Duplicates: numbers that one module counts, a tensor that it splits or fills, several times are computed once.

A mask and the positions count to one length; PyTorch's exporter splits a tensor again for each part that is read; the
states of a recurrent network start as equal zeros.
"""

from __future__ import annotations

import onnx_ir as ir

from converter.graph.hints import is_trained_number, scopes
from converter.graph.provenance import merge_provenance, widen_scope
from converter.graph.walk import all_graphs

_EXTENTS = frozenset({"Cast", "Concat", "Gather", "Reshape", "Shape", "Size", "Slice", "Squeeze", "Unsqueeze"})
"""Operators that read extents of a tensor, or write them in another form."""
_DEEPEST = 8
"""Nodes that are followed from an end of a range to the tensor whose extent it is."""
_LONGEST = 256
"""Elements of a constant that is compared by value: the lengths of the parts of a split."""


def merge_duplicates(model: ir.Model) -> None:
    """Merge equal Ranges and fills of one module, and equal Splits of which each is read for other parts.

    The nodes are sorted.

    Other equal nodes stay: two layers that are equal in the source are two layers in the script.
    """
    for graph in all_graphs(model):
        first: dict[object, ir.Node] = {}
        for node in list(graph):
            if node.domain or any(value.is_graph_output() for value in node.outputs):
                continue
            module = scopes.path_of(node)
            if (node.op_type == "Range" and module) or _is_fill(node):
                same = first.setdefault((module, _form(node, _DEEPEST)), node)
            elif node.op_type == "Split":
                same = first.setdefault((len(node.outputs), _form(node, _DEEPEST)), node)
            else:
                continue
            if same is not node and (module == scopes.path_of(same) or _parts(node).isdisjoint(_parts(same))):
                _merge(graph, node, same)


def _merge(graph: ir.Graph, node: ir.Node, same: ir.Node) -> None:
    """Let what reads a node read an equal one, which stands in the innermost module around both."""
    for value, other in zip(node.outputs, same.outputs, strict=True):
        value.replace_all_uses_with(other)
    widen_scope(same, [node])
    merge_provenance(same, [node])
    graph.remove(node, safe=True)


def _is_fill(node: ir.Node) -> bool:
    """Whether a node makes a tensor of one number."""
    if node.op_type != "Expand" or node.inputs[0] is None:
        return node.op_type == "ConstantOfShape"
    number = node.inputs[0].const_value
    return number is not None and number.size == 1 and not is_trained_number(node.inputs[0])


def _parts(split: ir.Node) -> set[int]:
    """The numbers of the parts that are read."""
    return {number for number, value in enumerate(split.outputs) if value.uses()}


def _form(node: ir.Node, depth: int) -> object:
    """What equal nodes have in common: operator, attributes and inputs."""
    attributes = tuple(sorted((name, str(each.value)) for name, each in node.attributes.items()))
    return node.op_type, attributes, tuple(_key(value, depth) for value in node.inputs)


def _key(value: ir.Value | None, depth: int) -> object:
    """What equal inputs have in common: a constant's value, or how an extent of a tensor is read."""
    if value is None:
        return None
    if value.const_value is not None and value.const_value.size <= _LONGEST:
        return value.const_value.dtype, tuple(value.const_value.shape.numpy()), value.const_value.tobytes()
    node = value.producer()
    if node is None or node.domain or node.op_type not in _EXTENTS or not depth:
        return value
    return _form(node, depth - 1)
