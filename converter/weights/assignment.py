"""Assignment: which of many pairs are meant, and which remain open.

Rows and columns are paired in rounds. A pair is decided when it is the best of its row and of its column by a margin,
or the only one of both; then both are taken away, and others may be decided. What remains when a round decides nothing
is ambiguous: it is paired in order, and the caller marks it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

MARGIN = 0.3
"""By how much the score of a pair must exceed those of the others in its row and column."""

Scores = Mapping[tuple[int, int], float]
"""Score of each pair of row and column that fits; a pair that does not fit is not there."""


@dataclass(frozen=True)
class Chosen:
    """A pair.

    Attributes:
        row, column: of the pair.
        decided: whether it is the best by a margin, or the only one; else it was paired in order.
        only: whether nothing else was left for the row or the column.
        others: further columns that the row could have, best first.
    """

    row: int
    column: int
    decided: bool
    only: bool = False
    others: tuple[int, ...] = ()


def assign(scores: Scores) -> list[Chosen]:
    """Pair rows with columns, each at most once."""
    rows, columns = _neighbours(scores)
    chosen: list[Chosen] = []
    waiting = set(rows)
    while waiting:
        found = [pair for row in sorted(waiting) if (pair := _decided(row, rows, columns, scores))]
        if not found:
            break
        affected: set[int] = set()
        for pair in found:
            if pair.column in columns and pair.row in rows:
                chosen.append(pair)
                affected |= _take(pair.row, pair.column, rows, columns)
        waiting = affected & rows.keys()
    return chosen + _in_order(rows, columns, scores)


def _neighbours(scores: Scores) -> tuple[dict[int, set[int]], dict[int, set[int]]]:
    rows: dict[int, set[int]] = {}
    columns: dict[int, set[int]] = {}
    for row, column in scores:
        rows.setdefault(row, set()).add(column)
        columns.setdefault(column, set()).add(row)
    return rows, columns


def _decided(row: int, rows: Mapping[int, set[int]], columns: Mapping[int, set[int]], scores: Scores) -> Chosen | None:
    """The pair of a row, if it is decided."""
    if not rows[row]:
        return None
    best = max(sorted(rows[row]), key=lambda column: scores[row, column])
    rivals = [scores[row, other] for other in rows[row] if other != best]
    rivals += [scores[other, best] for other in columns[best] if other != row]
    if any(scores[row, best] - rival < MARGIN for rival in rivals):
        return None
    return Chosen(row, best, decided=True, only=not rivals)


def _take(row: int, column: int, rows: dict[int, set[int]], columns: dict[int, set[int]]) -> set[int]:
    """Take a row and a column away; returns the rows whose choice may be another now."""
    affected = columns.pop(column) - {row}
    for other in affected:
        rows[other].discard(column)
    for other in rows.pop(row) - {column}:
        columns[other].discard(row)
        affected |= columns[other]
    return affected


def _in_order(rows: dict[int, set[int]], columns: dict[int, set[int]], scores: Scores) -> list[Chosen]:
    """Pair what is left: in order where as many rows as columns are left that fit each other; else the best first."""
    chosen = []
    for some, theirs in _components(rows, columns):
        pairs = list(zip(some, theirs, strict=False))
        if len(some) != len(theirs) or not all(column in rows[row] for row, column in pairs):
            pairs = _best_first(some, rows, scores)
        for row, column in pairs:
            others = sorted(rows[row] - {column}, key=lambda other: (-scores[row, other], other))
            chosen.append(Chosen(row, column, decided=False, others=tuple(others)))
    return chosen


def _components(rows: Mapping[int, set[int]], columns: Mapping[int, set[int]]) -> Iterator[tuple[list[int], list[int]]]:
    """The rows and columns that are connected by pairs, each in order."""
    waiting = set(rows)
    while waiting:
        some: set[int] = set()
        theirs: set[int] = set()
        border = {min(waiting)}
        while border:
            some |= border
            reached = {column for row in border for column in rows[row]} - theirs
            theirs |= reached
            border = {row for column in reached for row in columns[column]} - some
        waiting -= some
        yield sorted(some), sorted(theirs)


def _best_first(some: Iterable[int], rows: Mapping[int, set[int]], scores: Scores) -> list[tuple[int, int]]:
    """Pairs of some rows, the best scores first, among equal ones in order; a row may be left without."""
    pairs: dict[int, int] = {}
    ranked = sorted((-scores[row, column], row, column) for row in some for column in rows[row])
    for _, row, column in ranked:
        if row not in pairs and column not in pairs.values():
            pairs[row] = column
    return sorted(pairs.items())
