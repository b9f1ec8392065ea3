"""Queries about values and nodes of a graph: constants, ranks, shapes, axes."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
import onnx
import onnx_ir as ir

from converter.base.weight_steps import MOST_STEPS
from converter.graph.annotations import OPSET
from converter.graph.origins import is_trained_number
from converter.graph.traits import Trait, has_trait
from converter.shapes import Dims, dims_of

TOLERANCE = {ir.DataType.FLOAT16: 2.0**-10, ir.DataType.BFLOAT16: 2.0**-7}
"""Relative difference up to which a constant of this type is taken as equal to a number; 1e-6 for other types."""
MOST_CALLS = 64
"""Of a module, whose weights are recognised as views of one constant."""
SMALL = 64
"""Constants up to this size are compared element by element."""


def is_float(value: ir.Value) -> bool:
    """Whether a value is known to hold floats."""
    return value.dtype is not None and value.dtype.is_floating_point()


def rank_of(value: ir.Value) -> int | None:
    """The number of axes, where it is known."""
    return None if value.shape is None else len(value.shape)


def shape_of(value: ir.Value) -> Dims | None:
    """The extents: numbers, symbolic dimensions where dynamic; None when the rank is unknown."""
    return dims_of(value.shape)


def is_weight(value: ir.Value) -> bool:
    """Whether a value is a constant, or a view of one that all readers view alike: a row can make it a parameter."""
    for _ in range(MOST_STEPS):
        if value.const_value is not None:
            return True
        node = value.producer()
        source = node.inputs[0] if node is not None and has_trait(node, Trait.VIEW) else None
        if source is None or value.shape is None or not value.shape.is_static() or not is_viewed_alike(source):
            return False
        value = source
    return False


def is_viewed_alike(value: ir.Value) -> bool:
    """Whether one node reads a value, or equal views do: those of a weight in each call of a module.

    What reads the equal views of a weight must be alike, too.
    """
    same = _equal_views(value)
    if any(each.is_graph_output() for each in same) or not 0 < sum(map(count_uses, same)) <= MOST_CALLS:
        return False
    first, *others = (node for each in same for node in readers_of(each))
    return all(_is_equal_view(node, first) for node in others)


def _equal_views(value: ir.Value) -> list[ir.Value]:
    """A value, and those that equal views make of what it is a view of, through at most `MOST_STEPS` views."""
    views: list[ir.Node] = []
    first = value
    while len(views) < MOST_STEPS and (node := first.producer()) is not None and has_trait(node, Trait.VIEW):
        source = node.inputs[0]
        if source is None:
            break
        views.append(node)
        first = source
    same = [first]
    for node in reversed(views):
        if sum(map(count_uses, same)) > MOST_CALLS:
            same = [node.outputs[0]]
            continue
        readers = [reader for each in same for reader in readers_of(each)]
        same = [reader.outputs[0] for reader in readers if reader is node or _is_equal_view(reader, node)]
    return same


def _is_equal_view(node: ir.Node, other: ir.Node) -> bool:
    """Whether two nodes are equal views of what they read first."""
    if node.op_type != other.op_type or not has_trait(node, Trait.VIEW) or node.graph is not other.graph:
        return False
    if node.attributes.keys() != other.attributes.keys() or len(node.inputs) != len(other.inputs):
        return False
    equal = all(attribute(node, name) == attribute(other, name) for name in node.attributes)
    pairs = zip(node.inputs[1:], other.inputs[1:], strict=True)
    return equal and all(one is two or (one is not None and is_same(one, two)) for one, two in pairs)


def count_uses(value: ir.Value) -> int:
    """How often nodes read a value.

    `Value.uses` copies all uses: quadratic time if each of the nodes that read one constant asks for them.
    """
    return len(value._uses)


def readers_of(value: ir.Value) -> Iterator[ir.Node]:
    """The nodes that read a value, one by one: for a search that ends early. The graph may not change meanwhile."""
    return (use.node for use in value._uses)


def is_internal(value: ir.Value) -> bool:
    """Whether a value has exactly one use, and is no graph output."""
    return not value.is_graph_output() and count_uses(value) == 1


def number_of(value: ir.Value | None) -> float | None:
    """The number that a constant of one element holds; None for every other value, also for one that is trained."""
    tensor = None if value is None else value.const_value
    if tensor is None or tensor.size != 1 or not (tensor.dtype.is_floating_point() or tensor.dtype.is_integer()):
        return None
    if value is not None and is_trained_number(value):
        return None
    return float(tensor.numpy().reshape(()))


def numbers_of(value: ir.Value | None) -> tuple[int, ...] | None:
    """The elements of a small constant of integers: axes, a shape."""
    tensor = None if value is None else value.const_value
    if tensor is None or tensor.size > SMALL or not tensor.dtype.is_integer():
        return None
    return tuple(tensor.numpy().reshape(-1).tolist())


def axes_of(axes: ir.Value | None, x: ir.Value) -> tuple[int, ...] | None:
    """Constant axes of `x`, in order, counted from the first; None when they are computed or the rank is unknown."""
    numbers, rank = numbers_of(axes), rank_of(x)
    return None if numbers is None or rank is None else tuple(sorted(axis % rank for axis in numbers))


class Sliced(NamedTuple):
    """A Slice along one axis with constant numbers: from what, the axis counted from the first, bounds and step."""

    whole: ir.Value
    axis: int
    start: int
    stop: int
    step: int


def sliced(value: ir.Value | None) -> Sliced | None:
    """The Slice along one axis whose result a value is; None for other values, and where a number is computed."""
    node = None if value is None else value.producer()
    if node is None or node.op_type != "Slice" or node.domain or len(node.inputs) < 4:
        return None
    whole, *given = [*node.inputs, None][:5]
    numbers = [numbers_of(each) for each in given[:3]] + [(1,) if given[3] is None else numbers_of(given[3])]
    rank = None if whole is None else rank_of(whole)
    if whole is None or not rank or any(each is None or len(each) != 1 for each in numbers):
        return None
    start, stop, axis, step = (each[0] for each in numbers if each is not None)
    return Sliced(whole, axis % rank, start, stop, step)


def spans(value: ir.Value, extents: Dims) -> bool:
    """Whether a value has a static shape equal to `extents`, except for leading axes of extent 1."""
    own = shape_of(value)
    return own is not None and _stripped(own) == _stripped(extents) and all(isinstance(dim, int) for dim in own)


def _stripped(extents: Dims) -> Dims:
    first = next((i for i, dim in enumerate(extents) if dim != 1), len(extents))
    return extents[first:]


def has_shape_of(y: ir.Value, x: ir.Value) -> bool:
    """Whether `y`, a reshape of a value with the batch of `x`, has the shape of `x`."""
    node = y.producer()
    shape = node.inputs[1].producer() if node is not None and node.op_type == "Reshape" and node.inputs[1] else None
    if shape is not None and shape.op_type == "Shape" and shape.inputs[0] is x:
        return not shape.attributes.get_int("start", 0) and "end" not in shape.attributes
    ours, theirs = shape_of(y), shape_of(x)
    fixed = ours is not None and all(isinstance(dim, int) for dim in ours[1:])
    return fixed and theirs is not None and ours[1:] == theirs[1:]  # type: ignore[index]


def is_filled(value: ir.Value, number: float) -> bool:
    """Whether all elements of a constant are equal to `number`."""
    return value.const_value is not None and bool((value.const_value.numpy() == number).all())


def is_close(number: float, wanted: float, dtype: ir.DataType | None) -> bool:
    """Whether a number of element type `dtype` is equal to `wanted`, up to the precision of the type."""
    return math.isclose(number, wanted, rel_tol=TOLERANCE.get(dtype, 1e-6) if dtype else 1e-6)


def is_same(one: Any, other: ir.Value | None) -> bool:
    """Whether two values are identical, or small constants with equal elements."""
    if one is other:
        return True
    a = one.const_value if isinstance(one, ir.Value) else None
    b = None if other is None else other.const_value
    if a is None or b is None or max(a.size, b.size) > SMALL or a.dtype != b.dtype:
        return False
    return np.array_equal(a.numpy(), b.numpy())


def attribute(node: ir.Node, name: str) -> Any:
    """An attribute's value; the schema's default if the node has none; None if there is no default."""
    given = node.attributes.get(name)
    if given is not None:
        return tuple(given.value) if isinstance(given.value, (list, tuple)) else given.value
    try:
        default = onnx.defs.get_schema(node.op_type, OPSET, node.domain).attributes[name].default_value
    except (onnx.defs.SchemaError, KeyError):
        return None
    value = onnx.helper.get_attribute_value(default) if default.type else None
    return value.decode() if isinstance(value, bytes) else value


def keeps_its_condition(body: ir.Graph) -> bool:
    """Whether no iteration of a Loop can end it: its body returns the condition unchanged, or a constant True."""
    value = body.outputs[0]
    producer = value.producer()
    while producer is not None and producer.op_type == "Identity" and producer.inputs[0] is not None:
        value = producer.inputs[0]
        producer = value.producer()
    return value is body.inputs[1] or (value.const_value is not None and bool(value.const_value.numpy().all()))
