"""Unbind: all elements along an axis."""

from __future__ import annotations

from collections import defaultdict

import numpy as np
import onnx_ir as ir

from converter.graph import all_graphs, attribute, may_be_empty, numbers_of, rank_of, shape_of
from converter.graph.fusions import Builder, Context, FusedOperator, NoMatch, Shape, replace
from converter.graph.hints import scopes
from converter.rows import Arg, Node, Operand, Unpacked, invoke


def fuse_elements(model: ir.Model, context: Context) -> None:
    """Replace elements that are all there are along an axis by Unbind: `q, k, v = ops.unbind(x)`.

    The outputs of a Split into parts of extent 1, squeezed, are elements too.
    """
    for graph in all_graphs(model):
        for node in graph:
            if node.op_type == "Split" and not node.domain:
                _split_to_elements(node, context)
        elements: dict[tuple[ir.Value, int, int], dict[int, ir.Node]] = defaultdict(dict)
        for node in graph:
            if (found := _element(node)) is not None:
                x, axis, extent, index = found
                elements[x, axis, extent].setdefault(index, node)
        for (_, axis, extent), nodes in elements.items():
            if len(nodes) == 1 or nodes.keys() != set(range(extent)):
                continue
            if len({scopes.path_of(node) for node in nodes.values()}) == 1:
                _replace_elements(axis, nodes)
                context.log.match("unbind")
            else:
                reason = NoMatch("its elements are taken in more than one scope")
                context.log.miss("unbind", reason, next(iter(nodes.values())))


def _split_to_elements(split: ir.Node, context: Context) -> None:
    """Turn `a, b = split(x)`, `a.squeeze()`, `b.squeeze()` into `x[0]`, `x[1]`; one may be reshaped instead."""
    x = split.inputs[0]
    rank = None if x is None else rank_of(x)
    if x is None or rank is None:
        return
    axis = attribute(split, "axis") % rank
    readers = []
    for output in split.outputs:
        users = list(output.consumers())
        extents = shape_of(output) or (None,) * rank
        if len(users) != 1 or output.is_graph_output() or extents[axis] != 1:
            return
        readers.append(users[0])
    squeezes = [node for node in readers if _takes_out(node, axis, rank)]
    if not squeezes or not all(node in squeezes or _copies_no_extent(node) for node in readers):
        return
    for index, reader in enumerate(readers):
        builder = Builder(reader, context.names)
        result = builder.Gather(x, builder.constant("index", np.array(index)), axis=axis)
        if reader not in squeezes:
            builder.nodes[-1].name = context.names.fresh(f"{reader.name}_element")  # in the scope of the reader
            result = builder.Reshape(result, reader.inputs[1])
        replace([reader], builder.nodes, {reader.outputs[0]: result}, at=reader)


def _copies_no_extent(node: ir.Node) -> bool:
    """Whether a node is a Reshape that does not tell of an axis of extent 1 of its input."""
    if node.op_type != "Reshape" or node.domain or attribute(node, "allowzero"):
        return False
    return 0 not in (numbers_of(node.inputs[1]) or ())


def _takes_out(node: ir.Node, axis: int, rank: int) -> bool:
    axes = numbers_of(node.inputs[1]) if node.op_type == "Squeeze" and len(node.inputs) > 1 else None
    return axes is not None and [other % rank for other in axes] == [axis]


def _element(node: ir.Node) -> tuple[ir.Value, int, int, int] | None:
    """The tensor, axis, extent and index of a Gather of one element along an axis of static extent; else None."""
    if node.op_type != "Gather" or node.domain:
        return None
    x, index = node.inputs
    extents = None if x is None or x.const_value is not None else shape_of(x)
    number = numbers_of(index)
    if x is None or extents is None or number is None or rank_of(index) != 0 or len(extents) < 2:  # type: ignore[arg-type]
        return None
    axis = attribute(node, "axis") % len(extents)
    extent = extents[axis]
    return (x, axis, extent, number[0] % extent) if isinstance(extent, int) else None


def _replace_elements(axis: int, nodes: dict[int, ir.Node]) -> None:
    """Replace the nodes that read single elements, given in the graph's order, by one Unbind node."""
    x = next(iter(nodes.values())).inputs[0]  # may by now be an output of another Unbind
    new = UNBIND.node([x], len(nodes), axis=axis)
    results = {node.outputs[0]: new.outputs[index] for index, node in nodes.items()}
    replace(nodes.values(), [new], results, at=next(iter(nodes.values())))


def shapes(x: Shape, *, axis: int = 0) -> list[Shape]:
    """For each element, that of x without the axis."""
    extent = x[axis]
    return [(*x[:axis], *x[axis + 1 :])] * (extent if isinstance(extent, int) else 0)


def reference(x: np.ndarray, *, axis: int = 0) -> tuple[np.ndarray, ...]:
    """The elements."""
    return tuple(np.moveaxis(x, axis, 0))


def row(node: Node, x: Operand, *, axis: int = 0) -> Arg:
    """All elements along an axis: `q, k, v = ops.unbind(x)`."""
    function = "mint.unbind" if may_be_empty(x.value) else "ops.unbind"  # which graph mode fails to do with nothing
    return Unpacked(invoke(function, x, *((axis,) if axis else ())))


UNBIND = FusedOperator("Unbind", phase="elements", steps=(fuse_elements,), shape=shapes, reference=reference, row=row)
