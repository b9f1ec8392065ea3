"""Hoisting: what several blocks share is computed where they meet, and what a block owns stays in it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator

from converter.program import Arg, Assign, Expr, Member, Option, Statement, Value, blocks_of, made_by
from converter.structure.regions import Region, statements_of, used_by


def hoist_shared_values(region: Region) -> None:
    """Move what a region's blocks share, and no parameter makes, in front of the block that has it.

    Exporters write mask arithmetic that all layers share into the first layer's scope, and the concatenation that a
    densely connected layer hands on into the layer that reads it first.
    """
    readers: dict[Value, set[int]] = defaultdict(set)
    for position, item in enumerate(region.items):
        for statement in statements_of(item):
            for part in used_by(statement):
                if isinstance(part, Value):
                    readers[part].add(position)
    hoisted: list[list[Statement]] = [[] for _ in region.items]
    for position, item in enumerate(region.items):
        if isinstance(item, Region):
            shared = _shared_statements(item, position, readers)
            _remove(item, shared)
            hoisted[position] = shared
    region.items = [each for extra, item in zip(hoisted, region.items, strict=True) for each in (*extra, item)]
    for inner in region.inner():
        hoist_shared_values(inner)


def _shared_statements(region: Region, position: int, readers: dict[Value, set[int]]) -> list[Statement]:
    """The statements of a region that can stand before it and make what other items read."""
    statements = list(statements_of(region))
    made = {value for statement in statements for value in made_by(statement)}
    free: dict[Value, Statement] = {}
    for statement in statements:
        parts = list(used_by(statement))
        if isinstance(statement, Assign) and all(_stands_before(part, made - free.keys()) for part in parts):
            free |= dict.fromkeys(made_by(statement), statement)
    wanted = [value for value in free if readers[value] - {position}]
    needed: set[int] = set()
    while wanted:
        statement = free[wanted.pop()]
        if id(statement) not in needed:
            needed.add(id(statement))
            wanted += [part for part in used_by(statement) if isinstance(part, Value) and part in free]
    return [statement for statement in statements if id(statement) in needed]


def _stands_before(part: Value | Member, made: set[Value]) -> bool:
    """Whether something can be read in front of the region that makes `made`; a literal can, a parameter stays."""
    return part not in made if isinstance(part, Value) else not part.weights


def _remove(region: Region, statements: list[Statement]) -> None:
    gone = {id(statement) for statement in statements}
    if gone:
        region.items = [item for item in region.items if id(item) not in gone]
        for inner in region.inner():
            _remove(inner, statements)


def unshare_members(root: Region) -> None:
    """Let every member belong to one region.

    A literal is repeated in each region that reads it. A parameter that several read is passed to them. A layer that
    several call is used where they meet: the regions around its uses are dissolved.
    """
    while True:
        owners: dict[Member, dict[Region, None]] = defaultdict(dict)
        for region in _all(root):
            for statement in region.statements:
                for part in used_by(statement):
                    if isinstance(part, Member):
                        owners[part][region] = None
        shared = {member: list(regions) for member, regions in owners.items() if len(regions) > 1}
        literals = {member: regions for member, regions in shared.items() if not member.weights}
        for member, regions in literals.items():
            for region in regions[1:]:
                copy_literal(member, region.statements)
        parameters = {member: regions for member, regions in shared.items() if "" in member.weights}
        for member, regions in parameters.items():
            _pass_in(root, member, [region for region in regions if region is not root])
        layers = [member for member in shared if member.weights and member not in parameters]
        dissolved = {region for member in layers for region in shared[member]}
        if not dissolved:
            return
        _dissolve(root, dissolved)


def copy_literal(literal: Member, statements: Iterable[Statement]) -> None:
    """Give statements a literal of their own."""
    copy = Member(literal.name, literal.constructor, {}, literal.hint)
    for statement in statements:
        _replace_member(statement, literal, copy)


def _pass_in(root: Region, parameter: Member, regions: list[Region]) -> None:
    """Read a parameter once, in front of everything, and let regions take it from there."""
    value = Value(parameter.hint)
    for region in regions:
        for statement in region.statements:
            _replace_member(statement, parameter, value)
    root.items.insert(0, Assign((value,), parameter))


def _all(region: Region) -> Iterator[Region]:
    yield region
    for inner in region.inner():
        yield from _all(inner)


def _dissolve(region: Region, dissolved: set[Region]) -> None:
    """Put the items of the regions that are to go in their places, at any depth."""
    for inner in region.inner():
        _dissolve(inner, dissolved)
    region.items = [each for item in region.items for each in (item.items if item in dissolved else [item])]


def _replace_member(statement: Statement, old: Member, new: Member | Value) -> None:
    if isinstance(statement, Assign):
        statement.value = _with_member(statement.value, old, new)
    for block in blocks_of(statement):
        for inner in block.statements:
            _replace_member(inner, old, new)
        block.results = _with_member(block.results, old, new)


def _with_member(item: Arg, old: Member, new: Member | Value) -> Arg:
    match item:
        case Expr():
            return Expr(item.template, tuple(_with_member(arg, old, new) for arg in item.args))
        case Option():
            return Option(_with_member(item.value, old, new), item.default)
        case tuple():
            return tuple(_with_member(part, old, new) for part in item)
        case list():
            return [_with_member(part, old, new) for part in item]
        case _:
            return new if item is old else item


# Extents


def localise_extents(region: Region) -> None:
    """Read equal extents from one tensor, which the region has anyway: others would have to be passed in for that."""
    tensors = _tensors_read(region)
    known = {
        dim: (value, axis)
        for value in reversed(tensors)
        if value.dims is not None
        for axis, dim in enumerate(value.dims)
        if isinstance(dim, str)
    }
    for statement in region.statements:
        if isinstance(statement, Assign):
            statement.value = _localised(statement.value, known)


def _tensors_read(region: Region) -> list[Value]:
    """The variables that come into a region and are read for more than their extents."""
    made: set[Value] = set()
    found: dict[Value, None] = {}
    for statement in region.statements:
        if isinstance(statement, Assign):
            found |= {value: None for value in _read_whole(statement.value) if value not in made}
        made.update(made_by(statement))
    return list(found)


def _read_whole(item: Arg) -> Iterator[Value]:
    match item:
        case Value():
            yield item
        case Expr() if item.template == "{0}.shape[{1}]":
            return
        case Expr():
            for arg in item.args:
                yield from _read_whole(arg)
        case Option():
            yield from _read_whole(item.value)
        case tuple() | list():
            for part in item:
                yield from _read_whole(part)


def _localised(item: Arg, known: dict[str, tuple[Value, int]]) -> Arg:
    match item:
        case Expr() if item.template == "{0}.shape[{1}]":
            value, axis = item.args
            if isinstance(value, Value) and value.dims is not None:
                found = known.get(str(value.dims[axis]))
                return item if found is None else Expr(item.template, found)
            return item
        case Expr():
            args = tuple(_localised(arg, known) for arg in item.args)
            same = item.template == "max({0}, {1})" and args[0] == args[1]
            return args[0] if same else Expr(item.template, args)
        case tuple():
            return tuple(_localised(part, known) for part in item)
        case list():
            return [_localised(part, known) for part in item]
        case _:
            return item
