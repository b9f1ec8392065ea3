"""Extents: what shape arithmetic says about the shapes of values, which ONNX's inference does not follow to the end.

`x.reshape((n, s, heads, hidden // heads))` in torch is a Reshape by a vector of Shape, Gather, Div and Concat: with the
extents of x known, all elements of that vector are.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence

import numpy as np
import onnx_ir as ir

from converter import shapes
from converter.graph.queries import dtype_kind
from converter.graph.shape_inference import infer_node
from converter.graph.walk import all_graphs
from converter.script.expressions import Arg, Binary, Call, Expression, Name, dimension, dimension_read, parts_of
from converter.shapes.arithmetic import add, product
from converter.shapes.symbols import canonical

Extent = Arg
"""A number; or an expression that stands for a free extent, equal to that of an equal extent."""


class Extents:
    """The elements of shape arithmetic, as far as nodes were read."""

    def __init__(self) -> None:
        self._known: dict[ir.Value, shapes.PyValue] = {}

    def read(self, node: ir.Node) -> None:
        """Note what a node computes, if it is shape arithmetic; nodes come in the graph's order."""
        if not node.domain:
            self._known.update(zip(node.outputs, self._evaluate_shapes(node) or (), strict=False))

    def tensor(self, value: ir.Value) -> ir.TensorProtocol | None:
        """The elements of shape arithmetic as a tensor, when all are numbers."""
        known = self._known.get(value)
        if known is None or not known.literal or value.dtype is None:
            return None
        return ir.tensor(np.array(known.items, value.dtype.numpy()).reshape(known.shape))

    def items(self, value: ir.Value | None) -> tuple[Extent, ...] | None:
        """The elements of shape arithmetic or a small constant; None for every other value."""
        known = None if value is None else self._python(value)
        return None if known is None else known.items

    def _evaluate_shapes(self, node: ir.Node) -> tuple[shapes.PyValue, ...] | None:
        if node.op_type == "Shape":
            extents = extents_of(node.inputs[0])
            start, end = node.attributes.get_int("start", 0), node.attributes.get_int("end", shapes.FAR)
            return None if extents is None else (shapes.slice_of(shapes.PyValue(extents, (len(extents),)), start, end),)
        inputs = [None if value is None else self._python(value) for value in node.inputs]
        if not any(value in self._known for value in node.inputs) or inputs.count(None) > node.inputs.count(None):
            return None
        attributes = {name: value.value for name, value in node.attributes.items()}
        attributes |= {"kind": dtype_kind(node.inputs[0]), "outputs": len(node.outputs)}
        if node.op_type == "Cast":
            attributes["to_kind"] = dtype_kind(node.outputs[0])
        return shapes.evaluate(node.op_type, inputs, attributes)

    def _python(self, value: ir.Value) -> shapes.PyValue | None:
        tensor = value.const_value
        if value in self._known or tensor is None:
            return self._known.get(value)
        if tensor.size > shapes.MAX_ITEMS or dtype_kind(value) not in "iufb":
            return None
        return shapes.of_array(tensor.numpy())


def extents_of(value: ir.Value | None) -> tuple[Extent, ...] | None:
    """A value's extents; None when its rank is unknown. Free extents of one name are equal."""
    if value is None or value.shape is None:
        return None
    return tuple(
        dim if isinstance(dim, int) else dimension(dim.value or value, 0 if dim.value else axis)
        for axis, dim in enumerate(value.shape)
    )


def refine_shapes(model: ir.Model) -> None:
    """Fill in the extents that shape arithmetic tells, and those that follow from them."""
    extents = Extents()
    refined: set[ir.Value] = set()
    lent: list[ir.Value] = []
    for graph in all_graphs(model):
        for node in graph:
            extents.read(node)
            for value in node.outputs:
                value.const_value = extents.tensor(value)  # for the inference of what takes it
                lent.append(value)
            if not all(value.shape is not None and value.shape.is_static() for value in node.outputs):
                refined.update(_refine(node, extents, refined))
    for value in lent:
        value.const_value = None


def _refine(node: ir.Node, extents: Extents, refined: set[ir.Value]) -> list[ir.Value]:
    """Infer the outputs of one node; returns those of which more is known than before."""
    before = [str(value.shape) for value in node.outputs]
    if any(value in refined or (value is not None and value.const_value is not None) for value in node.inputs):
        infer_node(node)
    if node.op_type in _SHAPE_RULES and not node.domain:
        _fill(node.outputs[0], _SHAPE_RULES[node.op_type](node, extents))
    return [value for value, old in zip(node.outputs, before, strict=True) if str(value.shape) != old]


def _reshaped(node: ir.Node, extents: Extents) -> Sequence[Extent] | None:
    """The extents of a Reshape's result."""
    source, target = extents_of(node.inputs[0]), extents.items(node.inputs[1])
    if source is None or target is None:
        return None
    if not node.attributes.get_int("allowzero", 0):
        target = tuple(source[i] if item == 0 and i < len(source) else item for i, item in enumerate(target))
    if -1 in target:
        others = [item for item in target if item != -1]
        target = tuple(_quotient(source, others) if item == -1 else item for item in target)
    return target


def _expanded(node: ir.Node, extents: Extents) -> Sequence[Extent] | None:
    """The extents of an Expand's result."""
    source, target = extents_of(node.inputs[0]), extents.items(node.inputs[1])
    if source is None or target is None:
        return None
    rank = max(len(source), len(target))
    pairs = zip((1,) * (rank - len(source)) + source, (1,) * (rank - len(target)) + target, strict=True)
    return tuple(b if a == 1 else a if b == 1 or isinstance(a, int) or _are_equal(a, b) else None for a, b in pairs)


def _are_equal(a: Extent, b: Extent) -> bool:
    """Whether two extents are one: sums may have been computed in another order."""
    names = [_dimension(each) for each in (a, b)]
    return a == b or (isinstance(names[0], str) and isinstance(names[1], str) and len({*map(canonical, names)}) == 1)


def _range(node: ir.Node, extents: Extents) -> Sequence[Extent] | None:
    """The extent of a Range that counts from 0."""
    start, limit, delta = (extents.items(value) for value in node.inputs)
    return limit if start == (0,) and delta == (1,) else None


def _concatenated(node: ir.Node, extents: Extents) -> Sequence[Extent] | None:
    """The extents of a Concat's result: a cache of keys grows by those of the new positions."""
    parts = [extents_of(value) for value in node.inputs]
    known = [part for part in parts if part is not None]
    if len(known) < len(parts):
        return None
    axis = node.attributes.get_int("axis", 0) % len(known[0])
    return (*known[0][:axis], functools.reduce(add, (part[axis] for part in known)), *known[0][axis + 1 :])


_SHAPE_RULES = {"Concat": _concatenated, "Expand": _expanded, "Range": _range, "Reshape": _reshaped}
"""Operators whose result has a shape that ONNX's inference does not say to the end."""


def _quotient(source: Sequence[Extent], others: Sequence[Extent]) -> Extent:
    """The product of `source` over that of `others`; None when the free ones do not cancel."""
    left = [factor for item in source for factor in _factors(item)]
    divisors = [factor for item in others for factor in _factors(item)]
    for item in divisors:
        if isinstance(item, Expression):
            if item not in left:
                return None
            left.remove(item)
    above = math.prod(item for item in left if isinstance(item, int))
    below = math.prod(item for item in divisors if isinstance(item, int))
    if not below or above % below:
        return None
    return product([*(item for item in left if isinstance(item, Expression)), above // below])


def _factors(item: Extent) -> list[Extent]:
    if isinstance(item, Binary) and item.operator == "*":
        return [factor for arg in parts_of(item) for factor in _factors(arg)]
    return [item]


def _fill(value: ir.Value, extents: Sequence[Extent] | None) -> None:
    """Note the extents of a value where it has none."""
    if extents is None:
        return
    if value.shape is None or len(value.shape) != len(extents):
        value.shape = ir.Shape([None] * len(extents))
    known = zip(value.shape, map(_dimension, extents), strict=True)
    value.shape = ir.Shape([old if isinstance(old, int) or new is None else new for old, new in known])


def _dimension(extent: Extent) -> int | str | None:
    """An extent as ONNX writes it: a number, or a name, which is a formula over names; None when it has no name."""
    if not isinstance(extent, Expression):
        return extent
    if (read := dimension_read(extent)) is not None:
        return read[0] if isinstance(read[0], str) else None
    parts = [_dimension(part) for part in parts_of(extent) if not isinstance(part, Name)]
    if None in parts:
        return None
    match extent:
        case Binary():
            return f"({parts[0]} {extent.operator} {parts[1]})"
        case Call(function=Name(path)):
            return f"({path}({', '.join(map(str, parts))}))"
    return None
