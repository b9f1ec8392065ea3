"""Dimensions: each region reads its free extents from a tensor that it reads anyway."""

from __future__ import annotations

import functools
import operator
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import Any, TypeAlias

import onnx_ir as ir

from converter.script.dead_code import read_whole
from converter.script.expressions import (
    Arg,
    Attribute,
    Binary,
    Call,
    Constant,
    Index,
    Name,
    dimension,
    dimension_read,
    map_parts,
    parts_of,
    walk,
)
from converter.script.statements import Assign, Block, Statement, Variable, defined_by, expressions_of
from converter.script.structure.regions import Region, used_by

_LONGEST = 120
"""Maximum characters of a formula that is computed with: SymPy takes more and more time."""
Places: TypeAlias = dict[ir.SymbolicDim, tuple[Variable, int]]
"""Extents, and the tensor and the axis that have each."""


def localize_dimensions(region: Region) -> None:
    """Read equal symbolic dimensions from one input tensor, so that no tensor is an input only for its shape.

    A formula, `(image.shape[2] - 1) // 4 + 1`, is read from any tensor that has this extent: from what the statement
    reads, an input, or what the region has made before. One that no tensor has as an extent is left out where a
    reshape finds it: `x.reshape((-1, 49, 96))`.
    """
    inputs = _places(reversed(_tensors_read(region)))
    made: Places = {}
    for statement in region.statements:
        if isinstance(statement, Assign):
            statement.value = _localized(statement.value, inputs, made | inputs | _formulas_of(_read(statement)))
        made |= _formulas_of(defined_by(statement))


def localize_formulas(statements: Iterable[Statement], given: Sequence[Variable] = ()) -> None:
    """Read formulas from what a statement itself reads, or else from `given` tensors and what was made before.

    Without `given`, only from what the statement reads.
    """
    others = _places(reversed(given))
    for statement in statements:
        if isinstance(statement, Assign):
            statement.value = _localized(statement.value, {}, others | _formulas_of(_read(statement)), implied=False)
        if given:
            others |= _formulas_of(defined_by(statement))


def release_inputs(body: Block, inputs: Sequence[Variable]) -> None:
    """Read the extents of an input from other tensors at hand, if nothing else is read of it from some place on.

    Its name is then free for what is computed from it: `x = self.layers(x)`, and later `x.reshape((x.shape[0], 196))`.
    """
    for value in inputs:
        reading = [s for s in body.statements if any(part is value for part in used_by(s))]
        whole = [index for index, statement in enumerate(reading) if value in _read(statement)]
        later = reading[whole[-1] + 1 :] if whole else []
        if any(part is value for result in body.results for part in walk(result)):
            continue
        elsewhere = [_read_elsewhere(s.value, value, _read(s)) if isinstance(s, Assign) else None for s in later]
        if all(made is not None for made in elsewhere):
            for statement, made in zip(later, elsewhere, strict=True):
                assert isinstance(statement, Assign)
                statement.value = made


def _read(statement: Statement) -> list[Variable]:
    """The tensors that a statement reads for more than their shape."""
    return [value for item in expressions_of(statement) for value in read_whole(item)]


def _read_elsewhere(item: Arg, value: Variable, others: Sequence[Variable]) -> Arg:
    """An expression that reads no extent of a tensor, but equal ones of others on the same axis; None if it cannot."""
    read = dimension_read(item)
    if read is None or read[0] is not value:
        parts = [_read_elsewhere(part, value, others) for part in parts_of(item)]
        if any(made is None and part is not None for made, part in zip(parts, parts_of(item), strict=True)):
            return None
        remaining = iter(parts)
        return map_parts(item, lambda _: next(remaining))
    axis = read[1]
    for other in others:
        if isinstance(axis, int) and axis < len(other.dims or ()) and axis < len(value.dims or ()):
            dim = (value.dims or ())[axis]
            if isinstance(dim, ir.SymbolicDim) and dim.value is not None and (other.dims or ())[axis] == dim:
                return dimension(other, axis)
    return None


def _places(values: Iterable[Variable]) -> Places:
    """The extents of tensors that have a name or a formula; of equal ones the last."""
    return {
        dim: (value, axis)
        for value in values
        for axis, dim in enumerate(value.dims or ())
        if isinstance(dim, ir.SymbolicDim) and dim.value is not None  # two unknown dimensions compare as equal
    }


def _formulas_of(values: Iterable[Variable]) -> Places:
    """The extents of tensors that are formulas."""
    return {dim: place for dim, place in _places(values).items() if not (dim.value or "").isidentifier()}


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


def _localized(item: Arg, known: Places, formulas: Places, implied: bool = True) -> Arg:
    """The expression, reading each symbolic dimension from the tensor and axis in `known`, or `formulas`.

    `implied` says whether a reshape may find an extent: not beside a free one of the network's inputs, which may be 0.
    """
    read = dimension_read(item)
    if read is not None:
        value, axis = read
        if isinstance(value, Variable) and value.dims is not None and isinstance(axis, int):
            dim = value.dims[axis]
            place = known.get(dim) or formulas.get(dim) if isinstance(dim, ir.SymbolicDim) else None
            return dimension(*place) if place else _read_from(known, dim) or item
        return item
    formula = _formula(item) if isinstance(item, Binary) else None
    if isinstance(formula, ir.SymbolicDim) and (place := formulas.get(formula) or known.get(formula)):
        return dimension(*place)
    if isinstance(same := _same_extremes(item), Binary | Index):
        return _localized(same, known, formulas, implied)
    mapped = map_parts(item, lambda part: _localized(part, known, formulas, implied))
    match mapped:
        case Call(function=Attribute(name="reshape"), args=(tuple() as target,)) if implied:
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


_ARITHMETIC: dict[str, Callable[[Any, Any], Any]] = {
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
    "//": operator.floordiv,
}


def _formula(item: Arg) -> int | ir.SymbolicDim | None:
    """The extent that an expression of extents and numbers is: `49*N` of `x.shape[0] * 49`; None for any other one."""
    item = item.value if isinstance(item, Constant) else item
    if isinstance(item, int) and not isinstance(item, bool):
        return item
    if read := dimension_read(item):
        value, axis = read
        if not isinstance(value, Variable) or value.dims is None or not isinstance(axis, int):
            return None
        dim = value.dims[axis]
        return dim if isinstance(dim, int) or (dim is not None and dim.value is not None) else None
    if not isinstance(item, Binary) or item.operator not in _ARITHMETIC:
        return None
    left, right = _formula(item.left), _formula(item.right)
    return None if left is None or right is None else _computed(item.operator, left, right)


@functools.lru_cache(maxsize=1 << 14)
def _computed(sign: str, left: int | ir.SymbolicDim, right: int | ir.SymbolicDim) -> int | ir.SymbolicDim | None:
    """A sum, difference, product or rounded quotient; None where SymPy may take long."""
    if any(isinstance(dim, ir.SymbolicDim) and _is_long(dim) for dim in (left, right)):
        return None
    try:
        return _ARITHMETIC[sign](left, right)  # type: ignore[no-any-return]
    except (ArithmeticError, TypeError, ValueError):  # a name that is not a valid formula
        return None


def _is_long(dim: ir.SymbolicDim) -> bool:
    text = dim.value or ""
    return len(text) > _LONGEST or "**" in text


def _same_extremes(item: Arg) -> Arg:
    """One operand of a maximum or minimum of two equal extents: what is read rather than computed; else None."""
    match item:
        case Call(function=Name(path="max" | "min"), args=(left, right) | ((left, right),)):
            extent = _formula(left)
            same = isinstance(extent, ir.SymbolicDim) and extent == _formula(right)
            return (right if isinstance(left, Binary) else left) if same else None
    return None


def _without_expression(target: tuple[Arg, ...]) -> tuple[Arg, ...]:
    """A shape to which a tensor is reshaped, with -1 for the only extent that is computed: the others imply it."""
    computed = [axis for axis, item in enumerate(target) if isinstance(item, (Binary, Call))]
    numbers = [item for item in target if isinstance(item, int)]
    if len(computed) != 1 or any(number <= 0 for number in numbers):
        return target
    (rest,) = computed
    return (*target[:rest], -1, *target[rest + 1 :])


def _read_from(known: Places, dim: int | ir.SymbolicDim | None) -> Arg:
    """A known dimension times a number; None if none in `known` tells it."""
    if not isinstance(dim, ir.SymbolicDim):
        return None
    multiple = re.fullmatch(r"(\d+)\*(\w+)", dim.value or "")
    place = next((place for other, place in known.items() if multiple and other.value == multiple[2]), None)
    return Binary("*", dimension(*place), int(multiple[1])) if multiple and place else None
