"""Sequences: a chain of layers becomes an `nn.SequentialCell`, equal neighbours a loop."""

from __future__ import annotations

from typing import Any

from converter.names import identifier
from converter.program import Arg, Assign, Block, Cell, Expr, For, Member, Value, expr
from converter.structure.regions import Item, Region


def as_chain(region: Region, inputs: list[Value], outputs: list[Value]) -> list[Member] | None:
    """The layers of a region in which each takes the result of the one before it and nothing else, else None."""
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


def called(item: Item) -> tuple[Member, tuple[Arg, ...], Value] | None:
    """The member that a statement calls, with what, and its one result; None when it is anything else."""
    if not isinstance(item, Assign) or len(item.targets) != 1 or not isinstance(item.targets[0], Value):
        return None
    value = item.value
    if not isinstance(value, Expr) or not value.args or not isinstance(value.args[0], Member):
        return None
    count = len(value.args) - 1
    if value.template != call_template(count):
        return None
    return value.args[0], value.args[1:], item.targets[0]


def call_template(count: int) -> str:
    """A call with so many arguments."""
    return f"{{0}}({', '.join(f'{{{i + 1}}}' for i in range(count))})"


def sequence_of(layers: list[Member], container: str, name: str, hint: str) -> Member:
    """One member for a run of layers: `nn.SequentialCell(Block(64, 128), *[Block(128, 128) for _ in range(3)])`."""
    runs: list[tuple[Expr, int]] = []
    for layer in layers:
        if runs and runs[-1][0] == layer.constructor:
            runs[-1] = (layer.constructor, runs[-1][1] + 1)
        else:
            runs.append((layer.constructor, 1))
    parts: list[Arg] = []
    for constructor, count in runs:
        parts.append(constructor if count == 1 else expr("*[{0} for _ in range({1})]", constructor, count))
    weights = {
        f"{i}.{key}" if key else str(i): weight
        for i, layer in enumerate(layers)
        for key, weight in layer.weights.items()
    }
    sequence = Member(name, _container(container, parts), weights, hint)
    for i, layer in enumerate(layers):
        layer.name, layer.owner = str(i), sequence
    return sequence


def _container(container: str, parts: list[Arg]) -> Expr:
    """`nn.CellList` takes a list, `nn.SequentialCell` its cells one by one."""
    templates: list[str] = []
    args: list[Arg] = []
    for part in parts:
        if part.template.startswith("*["):
            templates.append(f"*[{{{len(args)}}} for _ in range({{{len(args) + 1}}})]")
            args += list(part.args)
        else:
            templates.append(f"{{{len(args)}}}")
            args.append(part)
    if container == "nn.SequentialCell":
        return Expr(f"{container}({', '.join(templates)})", tuple(args))
    if len(parts) == 1:
        return Expr(f"{container}({templates[0].removeprefix('*')})", tuple(args))
    return Expr(f"{container}([{', '.join(templates)}])", tuple(args))


def collapse_runs(region: Region, uses: dict[Value | Member, int]) -> dict[Any, Any]:
    """Replace runs of calls of one class, each on the result of the one before it, by a loop or a SequentialCell.

    Returns:
        What the statements and members of the runs have become.
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
        items.append(statement)
        position += len(run)
    region.items = items
    return moved


Run = list[tuple[Assign, tuple[Member, tuple[Arg, ...], Value]]]


def _run_at(items: list[Item], start: int, uses: dict[Value | Member, int]) -> Run:
    """The longest run that begins at `start`."""
    run: Run = []
    for position in range(start, len(items)):
        item = items[position]
        call = called(item)
        if call is None or class_of(call[0]) is None or uses[call[0]] != 1:
            break
        if run:
            before = run[-1][1]
            if class_of(call[0]) is not class_of(before[0]) or uses[before[2]] != 1 or not _follows(before, call):
                break
        run.append((item, call))  # type: ignore[arg-type]
    return run


def class_of(member: Member) -> Cell | None:
    """The class that a member is an instance of; None when it is not one of the script's."""
    first = member.constructor.args[0] if member.constructor.args else None
    return first if isinstance(first, Cell) else None


def _follows(before: tuple[Member, tuple[Arg, ...], Value], call: tuple[Member, tuple[Arg, ...], Value]) -> bool:
    """Whether a call takes the result of the one before it in its first argument, and the same others."""
    return bool(call[1]) and call[1][0] is before[2] and call[1][1:] == before[1][1:]


def _loop(region: Region, run: Run) -> tuple[Assign | For, Member]:
    layers = [call[0] for _, call in run]
    first, last = run[0][1], run[-1][1]
    hint = common_path([layer.hint for layer in layers])
    name = identifier(hint, "layers")
    statement: Assign | For
    if len(first[1]) == 1:
        member = sequence_of(layers, "nn.SequentialCell", name, hint)
        statement = Assign((last[2],), expr("{0}({1})", member, first[1][0]), run[0][0].scopes)
    else:
        member = sequence_of(layers, "nn.CellList", name, hint)
        index = Value("layer")
        body = Block([], (Expr(call_template(len(first[1])), (index, last[2], *first[1][1:])),))
        statement = For(index, member, (last[2],), (first[1][0],), body, run[0][0].scopes)
    return statement, member


def common_path(hints: list[str]) -> str:
    """The dotted path that names have in common: `encoder.layer` of `encoder.layer.0` and `encoder.layer.1`."""
    split = [hint.split(".") for hint in hints]
    common = []
    for parts in zip(*split, strict=False):
        if len(set(parts)) > 1:
            break
        common.append(parts[0])
    return ".".join(common) if len(set(hints)) > 1 and common else "layers"
