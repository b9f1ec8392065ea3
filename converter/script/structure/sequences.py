"""Sequences: a chain of layers becomes an `nn.SequentialCell`, a run of instances of one class also a loop."""

from __future__ import annotations

from itertools import groupby, takewhile
from typing import Any

from converter.base.names import identifier
from converter.script.expressions import (
    Arg,
    Binary,
    Call,
    Comprehension,
    Expression,
    Name,
    Starred,
    invoke,
    map_parts,
    parts_of,
    walk,
)
from converter.script.program import Member, class_of
from converter.script.statements import Assign, Block, For, Variable
from converter.script.structure.operator_names import is_operator_name
from converter.script.structure.regions import Item, Region

FEWEST_TO_COUNT = 3
"""The least number of constructors with numbers in arithmetic progression that become one comprehension."""


def as_chain(region: Region, inputs: list[Variable], outputs: list[Variable]) -> list[Member] | None:
    """The layers of a region that is a chain, each called only on the result of the one before it; else None."""
    if len(inputs) != 1 or len(outputs) != 1 or len(region.items) < 2:
        return None
    layers, current = [], inputs[0]
    for item in region.items:
        call = called(item)
        if call is None or call[1] != (current,) or call[0] in layers:
            return None
        layers.append(call[0])
        current = call[2]
    return layers if current is outputs[0] else None


def called(item: Item) -> tuple[Member, tuple[Arg, ...], Variable] | None:
    """The member that a statement calls, its arguments, and its only result; None for other items."""
    match item:
        case Assign(targets=(Variable() as target,), value=Call(function=Member() as member, names=()) as call):
            return member, call.args, target
    return None


def sequence_of(layers: list[Member], container: str, name: str, hint: str) -> Member:
    """A member for a run of layers: `nn.SequentialCell(Block(64, 128), *[Block(128, 128) for _ in range(3)])`."""
    elements: list[Arg] = []
    for constructor, count in _runs([layer.constructor for layer in layers]):
        repeated = Comprehension(constructor, "i" if _depends(constructor) else "_", invoke("range", count))
        elements.append(constructor if count == 1 else Starred(repeated))
    if container == "nn.SequentialCell":
        made = invoke(container, *elements)
    elif len(elements) == 1 and isinstance(elements[0], Starred):
        made = invoke(container, elements[0].value)
    else:
        made = invoke(container, elements)
    weights = {
        f"{i}.{key}" if key else str(i): weight
        for i, layer in enumerate(layers)
        for key, weight in layer.weights.items()
    }
    sequence = Member(name, made, weights, hint)
    for i, layer in enumerate(layers):
        layer.name, layer.owner = str(i), sequence
    return sequence


def list_of(layers: list[Member]) -> Member:
    """An `nn.CellList` of layers, named after the common part of their names."""
    hint = common_path([layer.hint for layer in layers])
    return sequence_of(layers, "nn.CellList", identifier(hint, "layers"), hint)


def _runs(constructors: list[Arg]) -> list[tuple[Arg, int]]:
    """Runs of equal constructors, or of an arithmetic progression, `DenseLayer(64 + 32 * i)`, and their lengths."""
    runs: list[tuple[Arg, int]] = []
    start = 0
    while start < len(constructors):
        first, count = constructors[start], 1
        while start + count < len(constructors) and constructors[start + count] == first:
            count += 1
        if count == 1 and start + 1 < len(constructors):
            second = constructors[start + 1]
            while start + count < len(constructors) and _grown(first, second, count) == constructors[start + count]:
                count += 1
            count = count if count >= FEWEST_TO_COUNT else 1
            first = first if count == 1 else _grown(first, second, None)
        runs.append((first, count))
        start += count
    return runs


_PLACE = Name("i")
"""The index of an element in a comprehension."""


def _grown(first: Arg, second: Arg, place: int | None) -> Arg:
    """Element `place` of the arithmetic progression `first, second, …`; if None, a formula in the index `i`."""
    match first:
        case Expression() if type(first) is type(second) and len(parts_of(first)) == len(parts_of(second)):
            others = iter(parts_of(second))
            return map_parts(first, lambda part: _grown(part, next(others), place))
        case int() if type(first) is type(second) is int and first != second:
            growth = second - first
            return _formula(first, growth) if place is None else first + growth * place
    return first


def _formula(first: int, growth: int) -> Arg:
    """The element of place `i`: `64 + 32 * i`, `2 * i`, `i`."""
    grown = _PLACE if growth == 1 else Binary("*", growth, _PLACE)
    return Binary("+", first, grown) if first else grown


def _depends(constructor: Arg) -> bool:
    """Whether a constructor contains the index `i`."""
    return any(part == _PLACE for part in walk(constructor))


def collapse_runs(region: Region, uses: dict[Variable | Member, int]) -> dict[Any, Any]:
    """Replace runs of calls of one class, each on the result of the one before it, by a loop or a SequentialCell.

    Returns:
        A statement of a run → the loop or call; an instance → the list or sequence that contains it.
    """
    moved: dict[Any, Any] = {}
    items: list[Item] = []
    position = 0
    while position < len(region.items):
        run = _run_at(region.items, position, uses)
        if len(run) < 2:
            items.append(region.items[position])
            position += 1
            continue
        statement, member = _loop(region, run)
        for item, (layer, _, _) in run:
            moved[item] = statement
            moved[layer] = member
        end = region.items.index(run[-1][0]) + 1
        items += [*(item for item in region.items[position:end] if _names_member(item)), statement]
        position = end
    region.items = items
    return moved


def _names_member(item: Item) -> bool:
    """Whether a statement only gives a member a name, `mask = self.mask`, to pass it on."""
    return isinstance(item, Assign) and isinstance(item.value, Member)


Run = list[tuple[Assign, tuple[Member, tuple[Arg, ...], Variable]]]


def _run_at(items: list[Item], start: int, uses: dict[Variable | Member, int]) -> Run:
    """The longest run that begins at `start`."""
    run: Run = []
    for item in items[start:]:
        if run and _names_member(item):
            continue
        call = called(item)
        if call is None or class_of(call[0]) is None or uses[call[0]] != 1:
            break
        if run:
            before = run[-1][1]
            if class_of(call[0]) is not class_of(before[0]) or uses[before[2]] != 1 or call[1][:1] != (before[2],):
                break
        run.append((item, call))  # type: ignore[arg-type]
    return run if _alternates(run) else _with_equal_arguments(run)


def _with_equal_arguments(run: Run) -> Run:
    """The calls of a run whose arguments but the first are those of its first call."""
    return list(takewhile(lambda each: each[1][1][1:] == run[0][1][1][1:], run))


def _alternates(run: Run) -> bool:
    """Whether calls have other arguments in turn, as local and global layers have their masks, or each its own."""
    others = [_others(run, call) for _, call in run]
    runs = [value for value, _ in groupby(others)]
    distinct = len({tuple(map(id, value)) for value in runs})
    return len(run) >= FEWEST_TO_COUNT and distinct > 1 and (distinct < len(runs) or distinct == len(run))


def _others(run: Run, call: tuple[Member, tuple[Arg, ...], Variable]) -> tuple[Arg, ...]:
    """The arguments of a call but the first; None for one that it leaves out."""
    most = max(len(args) for _, (_, args, _) in run)
    return (*call[1][1:], *[None] * (most - len(call[1])))


def _loop(region: Region, run: Run) -> tuple[Assign | For, Member]:
    layers = [call[0] for _, call in run]
    first, last = run[0][1], run[-1][1]
    statement: Assign | For
    if all(len(call[1]) == 1 for _, call in run):
        hint = common_path([layer.hint for layer in layers])
        member = sequence_of(layers, "nn.SequentialCell", identifier(hint, "layers"), hint)
        last[2].path = hint  # what the sequence returns, not its last layer
        statement = Assign((last[2],), Call(member, (first[1][0],)), run[0][0].scopes)
    else:
        member = list_of(layers)
        index = Variable("layer")
        taken, streams = _streams(run)
        over = invoke("zip", member, *streams.values()) if streams else member
        body = Block([], (Call(index, (last[2], *taken)),))
        scopes = run[0][0].scopes
        statement = For(index, over, (last[2],), (first[1][0],), body, scopes, more=tuple(streams))
    return statement, member


def _streams(run: Run) -> tuple[list[Arg], dict[Variable, Arg]]:
    """What each iteration passes on besides the result of the one before it; of what differs, the values in order."""
    cell = class_of(run[0][1][0])
    taken: list[Arg] = []
    streams: dict[Variable, Arg] = {}
    columns = zip(*(_others(run, call) for _, call in run), strict=True)
    for place, column in enumerate(columns, 1):
        if all(value == column[0] for value in column):
            taken.append(column[0])
            continue
        hint = cell.inputs[place].hint if cell is not None else "x"
        element = Variable("value" if hint.startswith("x") or is_operator_name(hint) else hint)
        taken.append(element)
        streams[element] = _in_turn(column)
    return taken, streams


def _in_turn(values: tuple[Arg, ...]) -> Arg:
    """A tuple of values, `(local, full) * 6` where they come in turn often enough."""
    period = next(n for n in range(1, len(values) + 1) if all(v == values[i % n] for i, v in enumerate(values)))
    times, rest = divmod(len(values), period)
    if times < FEWEST_TO_COUNT:
        return values
    repeated = Binary("*", values[:period], times)
    return Binary("+", repeated, values[-rest:]) if rest else repeated


def common_path(hints: list[str]) -> str:
    """The dotted path that names have in common: `encoder.layer` of `encoder.layer.0` and `encoder.layer.1`."""
    split = [hint.split(".") for hint in hints]
    common = []
    for parts in zip(*split, strict=False):
        if len(set(parts)) > 1:
            break
        common.append(parts[0])
    return ".".join(common) if len(set(hints)) > 1 and common else "layers"
