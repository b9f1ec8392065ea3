"""Hoisting: a value that several regions read is computed before them, in their parent region."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet

import onnx_ir as ir

from converter.script.dead_code import extents_of, read_whole
from converter.script.expressions import (
    Arg,
    Index,
    dimension_read,
    leaves_of,
    map_parts,
    walk,
)
from converter.script.program import Member, with_members
from converter.script.statements import Assign, Statement, Variable, defined_by, map_statement
from converter.script.structure.regions import (
    Item,
    Region,
    all_regions,
    remove_statements,
    replace_in,
    statements_of,
    used_by,
)

SMALLEST_LEFT = 3
"""The least number of statements that must remain in a region after calls are moved out of it."""
MANY_PARTS = 5
"""A tensor with at least so many parts is taken apart where the parts are read."""


def hoist_shared_values(region: Region, inputs: Sequence[Variable] = ()) -> None:
    """Move a statement out of an inner region, to before it, if other regions or statements read its value.

    Statements that read parameters, and those that depend on them, stay, except tables that are computed of nothing but
    parameters and extents. `inputs` are those of the network, of which a moved statement may read extents.

    Exporters record mask arithmetic that all layers share in the first layer's scope, and the concatenation of a
    densely connected layer's inputs in the scope of the layer that reads it first.
    """
    _hoist(region, extents_of(inputs))


def _hoist(region: Region, extents: Mapping[ir.SymbolicDim, Arg]) -> None:
    readers: dict[Variable, set[int]] = defaultdict(set)
    for position, item in enumerate(region.items):
        for statement in statements_of(item):
            for part in used_by(statement):
                if isinstance(part, Variable):
                    readers[part].add(position)
    hoisted: list[list[Statement]] = [[] for _ in region.items]
    for position, item in enumerate(region.items):
        if isinstance(item, Region):
            shared = _shared_statements(item, position, readers, extents)
            for statement in shared:
                _stand_in(statement, region.path)
            remove_statements(item, set(shared))
            hoisted[position] = shared
    region.items = [each for extra, item in zip(hoisted, region.items, strict=True) for each in (*extra, item)]
    for inner in region.inner():
        _hoist(inner, extents)


def _stand_in(statement: Statement, path: str) -> None:
    """Name what a moved statement makes and calls after the region that it now stands in."""
    for value in defined_by(statement):
        value.path = path  # it is no longer what the inner module returns
    for part in used_by(statement):
        if isinstance(part, Member) and part.weights and part.hint.startswith(f"{path}."):
            part.hint = f"{path}.{part.hint.rpartition('.')[2]}"


def _shared_statements(
    region: Region, position: int, readers: dict[Variable, set[int]], extents: Mapping[ir.SymbolicDim, Arg]
) -> list[Statement]:
    """The statements of a region whose values other items read, and the statements on which these depend.

    Only statements that can be moved before the region are returned.
    """
    statements = list(statements_of(region))
    bound = {value for statement in statements for value in defined_by(statement)}
    tables: set[Variable] = set()  # computed of parameters and extents
    weighted: set[Variable | Member] = set()  # of these, the ones that a layer makes: several others must read them
    free: dict[Variable, Statement] = {}
    outside: dict[Statement, Arg] = {}
    for statement in statements:
        if not isinstance(statement, Assign):
            continue
        value = _reading(statement.value, bound, extents)
        parts = [part for part in leaves_of(value) if isinstance(part, (Variable, Member))]
        is_table = tables.issuperset(read_whole(value))
        if all(_stands_before(part, bound) or (is_table and isinstance(part, Member)) for part in parts):
            free |= dict.fromkeys(defined_by(statement), statement)
            outside[statement] = value
            bound.difference_update(defined_by(statement))
            tables.update(defined_by(statement) if is_table else ())
            calls = any(isinstance(part, Member) and part.weights for part in parts)
            weighted.update(defined_by(statement) if calls or not weighted.isdisjoint(parts) else ())
    wanted = [value for value in free if len(readers[value] - {position}) > (value in weighted)]
    needed = _needed(wanted, free, outside)
    moved = [statement for statement in statements if statement in needed]
    for statement in moved:
        statement.value = outside[statement]  # type: ignore[union-attr]
    return moved


def _reading(item: Arg, bound: AbstractSet[Variable], extents: Mapping[ir.SymbolicDim, Arg]) -> Arg:
    """The expression, reading the extents of bound tensors from an input of the network where one has them."""
    read = dimension_read(item)
    if read is None:
        return map_parts(item, lambda part: _reading(part, bound, extents))
    value, axis = read
    if not isinstance(value, Variable) or value not in bound or value.dims is None or not isinstance(axis, int):
        return item
    dim = value.dims[axis]
    return extents.get(dim, item) if isinstance(dim, ir.SymbolicDim) else item


def _needed(
    wanted: list[Variable], free: Mapping[Variable, Statement], values: Mapping[Statement, Arg] | None = None
) -> set[Statement]:
    """The statements that define the wanted values, and the statements on which these depend.

    `values` are what statements will assign, where that differs from what they assign now.
    """
    needed: set[Statement] = set()
    pending = list(wanted)
    while pending:
        statement = free[pending.pop()]
        if statement not in needed:
            needed.add(statement)
            parts = leaves_of(values[statement]) if values else used_by(statement)
            pending += [part for part in parts if isinstance(part, Variable) and part in free]
    return needed


def _stands_before(part: Variable | Member, bound: set[Variable]) -> bool:
    """Whether a part can be read before a region: a variable that is not in `bound`, or a member without parameters."""
    return part not in bound if isinstance(part, Variable) else not part.weights


def take_calls(region: Region, layers: AbstractSet[Member]) -> list[Statement]:
    """Take the calls of these layers, and what they depend on, out of a region, to stand before it.

    The result is empty where that is not possible.
    """
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
        return []
    moved = _needed(wanted, free)
    if len(region.items) - len(moved) < SMALLEST_LEFT:
        return []
    region.items = [item for item in region.items if item not in moved]
    return [statement for statement in dict.fromkeys(free.values()) if statement in moved]


def read_parts_again(root: Region, results: AbstractSet[Variable]) -> None:
    """Let each region cut parts of a tensor that it reads anyway for itself: `x[:, 1:]`.

    Exporters compute the part once, in the first region that reads it, also where the source cuts it several times.
    """
    places = {statement: region for region in all_regions(root) for statement in region.statements}
    readers: dict[Variable, list[Statement]] = defaultdict(list)
    for statement in places:
        for part in dict.fromkeys(used_by(statement)):
            if isinstance(part, Variable):
                readers[part].append(statement)
    for statement, home in places.items():
        cut = _cut(statement)
        if cut is None:
            continue
        whole, part = cut
        others: dict[Region, list[Statement]] = defaultdict(list)
        for reader in readers[part]:
            others[places[reader]].append(reader)
        if part in results or home not in others:
            continue
        reading = {places[reader] for reader in readers[whole] if reader is not statement}
        for region, reads in others.items():
            if region is not home and region is not root and region in reading:
                again = Variable(part.hint, part.dims, region.path, part.assigned)
                assert isinstance(statement, Assign)
                copy = Assign((again,), statement.value, reads[0].scopes)
                for reader in reads:
                    replace_in(reader, {part: again})
                region.items.insert(region.items.index(reads[0]), copy)


def _cut(statement: Statement) -> tuple[Variable, Variable] | None:
    """The tensor and its part, where a statement does nothing but cut one at fixed positions."""
    match statement:
        case Assign(targets=(Variable() as part,), value=Index(value=Variable() as whole, index=index)):
            return (whole, part) if not any(isinstance(each, Variable) for each in walk(index)) else None
    return None


def sink_unpacking(root: Region, results: AbstractSet[Variable]) -> None:
    """Move a statement that takes a tensor apart into the region that alone reads its parts: it then takes the tensor.

    What is computed of their extents for this region only goes along.
    """
    for region in all_regions(root):
        readers: dict[Variable, list[Item]] = defaultdict(list)
        for item in region.items:
            for part in {part: None for statement in statements_of(item) for part in used_by(statement)}:
                if isinstance(part, Variable):
                    readers[part].append(item)
        for item in list(region.items):
            parts = [] if isinstance(item, Region) else list(defined_by(item))
            if len(parts) < MANY_PARTS or not isinstance(item, Assign) or not results.isdisjoint(parts):
                continue
            moved, inner = _with_readers(item, readers, results)
            if inner is not None:
                inner.items[:0] = [other for other in region.items if other in moved]
                region.items = [other for other in region.items if other not in moved]


def _with_readers(
    unpacking: Assign, readers: dict[Variable, list[Item]], results: AbstractSet[Variable]
) -> tuple[set[Item], Region | None]:
    """The statement with those that read its parts, and the only region that reads what they make; None if several."""
    moved: set[Item] = {unpacking}
    regions: dict[Region, None] = {}
    pending = [unpacking]
    made: set[Variable] = set()
    while pending:
        made.update(defined_by(pending[-1]))
        for reader in [reader for value in defined_by(pending.pop()) for reader in readers[value]]:
            if isinstance(reader, Region):
                regions[reader] = None
            elif not isinstance(reader, Assign) or not _goes_along(reader, results, made):
                return moved, None
            elif reader not in moved:
                moved.add(reader)
                pending.append(reader)
    return moved, next(iter(regions)) if len(regions) == 1 else None


def _goes_along(statement: Assign, results: AbstractSet[Variable], moved: AbstractSet[Variable]) -> bool:
    """Whether a statement may be moved too: it calls no layer, makes no result, and reads extents of what is moved."""
    layers = any(isinstance(part, Member) and part.weights for part in used_by(statement))
    return not layers and results.isdisjoint(defined_by(statement)) and moved.isdisjoint(read_whole(statement.value))


def replace_members(statement: Statement, instead: Mapping[Member, Member | Variable]) -> None:
    """Replace members in every expression of a statement, including those of its blocks."""
    map_statement(statement, lambda item: with_members(item, instead))
