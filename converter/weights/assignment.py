"""Assignment: which of many pairs are meant, and which remain open.

Rows and columns are layers of two networks, which fit or do not fit each other. They are paired in rounds. In a round
every pair is decided that is the best of its row and of its column by a margin, or the only one of both. When there is
none, rows and columns that are alike but for their numbers are paired in the order of these. What was decided says more
about the rest: how both networks count (`number_laws.py`), and whose norm follows whose convolution. What remains when
a round decides nothing is ambiguous; it is paired in order, and the caller marks it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from converter.weights.names import Name, likeness
from converter.weights.number_laws import agreement, assumed, learnt

MARGIN = 0.3
"""By how much the score of a pair must exceed those of the others in its row and column."""

_WORDS = 3.0
_NUMBERS = 2.0
_ANCHOR = 1.0

Scores = Mapping[tuple[int, int], float]
"""A handicap for each pair of row and column that fits; a pair that does not fit is not there."""
Neighbours = dict[int, set[int]]


@dataclass(frozen=True)
class Chosen:
    """A pair.

    Attributes:
        row, column: of the pair.
        reason: only (nothing else was left for the row or the column), name, numbers (alike but for their numbers, in
            their order), or guess (in order).
        others: of a guess, further columns that the row could have, best first.
    """

    row: int
    column: int
    reason: str
    others: tuple[int, ...] = ()


@dataclass(frozen=True)
class Side:
    """One network.

    Attributes:
        names: of its layers.
        anchors: for a layer without a kernel of its own, such as a norm, the layers that it may follow.
    """

    names: Sequence[Name]
    anchors: Mapping[int, Collection[int]] = field(default_factory=dict)


def assign(fits: Scores, here: Side, there: Side) -> list[Chosen]:
    """Pair rows with columns, each at most once."""
    rows, columns = _neighbours(fits)
    chosen: list[Chosen] = []
    first_laws = {law[:2]: law.offset for law in assumed(here.names, there.names)}
    while rows:
        decided = {pair.row: pair.column for pair in chosen}
        learnt_laws = learnt((here.names[row], there.names[column]) for row, column in decided.items())
        laws = first_laws | {law[:2]: law.offset for law in learnt_laws}
        scores = {
            (row, column): fits[row, column]
            + _WORDS * likeness(here.names[row].words, there.names[column].words)
            + _NUMBERS * agreement(laws, here.names[row], there.names[column])
            + _ANCHOR * _follow_each_other(row, column, here, there, decided)
            for row, some in rows.items()
            for column in some
        }
        found = _best(rows, columns, scores) or _numbered(rows, columns, scores, here.names, there.names)
        if not found:
            return chosen + _in_order(rows, columns, scores)
        chosen += found
        for pair in found:
            _take(pair.row, pair.column, rows, columns)
    return chosen


def _neighbours(fits: Scores) -> tuple[Neighbours, Neighbours]:
    rows: Neighbours = {}
    columns: Neighbours = {}
    for row, column in fits:
        rows.setdefault(row, set()).add(column)
        columns.setdefault(column, set()).add(row)
    return rows, columns


def _follow_each_other(row: int, column: int, here: Side, there: Side, decided: Mapping[int, int]) -> bool:
    theirs = there.anchors.get(column, ())
    return any(decided.get(anchor) in theirs for anchor in here.anchors.get(row, ()) if anchor in decided)


def _best(rows: Neighbours, columns: Neighbours, scores: Scores) -> list[Chosen]:
    """The pairs that are the best of their row and of their column by the margin."""
    best_columns = {column: _two_best([scores[row, column] for row in some]) for column, some in columns.items()}
    found = []
    for row, some in rows.items():
        if not some:
            continue
        best, second = _two_best([scores[row, column] for column in some])
        column = max(sorted(some), key=lambda column: scores[row, column])
        theirs, next_of_theirs = best_columns[column]
        if best - second >= MARGIN and best == theirs and best - next_of_theirs >= MARGIN:
            only = len(some) == len(columns[column]) == 1
            found.append(Chosen(row, column, "only" if only else "name"))
    return found


def _two_best(values: Sequence[float]) -> tuple[float, float]:
    ordered = sorted(values, reverse=True)
    return ordered[0], ordered[1] if len(ordered) > 1 else float("-inf")


def _numbered(
    rows: Neighbours, columns: Neighbours, scores: Scores, here: Sequence[Name], there: Sequence[Name]
) -> list[Chosen]:
    """Rows and columns whose best pairs are equally good, and that are alike but for their numbers, in their order."""
    found = []
    for some, theirs in _components(*_equally_good(rows, columns, scores)):
        if len(some) == len(theirs) and _one_family(here, some) and _one_family(there, theirs):
            ours = sorted(some, key=lambda row: here[row].order)
            pairs = list(zip(ours, sorted(theirs, key=lambda column: there[column].order), strict=True))
            if all(column in rows[row] for row, column in pairs):
                found += [Chosen(row, column, "numbers") for row, column in pairs]
    return found


def _one_family(names: Sequence[Name], indices: Sequence[int]) -> bool:
    """Whether several names differ in numbers only, and all of them differ."""
    families = {names[index].family for index in indices}
    orders = {names[index].order for index in indices}
    return len(families) == 1 and len(orders) == len(indices) > 1


def _equally_good(rows: Neighbours, columns: Neighbours, scores: Scores) -> tuple[Neighbours, Neighbours]:
    """Only the pairs that are within the margin of the best of their row and of their column."""
    best_rows = {row: max(scores[row, column] for column in some) for row, some in rows.items() if some}
    best_columns = {column: max(scores[row, column] for row in some) for column, some in columns.items() if some}
    near = {
        pair: score
        for pair, score in scores.items()
        if score > best_rows[pair[0]] - MARGIN or score > best_columns[pair[1]] - MARGIN
    }
    return _neighbours(near)


def _take(row: int, column: int, rows: Neighbours, columns: Neighbours) -> None:
    """Take a row and a column away."""
    for other in columns.pop(column) - {row}:
        rows[other].discard(column)
    for other in rows.pop(row) - {column}:
        columns[other].discard(row)
    for side in (rows, columns):
        for index in [index for index, some in side.items() if not some]:
            del side[index]


def _in_order(rows: Neighbours, columns: Neighbours, scores: Scores) -> list[Chosen]:
    """Pair what is left: in order where as many rows as columns are left that fit each other; else the best first."""
    chosen = []
    for some, theirs in _components(rows, columns):
        pairs = list(zip(some, theirs, strict=False))
        if len(some) != len(theirs) or not all(column in rows[row] for row, column in pairs):
            pairs = _best_first(some, rows, scores)
        for row, column in pairs:
            others = sorted(rows[row] - {column}, key=lambda other: (-scores[row, other], other))
            chosen.append(Chosen(row, column, "guess", tuple(others)))
    return chosen


def _components(rows: Neighbours, columns: Neighbours) -> Iterator[tuple[list[int], list[int]]]:
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


def _best_first(some: Iterable[int], rows: Neighbours, scores: Scores) -> list[tuple[int, int]]:
    """Pairs of some rows, the best scores first, among equal ones in order; a row may be left without."""
    pairs: dict[int, int] = {}
    ranked = sorted((-scores[row, column], row, column) for row in some for column in rows[row])
    for _, row, column in ranked:
        if row not in pairs and column not in pairs.values():
            pairs[row] = column
    return sorted(pairs.items())
