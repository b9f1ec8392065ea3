"""Calls: a region that contains several consecutive calls of one module is split into one region per call site.

Exporters record the same scopes for all these calls.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import takewhile
from typing import Any

from converter.script.program import Member
from converter.script.statements import Statement
from converter.script.structure.regions import Item, Region, statements_of, used_by
from converter.script.structure.signature import signature_of


def split_calls(region: Region) -> None:
    """Split each inner region into one region per call of its module, recursively."""
    items: list[Item] = []
    for item in region.items:
        items += _calls(item) if isinstance(item, Region) else [item]
    region.items = items
    for inner in region.inner():
        split_calls(inner)


def _calls(region: Region) -> list[Region]:
    """One region for each call that a region contains; the region itself if it is one call."""
    lengths = _lengths(list(statements_of(region)))
    if len(lengths) < 2:
        return [region]
    calls = [Region(region.scope, region.path) for _ in lengths]
    owners = iter([call for call, length in zip(calls, lengths, strict=True) for _ in range(length)])
    _distribute(region, owners, {})
    return calls


def _distribute(region: Region, owners: Iterator[Region], copies: dict[tuple[Region, Region], Region]) -> None:
    """Put each statement of a region into the call that owns it, within copies of the inner regions around it.

    `copies` maps (region of a call or copy in it, inner region) to the copy of the inner region there.
    """

    def put(item: Item, around: tuple[Region, ...]) -> None:
        if isinstance(item, Region):
            for inner in item.items:
                put(inner, (*around, item))
            return
        parent = next(owners)
        for outer in around:
            if (parent, outer) not in copies:
                copies[parent, outer] = Region(outer.scope, outer.path)
                parent.items.append(copies[parent, outer])
            parent = copies[parent, outer]
        parent.items.append(item)

    for item in region.items:
        put(item, ())


def _lengths(statements: list[Statement]) -> list[int]:
    """How many statements each call of a module has, in order; empty when they are one call.

    A call ends with those statements after its last layer that are the same in all calls; there the next call begins.
    Calls have the same statements, but the first may also compute values that all calls share.
    """
    layers = [(position, layer) for position, s in enumerate(statements) for layer in _layers(s)]
    period = _period([layer for _, layer in layers])
    if period == len(layers):
        return []
    firsts = [position for position, _ in layers[::period]]
    lasts = [position for position, _ in layers[period - 1 :: period]]
    symbols = [_symbol(statement) for statement in statements]
    behind = [symbols[last + 1 : end] for last, end in zip(lasts, [*firsts[1:], len(symbols)], strict=True)]
    tail = sum(1 for _ in takewhile(lambda column: len(set(column)) == 1, zip(*behind, strict=False)))
    ends = [last + 1 + tail for last in lasts]
    first, *later = [symbols[start:end] for start, end in zip([0, *ends], ends, strict=False)]
    alike = all(call == later[0] for call in later) and _is_within(later[0], first)
    return [len(first), *map(len, later)] if alike and ends[-1] == len(symbols) else []


def _layers(statement: Statement) -> list[Member]:
    """The members with parameters that a statement reads, each once."""
    return [part for part in dict.fromkeys(used_by(statement)) if isinstance(part, Member) and part.weights]


def _period(sequence: list[Member]) -> int:
    """The length of the shortest sequence that, repeated, is this one (Knuth, Morris and Pratt's failure function)."""
    border = [0] * len(sequence)  # for each prefix, the length of its longest proper prefix that is also its suffix
    length = 0
    for position in range(1, len(sequence)):
        while length and sequence[position] is not sequence[length]:
            length = border[length - 1]
        length += sequence[position] is sequence[length]
        border[position] = length
    period = len(sequence) - (border[-1] if border else 0)
    return period if period and len(sequence) % period == 0 else len(sequence)


def _symbol(statement: Statement) -> tuple[Any, ...]:
    """A key that is equal for statements that read the same layers and differ only in literals and variables."""
    return signature_of([statement], [], []).key, tuple(_layers(statement))


def _is_within(sequence: list[Any], other: list[Any]) -> bool:
    """Whether a sequence is a subsequence of another one."""
    symbols = iter(other)
    return all(symbol in symbols for symbol in sequence)
