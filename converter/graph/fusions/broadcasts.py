"""Broadcasts: remove Expand, and Unsqueeze of leading axes, before operators that broadcast their inputs.

`torch.ones(n, m) * 1e10` is then a product of two numbers.
"""

from __future__ import annotations

import numpy as np
import onnx_ir as ir

from converter.graph.fusions.replacement import replace
from converter.graph.fusions.rewrite import Builder, Context, NodeFusion
from converter.graph.queries import axes_of, number_of, shape_of
from converter.graph.traits import Trait, has_trait
from converter.graph.unique_names import UniqueNames
from converter.graph.walk import all_graphs
from converter.shapes import Dim, Dims


def drop_expansions(model: ir.Model, context: Context) -> None:
    """Remove Expand and leading Unsqueeze whose consumers broadcast to the same shapes (`expand_as` in torch)."""
    for graph in all_graphs(model):
        for node in graph:
            source = node.inputs[0] if _expands(node) else None
            if source is not None and node.outputs[0].uses() and narrow(node.outputs[0], shape_of(source)):
                replace([node], [], {node.outputs[0]: source}, at=node)


def multiply_numbers(node: ir.Node, names: UniqueNames) -> bool:
    """Replace the product of two numbers that are not trained by one."""
    made = node.outputs[0]
    one, other = map(number_of, node.inputs)
    if one is None or other is None or made.is_graph_output() or not made.uses() or node.inputs[0] is None:
        return False
    a, b = (value.const_value.numpy() for value in node.inputs)  # type: ignore[union-attr]
    if a.dtype != b.dtype or a.dtype.kind != "f":
        return False
    product = Builder(node, names).constant("product", np.multiply(a, b, dtype=a.dtype))
    replace([node], [], {made: product}, at=node)
    return True


MULTIPLY_NUMBERS = NodeFusion("Mul", multiply_numbers)


def _expands(node: ir.Node) -> bool:
    """Whether a node is an Expand, or an Unsqueeze of leading axes only."""
    if node.domain or node.op_type not in ("Expand", "Unsqueeze"):
        return False
    axes = axes_of(node.inputs[1], node.outputs[0]) if node.op_type == "Unsqueeze" else ()
    return axes is not None and axes == tuple(range(len(axes)))


def narrow(value: ir.Value, shape: Dims | None) -> bool:
    """Set the shape of a value and of elementwise results that read it; False if a graph output would change."""
    shapes = None if shape is None or None in shape else _narrowed(value, shape)
    if shapes is None:
        return False
    for each, extents in shapes.items():
        each.shape = ir.Shape(extents)
    return True


def _narrowed(value: ir.Value, shape: Dims) -> dict[ir.Value, Dims] | None:
    """The values that change with the shape of `value`, with their new shapes; None if that changes a graph output.

    A node that several paths reach is visited again only when another of its inputs has changed. No value changes
    more often than it has axes: extents only become 1.
    """
    if shape == shape_of(value):
        return {}
    if value.is_graph_output():
        return None
    shapes = {value: shape}
    pending = list(value.consumers())
    while pending:
        node = pending.pop()
        if node.op_type == "Unsqueeze" and not node.domain:
            result = _with_new_axes(node, None if node.inputs[0] is None else shapes.get(node.inputs[0]))
        elif has_trait(node, Trait.ELEMENTWISE):
            result = _broadcast([shapes.get(each, shape_of(each)) for each in node.inputs if each is not None])
        else:
            return None
        made = node.outputs[0]
        if result is None or (result != shape_of(made) and made.is_graph_output()):
            return None
        if result != shapes.get(made, shape_of(made)):
            shapes[made] = result
            pending += made.consumers()
    return shapes


def _with_new_axes(node: ir.Node, shape: Dims | None) -> Dims | None:
    """The shape that an Unsqueeze makes of one that has as many axes as its input; None for others."""
    made = shape_of(node.outputs[0])
    axes = axes_of(node.inputs[1], node.outputs[0])
    if shape is None or made is None or axes is None or len(shape) + len(axes) != len(made):
        return None
    kept = iter(shape)
    return tuple(1 if axis in axes else next(kept) for axis in range(len(made)))


def _broadcast(shapes: list[Dims | None]) -> Dims | None:
    """The shape that `shapes` broadcast to; None when it is unknown."""
    known = [shape for shape in shapes if shape is not None and None not in shape]
    if len(known) < len(shapes):
        return None
    rank = max(map(len, known))
    result: list[Dim] = []
    for extents in zip(*((1,) * (rank - len(shape)) + shape for shape in known), strict=True):
        more = {extent for extent in extents if extent != 1}
        if len(more) > 1:
            return None
        result.append(more.pop() if more else 1)
    return tuple(result)
