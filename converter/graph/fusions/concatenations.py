"""Concatenations: those along a new axis, and those that grow."""

from __future__ import annotations

import onnx_ir as ir

from converter.graph.fusions.rewrite import DOMAIN, replace
from converter.graph.queries import attribute, axes_of, is_internal, rank_of


def stack(model: ir.Model) -> None:
    """Make `fusion.Stack` of a Concat along an axis that each of its parts was given for it."""
    for graph in model.graphs():
        for node in graph:
            if node.op_type == "Concat" and not node.domain and len(node.inputs) > 1:
                axis = attribute(node, "axis") % max(rank_of(node.outputs[0]) or 1, 1)
                parts = [_before_new_axis(value, axis) for value in node.inputs]
                if None not in parts:
                    new = ir.node("Stack", parts, {"axis": axis}, domain=DOMAIN)
                    absorbed = [value.producer() for value in node.inputs if value is not None and is_internal(value)]
                    replace([*filter(None, absorbed), node], [new], {node.outputs[0]: new.outputs[0]}, at=node)


def _before_new_axis(value: ir.Value | None, axis: int) -> ir.Value | None:
    """What was unsqueezed along an axis.

    It is no single number, which may be an extent, no parameter, which `ops.stack` does not take beside tensors, and no
    bfloat16, for which it has no kernel.
    """
    node = None if value is None else value.producer()
    if node is None or value is None or node.op_type != "Unsqueeze" or axes_of(node.inputs[1], value) != (axis,):
        return None
    source = node.inputs[0]
    if source is None or not rank_of(source) or source.const_value is not None:
        return None
    return None if source.dtype in (None, ir.DataType.BFLOAT16) else source


def nest(model: ir.Model) -> None:
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
