"""Re-roll loops: iterations that the source unrolled become a for statement again.

Every iteration calls the same layers on the results of the one before it, or an instance of one class of its own.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from itertools import groupby, pairwise
from typing import Any

from converter.base.bounded import bounded
from converter.script.expressions import Arg, Constant, Expression, Index, Slice, invoke
from converter.script.program import Cell, Member, class_of
from converter.script.statements import Assign, Block, For, Statement, Variable, defined_by
from converter.script.structure.hoist import replace_members
from converter.script.structure.regions import last_reads, replace_in, used_by
from converter.script.structure.sequences import list_of
from converter.script.structure.signature import Signature, signature_of

FEWEST = 3
"""Fewer iterations stay unrolled."""
LONGEST = 64
"""Iterations of more statements are not searched for."""


@dataclass
class Unrolled:
    """The unrolled iterations of a loop, adjacent in the statements.

    Attributes:
        iterations: the statements of each.
        start: the position of the first statement.
        layers: for each iteration, the instance that only this iteration calls; empty if all call the same members.
        elements: for each iteration, the variable that only this iteration reads; empty if there is none.
        carried: the loop-carried values: index among the values that an iteration computes → initial value.
        roles: a variable that only the first iteration reads → "element", or the index of the loop-carried value whose
            initial value it is.
    """

    iterations: list[list[Statement]]
    start: int
    layers: list[Member]
    elements: list[Variable] = field(default_factory=list)
    carried: dict[int, Variable] = field(default_factory=dict)
    roles: dict[Variable, int | str] = field(default_factory=dict)

    def made(self, iteration: int) -> list[Variable]:
        """The values that an iteration computes, in order."""
        return [value for statement in self.iterations[iteration] for value in defined_by(statement)]

    @property
    def end(self) -> int:
        """The position after the last statement."""
        return self.start + sum(map(len, self.iterations))


def reroll_loops(statements: list[Statement], results: AbstractSet[Variable], uses: Counter[Any]) -> dict[Any, Any]:
    """Replace unrolled iterations by loops.

    Args:
        statements: the statements of a region; changed in place.
        results: the variables that are read after them.
        uses: how often every variable and member is used in the whole network.

    Returns:
        A statement of a later iteration → its counterpart in the first one, which remains; a layer → the list with it.
    """
    moved: dict[Any, Any] = {}
    tried: set[Member | Cell] = set()
    loops: list[For] = []
    for _ in bounded(len(statements) + 1, "re-roll loops"):
        unrolled = _find(statements, results, uses, tried)
        if unrolled is None:
            break
        loop = _loop(unrolled)
        moved |= dict.fromkeys(unrolled.layers, loop.over)
        loops.append(loop)
        for later in unrolled.iterations[1:]:
            moved |= dict(zip(later, unrolled.iterations[0], strict=True))
        statements[unrolled.start : unrolled.end] = [loop]
    _keep_together(statements, results, loops)
    return moved


# Finding


def _find(
    statements: list[Statement], results: AbstractSet[Variable], uses: Counter[Any], tried: set[Member | Cell]
) -> Unrolled | None:
    """The next unrolled loop: a layer, or instances of one class, are called at equal distances.

    `tried` are the layers and classes for which no loop was found; it is extended.
    """
    places: dict[Member | Cell, list[int]] = defaultdict(list)
    for position, statement in enumerate(statements):
        for part in _layers(statement):
            if part not in tried:
                places[part].append(position)
    often = {member: positions for member, positions in places.items() if len(positions) >= FEWEST}
    numbers: dict[tuple[Any, ...], int] = {}
    symbols = [numbers.setdefault(_symbol(s), len(numbers)) for s in statements] if often else []
    last = last_reads(statements, results) if often else {}
    for member, positions in often.items():
        if member in tried:
            continue
        for first, length, count in _progressions(positions):
            found = _best(statements, last, uses, _cuts(symbols, first, length, count))
            if found is not None:
                return found
            tried |= {layer for statement in statements[first : first + length] for layer in _layers(statement)}
        tried.add(member)
    return None


def _layers(statement: Statement) -> list[Member | Cell]:
    """The layers that a statement reads, each once; an instance of a class is replaced by the class."""
    layers = (part for part in used_by(statement) if isinstance(part, Member) and part.weights)
    return list(dict.fromkeys(class_of(layer) or layer for layer in layers))


def _symbol(statement: Statement) -> tuple[Any, ...]:
    """A key, equal for statements that call the same members, or instances of one class, with the same literals."""
    return _called(signature_of([statement], [], []))


def _called(shape: Signature) -> tuple[Any, ...]:
    """A key, equal for iterations that call the same members, or instances of one class, with the same literals."""
    kinds = tuple(class_of(member) or member for member in shape.members)
    instances = {member for member in shape.members if class_of(member) is not None}
    return shape.key, kinds, tuple(repr(slot.value) for slot in shape.slots if slot.owner not in instances)


def _progressions(positions: list[int]) -> Iterator[tuple[int, int, int]]:
    """The arithmetic progressions in a sequence: the first position, the distance and the number of positions."""
    start = 0
    for length, run in groupby(b - a for a, b in pairwise(positions)):
        count = len(list(run))
        if length <= LONGEST and count + 1 >= FEWEST:
            yield positions[start], length, count + 1
        start += count


def _cuts(symbols: list[int], position: int, length: int, count: int) -> Iterator[tuple[int, int, int]]:
    """Every way to cut the statements around a position into equal iterations: start, length and number.

    The first iteration may be excluded: it often has a constant where the others have a loop-carried value.
    """
    for start in range(max(position - length + 1, 0), position + 1):
        complete = min(count, (len(symbols) - start) // length)
        iterations = [symbols[at : at + length] for at in range(start, start + complete * length, length)]
        for skipped in (0, 1):
            alike = iterations[skipped:]
            if len(alike) >= FEWEST and all(other == alike[0] for other in alike[1:]):
                yield start + skipped * length, length, len(alike)


def _best(
    statements: list[Statement], last: Mapping[Variable, int], uses: Counter[Any], cuts: Iterable[tuple[int, int, int]]
) -> Unrolled | None:
    """The loop with the most iterations, of these the one with the fewest loop-carried values.

    The first iterations show how many there are, and which cuts make no loop.
    """
    begun = [(cut, first) for cut in cuts if (first := _unrolled(statements, {}, *cut[:2], FEWEST)) is not None]
    for cut, _ in sorted(begun, key=lambda pair: (-pair[0][2], len(pair[1].carried))):
        unrolled = _unrolled(statements, last, *cut)
        if unrolled is not None and all(uses[layer] == 1 for layer in unrolled.layers):
            return unrolled
    return None


def _unrolled(
    statements: list[Statement], last: Mapping[Variable, int], start: int, length: int, count: int
) -> Unrolled | None:
    """The iterations, if they differ only in loop-carried values and in one element or layer each; else None.

    `last` are the positions at which variables are read last.
    """
    iterations = [statements[at : at + length] for at in range(start, start + count * length, length)]
    shapes = [signature_of(iteration, [], []) for iteration in iterations]
    layers = _own_layers(shapes) if len(set(map(_called, shapes))) == 1 else None
    if layers is None:
        return None
    unrolled = Unrolled(iterations, start, layers)
    made = [unrolled.made(i) for i in range(count)]
    inside = {value for values in made for value in values}
    read = [[value for value in shape.values if value not in own] for shape, own in zip(shapes, made, strict=True)]
    for column in zip(*read, strict=True):
        if len(set(column)) > 1 and not _assign_role(unrolled, column, made, inside):
            return None
    end = unrolled.end
    read_later = {value for value in inside if last.get(value, -1) >= end}
    handed_on = {made[-1][position] for position in unrolled.carried}
    return unrolled if handed_on and read_later <= handed_on else None


def _own_layers(shapes: list[Signature]) -> list[Member] | None:
    """For each iteration, the layer that only it calls; empty if there is none, None if there are several."""
    changing = [column for column in zip(*(shape.members for shape in shapes), strict=True) if len(set(column)) > 1]
    if len(changing) > 1 or any(len(set(column)) < len(shapes) for column in changing):
        return None
    return [layer for column in changing for layer in column]


def _assign_role(
    unrolled: Unrolled, column: tuple[Variable, ...], made: list[list[Variable]], inside: set[Variable]
) -> bool:
    """Record whether a place holds a loop-carried value or one element per iteration; return False if neither.

    `column` has the variable that each iteration reads at this place, `made` the values that each iteration computes,
    `inside` all of them.
    """
    initial, second, *_ = column
    if second in made[0]:
        position = made[0].index(second)
        unrolled.roles[initial] = position
        handed_on = all(value is before[position] for value, before in zip(column[1:], made, strict=False))
        return handed_on and unrolled.carried.setdefault(position, initial) is initial
    if unrolled.elements or unrolled.layers or not inside.isdisjoint(column):
        return False
    unrolled.roles[initial] = "element"
    unrolled.elements = list(column)
    return True


# Writing


def _loop(unrolled: Unrolled) -> For:
    """The loop; after it, the carried variables hold the values of the last iteration."""
    body = unrolled.iterations[0]
    first, last = unrolled.made(0), unrolled.made(-1)
    carried = {position: last[position] for position in unrolled.carried}
    over: Arg = tuple(unrolled.elements) or invoke("range", len(unrolled.iterations))
    index = Variable("x", unrolled.elements[0].dims) if unrolled.elements else Variable("step")
    if unrolled.layers:
        over, index = list_of(unrolled.layers), Variable("layer")
        for statement in body:
            replace_members(statement, {unrolled.layers[0]: index})
    inner: dict[Variable, Arg] = {
        value: index if role == "element" else carried[role]  # type: ignore[index]
        for value, role in unrolled.roles.items()
    }
    for statement in body:
        replace_in(statement, inner)
    block = Block(body, tuple(first[position] for position in unrolled.carried))
    for position, value in carried.items():
        value.hint = first[position].hint
    return For(index, over, tuple(carried.values()), tuple(unrolled.carried.values()), block, body[0].scopes)


def _keep_together(statements: list[Statement], results: AbstractSet[Variable], loops: list[For]) -> None:
    """Let a loop iterate over the result of a statement, `for x in ops.unbind(…)`, not over a tuple of its parts."""
    for statement in statements if loops else ():
        if not isinstance(statement, Assign) or not isinstance(statement.value, Expression) or not statement.targets:
            continue
        targets = statement.targets[0] if isinstance(statement.targets[0], tuple) else statement.targets
        parts = [target for target in targets if isinstance(target, Variable)]
        if len(parts) < max(len(targets), FEWEST) or not results.isdisjoint(parts):
            continue
        places = {loop: _place(loop.over, parts) for loop in loops if isinstance(loop.over, tuple)}
        if not any(places.values()):
            continue
        whole = Variable(parts[0].hint)
        for loop, place in places.items():
            if place is not None:
                loop.over = whole if place == Slice() else Index(whole, place)
        statement.targets = (whole,)
        names: dict[Variable, Arg] = {part: Index(whole, i) for i, part in enumerate(parts)}
        for other in statements:
            replace_in(other, names)


def _place(elements: tuple[Variable, ...], parts: list[Variable]) -> Slice | None:
    """The slice of `parts` that equals `elements`; None if there is none."""
    if list(elements) == parts[::-1]:
        return Slice(step=Constant(-1))
    start = parts.index(elements[0]) if elements[0] in parts else 0
    end = start + len(elements)
    if list(elements) != parts[start:end]:
        return None
    return Slice(Constant(start) if start else None, Constant(end) if end < len(parts) else None)
