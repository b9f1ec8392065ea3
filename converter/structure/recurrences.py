"""Recurrences: steps that a source unrolled, the same layers again and again on what they made, become a loop."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import groupby, pairwise
from typing import Any

from converter.program import Arg, Assign, Block, Expr, For, Member, Statement, Value, expr, made_by
from converter.structure.regions import replace_in, substituted, used_by
from converter.structure.signature import Signature, signature_of

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
        carried: position in a step's results → what the first step has in the place of the step before.
        slots: what comes into the first step: the variable → "element", or the position that is carried.
    """

    rounds: list[list[Statement]]
    start: int
    elements: list[Value] = field(default_factory=list)
    carried: dict[int, Value] = field(default_factory=dict)
    slots: dict[Value, int | str] = field(default_factory=dict)

    def made(self, step: int) -> list[Value]:
        """What a step makes, in order."""
        return [value for statement in self.rounds[step] for value in made_by(statement)]


def roll(body: Block) -> dict[Any, Any]:
    """Put loops in the places of unrolled steps.

    Returns:
        The statement of the first step that stands for each of a later one.
    """
    moved: dict[Any, Any] = {}
    tried: set[Member] = set()
    loops: list[For] = []
    while (steps := _find(body, tried)) is not None:
        loop, after = _loop(steps)
        loops.append(loop)
        for later in steps.rounds[1:]:
            moved |= dict(zip(later, steps.rounds[0], strict=True))
        end = steps.start + sum(map(len, steps.rounds))
        body.statements[steps.start : end] = [loop]
        _substitute(body, after)
    _keep_together(body, loops)
    return moved


def _substitute(body: Block, names: dict[Value, Arg]) -> None:
    for statement in body.statements:
        replace_in(statement, names)
    body.results = substituted(body.results, names)


# Finding


def _find(body: Block, tried: set[Member]) -> Steps | None:
    """The next steps, by a layer that is called at equal distances."""
    places: dict[Member, list[int]] = defaultdict(list)
    for position, statement in enumerate(body.statements):
        for part in set(used_by(statement)):
            if isinstance(part, Member) and part.weights:
                places[part].append(position)
    for member, positions in places.items():
        if len(positions) < FEWEST or member in tried:
            continue
        for first, length, count in _progressions(positions):
            found = [steps for steps in _steps_at(body, first, length, count) if steps is not None]
            if found:
                return min(found, key=lambda steps: (-len(steps.rounds), len(steps.carried)))
        tried.add(member)
    return None


def _progressions(positions: list[int]) -> Iterator[tuple[int, int, int]]:
    """The runs of equal distances: where each begins, its distance, and how many positions it has."""
    start = 0
    for length, run in groupby(b - a for a, b in pairwise(positions)):
        count = len(list(run))
        if 1 < length <= LONGEST and count + 1 >= FEWEST:
            yield positions[start], length, count + 1
        start += count


def _steps_at(body: Block, position: int, length: int, count: int) -> Iterator[Steps | None]:
    """Every way to cut the statements around a position into steps.

    The first step may stay outside: it often has a constant where the others have what is carried.
    """
    for start in range(max(position - length + 1, 0), position + 1):
        rounds = [body.statements[at : at + length] for at in range(start, start + count * length, length)]
        while rounds and len(rounds[-1]) < length:
            rounds.pop()
        for skipped in (0, 1):
            if len(rounds) - skipped >= FEWEST:
                yield _steps(body, rounds[skipped:], start + skipped * length)


def _steps(body: Block, rounds: list[list[Statement]], start: int) -> Steps | None:
    """The steps, when they differ in nothing but what they carry and one element each."""
    shapes = [signature_of(statements, [], []) for statements in rounds]
    first = shapes[0]
    if any(not _alike(first, other) for other in shapes[1:]):
        return None
    steps = Steps(rounds, start)
    made = [steps.made(i) for i in range(len(rounds))]
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
        elif steps.elements or before & set(column):
            return None
        else:
            steps.elements = list(column)
            steps.slots[column[0]] = "element"
    return steps if steps.carried and _escapes_are_carried(body, steps, made) else None


def _alike(a: Signature, b: Signature) -> bool:
    """Whether two runs of statements are the same calls of the same members with the same literals."""
    return (
        a.key == b.key
        and list(a.members) == list(b.members)
        and [repr(hole.value) for hole in a.holes] == [repr(hole.value) for hole in b.holes]
    )


def _escapes_are_carried(body: Block, steps: Steps, made: list[list[Value]]) -> bool:
    """Whether what the rest of the network reads of the steps is what the last of them hands on."""
    inside = {value for values in made for value in values}
    end = steps.start + sum(map(len, steps.rounds))
    read = {part for statement in body.statements[end:] for part in used_by(statement)} | set(body.results)
    return (read & inside) <= {made[-1][position] for position in steps.carried}


# Writing


def _loop(steps: Steps) -> tuple[For, dict[Value, Arg]]:
    """The loop, and what stands for the last step's results in other statements."""
    first, last = steps.made(0), steps.made(-1)
    carried = {position: Value(first[position].hint, first[position].dims) for position in steps.carried}
    over: Arg = tuple(steps.elements) or expr("range({0})", len(steps.rounds))
    index = Value("x", steps.elements[0].dims) if steps.elements else Value("step")
    inner: dict[Value, Arg] = {
        value: index if slot == "element" else carried[slot]  # type: ignore[index]
        for value, slot in steps.slots.items()
    }
    for statement in steps.rounds[0]:
        replace_in(statement, inner)
    block = Block(steps.rounds[0], tuple(first[position] for position in steps.carried))
    initial = tuple(steps.carried.values())
    loop = For(index, over, tuple(carried.values()), initial, block, steps.rounds[0][0].scopes)
    return loop, {last[position]: value for position, value in carried.items()}


def _keep_together(body: Block, loops: list[For]) -> None:
    """Let loops go through what one statement makes, `for x in ops.unbind(…)`, instead of through its parts by name."""
    for statement in body.statements:
        if not isinstance(statement, Assign) or not isinstance(statement.value, Expr) or not statement.targets:
            continue
        targets = statement.targets[0] if isinstance(statement.targets[0], tuple) else statement.targets
        parts = [target for target in targets if isinstance(target, Value)]
        if len(parts) < max(len(targets), FEWEST):
            continue
        places = {loop: _place(loop.over, parts) for loop in loops if isinstance(loop.over, tuple)}
        if not any(places.values()):
            continue
        whole = Value(parts[0].hint)
        for loop, place in places.items():
            if place is not None:
                loop.over = whole if place == ":" else expr(f"{{0}}[{place}]", whole)
        statement.targets = (whole,)
        _substitute(body, {part: expr("{0}[{1}]", whole, i) for i, part in enumerate(parts)})


def _place(elements: tuple[Value, ...], parts: list[Value]) -> str | None:
    """Where among the parts the elements are, as a slice."""
    if list(elements) == parts[::-1]:
        return "::-1"
    start = parts.index(elements[0]) if elements[0] in parts else 0
    end = start + len(elements)
    if list(elements) != parts[start:end]:
        return None
    return f"{start or ''}:{end if end < len(parts) else ''}"
