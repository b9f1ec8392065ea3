"""Concatenations that grow."""

from __future__ import annotations

import onnx_ir as ir

from converter.graph.fusions.replacement import replace
from converter.graph.fusions.rewrite import Context
from converter.graph.queries import attribute


def nest(model: ir.Model, context: Context) -> None:
    """Make `concat(a, b, c)` of `concat(a, b)` where that is there already, so that all layers look alike.

    A densely connected block hands every layer all that came before.
    """
    for graph in model.graphs():
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
