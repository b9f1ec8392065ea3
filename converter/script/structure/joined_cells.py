"""Joined cells: blocks that read the results of several blocks before them, for which the source recorded no scopes.

A cell of NASNet reads the two cells before it, so that no position in the sequence of statements lies between two
cells. But each cell ends in a statement of one kind, which joins its branches: a concatenation, a sum. What only this
statement needs, back to other such statements, is the cell.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Sequence, Set

from converter.base.names import identifier
from converter.base.scope import Scope
from converter.script.expressions import Arg, Binary, Call, Name, walk
from converter.script.statements import Assign, Statement, Variable, defined_by
from converter.script.structure.groups import Group, grouped, instance_of
from converter.script.structure.operator_names import is_operator_name
from converter.script.structure.regions import Item, Region, members_of, used_by

FEWEST = 3
"""The least number of statements of one kind that are tried as ends of cells."""
MOST = 256
"""The same, the largest number."""
SMALLEST, LARGEST = 6, 256
"""The least and the largest number of statements of a cell."""
LONGEST_TAIL = 4
"""The most statements behind the one that joins."""
_PLAIN = frozenset({"block", "cell", "dense", "layer"})
SMALLEST_SINGLE = 12
"""The least number of statements of a cell that occurs once."""


def find_joined_cells(region: Region, results: Sequence[Arg]) -> bool:
    """Make regions of cells that join the results of several others; return whether there are any.

    `results` are what is read after the region's statements.
    """
    if len(region.items) < FEWEST * SMALLEST or region.inner():
        return False
    statements = region.statements
    readers = _readers(statements)
    kept = {part for result in results for part in walk(result) if isinstance(part, Variable)}
    best: list[Group] = []
    for joins in _joins(statements):
        ends = _with_tails(joins, readers, kept)
        cells = _cells(statements, ends, readers, kept)
        groups = grouped(instance_of(cell, list(defined_by(cell.statements[-1]))) for cell in cells)
        if any(_is_joined(group, ends) for group in groups) and _saved(groups) > _saved(best):
            best = groups
    wrapped = [
        instance.region
        for group in best
        for instance in group.instances
        if len(group.instances) > 1 or len(instance.region.items) >= SMALLEST_SINGLE
    ]
    inside = {statement: cell for cell in wrapped for statement in cell.statements}
    items: list[Item] = []
    for statement in statements:
        cell = inside.get(statement)
        if cell is None:
            items.append(statement)
        elif statement is cell.items[-1]:
            items.append(cell)
    region.items = items
    return bool(wrapped)


def _readers(statements: Sequence[Statement]) -> dict[Variable, list[Statement]]:
    readers: dict[Variable, list[Statement]] = defaultdict(list)
    for statement in statements:
        for part in dict.fromkeys(used_by(statement)):
            if isinstance(part, Variable):
                readers[part].append(statement)
    return readers


def _joins(statements: Sequence[Statement]) -> list[list[Assign]]:
    """The statements that join several values, by what they call."""
    joins: dict[str, list[Assign]] = defaultdict(list)
    for statement in statements:
        if isinstance(statement, Assign) and len(defined_by(statement)) == 1:
            read = {part for part in used_by(statement) if isinstance(part, Variable)}
            kind = _kind(statement)
            if len(read) > 1 and kind:
                joins[kind].append(statement)
    return [ends for ends in joins.values() if FEWEST <= len(ends) <= MOST]


def _kind(statement: Assign) -> str:
    match statement.value:
        case Call(function=Name(path=path)):
            return path
        case Binary(operator=operator):
            return operator
    return ""


def _with_tails(joins: Sequence[Assign], readers: dict[Variable, list[Statement]], kept: Set[Variable]) -> list[Assign]:
    """The joining statements, or those behind them that work on each one's result alone, as many behind each."""
    tails: list[list[Assign]] = []
    for join in joins:
        tail = [join]
        while len(tail) <= LONGEST_TAIL and len(readers.get(made := defined_by(tail[-1])[0], ())) == 1:
            (reader,) = readers[made]
            read = {part for part in used_by(reader) if isinstance(part, Variable)}
            if made in kept or len(read) > 1 or not isinstance(reader, Assign) or len(defined_by(reader)) != 1:
                break
            tail.append(reader)
        tails.append(tail)
    shared = min(map(len, tails))
    kinds = [{_kind(tail[place]) for tail in tails} for place in range(shared)]
    while shared > 1 and len(kinds[shared - 1]) > 1:
        shared -= 1
    return [tail[shared - 1] for tail in tails]


def _cells(
    statements: Sequence[Statement],
    ends: Sequence[Assign],
    readers: dict[Variable, list[Statement]],
    kept: Set[Variable],
) -> list[Region]:
    """For each end, a region of what only it needs, back to the other ends."""
    owners: dict[Statement, Statement | None] = {end: end for end in ends}
    members: dict[Statement, list[Statement]] = {end: [end] for end in ends}
    for statement in reversed(statements):
        if statement in members:
            continue
        found = {owners.get(reader) for value in defined_by(statement) for reader in readers.get(value, ())}
        owner = found.pop() if len(found) == 1 and kept.isdisjoint(defined_by(statement)) else None
        owners[statement] = owner
        if owner is not None:
            members[owner].append(statement)
    cells = []
    for end in ends:
        if SMALLEST <= len(members[end]) <= LARGEST:
            cell = Region(Scope(""), items=list(reversed(members[end])))
            cell.scope = Scope(_name(cell))
            cells.append(cell)
    return cells


def _name(cell: Region) -> str:
    """`NormalCell` where most layers have names such as `normal_conv_1_3`."""
    hints = (identifier(member.hint) for member in members_of(cell))
    words = Counter(found[0] for hint in hints if (found := re.match(r"[a-z]{4,}(?=_)", hint)))
    for word, count in words.most_common(1):
        if count > 1 and not is_operator_name(word) and word not in _PLAIN:
            return f"{word.capitalize()}Cell"
    return "Cell"


def _is_joined(group: Group, ends: Sequence[Assign]) -> bool:
    """Whether an instance of a group reads several results of other cells that not all its instances read."""
    results = {value for end in ends for value in defined_by(end)}
    own = [results.intersection(instance.inputs) for instance in group.instances]
    return len(own) > 1 and any(len(read.difference(own[0].intersection(*own[1:]))) > 1 for read in own)


def _saved(groups: Sequence[Group]) -> int:
    """The number of statements that stand only once when groups become classes."""
    return sum((len(group.instances) - 1) * len(group.model.region.items) for group in groups)
