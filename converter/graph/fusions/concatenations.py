"""Nested concatenations, as densely connected blocks write them."""

from __future__ import annotations

from typing import Any

import onnx_ir as ir

from converter.graph.fusions.replacement import replace
from converter.graph.fusions.rewrite import Context
from converter.graph.queries import attribute
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
