"""Nested concatenations, as densely connected blocks write them."""

from __future__ import annotations

import onnx_ir as ir

from converter.graph.fusions.replacement import replace
from converter.graph.fusions.rewrite import Context
from converter.graph.queries import attribute
from converter.graph.walk import all_graphs


def nest(model: ir.Model, context: Context) -> None:
    """Replace `concat(a, b, c)` by `concat(ab, c)` where `ab = concat(a, b)` exists, so that all layers have one form.

    In a densely connected block every layer reads the results of all layers before it.
    """
    for graph in all_graphs(model):
        made: dict[tuple[int, tuple[ir.Value | None, ...]], ir.Value] = {}
        for node in graph:
            if node.op_type != "Concat" or node.domain:
                continue
            axis, parts = attribute(node, "axis"), tuple(node.inputs)
            result = node.outputs[0]
            for count in range(len(parts) - 1, 1, -1):
                if (before := made.get((axis, parts[:count]))) is not None:
                    new = ir.node("Concat", [before, *parts[count:]], {"axis": axis})
                    replace([node], [new], {result: new.outputs[0]}, at=node)
                    result = new.outputs[0]
                    break
            made[axis, parts] = result
