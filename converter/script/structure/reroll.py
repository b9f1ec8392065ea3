"""Re-roll loops: iterations that the source unrolled become a for statement again.

Every iteration calls the same layers on the results of the one before it, or an instance of one class of its own.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from itertools import groupby, pairwise
from typing import Any

from converter.base.bounded import bounded
from converter.script.expressions import Arg, Constant, Expression, Index, Slice, invoke
from converter.script.program import Cell, Member, class_of
from converter.script.statements import Assign, Block, For, Statement, Variable, defined_by
from converter.script.structure.hoist import replace_member
from converter.script.structure.regions import replace_in, used_by
from converter.script.structure.sequences import list_of
from converter.script.structure.signature import Signature, signature_of

FEWEST = 3
"""Fewer iterations stay unrolled."""
LONGEST = 64
"""Iterations of more statements are not looked for."""


@dataclass
class Unrolled:
    """Iterations of a loop, one after the other.

    Attributes:
        iterations: the statements of each.
        start: the position of the first statement.
        layers: the instance of a class that each iteration calls and no other does; empty when all call the same.
        elements: the variable that each iteration reads and no other does; empty when there is none.
        carried: the loop-carried values: position among the values that an iteration makes → its initial value.
        roles: a variable that the first iteration reads and the others do not → "element", or the position of the
            carried value that it is.
    """

    iterations: list[list[Statement]]
    start: int
    layers: list[Member]
    elements: list[Variable] = field(default_factory=list)
    carried: dict[int, Variable] = field(default_factory=dict)
    roles: dict[Variable, int | str] = field(default_factory=dict)

    def made(self, iteration: int) -> list[Variable]:
        """The values that an iteration makes, in order."""
        return [value for statement in self.iterations[iteration] for value in defined_by(statement)]

    @property
    def end(self) -> int:
        """The position behind the last statement."""
        return self.start + sum(map(len, self.iterations))


def reroll_loops(statements: list[Statement], results: AbstractSet[Variable], uses: Counter[Any]) -> dict[Any, Any]:
    """Put loops in the places of unrolled iterations.

    Args:
        statements: the statements of a region, which are changed.
        results: the variables that are read behind them.
        uses: how often every variable and member is used in the whole network.

    Returns:
        A statement of a later iteration → that of the first one, which stands for it; a layer → the list that holds it.
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
    """The next unrolled loop, by a layer, or a class of which instances are called, at equal distances.

    `tried` are those that are known to give none.
    """
    places: dict[Member | Cell, list[int]] = defaultdict(list)
    for position, statement in enumerate(statements):
        for part in _layers(statement):
            if part not in tried:
                places[part].append(position)
    often = {member: positions for member, positions in places.items() if len(positions) >= FEWEST}
    numbers: dict[tuple[Any, ...], int] = {}
    symbols = [numbers.setdefault(_symbol(s), len(numbers)) for s in statements] if often else []
    for member, positions in often.items():
        if member in tried:
            continue
        for first, length, count in _progressions(positions):
            cuts = _cuts(symbols, first, length, count)
            found = [unrolled for cut in cuts if (unrolled := _unrolled(statements, results, *cut)) is not None]
            found = [unrolled for unrolled in found if all(uses[layer] == 1 for layer in unrolled.layers)]
            if found:
                return min(found, key=lambda unrolled: (-len(unrolled.iterations), len(unrolled.carried)))
            tried |= {layer for statement in statements[first : first + length] for layer in _layers(statement)}
        tried.add(member)
    return None


def _layers(statement: Statement) -> list[Member | Cell]:
    """The layers that a statement calls, each once; for an instance of a class, the class."""
    layers = (part for part in used_by(statement) if isinstance(part, Member) and part.weights)
    return list(dict.fromkeys(class_of(layer) or layer for layer in layers))


def _symbol(statement: Statement) -> tuple[Any, ...]:
    """Equal for statements that call the same members, or instances of one class, with the same literals."""
    return _called(signature_of([statement], [], []))


def _called(shape: Signature) -> tuple[Any, ...]:
    """Equal for iterations that call the same members, or instances of one class, with the same literals."""
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

    The first iteration may stay outside: it often has a constant where the others have a loop-carried value.
    """
    for start in range(max(position - length + 1, 0), position + 1):
        complete = min(count, (len(symbols) - start) // length)
        iterations = [symbols[at : at + length] for at in range(start, start + complete * length, length)]
        for skipped in (0, 1):
            alike = iterations[skipped:]
            if len(alike) >= FEWEST and all(other == alike[0] for other in alike[1:]):
                yield start + skipped * length, length, len(alike)


def _unrolled(
    statements: list[Statement], results: AbstractSet[Variable], start: int, length: int, count: int
) -> Unrolled | None:
    """The iterations, when they differ in loop-carried values and in one element or layer each; None otherwise."""
    iterations = [statements[at : at + length] for at in range(start, start + count * length, length)]
    shapes = [signature_of(iteration, [], []) for iteration in iterations]
    layers = _own_layers(shapes) if len(set(map(_called, shapes))) == 1 else None
    if layers is None:
        return None
    unrolled = Unrolled(iterations, start, layers)
    made = [unrolled.made(i) for i in range(count)]
    read = [[value for value in shape.values if value not in own] for shape, own in zip(shapes, made, strict=True)]
    for column in zip(*read, strict=True):
        if len(set(column)) > 1 and not _assign_role(unrolled, column, made):
            return None
    return unrolled if unrolled.carried and _only_carried_are_read(statements, results, unrolled, made) else None


def _own_layers(shapes: list[Signature]) -> list[Member] | None:
    """The layer that only this iteration calls, for each; empty when there is none, None when there are several."""
    changing = [column for column in zip(*(shape.members for shape in shapes), strict=True) if len(set(column)) > 1]
    if len(changing) > 1 or any(len(set(column)) < len(shapes) for column in changing):
        return None
    return [layer for column in changing for layer in column]


def _assign_role(unrolled: Unrolled, column: tuple[Variable, ...], made: list[list[Variable]]) -> bool:
    """Note what the iterations read in one place: a loop-carried value, or an element each. Says whether it is either.

    `column` has the variable of each iteration; `made` the values that each iteration makes.
    """
    initial, second, *_ = column
    if second in made[0]:
        position = made[0].index(second)
        unrolled.roles[initial] = position
        handed_on = all(value is before[position] for value, before in zip(column[1:], made, strict=False))
        return handed_on and unrolled.carried.setdefault(position, initial) is initial
    if unrolled.elements or unrolled.layers or any(value in each for value in column for each in made):
        return False
    unrolled.roles[initial] = "element"
    unrolled.elements = list(column)
    return True


def _only_carried_are_read(
    statements: list[Statement], results: AbstractSet[Variable], unrolled: Unrolled, made: list[list[Variable]]
) -> bool:
    """Whether, of all values that the iterations make, only loop-carried ones of the last are read behind them."""
    inside = {value for values in made for value in values}
    read = {part for statement in statements[unrolled.end :] for part in used_by(statement)} | set(results)
    return (read & inside) <= {made[-1][position] for position in unrolled.carried}


# Writing


def _loop(unrolled: Unrolled) -> For:
    """The loop; behind it, its carried variables are the values that the last iteration made."""
    body = unrolled.iterations[0]
    first, last = unrolled.made(0), unrolled.made(-1)
    carried = {position: last[position] for position in unrolled.carried}
    over: Arg = tuple(unrolled.elements) or invoke("range", len(unrolled.iterations))
    index = Variable("x", unrolled.elements[0].dims) if unrolled.elements else Variable("step")
    if unrolled.layers:
        over, index = list_of(unrolled.layers), Variable("layer")
        for statement in body:
            replace_member(statement, unrolled.layers[0], index)
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
    """Iterate over the result of one statement, `for x in ops.unbind(…)`, instead of over its parts by name."""
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
    """The slice of the parts that the elements are; None when they are none."""
    if list(elements) == parts[::-1]:
        return Slice(step=Constant(-1))
    start = parts.index(elements[0]) if elements[0] in parts else 0
    end = start + len(elements)
    if list(elements) != parts[start:end]:
        return None
    return Slice(Constant(start) if start else None, Constant(end) if end < len(parts) else None)
