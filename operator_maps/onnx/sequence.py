"""Sequences as Python lists, optional values as the value itself or None.

Every operator returns a new list: `append` would change the list that other nodes read.
"""

from __future__ import annotations

import onnx_ir as ir

from converter.rows import Arg, Node, Operand, PyValue, Variable, Written, expr
from operator_maps.lib.iterations import Iterations


def construct(node: Node, *items: Operand) -> Arg:
    """ONNX SequenceConstruct: `[a, b]`."""
    return [_list_item(item) for item in items]


def empty(node: Node, *, dtype: int = ir.DataType.FLOAT) -> Arg:
    """ONNX SequenceEmpty: `[]`, for every element type."""
    return []


def insert(node: Node, items: Operand, item: Operand, position: Operand | None) -> Arg:
    """ONNX SequenceInsert: `items + [item]`, `[item]` if there are none; with a position, a concatenation of slices."""
    maker = items.value.producer()
    if maker is not None and maker.op_type == "SequenceEmpty":
        return [_list_item(item)]
    if position is None:
        return expr("{0} + [{1}]", items, _list_item(item))
    place = _position(position)
    return expr("{0}[:{1}] + [{2}] + {0}[{1}:]", items, place, _list_item(item))


def _list_item(item: Operand) -> Arg:
    """An item of a list; a parameter is read as a tensor, as ops.stack does not combine parameters with tensors."""
    return expr("{0}.value()", item) if item.is_constant else item


def erase(node: Node, items: Operand, position: Operand | None) -> Arg:
    """ONNX SequenceErase: `items[:-1]`; with a position, a concatenation of slices."""
    place = -1 if position is None else _position(position)
    if place in (0, -1):
        return expr("{0}[:-1]" if place else "{0}[1:]", items)
    place = node.let("position", expr("{0} % len({1})", place, items))
    return expr("{0}[:{1}] + {0}[{1} + 1:]", items, place)


def at(node: Node, items: Operand, position: Operand) -> Arg:
    """ONNX SequenceAt: `items[2]`."""
    return expr("{0}[{1}]", items, _position(position))


def length(node: Node, items: Operand) -> Arg:
    """ONNX SequenceLength: `len(items)`, a Python number."""
    return PyValue((expr("len({0})", items),), ())


def split(node: Node, x: Operand, sizes: Operand | None, *, axis: int = 0, keepdims: int = 1) -> Arg:
    """ONNX SplitToSequence: a list of the parts of ops.split, or of ops.unbind if the axis is removed."""
    if sizes is None:
        return expr("list(ops.split({0}, 1, {1}))" if keepdims else "list(ops.unbind({0}, {1}))", x, axis)
    known = sizes.python()
    if known is not None:
        return expr("list(ops.split({0}, {1}, {2}))", x, known, axis)
    return _slices(node, x, sizes, axis)


def _slices(node: Node, x: Operand, sizes: Operand, axis: int) -> list[Arg]:
    """Parts of computed sizes: `[x[: int(sizes[0])], x[int(sizes[0]) :]]`."""
    items = sizes.items(computed=True)
    if items is None or not sizes.rank or x.rank is None:
        raise node.decline("the number of parts is computed, and graph mode must know it")
    before, parts = ":, " * (axis % x.rank), []
    end: Arg = None
    for i, size in enumerate(items):
        begin, end = end, node.let("end", size if end is None else expr("{0} + {1}", end, size))
        if begin is None:
            parts.append(expr(f"{{0}}[{before}:{{1}}]", x, end))
        elif i < len(items) - 1:
            parts.append(expr(f"{{0}}[{before}{{1}}:{{2}}]", x, begin, end))
        else:
            parts.append(expr(f"{{0}}[{before}{{1}}:]", x, begin))
    return parts


def concatenated(node: Node, items: Operand, *, axis: int, new_axis: int = 0) -> Arg:
    """ONNX ConcatFromSequence: `ops.cat(items, 1)`, or ops.stack for a new axis."""
    return expr("ops.stack({0}, {1})" if new_axis else "ops.cat({0}, {1})", items, axis)


def sequence_map(node: Node, *inputs: Operand, body: ir.Graph) -> Arg:
    """ONNX SequenceMap: a for statement over the items of its lists."""
    index = Variable("i")
    items = [
        node.resolve(expr("{0}[{1}]", x, index)) if isinstance(x.value.type, ir.SequenceType) else node.resolve(x)
        for x in inputs
    ]
    iterations = Iterations(node, node.block(body, items), rolled=False)
    results = iterations.block.results
    lists = tuple(iterations.collect(i, result) for i, result in enumerate(results))
    return Written(iterations.for_(index, expr("len({0})", inputs[0])), lists)


def has_element(node: Node, x: Operand | None) -> Arg:
    """ONNX OptionalHasElement: `x is not None`, or a constant if the type of `x` decides it."""
    if x is None:
        return PyValue((False,), ())
    return PyValue((expr("{0} is not None", x) if isinstance(x.value.type, ir.OptionalType) else True,), ())


def optional(node: Node, x: Operand | None, *, type: ir.TypeAndShape | None = None) -> Arg:
    """ONNX Optional: the value itself, or None."""
    return expr("None") if x is None else x


def _position(position: Operand) -> Arg:
    """A position in a list as a Python number."""
    known = position.items()
    return expr("int({0})", position) if known is None else known[0]


ROWS = {
    "ConcatFromSequence": concatenated,
    "Optional": optional,
    "OptionalGetElement": lambda node, x: x,
    "OptionalHasElement": has_element,
    "SequenceAt": at,
    "SequenceConstruct": construct,
    "SequenceEmpty": empty,
    "SequenceErase": erase,
    "SequenceInsert": insert,
    "SequenceLength": length,
    "SequenceMap": sequence_map,
    "SplitToSequence": split,
}
