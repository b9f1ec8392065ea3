"""Concatenations: nested ones, as densely connected blocks write them, those of all elements of a vector; splits."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

import numpy as np
import onnx_ir as ir

from converter.graph.fusions.replacement import replace
from converter.graph.fusions.rewrite import Builder, Context, NodeFusion
from converter.graph.hints import scopes
from converter.graph.queries import attribute, numbers_of, shape_of, sliced
from converter.graph.unique_names import UniqueNames
from converter.graph.walk import all_graphs

FEWEST_PARTS = 3
"""Fewer slices stay: halves have idioms of their own."""
MOST_PARTS = 256
"""A Concat of more inputs stays as it is: comparing all prefixes takes time that grows with their square."""


def nest(model: ir.Model, context: Context) -> None:
    """Replace `concat(a, b, c)` by `concat(ab, c)` where `ab = concat(a, b)` exists, so that all layers have one form.

    In a densely connected block every layer reads the results of all layers before it.
    """
    for graph in all_graphs(model):
        numbers: dict[Any, int] = {}  # an id for each axis, and for each prefix of a Concat's inputs along it
        made: dict[int, ir.Value] = {}
        for node in graph:
            if node.op_type != "Concat" or node.domain or len(node.inputs) > MOST_PARTS:
                continue
            axis, parts, result = attribute(node, "axis"), tuple(node.inputs), node.outputs[0]
            prefixes = [numbers.setdefault(axis, len(numbers))]
            for part in parts:
                prefixes.append(numbers.setdefault((prefixes[-1], part), len(numbers)))
            count = next((count for count in range(len(parts) - 1, 1, -1) if prefixes[count] in made), None)
            if count is not None:
                new = ir.node("Concat", [made[prefixes[count]], *parts[count:]], {"axis": axis})
                replace([node], [new], {result: new.outputs[0]}, at=node)
                result = new.outputs[0]
            made[prefixes[-1]] = result


def join_elements(concat: ir.Node, names: UniqueNames) -> bool:
    """Replace the concatenation of all elements of a vector, in order, by the vector.

    So torch exports the lengths of a split that were read by `lengths.tolist()`.
    """
    places = [_element(value) if value is not None and shape_of(value) == (1,) else None for value in concat.inputs]
    x = places[0][0] if places and places[0] is not None else None
    if x is None or shape_of(x) != (len(places),) or concat.outputs[0].is_graph_output():
        return False
    if any(place is None or place[0] is not x or place[1] != i for i, place in enumerate(places)):
        return False
    replace([concat], [], {concat.outputs[0]: x}, at=concat)
    return True


def _element(value: ir.Value | None) -> tuple[ir.Value, int] | None:
    """The vector that a vector of one element is taken from, and the position."""
    place: tuple[ir.Value, int] | None = None
    while value is not None and (node := value.producer()) is not None:
        x, *others = node.inputs
        extents = () if x is None else shape_of(x)
        if x is None or node.op_type not in ("Gather", "Reshape", "Squeeze", "Unsqueeze") or extents is None:
            break
        if len(extents) == 1 and isinstance(extents[0], int) and extents[0] > 1:
            numbers = numbers_of(others[0]) if node.op_type == "Gather" else None
            place = (x, numbers[0] % extents[0]) if numbers else None
            break
        value = x if all(extent == 1 for extent in extents) else None
    return place


def split_into_parts(model: ir.Model, context: Context) -> None:
    """Replace slices that are all parts of an axis, in order, by a Split: `a, b, c = ops.split(x, (5, 3, 2))`."""
    for graph in all_graphs(model):
        parts: dict[tuple[ir.Value, int], dict[int, tuple[int, ir.Node]]] = defaultdict(dict)
        for node in graph:
            if (found := _part(node)) is not None:
                x, axis, start, end = found
                parts[x, axis].setdefault(start, (end, node))
        for (x, axis), found_parts in parts.items():
            starts = sorted(found_parts)
            ends, nodes = [found_parts[start][0] for start in starts], [found_parts[start][1] for start in starts]
            whole = [0, *ends[:-1]] == starts and ends[-1] == (shape_of(x) or ())[axis]
            apart = len({scopes.path_of(node) for node in nodes}) > 1
            if whole and not apart and len(nodes) >= FEWEST_PARTS and not any(map(_is_end, nodes)):
                _split(x, axis, [0, *ends], nodes, context)


def _is_end(node: ir.Node) -> bool:
    return node.outputs[0].is_graph_output()


def _part(node: ir.Node) -> tuple[ir.Value, int, int, int] | None:
    """The tensor that a Slice in steps of 1 along one axis of fixed extent is taken from, the axis, and its bounds."""
    part = sliced(node.outputs[0])
    extents = None if part is None or part.whole.const_value is not None else shape_of(part.whole)
    if part is None or extents is None or len(extents) < 2 or part.step != 1:
        return None
    extent = extents[part.axis]
    if not isinstance(extent, int):
        return None
    first, last, _ = slice(part.start, part.stop).indices(extent)
    return (part.whole, part.axis, first, last) if first < last else None


def _split(x: ir.Value, axis: int, ends: list[int], nodes: list[ir.Node], context: Context) -> None:
    """Put a Split in the place of the first of these slices, and remove them."""
    graph = nodes[0].graph
    assert graph is not None
    first = next(node for node in graph if node in nodes)
    builder = Builder(first, context.names)
    sizes = np.diff(ends)
    split = builder.add("Split", x, builder.constant("sizes", sizes), outputs=len(nodes), axis=axis)
    for output, node in zip(split.outputs, nodes, strict=True):
        output.type, output.shape = x.type, node.outputs[0].shape
    replaced = {node.outputs[0]: output for node, output in zip(nodes, split.outputs, strict=True)}
    replace(nodes, [split], replaced, at=first)
    context.log.match("split_into_parts")


def split_element(split: ir.Node, names: UniqueNames) -> bool:
    """Take an element along another axis before a Split, not of each part: `ops.split(x[0], sizes)`."""
    x, sizes = [*split.inputs, None][:2]
    extents = None if x is None else shape_of(x)
    if x is None or extents is None or len(split.outputs) < FEWEST_PARTS:
        return False
    taken = [_only_gather(output) for output in split.outputs]
    gathers = [node for node in taken if node is not None]
    axis = attribute(split, "axis") % len(extents)
    places = {(attribute(node, "axis") % len(extents), numbers_of(node.inputs[1])) for node in gathers}
    if len(gathers) < len(taken) or len(places) != 1:
        return False
    along, index = places.pop()
    if along == axis or index is None:
        return False
    builder = Builder(split, names)
    element = builder.Gather(x, gathers[0].inputs[1], axis=along)
    new = builder.add("Split", element, sizes, outputs=len(gathers), **_options(split, axis - (along < axis)))
    for output, gather in zip(new.outputs, gathers, strict=True):
        output.type, output.shape = x.type, gather.outputs[0].shape
    results = {gather.outputs[0]: output for output, gather in zip(new.outputs, gathers, strict=True)}
    replace([*gathers, split], builder.nodes, results, at=split)
    return True


def _only_gather(part: ir.Value) -> ir.Node | None:
    """The Gather of one element that alone reads a part."""
    readers = [] if part.is_graph_output() else list(part.consumers())
    node = readers[0] if len(readers) == 1 else None
    if node is None or node.op_type != "Gather" or node.domain or node.inputs[0] is not part:
        return None
    index = node.inputs[1]
    return node if index is not None and shape_of(index) == () and not node.outputs[0].is_graph_output() else None


def _options(split: ir.Node, axis: int) -> dict[str, int]:
    count = split.attributes.get_int("num_outputs", 0)
    return {"axis": axis, "num_outputs": count} if count else {"axis": axis}


FUSIONS = (NodeFusion("Concat", join_elements), split_into_parts, NodeFusion("Split", split_element))
