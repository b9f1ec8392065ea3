"""Hoisting: a value that several regions read is computed in front of them, in the region around them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from collections.abc import Set as AbstractSet

import onnx_ir as ir

from converter.script.expressions import Arg, Call, Name, dimension, dimension_read, map_parts, parts_of
from converter.script.program import Member
from converter.script.statements import Assign, Statement, Variable, defined_by, map_statement
from converter.script.structure.regions import Region, statements_of, used_by

SMALLEST_LEFT = 3
"""So many statements have to stay in a region when calls are lifted out of it."""


def hoist_shared_values(region: Region) -> None:
    """Move statements whose values several inner regions read in front of the inner region that holds them.

    What reads parameters, and what depends on it, stays.

    Exporters write mask arithmetic that all layers share into the first layer's scope, and the concatenation that a
    densely connected layer hands on into the layer that reads it first.
    """
    readers: dict[Variable, set[int]] = defaultdict(set)
    for position, item in enumerate(region.items):
        for statement in statements_of(item):
            for part in used_by(statement):
                if isinstance(part, Variable):
                    readers[part].add(position)
    hoisted: list[list[Statement]] = [[] for _ in region.items]
    for position, item in enumerate(region.items):
        if isinstance(item, Region):
            shared = _shared_statements(item, position, readers)
            _remove(item, set(shared))
            hoisted[position] = shared
    region.items = [each for extra, item in zip(hoisted, region.items, strict=True) for each in (*extra, item)]
    for inner in region.inner():
        hoist_shared_values(inner)


def _shared_statements(region: Region, position: int, readers: dict[Variable, set[int]]) -> list[Statement]:
    """The statements of a region that define what other items read, and those that they depend on.

    Only statements are among them that can stand in front of the region.
    """
    statements = list(statements_of(region))
    bound = {value for statement in statements for value in defined_by(statement)}
    free: dict[Variable, Statement] = {}
    for statement in statements:
        parts = list(used_by(statement))
        if isinstance(statement, Assign) and all(_stands_before(part, bound) for part in parts):
            free |= dict.fromkeys(defined_by(statement), statement)
            bound.difference_update(defined_by(statement))
    wanted = [value for value in free if readers[value] - {position}]
    needed = _needed(wanted, free)
    return [statement for statement in statements if statement in needed]


def _needed(wanted: list[Variable], free: dict[Variable, Statement]) -> set[Statement]:
    """The statements that define the wanted values, and those that they depend on."""
    needed: set[Statement] = set()
    pending = list(wanted)
    while pending:
        statement = free[pending.pop()]
        if statement not in needed:
            needed.add(statement)
            pending += [part for part in used_by(statement) if isinstance(part, Variable) and part in free]
    return needed


def _stands_before(part: Variable | Member, bound: set[Variable]) -> bool:
    """Whether it can be read in front of a region: a variable not `bound` to it, a member without parameters."""
    return part not in bound if isinstance(part, Variable) else not part.weights


def _remove(region: Region, statements: AbstractSet[Statement]) -> None:
    if statements:
        region.items = [item for item in region.items if item not in statements]
        for inner in region.inner():
            _remove(inner, statements)


def lift_calls(region: Region, parent: Region, layers: set[Member]) -> bool:
    """Move a region's calls of these layers, and what they depend on, in front of it. Says whether it was possible."""
    free: dict[Variable, Statement] = {}
    made = {value for statement in region.statements for value in defined_by(statement)}
    for statement in region.statements:
        parts = list(used_by(statement))
        if isinstance(statement, Assign) and all(
            part in layers or _stands_before(part, made - free.keys()) for part in parts
        ):
            free |= dict.fromkeys(defined_by(statement), statement)
    calling = [statement for statement in region.statements if not layers.isdisjoint(used_by(statement))]
    wanted = [value for statement in calling for value in defined_by(statement)]
    if not free.keys() >= set(wanted):
        return False
    moved = _needed(wanted, free)
    if len(region.items) - len(moved) < SMALLEST_LEFT:
        return False
    region.items = [item for item in region.items if item not in moved]
    place = parent.items.index(region)
    parent.items[place:place] = [statement for statement in free.values() if statement in moved]
    return True


def copy_literal(literal: Member, statements: Iterable[Statement]) -> None:
    """Let statements read a copy of a literal."""
    copy = Member(literal.name, literal.constructor, {}, literal.hint)
    for statement in statements:
        replace_member(statement, literal, copy)


def replace_member(statement: Statement, old: Member, new: Member | Variable) -> None:
    """Replace a member in every expression of a statement, those of its blocks included."""

    def replaced(item: Arg) -> Arg:
        return new if item is old else map_parts(item, replaced)

    map_statement(statement, replaced)


# Dimensions


def localize_dimensions(region: Region) -> None:
    """Read equal symbolic dimensions from one tensor, an input anyway: others would be inputs for their shape only."""
    tensors = _tensors_read(region)
    known = {
        dim: (value, axis)
        for value in reversed(tensors)
        if value.dims is not None
        for axis, dim in enumerate(value.dims)
        if isinstance(dim, ir.SymbolicDim)
    }
    for statement in region.statements:
        if isinstance(statement, Assign):
            statement.value = _localized(statement.value, known)


def _tensors_read(region: Region) -> list[Variable]:
    """The inputs of a region that are read for more than their shape."""
    made: set[Variable] = set()
    found: dict[Variable, None] = {}
    for statement in region.statements:
        if isinstance(statement, Assign):
            found |= {value: None for value in _read_whole(statement.value) if value not in made}
        made.update(defined_by(statement))
    return list(found)


def _read_whole(item: Arg) -> Iterator[Variable]:
    """The variables that an expression reads for more than their shape."""
    if isinstance(item, Variable):
        yield item
    elif dimension_read(item) is None:
        for part in parts_of(item):
            yield from _read_whole(part)


def _localized(item: Arg, known: dict[ir.SymbolicDim, tuple[Variable, int]]) -> Arg:
    """An expression that reads each symbolic dimension from the tensor and the axis that `known` has for it."""
    read = dimension_read(item)
    if read is not None:
        value, axis = read
        if isinstance(value, Variable) and value.dims is not None and isinstance(axis, int):
            dim = value.dims[axis]
            return dimension(*known[dim]) if isinstance(dim, ir.SymbolicDim) and dim in known else item
        return item
    mapped = map_parts(item, lambda part: _localized(part, known))
    match mapped:
        case Call(function=Name(path="max"), args=(left, right)) if left == right:
            return left
    return mapped
