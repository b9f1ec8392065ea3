"""Concatenations: nested ones, as densely connected blocks write them, and those of all elements of a vector."""

from __future__ import annotations

from typing import Any

import onnx_ir as ir

from converter.graph.fusions.replacement import replace
from converter.graph.fusions.rewrite import Context, NodeFusion
from converter.graph.queries import attribute, numbers_of, shape_of
from converter.graph.unique_names import UniqueNames
from converter.graph.walk import all_graphs

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


FUSIONS = (NodeFusion("Concat", join_elements),)
