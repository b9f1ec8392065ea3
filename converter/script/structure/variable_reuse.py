"""Variable reuse: values passed from layer to layer share a variable, `x = self.norm(x)`, as in handwritten code."""

from __future__ import annotations

from collections.abc import Sequence

from converter.script.expressions import Call, Name
from converter.script.program import Member
from converter.script.statements import Assign, Block, Statement, Variable, defined_by
from converter.script.structure.regions import last_reads, used_by
from converter.script.structure.roles import called

_UNPACKING = frozenset({"chunk", "split", "unbind"})


def reuse_variables(body: Block, inputs: Sequence[Variable], begun: bool) -> None:
    """Give a value the name of the value from which it is computed, if that is dead then and no other value is live.

    A value that the source itself names keeps its name. If `begun`, reuse starts at the first input; otherwise at the
    result of the first layer: a network's inputs keep their names, and values that are computed earlier, such as a
    mask, stay live.
    """
    last = last_reads(body.statements, body.results)
    flowing = inputs[0] if begun and inputs else None
    alive: set[Variable] = set()
    for index, statement in enumerate(body.statements):
        made, read = defined_by(statement), list(used_by(statement))
        if flowing is None and not begun:
            alive.clear()
        alive.difference_update([part for part in read if isinstance(part, Variable) and last[part] == index])
        alive.update(value for value in made if last.get(value, -1) > index)
        goes_on = flowing in read and last[flowing] == index if flowing is not None else _has_layer(read)
        if len(made) == 1 and alive == set(made) and goes_on and not _takes_apart(statement):
            begun = True
            if not made[0].assigned:
                fresh = flowing is None or any(map(_is_embedding, read)) or not _is_first(flowing, read)
                made[0].hint, made[0].assigned = "x" if flowing is None or fresh else flowing.hint, True
            flowing = made[0]
        elif flowing is not None and last.get(flowing, -1) <= index:
            flowing = None


def _takes_apart(statement: Statement) -> bool:
    """Whether a statement makes a tuple of parts, over which a loop goes."""
    return isinstance(statement, Assign) and called(statement.value) in _UNPACKING


def _is_first(flowing: Variable, read: Sequence[Variable | Member]) -> bool:
    """Whether a value is the first that a statement reads: `block(x, query)` makes another `x`, not another query."""
    return next(part for part in read if isinstance(part, Variable)) is flowing


def _is_embedding(part: Variable | Member) -> bool:
    """Whether a part looks up rows of a table: its result is not what was looked up."""
    made = part.constructor if isinstance(part, Member) else None
    return isinstance(made, Call) and made.function == Name("nn.Embedding")


def _has_layer(read: Sequence[Variable | Member]) -> bool:
    """Whether a member that is a layer is read: it has parameters and is not itself a parameter."""
    return any(isinstance(part, Member) and part.weights and "" not in part.weights for part in read)
