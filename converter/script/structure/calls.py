"""Calls: a module that the source calls several times in a row, which its scopes show as one call."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from converter.script.program import Member
from converter.script.statements import Statement
from converter.script.structure.regions import Item, Region, statements_of, used_by
from converter.script.structure.signature import signature_of


def split_calls(region: Region) -> None:
    """Give every call of an inner module a region of its own: where its layers begin anew, so does a call."""
    items: list[Item] = []
    for item in region.items:
        items += _calls(item) if isinstance(item, Region) else [item]
    region.items = items
    for inner in region.inner():
        split_calls(inner)


def _calls(region: Region) -> list[Region]:
    statements = list(statements_of(region))
    lengths = _lengths(statements)
    if len(lengths) < 2:
        return [region]
    pieces = [Region(region.scope, region.path) for _ in lengths]
    places = iter([piece for piece, length in zip(pieces, lengths, strict=True) for _ in range(length)])
    _distribute(region, places, {})
    return pieces


def _distribute(region: Region, places: Iterator[Region], made: dict[tuple[Region, Region], Region]) -> None:
    """Put each statement of a region into its place, with regions of its own around it as here."""

    def place(item: Item, around: tuple[Region, ...]) -> None:
        if isinstance(item, Region):
            for inner in item.items:
                place(inner, (*around, item))
            return
        parent = next(places)
        for outer in around:
            known = made.get((parent, outer))
            if known is None:
                known = made[parent, outer] = Region(outer.scope, outer.path)
                parent.items.append(known)
            parent = known
        parent.items.append(item)

    for item in region.items:
        place(item, ())


def _lengths(statements: list[Statement]) -> list[int]:
    """How many statements each call of a module has, in order; empty when it is one call."""
    layers = [(position, layer) for position, s in enumerate(statements) for layer in _layers(s)]
    period = _period([layer for _, layer in layers])
    if period == len(layers):
        return []
    firsts = [position for position, _ in layers[::period]]
    lasts = [position for position, _ in layers[period - 1 :: period]]
    symbols = [_symbol(statement) for statement in statements]
    ends = [*firsts[1:], len(statements)]
    tail = 0
    while all(last + tail + 1 < end for last, end in zip(lasts, ends, strict=True)) and (
        len({symbols[last + tail + 1] for last in lasts}) == 1
    ):
        tail += 1
    starts = [0, *(last + tail + 1 for last in lasts[:-1])]
    calls = [statements[a:b] for a, b in zip(starts, [*starts[1:], lasts[-1] + tail + 1], strict=True)]
    sequences = [
        [symbols[i] for i in range(start, start + len(call))] for start, call in zip(starts, calls, strict=True)
    ]
    alike = all(sequence == sequences[1] for sequence in sequences[2:]) and _is_within(sequences[1], sequences[0])
    if not alike or starts[-1] + len(sequences[-1]) != len(statements):
        return []
    return [len(sequence) for sequence in sequences]


def _layers(statement: Statement) -> list[Member]:
    return [part for part in dict.fromkeys(used_by(statement)) if isinstance(part, Member) and part.weights]


def _period(sequence: list[Member]) -> int:
    """The shortest word that, said again and again, is this one."""
    border = [0] * len(sequence)  # of each beginning: its longest proper beginning that is its end too
    length = 0
    for position in range(1, len(sequence)):
        while length and sequence[position] is not sequence[length]:
            length = border[length - 1]
        length += sequence[position] is sequence[length]
        border[position] = length
    period = len(sequence) - (border[-1] if border else 0)
    return period if period and len(sequence) % period == 0 else len(sequence)


def _symbol(statement: Statement) -> tuple[Any, ...]:
    """A statement without its literals and variables, but with the layers that it calls."""
    return signature_of([statement], [], []).key, tuple(_layers(statement))


def _is_within(sequence: list[Any], other: list[Any]) -> bool:
    """Whether a word is another one with some letters left out: a first call computes what all of them share."""
    symbols = iter(other)
    return all(symbol in symbols for symbol in sequence)
