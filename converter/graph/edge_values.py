"""Edge values: where a graph may meet NaN, infinity, a tensor of no elements, or an integer that no float holds.

Whoever runs a network may feed it anything, and what elementwise operators and data movement make of an input may be
anything too. What a layer computed is taken as ordinary. So the scripts of ordinary networks have no guards; a graph
that looks at its input by itself, or selects a part of it, has those that it needs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

import numpy as np
import onnx_ir as ir

from converter.base.bounded import reached
from converter.graph.queries import is_float
from converter.graph.traits import Trait, has_trait

_FARTHEST = 64
"""Limit of visited nodes around a value."""
_KEEPS_A_MASK = Trait.DATA_MOVEMENT | Trait.ELEMENTWISE
"""What leaves the elements of a mask where they are."""
_LARGEST_MASK = 1 << 24
"""Elements of a constant that is searched for infinity: a mask of 4096 x 4096 positions."""

_LARGEST_TABLE = 1 << 16
"""Elements of a constant that is searched for large numbers."""
_TAKES = frozenset({"Gather", "GatherElements", "GatherND"})
"""Operators whose result has the free axes of their second input, where the first one is a constant."""
_MOVING_FUSIONS = frozenset({"ChannelShuffle", "PixelUnshuffle", "RepeatInterleave", "Roll", "Stack", "Unbind"})
"""Fused operators that move elements."""
_ACCUMULATES = frozenset({"CumSum", "ReduceProd", "ReduceSum"})

SELECTIONS = frozenset({"Compress", "NonMaxSuppression", "NonZero", "NonZeroRows", "Unique"})
"""Operators whose result has as many elements as their inputs' elements say: maybe none."""


def may_be_nan(value: ir.Value) -> bool:
    """Whether a float may be NaN or infinite: an input made elementwise, or a value that the graph asks for NaN."""
    return is_float(value) and (_is_fed(value, is_float) or _is_asked_for(value))


def may_be_large(value: ir.Value) -> bool:
    """Whether an integer may be too large for a float64.

    It is a sum, a product or made elementwise of an input of 64 bits or of a constant that 32 bits do not hold.
    """

    def operands(value: ir.Value) -> list[ir.Value]:
        node = value.producer()
        if node is None or value.const_value is not None:
            return []
        if node.op_type in _ACCUMULATES:
            return [each for each in node.inputs[:1] if each is not None and _is_long(each)]
        return _operands(node, _is_long)

    found = reached([value] if _is_long(value) else [], operands, _FARTHEST)
    return any(_is_input(each) or _is_wide(each.const_value) for each in found)


def _is_wide(tensor: ir.TensorProtocol | None) -> bool:
    """Whether a constant has numbers that 32 bits do not hold."""
    if tensor is None or not 0 < tensor.size <= _LARGEST_TABLE:
        return False
    array = tensor.numpy()
    return bool(((array >= 2**31) | (array < -(2**31))).any())


def may_be_empty(value: ir.Value, axis: int | None = None, computed: bool = False) -> bool:
    """Whether a tensor may have no elements, along one axis or along any.

    An axis is free, and the tensor is an input, maybe moved, or holds what an operator selected. Arithmetic on an input
    takes for granted that there is something, a mask that compares it does not. With `computed`, arithmetic on floats
    and what is taken from a table do not either.
    """
    dims = value.shape if axis is None or value.shape is None else (value.shape[axis],)
    if dims is not None and (0 in dims or all(isinstance(dim, int) for dim in dims)):
        return 0 in dims
    moved: ir.Value | None = value
    for _ in range(_FARTHEST):
        node = None if moved is None else moved.producer()
        if moved is None or node is None:
            break
        source = node.inputs[0] if node.inputs else None
        is_followed = moved.dtype == ir.DataType.BOOL or (computed and source is not None and is_float(source))
        moves = node.domain == "fusion" and node.op_type in _MOVING_FUSIONS
        if not moves and not has_trait(node, _KEEPS_A_MASK if is_followed else Trait.DATA_MOVEMENT):
            break
        from_table = computed and node.op_type in _TAKES and source is not None and source.const_value is not None
        moved = node.inputs[1] if from_table else source
    return (moved is not None and _is_input(moved)) or is_selected(value)


def is_selected(value: ir.Value) -> bool:
    """Whether an operator selected the elements of a tensor, or of the indices that took them: there may be none."""
    return any(node.op_type in SELECTIONS for node in _makers(value))


def may_hide_rows(scores: ir.Value, axis: int = -1) -> bool:
    """Whether all scores along an axis may be minus infinity: a mask that is added, or that selects, may be.

    A constant mask is only if it hides a whole row by itself, and one that is computed from extents alone is not: each
    position sees itself. Two masks of the least finite number are if inputs decide what both of them hide.
    """

    def operands(value: ir.Value) -> list[ir.Value]:
        node = value.producer()
        if node is None or value.const_value is not None or _masks_positions(node):
            return []
        return _operands(node, is_float)

    found = list(reached([scores], operands, _FARTHEST))
    return any(_hides_row(value, axis) for value in found) or sum(map(_adds_least_number, found)) > 1


def _masks_positions(node: ir.Node) -> bool:
    """Whether a node makes an added mask of numbers, by a condition of positions: of extents and single numbers."""
    condition, *numbers = node.inputs if node.op_type == "Where" else (None,)
    if condition is None or not all(map(_is_one_number, numbers)):
        return False
    found = list(reached([condition], _read, _FARTHEST))
    return len(found) < _FARTHEST and not any(map(_is_content, found))


def _is_content(value: ir.Value) -> bool:
    """Whether a value is an input, or a constant of more than one element."""
    return value.producer() is None and not _is_one_number(value)


def _is_one_number(value: ir.Value | None) -> bool:
    return value is not None and value.const_value is not None and value.const_value.size == 1


def _read(value: ir.Value) -> list[ir.Value]:
    """The values that a value is computed from; of what is read for its shape only, none."""
    node = value.producer()
    if node is None or value.const_value is not None or node.op_type in ("Shape", "Size"):
        return []
    return [each for each in node.inputs if each is not None]


def _adds_least_number(value: ir.Value) -> bool:
    """Whether a value is a mask that inputs make of the least finite number, and something is added to it."""
    node = value.producer()
    if node is None or node.op_type not in ("Mul", "Where") or not any(map(_is_added, value.consumers())):
        return False
    mask, *others = node.inputs if node.op_type == "Where" else sorted(node.inputs, key=_is_least)
    return any(map(_is_least, others)) and mask is not None and _is_fed(mask, lambda _: True)


def _is_added(node: ir.Node) -> bool:
    """Whether a node is an Add, or moves its input to one."""
    while has_trait(node, Trait.DATA_MOVEMENT) and len(users := node.outputs[0].consumers()) == 1:
        node = users[0]
    return node.op_type == "Add"


def _is_least(value: ir.Value | None) -> bool:
    """Whether a value is one number, of which the double is minus infinity."""
    number = None if value is None else value.const_value
    if number is None or number.size != 1 or not number.dtype.is_floating_point():
        return False
    array = number.numpy()
    with np.errstate(over="ignore"):
        return bool(np.isneginf(array + array).all())


def _hides_row(value: ir.Value, axis: int) -> bool:
    """Whether a value may be minus infinity along the whole of an axis by itself: a constant, an input, a logarithm."""
    node = value.producer()
    if value.const_value is not None:
        return _has_hidden_row(value.const_value, axis)
    return node.op_type == "Log" if node is not None else is_float(value) and _is_input(value)


def _has_hidden_row(tensor: ir.TensorProtocol, axis: int) -> bool:
    """Whether all elements along an axis, counted from the last, are minus infinity; missing axes are broadcast.

    An element that is infinity or NaN makes NaN of its row, too.
    """
    if not 0 < tensor.size <= _LARGEST_MASK or not tensor.dtype.is_floating_point():
        return False
    array = tensor.numpy().astype(np.float32)
    if not (array < np.inf).all():
        return True
    hidden = np.isneginf(array)
    return bool((hidden.all(axis) if -hidden.ndim <= axis < 0 else hidden).any())


def _is_long(value: ir.Value) -> bool:
    return value.dtype == ir.DataType.INT64


def _is_fed(value: ir.Value, carries: Callable[[ir.Value], bool]) -> bool:
    """Whether elementwise operators and data movement make a value of an input, of values that `carries` holds for."""
    if _is_input(value):
        return carries(value)
    makers = _makers(value, lambda node: _operands(node, carries))
    return any(_is_input(each) for node in makers for each in _operands(node, carries))


def _inputs(node: ir.Node) -> Iterable[ir.Value | None]:
    return node.inputs


def _makers(value: ir.Value, operands: Callable[[ir.Node], Iterable[ir.Value | None]] = _inputs) -> Iterator[ir.Node]:
    """The nodes that elementwise operators and data movement lead back to, each once; the last ones are others.

    `operands` gives the inputs of a node that are followed.
    """

    def makers(node: ir.Node) -> list[ir.Node]:
        if not has_trait(node, Trait.ELEMENTWISE | Trait.DATA_MOVEMENT):
            return []
        return [maker for each in operands(node) if each is not None and (maker := each.producer()) is not None]

    maker = value.producer()
    return reached([] if maker is None else [maker], makers, _FARTHEST)


def _operands(node: ir.Node, carries: Callable[[ir.Value], bool]) -> list[ir.Value]:
    """The inputs whose elements the result of an elementwise operator or of data movement has, if `carries` holds."""
    if not has_trait(node, Trait.ELEMENTWISE | Trait.DATA_MOVEMENT):
        return []
    inputs = list(node.inputs)
    if node.op_type == "Where":
        inputs = inputs[1:]
    elif node.op_type != "Concat" and not has_trait(node, Trait.BROADCASTING):
        inputs = inputs[:1]
    return [each for each in inputs if each is not None and carries(each)]


def _is_input(value: ir.Value) -> bool:
    return value.producer() is None and value.const_value is None


def _is_asked_for(value: ir.Value) -> bool:
    """Whether elementwise operators and data movement lead from a value to an IsNaN."""

    def readers(node: ir.Node) -> Iterable[ir.Node]:
        return node.outputs[0].consumers() if has_trait(node, Trait.ELEMENTWISE | Trait.DATA_MOVEMENT) else ()

    nodes = reached(value.consumers(), readers, _FARTHEST)
    return any(node.op_type == "IsNaN" and not node.domain for node in nodes)
