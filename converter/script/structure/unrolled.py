"""Unrolled loops: find the iterations of a loop, which the source wrote one behind the other.

An iteration goes on from the results of the one before it, or does the same with an element of its own.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from itertools import groupby, pairwise
from typing import Any, TypeAlias

from converter.base.bounded import bounded
from converter.script.program import Cell, Member, class_of
from converter.script.statements import Assign, For, Statement, Variable, defined_by
from converter.script.structure.regions import last_reads, used_by
from converter.script.structure.signature import Signature, Slot, signature_of

LONGEST_PERIOD = 48
"""Iterations of more statements are searched for only by the layers that they call."""
FEWEST = 3
"""Fewer iterations stay unrolled."""
WORTH = 12
"""Iterations whose values are collected stay unrolled if the loop saves fewer statements."""
MOST_STREAMS = 4
"""Of so many streams of elements an iteration may take one each."""
LONGEST = 128
"""Iterations of more statements are not searched for."""


@dataclass
class Unrolled:
    """The unrolled iterations of a loop, adjacent in the statements.

    Attributes:
        iterations: the statements of each.
        layers: for each iteration, the instance that only this iteration calls; empty if all call the same members.
        elements: streams; of each, for each iteration, the variable that only this iteration reads.
        carried: the loop-carried values: index among the values that an iteration computes → initial value.
        collected: the values of each iteration that are read after the loop, by their index.
        positions: of all statements, in order.
        counted: the numbers that grow with each iteration: index among the literals of an iteration → the first and the
            second number.
        roles: a variable that only the first iteration reads → the index of the loop-carried value whose initial value
            it is; None if it is the first element of a stream.
    """

    iterations: list[list[Statement]]
    layers: list[Member]
    elements: list[tuple[Variable, ...]] = field(default_factory=list)
    carried: dict[int, Variable] = field(default_factory=dict)
    collected: list[int] = field(default_factory=list)
    positions: list[int] = field(default_factory=list)
    counted: dict[int, tuple[int, int]] = field(default_factory=dict)
    roles: dict[Variable, int | None] = field(default_factory=dict)

    def made(self, iteration: int) -> list[Variable]:
        """The values that an iteration computes, in order."""
        return [value for statement in self.iterations[iteration] for value in defined_by(statement)]


Layer: TypeAlias = Member | Cell
"""A layer that a statement reads; for an instance of one of the script's classes, the class."""


class Search:
    """Finds unrolled loops one by one, while they are replaced.

    A loop takes the position of its first statement. The positions of the others are empty from then on and skipped, so
    that a loop costs no more than the statements around it.
    """

    def __init__(self, statements: list[Statement], results: AbstractSet[Variable], uses: Counter[Any]) -> None:
        self._statements: list[Statement | None] = list(statements)
        self._uses = uses
        self._next = list(range(1, len(statements) + 1))
        self._previous = list(range(-1, len(statements) - 1))
        self._places: dict[Layer, list[int]] = defaultdict(list)
        for position, statement in enumerate(statements):
            for layer in _layers(statement):
                self._places[layer].append(position)
        self._tried: set[Layer] = set()
        searched = len(statements) >= WORTH or any(len(positions) >= FEWEST for positions in self._places.values())
        self._numbers: dict[tuple[Any, ...], int] = {}
        self._symbols = [self._number(_symbol(statement)) for statement in statements] if searched else []
        self._forms = [self._number(_form(statement)) for statement in statements] if searched else []
        self._last = last_reads(statements, results) if searched else {}

    @property
    def statements(self) -> list[Statement]:
        """The statements, with the loops that were found."""
        return [statement for statement in self._statements if statement is not None]

    def __iter__(self) -> Iterator[Unrolled]:
        """The loops; each must be replaced before the next one is found."""
        for layer in list(self._places):
            for _ in bounded(len(self._places[layer]) + 1, "re-roll loops"):
                unrolled = self._find(layer)
                if unrolled is None:
                    break
                yield unrolled
        yield from self._without_layers()

    def _without_layers(self) -> Iterator[Unrolled]:
        """The loops whose iterations have one form but call no layers, or the same parameter several times."""
        for symbols in (self._symbols, self._forms):
            yield from self._alike(symbols)

    def _alike(self, numbers: list[int]) -> Iterator[Unrolled]:
        """The loops whose statements have equal numbers in each iteration."""
        left = [position for position, statement in enumerate(self._statements) if statement is not None]
        symbols = [numbers[position] for position in left] if numbers else []
        done = 0
        for start, length, count in _repeated(symbols):
            unrolled = self._cut(left[start : start + count * length], length) if start >= done else None
            if unrolled is not None:
                done = left.index(unrolled.positions[-1]) + 1
                yield unrolled

    def _cut(self, window: list[int], length: int) -> Unrolled | None:
        """The loop in statements that repeat, with the fewest loop-carried values of those with the most iterations.

        The first iterations show which cuts make no loop.
        """
        statements = [self._at(position) for position in window]
        found = []
        for start in range(length):
            times = (len(window) - start) // length
            if times < FEWEST or _unrolled(statements, start, length, FEWEST) is None:
                continue
            unrolled = _unrolled(statements, start, length, times)
            if unrolled is not None and not unrolled.layers:
                unrolled.positions = window[start : start + length * times]
                if self._is_closed(unrolled):
                    found.append(unrolled)
        return min(found, key=lambda each: (-len(each.iterations), len(each.carried)), default=None)

    def replace(self, unrolled: Unrolled, loop: For) -> None:
        """Let a loop stand for its iterations."""
        start, *others = unrolled.positions
        end = self._next[unrolled.positions[-1]]
        self._statements[start] = loop
        for position in others:
            self._statements[position] = None
        self._next[start] = end
        if end < len(self._previous):
            self._previous[end] = start
        self._symbols[start] = self._forms[start] = self._number(_symbol(loop))
        remaining = _layers(loop)
        for layer in {layer for statement in unrolled.iterations[1] for layer in _layers(statement)}:
            places = self._places[layer]
            inside = slice(bisect_left(places, start), bisect_left(places, end))
            places[inside] = [start] if layer in remaining else []

    def _find(self, layer: Layer) -> Unrolled | None:
        """The next loop in which this layer, or instances of this class, are called at equal distances."""
        positions = self._places[layer]
        if len(positions) < FEWEST or layer in self._tried:
            return None
        distances = (self._distance(a, b) for a, b in pairwise(positions))
        for first, length, count in _progressions(positions, distances):
            unrolled = self._best(first, length, count)
            if unrolled is not None:
                return unrolled
            for position in self._from(first, length):
                self._tried.update(_layers(self._at(position)))
        self._tried.add(layer)
        return None

    def _best(self, first: int, length: int, count: int) -> Unrolled | None:
        """The loop with the most iterations, of these the one with the fewest loop-carried values, of these the last.

        The first iterations show how many there are, and which cuts make no loop.
        """
        begin = first
        for _ in range(length - 1):
            begin = max(self._previous[begin], 0)
        window = list(self._from(begin, (count + 1) * length - 1))
        statements = [self._at(position) for position in window]
        cuts = _cuts([self._symbols[position] for position in window], window.index(first), length, count)
        begun = [(cut, few) for cut in cuts if (few := _unrolled(statements, *cut[:2], FEWEST)) is not None]
        for (start, _, times), _ in sorted(begun, key=lambda pair: (-pair[0][2], len(pair[1].carried), -pair[0][0])):
            unrolled = _unrolled(statements, start, length, times)
            if unrolled is not None and all(self._uses[layer] == 1 for layer in unrolled.layers):
                unrolled.positions = window[start : start + length * times]
                if self._is_closed(unrolled):
                    return unrolled
        return None

    def _is_closed(self, unrolled: Unrolled) -> bool:
        """Whether later statements read only loop-carried values of the last iteration, or a value of each iteration.

        The latter are `collected`, if that is shorter than the iterations.
        """
        end = self._next[unrolled.positions[-1]]
        made = [unrolled.made(iteration) for iteration in range(len(unrolled.iterations))]
        read_later = {value for values in made for value in values if self._last.get(value, -1) >= end}
        if read_later <= {made[-1][index] for index in unrolled.carried}:
            return True
        columns = list(zip(*made, strict=True))
        unrolled.collected = [index for index, column in enumerate(columns) if not read_later.isdisjoint(column[:-1])]
        collected = {value for index in unrolled.collected for value in columns[index]}
        ends = {made[-1][index] for index in unrolled.carried}
        whole = all(read_later.issuperset(columns[index]) for index in unrolled.collected)
        assigned = {
            value for one in unrolled.iterations for s in one if isinstance(s, Assign) for value in defined_by(s)
        }
        saved = sum(map(len, unrolled.iterations[1:])) - 2 * len(unrolled.collected)
        if not unrolled.carried:  # the names of elements and results go, layers become a list
            saved += (len(made) - 1) * (len(unrolled.collected) + len(unrolled.elements))
        return whole and assigned.issuperset(collected) and read_later <= collected | ends and saved >= WORTH

    def _distance(self, one: int, other: int) -> int:
        """The number of statements from one position to a later one, at most one more than `LONGEST`."""
        distance = 0
        while one < other and distance <= LONGEST:
            one, distance = self._next[one], distance + 1
        return distance

    def _from(self, position: int, count: int) -> Iterator[int]:
        """The positions of up to `count` statements, from this one on."""
        for _ in range(count):
            if position >= len(self._statements):
                break
            yield position
            position = self._next[position]

    def _at(self, position: int) -> Statement:
        statement = self._statements[position]
        assert statement is not None
        return statement

    def _number(self, key: tuple[Any, ...]) -> int:
        return self._numbers.setdefault(key, len(self._numbers))


def _layers(statement: Statement) -> list[Member | Cell]:
    """The layers that a statement reads, each once; an instance of a class is replaced by the class."""
    layers = (part for part in used_by(statement) if isinstance(part, Member) and part.weights)
    return list(dict.fromkeys(class_of(layer) or layer for layer in layers))


def _symbol(statement: Statement) -> tuple[Any, ...]:
    """A key, equal for statements that call the same members, or instances of one class, with the same literals."""
    return _called(signature_of([statement], [], []))


def _form(statement: Statement) -> tuple[Any, ...]:
    """A key, equal for statements that call the same members, or instances of one class, with any integers."""
    return _called(signature_of([statement], [], []), integers=False)


def _called(shape: Signature, integers: bool = True) -> tuple[Any, ...]:
    """A key, equal for iterations that call the same members, or instances of one class, with the same literals."""
    kinds = tuple(class_of(member) or member for member in shape.members)
    instances = {member for member in shape.members if class_of(member) is not None}
    slots = [slot for slot in shape.slots if slot.owner not in instances]
    return shape.key, kinds, tuple(repr(slot.value) if integers or not _counts(slot) else "" for slot in slots)


def _counts(slot: Slot) -> bool:
    """Whether a literal is an integer of a statement, which may grow with each iteration."""
    return type(slot.value) is int and not isinstance(slot.owner, Member)


def _counted(shapes: list[Signature]) -> dict[int, tuple[int, int]] | None:
    """The integers that differ between iterations, all by one number more in each; None if they differ otherwise."""
    found: dict[int, tuple[int, int]] = {}
    for place, column in enumerate(zip(*(shape.slots for shape in shapes), strict=True)):
        numbers = [slot.value for slot in column]
        if not _counts(column[0]) or len(set(numbers)) == 1:
            continue
        growth = {b - a for a, b in pairwise(numbers)}
        if len(growth) > 1:
            return None
        found[place] = (numbers[0], numbers[1])
    return found if len({second - first for first, second in found.values()}) <= 1 else None


def _repeated(symbols: list[int]) -> list[tuple[int, int, int]]:
    """Where parts of a sequence repeat often enough for a loop: the start, the length of a part, and the number."""
    found = []
    for length in range(2, min(LONGEST_PERIOD, len(symbols) // FEWEST) + 1):
        start = 0
        for end in range(len(symbols) - length + 1):
            if end < len(symbols) - length and symbols[end] == symbols[end + length]:
                continue
            count = (end - start) // length + 1
            if count >= FEWEST and (count - 1) * length >= WORTH:
                found.append((start, length, count))
            start = end + 1
    return sorted(found)


def _progressions(positions: list[int], distances: Iterable[int]) -> Iterator[tuple[int, int, int]]:
    """The positions at equal distances: the first position, the distance and the number of positions."""
    start = 0
    for length, run in groupby(distances):
        count = len(list(run))
        if length <= LONGEST and count + 1 >= FEWEST:
            yield positions[start], length, count + 1
        start += count


def _cuts(symbols: list[int], position: int, length: int, count: int) -> Iterator[tuple[int, int, int]]:
    """Every way to cut the statements around a position into equal iterations: start, length and number.

    The first iteration may be excluded: it often has a constant where the others have a loop-carried value.
    """
    for start in range(position - length + 1, position + 1):
        complete = min(count, (len(symbols) - start) // length)
        for skipped in (0, 1):
            first, number = start + skipped * length, complete - skipped
            if first < 0 or number < FEWEST:
                continue
            iterations = (symbols[at : at + length] for at in range(first, first + number * length, length))
            alike = next(iterations)
            if all(other == alike for other in iterations):
                yield first, length, number


def _unrolled(statements: list[Statement], start: int, length: int, count: int) -> Unrolled | None:
    """The iterations, if they differ only in loop-carried values, in elements and in one layer each; else None."""
    iterations = [statements[at : at + length] for at in range(start, start + count * length, length)]
    shapes = [signature_of(iteration, [], []) for iteration in iterations]
    alike = len({_called(shape, integers=False) for shape in shapes}) == 1
    layers, counted = (_own_layers(shapes), _counted(shapes)) if alike else (None, None)
    if layers is None or counted is None or (layers and counted):
        return None
    unrolled = Unrolled(iterations, layers, counted=counted)
    made = [unrolled.made(i) for i in range(count)]
    inside = {value for values in made for value in values}
    read = [[value for value in shape.values if value not in own] for shape, own in zip(shapes, made, strict=True)]
    for column in zip(*read, strict=True):
        if len(set(column)) > 1 and not _assign_role(unrolled, column, made, inside):
            return None
    independent = unrolled.elements and not unrolled.carried
    return unrolled if independent or _goes_on(unrolled, made) else None


def _goes_on(unrolled: Unrolled, made: list[list[Variable]]) -> bool:
    """Whether a value that an iteration hands on depends on one that it was handed."""
    reached = {made[0][position] for position in unrolled.carried}
    for statement in unrolled.iterations[1]:
        if not reached.isdisjoint(part for part in used_by(statement) if isinstance(part, Variable)):
            reached.update(defined_by(statement))
    return any(made[1][position] in reached for position in unrolled.carried)


def _own_layers(shapes: list[Signature]) -> list[Member] | None:
    """For each iteration, the layer that only it calls; empty if there is none, None if there are several."""
    changing = [column for column in zip(*(shape.members for shape in shapes), strict=True) if len(set(column)) > 1]
    if len(changing) > 1 or any(len(set(column)) < len(shapes) for column in changing):
        return None
    return [layer for column in changing for layer in column]


def _assign_role(
    unrolled: Unrolled, column: tuple[Variable, ...], made: list[list[Variable]], inside: set[Variable]
) -> bool:
    """Record whether a place holds a loop-carried value or an element of a stream; return False if neither.

    `column` has the variable that each iteration reads at this place, `made` the values that each iteration computes,
    `inside` all of them.
    """
    initial, second, *_ = column
    if second in made[0]:
        position = made[0].index(second)
        unrolled.roles[initial] = position
        handed_on = all(value is before[position] for value, before in zip(column[1:], made, strict=False))
        return handed_on and unrolled.carried.setdefault(position, initial) is initial
    if len(set(column)) < len(column) or not inside.isdisjoint(column):
        return False
    unrolled.roles[initial] = None
    unrolled.elements.append(column)
    return len(unrolled.elements) <= MOST_STREAMS
