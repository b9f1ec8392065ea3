"""Re-roll loops: iterations that the source unrolled become a for statement again.

Every iteration calls the same layers, or an instance of one class of its own, on the results of the one before it or on
an element of its own.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from typing import Any

from converter.script.expressions import (
    Arg,
    Binary,
    Call,
    Constant,
    Expression,
    Index,
    Slice,
    Starred,
    invoke,
    map_parts,
)
from converter.script.program import Member, looped_over
from converter.script.statements import Assign, Block, For, Statement, Target, Variable, map_block
from converter.script.structure.hoist import replace_members
from converter.script.structure.initial_values import split_initial_values
from converter.script.structure.regions import replace_in, substituted
from converter.script.structure.sequences import list_of
from converter.script.structure.signature import fill, signature_of
from converter.script.structure.unrolled import FEWEST, Search, Unrolled

_COLLECTED = "outputs"
"""The name of the tuple of what each iteration makes."""


@dataclass
class Rerolled:
    """What became of iterations.

    Attributes:
        moved: a statement of a later iteration → its counterpart in the first one, which remains; a layer → the list
            with it.
        elements: a value of an iteration that is read after the loop → the element of the tuple that the loop collects.
        tuples: each such tuple → all of its elements, as they are read.
    """

    moved: dict[Any, Any] = field(default_factory=dict)
    elements: dict[Variable, Arg] = field(default_factory=dict)
    tuples: dict[Variable, list[Arg]] = field(default_factory=dict)

    def collect(self, whole: Variable, values: Sequence[Variable], carried: AbstractSet[Variable]) -> None:
        """Let each value be an element of a tuple; the last one may be carried out of the loop, too."""
        own = {value: Index(whole, Constant(i)) for i, value in enumerate(values) if value not in carried}
        self.elements |= own
        self.tuples[whole] = [own.get(value, value) for value in values]

    def read_in(self, item: Arg) -> Arg:
        """An expression that reads the collected tuples: `ops.stack(outputs)` for the stack of all elements."""
        if isinstance(item, Variable):
            return self.elements.get(item, item)
        item = map_parts(item, self.read_in)
        if not isinstance(item, tuple) or not self.tuples:
            return item
        parts = self.joined(item)
        return parts[0].value if len(parts) == 1 and isinstance(parts[0], Starred) else parts

    def joined(self, parts: tuple[Arg, ...]) -> tuple[Arg, ...]:
        """A tuple with `*outputs` for all elements of a collected tuple in their order."""
        found: list[Arg] = []
        place = 0
        while place < len(parts):
            known = (whole for whole, read in self.tuples.items() if list(parts[place : place + len(read)]) == read)
            whole = next(known, None)
            found.append(parts[place] if whole is None else Starred(whole))
            place += 1 if whole is None else len(self.tuples[whole])
        return tuple(found)


def reroll_loops(statements: list[Statement], results: AbstractSet[Variable], uses: Counter[Any]) -> Rerolled:
    """Replace unrolled iterations by loops.

    Args:
        statements: the statements of a region; changed in place.
        results: the variables that are read after them.
        uses: how often every variable and member is used in the whole network.
    """
    done = Rerolled()
    loops: list[For] = []
    split = split_initial_values(statements)
    search = Search(statements, results, uses)
    for unrolled in search:
        made = [unrolled.made(i) for i in range(len(unrolled.iterations))]
        loop = _loop(unrolled)
        for whole, place in zip(loop.carried[len(unrolled.carried) :], unrolled.collected, strict=True):
            done.collect(whole, [values[place] for values in made], set(loop.carried))
        done.moved |= dict.fromkeys(unrolled.layers, looped_over(loop))
        loops.append(loop)
        for later in unrolled.iterations[1:]:
            done.moved |= dict(zip(later, unrolled.iterations[0], strict=True))
        search.replace(unrolled, loop)
    statements[:] = search.statements
    for statement in statements if split else ():
        replace_in(statement, split)
    _keep_together(statements, results, loops)
    return done


def _loop(unrolled: Unrolled) -> For:
    """The loop; after it, the carried variables hold the values of the last iteration."""
    body = unrolled.iterations[0]
    first, last = unrolled.made(0), unrolled.made(-1)
    carried = {position: last[position] for position in unrolled.carried}
    goes_on = bool(carried) or unrolled.counted
    streams = [
        Variable(f"{letter}_t" if goes_on else letter, each[0].dims, assigned=not goes_on)
        for letter, each in zip("xyzu", unrolled.elements, strict=False)
    ]
    index, *more = streams or [Variable("step")]
    over: Arg = invoke("range", len(unrolled.iterations))
    if unrolled.counted:
        index, over = _count(unrolled)
        if streams:
            over, more = invoke("zip", over, *unrolled.elements), streams
    elif streams:
        over = invoke("zip", *unrolled.elements) if more else unrolled.elements[0]
    if unrolled.layers:
        layers, index = list_of(unrolled.layers), Variable("layer")
        over, more = (invoke("zip", layers, *unrolled.elements), streams) if streams else (layers, [])
        for statement in body:
            replace_members(statement, {unrolled.layers[0]: index})
    inner: dict[Variable, Arg] = {each[0]: stream for each, stream in zip(unrolled.elements, streams, strict=True)}
    inner |= {value: carried[role] for value, role in unrolled.roles.items() if role is not None}
    for statement in body:
        replace_in(statement, inner)
    block = Block(body, tuple(first[position] for position in unrolled.carried))
    for position, value in carried.items():
        value.hint = first[position].hint
    tuples = {Variable(_COLLECTED, assigned=True): _own(block, first[place]) for place in unrolled.collected}
    block.results += tuple(Binary("+", whole, (value,)) for whole, value in tuples.items())
    initial = (*unrolled.carried.values(), *((),) * len(tuples))
    return For(index, over, (*carried.values(), *tuples), initial, block, body[0].scopes, more=tuple(more))


def _count(unrolled: Unrolled) -> tuple[Variable, Arg]:
    """The index and the range of a loop; numbers that grow with each iteration are computed from the index."""
    index = Variable("i", (), assigned=True)
    first, second = next(iter(unrolled.counted.values()))
    growth, count = second - first, len(unrolled.iterations)
    slots = signature_of(unrolled.iterations[0], [], []).slots
    values: list[Arg] = [slot.value for slot in slots if not isinstance(slot.owner, Member)]
    for place, (number, _) in unrolled.counted.items():
        offset = number - first
        values[place] = Binary("+" if offset > 0 else "-", index, abs(offset)) if offset else index
    fill(unrolled.iterations[0], [], values)
    return index, invoke("range", first, first + growth * count, *([growth] if growth != 1 else []))


def _own(block: Block, value: Variable) -> Variable:
    """A variable of the loop in the place of one that statements after the loop read."""
    fresh = Variable(value.hint, value.dims, value.path, value.assigned)
    map_block(block, lambda item: substituted(item, {value: fresh}))
    for statement in block.statements:
        if isinstance(statement, Assign):
            statement.targets = _with_target(statement.targets, value, fresh)
    return fresh


def _with_target(targets: tuple[Target, ...], value: Variable, fresh: Variable) -> tuple[Target, ...]:
    return tuple(
        _with_target(each, value, fresh) if isinstance(each, tuple) else fresh if each is value else each
        for each in targets
    )


def _keep_together(statements: list[Statement], results: AbstractSet[Variable], loops: list[For]) -> None:
    """Let a loop iterate over the result of a statement, `for x in ops.unbind(…)`, not over a tuple of its parts."""
    for statement in statements if loops else ():
        if not isinstance(statement, Assign) or not isinstance(statement.value, Expression) or not statement.targets:
            continue
        targets = statement.targets[0] if isinstance(statement.targets[0], tuple) else statement.targets
        parts = [target for target in targets if isinstance(target, Variable)]
        if len(parts) < max(len(targets), FEWEST) or not results.isdisjoint(parts):
            continue
        whole = Variable(parts[0].hint)
        wholes = {loop: _over_whole(loop.over, parts, whole) for loop in loops}
        if all(over is loop.over for loop, over in wholes.items()):
            continue
        for loop, over in wholes.items():
            loop.over = over
        statement.targets = (whole,)
        names: dict[Variable, Arg] = {part: Index(whole, i) for i, part in enumerate(parts)}
        for other in statements:
            replace_in(other, names)


def _over_whole(over: Arg, parts: list[Variable], whole: Variable) -> Arg:
    """What a loop goes over, with the whole in the place of a tuple of its parts."""
    if isinstance(over, Call):  # zip
        args = tuple(_over_whole(arg, parts, whole) for arg in over.args)
        return over if all(a is b for a, b in zip(args, over.args, strict=True)) else invoke("zip", *args)
    place = _place(over, parts) if isinstance(over, tuple) else None
    if place is None:
        return over
    return whole if place == Slice() else Index(whole, place)


def _place(elements: tuple[Variable, ...], parts: list[Variable]) -> Slice | None:
    """The slice of `parts` that equals `elements`; None if there is none."""
    if list(elements) == parts[::-1]:
        return Slice(step=Constant(-1))
    start = parts.index(elements[0]) if elements[0] in parts else 0
    end = start + len(elements)
    if list(elements) != parts[start:end]:
        return None
    return Slice(Constant(start) if start else None, Constant(end) if end < len(parts) else None)
