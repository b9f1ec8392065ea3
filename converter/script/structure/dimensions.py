"""Dimensions: each region reads its free extents from a tensor that it reads anyway."""

from __future__ import annotations

import re
from dataclasses import replace

import onnx_ir as ir

from converter.script.dead_code import read_whole
from converter.script.expressions import Arg, Attribute, Binary, Call, Name, dimension, dimension_read, map_parts
from converter.script.statements import Assign, Variable, defined_by, expressions_of
from converter.script.structure.regions import Region, used_by


def localize_dimensions(region: Region) -> None:
    """Read equal symbolic dimensions from one input tensor, so that no tensor is an input only for its shape.

    An expression that no tensor has as an extent is left out where a reshape finds it: `x.reshape((-1, 49, 96))`.
    """
    tensors = _tensors_read(region)
    known = {
        dim: (value, axis)
        for value in reversed(tensors)
        if value.dims is not None
        for axis, dim in enumerate(value.dims)
        if isinstance(dim, ir.SymbolicDim) and dim.value is not None  # two unknown dimensions compare as equal
    }
    for statement in region.statements:
        if isinstance(statement, Assign):
            statement.value = _localized(statement.value, known)


def _tensors_read(region: Region) -> list[Variable]:
    """The inputs of a region that are read for more than their shape."""
    made: set[Variable] = set()
    found: dict[Variable, None] = {}
    for statement in region.statements:
        outer = {part for part in used_by(statement) if isinstance(part, Variable)} - made
        whole = (value for item in expressions_of(statement) for value in read_whole(item))
        found |= {value: None for value in whole if value in outer}
        made.update(defined_by(statement))
    return list(found)


def _localized(item: Arg, known: dict[ir.SymbolicDim, tuple[Variable, int]]) -> Arg:
    """The expression, reading each symbolic dimension from the tensor and axis in `known`."""
    read = dimension_read(item)
    if read is not None:
        value, axis = read
        if isinstance(value, Variable) and value.dims is not None and isinstance(axis, int):
            dim = value.dims[axis]
            return _read_from(known, dim) or item if isinstance(dim, ir.SymbolicDim) else item
        return item
    multiple = _multiple(item)
    if multiple is not None and multiple in known:
        return dimension(*known[multiple])
    mapped = map_parts(item, lambda part: _localized(part, known))
    match mapped:
        case Call(function=Attribute(name="reshape"), args=(tuple() as target,)):
            return replace(mapped, args=(_without_expression(target),))
        case Call(function=Name(path="max" | "min"), args=(left, right)) if left == right:
            return left
        case Call(function=Name(path="max" | "min"), args=((left, right),)) if left == right:
            return left
        case Binary("//", Binary("*", left, factor), divisor) if factor == divisor:
            return left
        case Binary("//", Binary("*", factor, right), divisor) if factor == divisor:
            return right
    return mapped


def _multiple(item: Arg) -> ir.SymbolicDim | None:
    """The symbolic dimension that a product is: `49*N` of `x.shape[0] * 49`; None for any other expression."""
    factor = 1
    while isinstance(item, Binary) and item.operator == "*":
        number, item = (item.left, item.right) if isinstance(item.left, int) else (item.right, item.left)
        if not isinstance(number, int):
            return None
        factor *= number
    value, axis = dimension_read(item) or (None, None)
    if factor == 1 or not isinstance(value, Variable) or value.dims is None or not isinstance(axis, int):
        return None
    dim = value.dims[axis]
    return factor * dim if isinstance(dim, ir.SymbolicDim) and dim.value is not None else None


def _without_expression(target: tuple[Arg, ...]) -> tuple[Arg, ...]:
    """A shape to which a tensor is reshaped, with -1 for the only extent that is computed: the others imply it."""
    computed = [axis for axis, item in enumerate(target) if isinstance(item, (Binary, Call))]
    numbers = [item for item in target if isinstance(item, int)]
    if len(computed) != 1 or any(number <= 0 for number in numbers):
        return target
    (rest,) = computed
    return (*target[:rest], -1, *target[rest + 1 :])


def _read_from(known: dict[ir.SymbolicDim, tuple[Variable, int]], dim: ir.SymbolicDim) -> Arg:
    """A dimension, or a known one times a number; None if none in `known` tells it."""
    if dim in known:
        return dimension(*known[dim])
    multiple = re.fullmatch(r"(\d+)\*(\w+)", dim.value or "")
    place = next((place for other, place in known.items() if multiple and other.value == multiple[2]), None)
    return Binary("*", dimension(*place), int(multiple[1])) if multiple and place else None
