"""Extents: which number the elements of an integer tensor are, where it is a constant or the extent of a tensor."""

from __future__ import annotations

import onnx_ir as ir

from converter.graph.queries import attribute, numbers_of, shape_of

_REPEATS = frozenset({"Cast", "Expand", "Identity", "Reshape", "Squeeze", "Tile", "Unsqueeze"})
"""Operators that repeat one number, or give it another shape or integer type."""


def number_in(value: ir.Value) -> int | ir.SymbolicDim | None:
    """The number that all elements of a vector are equal to: a constant, or an extent of a tensor; else None."""
    while value.const_value is None:
        node = value.producer()
        if node is None or node.inputs[0] is None:
            return None
        if node.op_type == "Gather":
            return _gathered(*node.inputs)
        if node.op_type == "Shape":
            extents = _extents(node)
            return extents[0] if extents is not None and len(extents) == 1 else None
        if node.op_type not in _REPEATS:
            return None
        value = node.inputs[0]
    numbers = numbers_of(value) or ()
    return int(numbers[0]) if len(set(numbers)) == 1 else None


def _gathered(shape: ir.Value | None, index: ir.Value | None) -> int | ir.SymbolicDim | None:
    """The extent that a Gather takes from a Shape."""
    node, numbers = shape.producer() if shape is not None else None, numbers_of(index) if index is not None else None
    if node is None or node.op_type != "Shape" or not numbers or len(numbers) > 1:
        return None
    extents = _extents(node)
    return None if extents is None else extents[int(numbers[0])]


def _extents(node: ir.Node) -> tuple[int | ir.SymbolicDim | None, ...] | None:
    """The extents that a Shape gives."""
    extents = shape_of(node.inputs[0]) if node.inputs[0] is not None else None
    return None if extents is None else tuple(extents[attribute(node, "start") or 0 : attribute(node, "end")])
