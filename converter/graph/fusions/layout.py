"""Layout: move transposes between NCHW and NHWC after elementwise operators until they reach their inverse."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import onnx_ir as ir

from converter.graph.fusions.log import NoMatch
from converter.graph.fusions.replacement import replace
from converter.graph.fusions.rewrite import Builder, Context
from converter.graph.hints.scopes import is_apart
from converter.graph.provenance import MERGED_NODES
from converter.graph.queries import attribute, numbers_of
from converter.graph.traits import Trait, has_trait
from converter.graph.unique_names import UniqueNames
from converter.graph.walk import all_graphs

_BY_AXIS = ("Pad", "ReduceMean")
"""Operators whose second input has constant axes, or amounts per axis, which `_moved` converts to the other layout."""


def sink_transposes(model: ir.Model, context: Context) -> None:
    """Move layout transposes after elementwise operators; a transpose that reaches its inverse is removed with it."""
    for graph in all_graphs(model):
        for node in graph:
            if node.domain:
                continue
            try:
                if _can_sink(node):
                    _sink(node, context.names)
                elif node.op_type == "Transpose":
                    _cancel(node)
            except NoMatch as reason:
                context.log.miss("sink_transposes", reason, reason.node or node)


def _can_sink(node: ir.Node) -> bool:
    """Whether a layout transpose may move from the inputs of a node to its output."""
    if node.op_type == "ReduceMean" and attribute(node, "keepdims") != 1:
        return False
    return has_trait(node, Trait.ELEMENTWISE) or (node.op_type in _BY_AXIS and not node.domain)


def _sink(node: ir.Node, names: UniqueNames) -> None:
    """Move the transposes of a node's inputs to its output, if all have the same permutation; scalars need none."""
    perms: set[tuple[int, ...]] = set()
    sources: list[ir.Value | None] = []
    for value in node.inputs:
        transpose = _layout(value)
        if transpose is not None:
            perms.add(attribute(transpose, "perm"))
            sources.append(transpose.inputs[0])
        elif value is None or (value.const_value is not None and (value.const_value.size == 1 or sources)):
            sources.append(value)
        else:
            return
    if len(perms) != 1:
        return
    (perm,) = perms
    builder = Builder(node, names)
    if node.op_type in _BY_AXIS:
        numbers = _moved(node, perm)
        if numbers is None:
            return
        sources[1] = builder.constant("axes", np.array(numbers))
    elif any(_is_larger(value, len(perm)) for value in sources if value is not None and value.const_value is not None):
        return
    attributes = {name: value.value for name, value in node.attributes.items()}
    made = getattr(builder, node.op_type)(*sources, **attributes)
    result = builder.Transpose(made, perm=list(perm))
    replace([node], builder.nodes, {node.outputs[0]: result}, at=node)
    worker, transpose = builder.nodes
    _swap_provenance(worker, transpose)


def _swap_provenance(one: ir.Node, other: ir.Node) -> None:
    """Swap names and provenance: the new operator node replaces the old one, the Transpose node is new."""
    one.name, other.name = other.name, one.name
    mine, theirs = dict(one.metadata_props), dict(other.metadata_props)
    for node, origins in ((one, theirs), (other, mine)):
        node.metadata_props.clear()
        node.metadata_props.update(origins)
    one.meta[MERGED_NODES], other.meta[MERGED_NODES] = other.meta.get(MERGED_NODES, ()), one.meta.get(MERGED_NODES, ())


def _is_larger(constant: ir.Value, rank: int) -> bool:
    """Whether a constant has more than one element, or more than `rank` axes."""
    tensor = constant.const_value
    return tensor is None or tensor.size > 1 or len(tensor.shape) > rank


def _cancel(node: ir.Node) -> None:
    """Remove a transpose that is the inverse of the transpose that produces its input."""
    before = _layout(node.inputs[0])
    if before is None or before.inputs[0] is None or is_apart(node):
        return
    first, second = attribute(before, "perm"), attribute(node, "perm")
    if tuple(first[axis] for axis in second) == tuple(range(len(first))) and not node.outputs[0].is_graph_output():
        replace([node], [], {node.outputs[0]: before.inputs[0]}, at=node)


def _layout(value: ir.Value | None) -> ir.Node | None:
    """The layout transpose (channels first to last, or back) that produces a value; None when there is none.

    Raises:
        NoMatch: it cannot move after all nodes that read the value.
    """
    node = None if value is None else value.producer()
    if value is None or node is None or node.op_type != "Transpose" or node.domain or value.is_graph_output():
        return None
    perm = attribute(node, "perm") or ()
    rank = len(perm)
    last, first = (0, *range(2, rank), 1), (0, rank - 1, *range(1, rank - 1))
    if rank < 4 or perm not in (last, first):
        return None
    inverse = first if perm == last else last
    for user in value.consumers():
        if not _can_sink(user) and not (user.op_type == "Transpose" and attribute(user, "perm") == inverse):
            raise NoMatch(f"a change of layout stays before {user.op_type}", node)
    return node


def _moved(node: ir.Node, perm: Sequence[int]) -> list[int] | None:
    """A node's axes, or amounts per axis, for the tensor before the transpose; None if they are not constant."""
    numbers = numbers_of(node.inputs[1]) if 1 < len(node.inputs) < 4 else None
    rank = len(perm)
    if numbers is not None and node.op_type == "ReduceMean":
        return sorted(perm[axis % rank] for axis in numbers)
    if numbers is None or len(numbers) != 2 * rank:
        return None
    moved = [0] * len(numbers)
    for axis, source in enumerate(perm):
        moved[source], moved[source + rank] = numbers[axis], numbers[axis + rank]
    return moved
