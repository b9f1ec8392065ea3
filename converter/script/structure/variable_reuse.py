"""Variable reuse: what passes from layer to layer is one variable, `x = self.norm(x)`, as in code written by hand."""

from __future__ import annotations

from collections.abc import Sequence

from converter.script.expressions import walk
from converter.script.program import Member
from converter.script.statements import Block, Variable, defined_by
from converter.script.structure.regions import used_by


def reuse_variables(body: Block, inputs: Sequence[Variable], begun: bool) -> None:
    """Name a value after the one that it is computed from, where that one is dead then and no other value is live.

    A value that the source itself names keeps its name. The first variable to be reused is the first input when it has
    `begun` there; otherwise the result of the first layer, since a network's inputs keep their names, and values that
    are computed before, such as a mask, stay live beside it.
    """
    last = _last_reads(body)
    flowing = inputs[0] if begun and inputs else None
    alive: set[Variable] = set()
    for index, statement in enumerate(body.statements):
        made, read = defined_by(statement), list(used_by(statement))
        if flowing is None and not begun:
            alive.clear()
        alive.difference_update([part for part in read if isinstance(part, Variable) and last[part] == index])
        alive.update(value for value in made if last.get(value, -1) > index)
        goes_on = flowing in read and last[flowing] == index if flowing is not None else _has_layer(read)
        if len(made) == 1 and alive == set(made) and goes_on:
            begun = True
            if not made[0].assigned:
                made[0].hint, made[0].assigned = flowing.hint if flowing is not None else "x", True
            flowing = made[0]
        elif flowing is not None and last.get(flowing, -1) <= index:
            flowing = None


def _has_layer(read: Sequence[Variable | Member]) -> bool:
    """Whether there is a member with parameters that is not one itself."""
    return any(isinstance(part, Member) and part.weights and "" not in part.weights for part in read)


def _last_reads(body: Block) -> dict[Variable, int]:
    """The position of the statement that reads a value last; the number of statements for what the block returns."""
    last: dict[Variable, int] = {}
    for index, statement in enumerate(body.statements):
        last.update((part, index) for part in used_by(statement) if isinstance(part, Variable))
    end = len(body.statements)
    last.update((part, end) for item in body.results for part in walk(item) if isinstance(part, Variable))
    return last
