"""Stack: tensors along a new axis."""

from __future__ import annotations

import numpy as np
import onnx_ir as ir

from converter.graph import UniqueNames, attribute, axes_of, is_internal, rank_of
from converter.graph.fusions import FusedOperator, NodeFusion, NoMatch, Shape, replace
from converter.rows import Arg, Node, Operand, invoke


def stack(concat: ir.Node, names: UniqueNames) -> bool:
    """Replace a Concat along an axis that each of its parts was given for it."""
    axis = attribute(concat, "axis") % max(rank_of(concat.outputs[0]) or 1, 1)
    parts = [part for value in concat.inputs if (part := _before_new_axis(value, axis)) is not None]
    if not 1 < len(parts) == len(concat.inputs):
        return False
    for part in parts:
        if part.const_value is not None:
            raise NoMatch(f"'{part.name}' is a parameter, which ops.stack does not take beside tensors")
        if part.dtype in (None, ir.DataType.BFLOAT16):
            raise NoMatch(f"'{part.name}' is of type {part.dtype}, for which ops.stack has no kernel")
    new = STACK.node(parts, axis=axis)
    merged = [value.producer() for value in concat.inputs if value is not None and is_internal(value)]
    replace([*filter(None, merged), concat], [new], {concat.outputs[0]: new.outputs[0]}, at=concat)
    return True


def _before_new_axis(value: ir.Value | None, axis: int) -> ir.Value | None:
    """The input of an Unsqueeze along this axis; None for a scalar, which may be an extent, and for other values."""
    node = None if value is None else value.producer()
    if node is None or value is None or node.op_type != "Unsqueeze" or axes_of(node.inputs[1], value) != (axis,):
        return None
    source = node.inputs[0]
    return source if source is not None and rank_of(source) else None


def shape(x: Shape, *others: Shape, axis: int = 0) -> Shape:
    """That of one with an axis more."""
    return (*x[:axis], 1 + len(others), *x[axis:])


def reference(*parts: np.ndarray, axis: int = 0) -> np.ndarray:
    """`np.stack`."""
    return np.stack(parts, axis)


def row(node: Node, *parts: Operand, axis: int = 0) -> Arg:
    """Tensors along a new axis: `ops.stack((a, b), 1)`."""
    return invoke("ops.stack", parts, *((axis,) if axis else ()))


STACK = FusedOperator(
    "Stack", phase="stacks", steps=(NodeFusion("Concat", stack),), shape=shape, reference=reference, row=row
)
