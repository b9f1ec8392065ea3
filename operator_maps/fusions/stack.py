"""Stack: tensors along a new axis."""

from __future__ import annotations

import numpy as np
import onnx_ir as ir

from converter.graph.fusions.replacement import replace
from converter.graph.fusions.rewrite import FusedOperator, Shape
from converter.graph.queries import attribute, axes_of, is_internal, rank_of
from converter.graph.unique_names import UniqueNames
from converter.rows import Arg, Node, Operand, invoke


def fuse_new_axes(model: ir.Model, names: UniqueNames) -> None:
    """Replace a Concat along an axis that each of its parts was given for it by Stack."""
    for graph in model.graphs():
        for node in graph:
            if node.op_type == "Concat" and not node.domain and len(node.inputs) > 1:
                axis = attribute(node, "axis") % max(rank_of(node.outputs[0]) or 1, 1)
                parts = [_before_new_axis(value, axis) for value in node.inputs]
                if None not in parts:
                    new = STACK.node(parts, axis=axis)
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


def shape(x: Shape, *others: Shape, axis: int = 0) -> Shape:
    """That of one with an axis more."""
    return (*x[:axis], 1 + len(others), *x[axis:])


def reference(*parts: np.ndarray, axis: int = 0) -> np.ndarray:
    """`np.stack`."""
    return np.stack(parts, axis)


def row(node: Node, *parts: Operand, axis: int = 0) -> Arg:
    """Tensors along a new axis: `ops.stack((a, b), 1)`."""
    return invoke("ops.stack", parts, *((axis,) if axis else ()))


STACK = FusedOperator("Stack", phase="stacks", steps=(fuse_new_axes,), shape=shape, reference=reference, row=row)
