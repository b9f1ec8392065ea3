"""Regions: the flat list of statements as a tree of module calls, by the scopes that the source recorded.

A call of a module is a contiguous run of statements of one scope, in the order of the source. Regions do not depend on
what a statement computes, only on the variables and members that it reads and the variables that it defines.
"""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from typing import TypeAlias, Union

from converter.base.scope import NETWORK, Scope
from converter.script.expressions import Arg, leaves_of, map_parts, walk
from converter.script.program import Member
from converter.script.statements import (
    Assign,
    Statement,
    Variable,
    blocks_of,
    bound_within,
    defined_by,
    map_statement,
    visit,
)

Item: TypeAlias = Union[Statement, "Region"]

CONTAINERS = frozenset({"ModuleDict", "ModuleList", "Sequential"})
"""Classes of a source whose names do not describe their instances."""


@dataclass(eq=False, repr=False)
class Region:
    """A run of statements and inner regions that is one module call in the source.

    Attributes:
        scope: its name within the region around it, and its class.
        path: the dotted names from the outermost scope to this one.
        items: statements and regions, in order.
    """

    scope: Scope
    path: str = ""
    items: list[Item] = field(default_factory=list)

    def __repr__(self) -> str:
        """Its statements; those of an inner region follow the region's name and class."""
        lines: list[str] = []
        for item in self.items:
            if isinstance(item, Region):
                lines.append(f"{item.scope.name} ({item.scope.kind}):" if item.scope.kind else f"{item.scope.name}:")
            lines.append(textwrap.indent(repr(item), "    ") if isinstance(item, Region) else repr(item))
        return "\n".join(lines)

    def inner(self) -> list[Region]:
        """The regions directly inside."""
        return [item for item in self.items if isinstance(item, Region)]

    @property
    def statements(self) -> list[Statement]:
        """The statements directly inside."""
        return [item for item in self.items if not isinstance(item, Region)]


def by_scope(statements: Sequence[Statement]) -> Region:
    """Group statements into a tree of regions by their scopes."""
    root = Region(Scope(""))
    stack = [root]
    for statement, scopes in zip(statements, _filled(statements), strict=True):
        depth = _common(scopes, [region.scope for region in stack[1:]])
        del stack[depth + 1 :]
        for scope in scopes[depth:]:
            path = f"{stack[-1].path}.{scope.name}" if stack[-1].path else scope.name
            region = Region(scope, path)
            stack[-1].items.append(region)
            stack.append(region)
        stack[-1].items.append(statement)
    return root


def _common(a: Sequence[Scope], b: Sequence[Scope]) -> int:
    return next((i for i, (x, y) in enumerate(zip(a, b, strict=False)) if x != y), min(len(a), len(b)))


def _filled(statements: Sequence[Statement]) -> list[tuple[Scope, ...]]:
    """The scopes of each statement; if exporters recorded none, the scopes that both neighbours share."""
    known = [statement.scopes for statement in statements]
    outside = [scopes == (NETWORK,) for scopes in known]
    following: list[tuple[Scope, ...]] = [()] * len(known)
    after: tuple[Scope, ...] = ()
    for i in range(len(known) - 1, -1, -1):
        following[i] = after
        after = () if outside[i] else known[i] or after
    filled: list[tuple[Scope, ...]] = []
    before: tuple[Scope, ...] = ()
    for scopes, is_outside, after in zip(known, outside, following, strict=True):
        filled.append(() if is_outside else scopes or before[: _common(before, after)])
        before = filled[-1]
    return filled


def all_regions(region: Region) -> Iterator[Region]:
    """A region and all inner regions, recursively."""
    yield region
    for inner in region.inner():
        yield from all_regions(inner)


def statements_of(item: Item) -> Iterator[Statement]:
    """Every statement in an item, except those of inner blocks."""
    if isinstance(item, Region):
        for inner in item.items:
            yield from statements_of(inner)
    else:
        yield item


def used_by(statement: Statement) -> Iterator[Variable | Member]:
    """The variables and members that a statement reads, except variables that its own blocks define."""
    if isinstance(statement, Assign):  # a fast path: most statements are, and this function is called often
        yield from (part for part in leaves_of(statement.value) if isinstance(part, (Variable, Member)))
        return
    own = set(bound_within(statement))
    for block in blocks_of(statement):
        for inner in block.walk():
            own.update(defined_by(inner), bound_within(inner))
    for part in visit(statement):
        if isinstance(part, (Variable, Member)) and part not in own:
            yield part


def last_reads(statements: Sequence[Statement], results: Iterable[Arg] = ()) -> dict[Variable, int]:
    """The position of the last statement that reads each variable; for the results, the number of statements."""
    last: dict[Variable, int] = {}
    for position, statement in enumerate(statements):
        last.update((part, position) for part in used_by(statement) if isinstance(part, Variable))
    last.update((part, len(statements)) for item in results for part in walk(item) if isinstance(part, Variable))
    return last


def inputs_of(region: Region) -> list[Variable]:
    """The variables that a region reads and does not define, in the order of their first use; layers come last."""
    made: set[Variable] = set()
    found: dict[Variable, None] = {}
    for statement in statements_of(region):
        for part in used_by(statement):
            if isinstance(part, Variable) and part not in made:
                found[part] = None
        made.update(defined_by(statement))
    return sorted(found, key=lambda value: value.is_layer)


def members_of(region: Region) -> list[Member]:
    """The members that a region uses, in the order of their first use."""
    found = {part: None for s in statements_of(region) for part in used_by(s) if isinstance(part, Member)}
    return list(found)


def substituted(item: Arg, names: Mapping[Variable, Arg]) -> Arg:
    """An expression with variables replaced."""
    if isinstance(item, Variable):
        return names.get(item, item)
    return map_parts(item, lambda part: substituted(part, names))


def replace_in(statement: Statement, names: Mapping[Variable, Arg]) -> None:
    """Replace variables in a statement and in its blocks."""
    map_statement(statement, lambda item: substituted(item, names))


def remove_statements(region: Region, statements: AbstractSet[Statement]) -> None:
    """Take statements out of a region and its inner regions."""
    if statements:
        region.items = [item for item in region.items if item not in statements]
        for inner in region.inner():
            remove_statements(inner, statements)
