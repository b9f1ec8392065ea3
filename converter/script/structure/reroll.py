"""Re-roll loops: iterations that the source unrolled become a for statement again.

The same layers again and again on what they made, or one instance of a class after the other.
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
"""Fewer steps are read as they stand."""
LONGEST = 64
"""Statements of a step; longer ones are not looked for."""


@dataclass
class Steps:
    """Steps that are alike.

    Attributes:
        rounds: the statements of each.
        start: where the first begins.
        elements: what each takes that no step makes; empty when there is nothing.
        layers: what each calls that no other does: instances of one class; empty when they call the same.
        carried: position in a step's results → what the first step has in the place of the step before.
        slots: what comes into the first step: the variable → "element", or the position that is carried.
    """

    iterations: list[list[Statement]]
    start: int
    elements: list[Variable] = field(default_factory=list)
    layers: list[Member] = field(default_factory=list)
    carried: dict[int, Variable] = field(default_factory=dict)
    slots: dict[Variable, int | str] = field(default_factory=dict)

    def made(self, step: int) -> list[Variable]:
        """What a step makes, in order."""
        return [value for statement in self.iterations[step] for value in defined_by(statement)]


def reroll_loops(statements: list[Statement], results: AbstractSet[Variable], uses: Counter[Any]) -> dict[Any, Any]:
    """Put loops in the places of unrolled steps.

    Args:
        statements: the statements, which are changed.
        results: the variables that are read behind them.
        uses: how often every variable and member is used in the whole network.

    Returns:
        The statement of the first step that stands for each of a later one, and the list that holds each layer.
    """
    moved: dict[Any, Any] = {}
    tried: set[Member | Cell] = set()
    loops: list[For] = []
    for _ in bounded(len(statements) + 1, "re-roll loops"):
        steps = _find(statements, results, uses, tried)
        if steps is None:
            break
        loop = _loop(steps)
        moved |= dict.fromkeys(steps.layers, loop.over)
        loops.append(loop)
        for later in steps.iterations[1:]:
            moved |= dict(zip(later, steps.iterations[0], strict=True))
        end = steps.start + sum(map(len, steps.iterations))
        statements[steps.start : end] = [loop]
    _keep_together(statements, results, loops)
    return moved


# Finding


def _find(
    statements: list[Statement], results: AbstractSet[Variable], uses: Counter[Any], tried: set[Member | Cell]
) -> Steps | None:
    """The next steps, by a layer that is called, or a class of which instances are called, at equal distances."""
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
            found = [s for s in _steps_at(statements, results, symbols, first, length, count) if s is not None]
            found = [steps for steps in found if all(uses[layer] == 1 for layer in steps.layers)]
            if found:
                return min(found, key=lambda steps: (-len(steps.iterations), len(steps.carried)))
            tried |= {layer for statement in statements[first : first + length] for layer in _layers(statement)}
        tried.add(member)
    return None


def _layers(statement: Statement) -> list[Member | Cell]:
    """The layers that a statement calls, each once; for an instance of a class, the class."""
    layers = (part for part in used_by(statement) if isinstance(part, Member) and part.weights)
    return list(dict.fromkeys(class_of(layer) or layer for layer in layers))


def _symbol(statement: Statement) -> tuple[Any, ...]:
    """The same for statements that call the same members, or instances of one class, with the same literals."""
    return _called(signature_of([statement], [], []))


def _called(shape: Signature) -> tuple[Any, ...]:
    kinds = tuple(class_of(member) or member for member in shape.members)
    instances = {member for member in shape.members if class_of(member) is not None}
    return shape.key, kinds, tuple(repr(slot.value) for slot in shape.slots if slot.owner not in instances)


def _progressions(positions: list[int]) -> Iterator[tuple[int, int, int]]:
    """The runs of equal distances: where each begins, its distance, and how many positions it has."""
    start = 0
    for length, run in groupby(b - a for a, b in pairwise(positions)):
        count = len(list(run))
        if length <= LONGEST and count + 1 >= FEWEST:
            yield positions[start], length, count + 1
        start += count


def _steps_at(
    statements: list[Statement],
    results: AbstractSet[Variable],
    symbols: list[int],
    position: int,
    length: int,
    count: int,
) -> Iterator[Steps | None]:
    """Every way to cut the statements around a position into steps.

    The first step may stay outside: it often has a constant where the others have what is carried.
    """
    for start in range(max(position - length + 1, 0), position + 1):
        iterations = [symbols[at : at + length] for at in range(start, start + count * length, length)]
        while iterations and len(iterations[-1]) < length:
            iterations.pop()
        for skipped in (0, 1):
            alike = iterations[skipped:]
            if len(alike) >= FEWEST and all(other == alike[0] for other in alike[1:]):
                begin = start + skipped * length
                cut = [statements[at : at + length] for at in range(begin, begin + len(alike) * length, length)]
                yield _steps(statements, results, cut, begin)


def _steps(
    statements: list[Statement], results: AbstractSet[Variable], iterations: list[list[Statement]], start: int
) -> Steps | None:
    """The steps, when they differ in nothing but what they carry and one element each."""
    shapes = [signature_of(iteration, [], []) for iteration in iterations]
    first = _called(shapes[0])
    if any(_called(other) != first for other in shapes[1:]):
        return None
    steps = Steps(iterations, start)
    changing = [column for column in zip(*(shape.members for shape in shapes), strict=True) if len(set(column)) > 1]
    if len(changing) > 1 or any(len(set(column)) < len(iterations) for column in changing):
        return None
    steps.layers = [layer for column in changing for layer in column]
    made = [steps.made(i) for i in range(len(iterations))]
    before = {value for values in made for value in values}
    inputs = [
        [value for value in shape.values if value not in values] for shape, values in zip(shapes, made, strict=True)
    ]
    for column in zip(*inputs, strict=True):
        if len(set(column)) == 1:
            continue
        if column[1] in made[0]:
            position = made[0].index(column[1])
            same = all(value is made[i][position] for i, value in enumerate(column[1:]))
            if not same or steps.carried.setdefault(position, column[0]) is not column[0]:
                return None
            steps.slots[column[0]] = position
        elif steps.elements or steps.layers or before & set(column):
            return None
        else:
            steps.elements = list(column)
            steps.slots[column[0]] = "element"
    return steps if steps.carried and _escapes_are_carried(statements, results, steps, made) else None


def _escapes_are_carried(
    statements: list[Statement], results: AbstractSet[Variable], steps: Steps, made: list[list[Variable]]
) -> bool:
    """Whether what is read behind the steps is what the last of them hands on."""
    inside = {value for values in made for value in values}
    end = steps.start + sum(map(len, steps.iterations))
    read = {part for statement in statements[end:] for part in used_by(statement)} | set(results)
    return (read & inside) <= {made[-1][position] for position in steps.carried}


# Writing


def _loop(steps: Steps) -> For:
    """The loop; what it carries is, behind it, what the last step made."""
    first, last = steps.made(0), steps.made(-1)
    carried = {position: last[position] for position in steps.carried}
    over: Arg = tuple(steps.elements) or invoke("range", len(steps.iterations))
    index = Variable("x", steps.elements[0].dims) if steps.elements else Variable("step")
    if steps.layers:
        over, index = list_of(steps.layers), Variable("layer")
        for statement in steps.iterations[0]:
            replace_member(statement, steps.layers[0], index)
    inner: dict[Variable, Arg] = {
        value: index if slot == "element" else carried[slot]  # type: ignore[index]
        for value, slot in steps.slots.items()
    }
    for statement in steps.iterations[0]:
        replace_in(statement, inner)
    block = Block(steps.iterations[0], tuple(first[position] for position in steps.carried))
    for position, value in carried.items():
        value.hint = first[position].hint
    initial = tuple(steps.carried.values())
    return For(index, over, tuple(carried.values()), initial, block, steps.iterations[0][0].scopes)


def _keep_together(statements: list[Statement], results: AbstractSet[Variable], loops: list[For]) -> None:
    """Let loops go through what one statement makes, `for x in ops.unbind(…)`, instead of through its parts by name."""
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
    """Where among the parts the elements are, as a slice."""
    if list(elements) == parts[::-1]:
        return Slice(step=Constant(-1))
    start = parts.index(elements[0]) if elements[0] in parts else 0
    end = start + len(elements)
    if list(elements) != parts[start:end]:
        return None
    return Slice(Constant(start) if start else None, Constant(end) if end < len(parts) else None)
