"""Re-roll loops: iterations that the source unrolled become a for statement again.

Every iteration calls the same layers on the results of the one before it, or an instance of one class of its own.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Set as AbstractSet
from typing import Any

from converter.script.expressions import Arg, Constant, Expression, Index, Slice, invoke
from converter.script.statements import Assign, Block, For, Statement, Variable
from converter.script.structure.hoist import replace_members
from converter.script.structure.regions import replace_in
from converter.script.structure.sequences import list_of
from converter.script.structure.unrolled import FEWEST, Search, Unrolled


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
    loops: list[For] = []
    search = Search(statements, results, uses)
    for unrolled in search:
        loop = _loop(unrolled)
        moved |= dict.fromkeys(unrolled.layers, loop.over)
        loops.append(loop)
        for later in unrolled.iterations[1:]:
            moved |= dict(zip(later, unrolled.iterations[0], strict=True))
        search.replace(unrolled, loop)
    statements[:] = search.statements
    _keep_together(statements, results, loops)
    return moved


def _loop(unrolled: Unrolled) -> For:
    """The loop; after it, the carried variables hold the values of the last iteration."""
    body = unrolled.iterations[0]
    first, last = unrolled.made(0), unrolled.made(-1)
    carried = {position: last[position] for position in unrolled.carried}
    over: Arg = tuple(unrolled.elements) or invoke("range", len(unrolled.iterations))
    index = Variable("x_t", unrolled.elements[0].dims) if unrolled.elements else Variable("step")
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
