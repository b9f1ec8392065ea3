"""Classes: regions of one signature become one Cell, and what differs between them its constructor's arguments."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from converter.names import Names, cell_attributes, identifier
from converter.program import Arg, Argument, Assign, Block, Cell, Expr, Member, Option, Statement, Value, expr, made_by
from converter.structure.regions import Region, inputs_of, replace_in, used_by
from converter.structure.signature import Hole, Signature, fill, signature_of

ABSENT = object()
"""The literal of an instance that lacks the statement in which the class has it."""

SMALLEST_OPTIONAL = 4
"""A class needs that many statements before one of them may be optional."""


@dataclass(eq=False)
class Instance:
    """A region that is a call of a class. `lacks` says that the class's optional statement is missing in it."""

    region: Region
    inputs: list[Value]
    outputs: list[Value]
    signature: Signature
    lacks: bool = False


@dataclass(eq=False)
class Group:
    """Instances of one class; the first is its model.

    `optional` is a statement that some instances lack, and the variable that stands for its target there.
    """

    instances: list[Instance] = field(default_factory=list)
    optional: tuple[Statement, Value] | None = None

    @property
    def model(self) -> Instance:
        """The instance whose statements become the class's body."""
        return self.instances[0]


def instance_of(region: Region, outputs: list[Value]) -> Instance:
    """Describe a region without inner regions."""
    inputs = inputs_of(region)
    return Instance(region, inputs, outputs, signature_of(region.statements, inputs, outputs))


def grouped(instances: Iterable[Instance]) -> list[Group]:
    """Put the instances of one signature together, then those that lack one statement of another's."""
    groups: dict[tuple[Any, ...], Group] = {}
    for instance in instances:
        groups.setdefault(instance.signature.key, Group()).instances.append(instance)
    for key, group in sorted(groups.items(), key=lambda pair: -len(pair[1].model.signature.statements)):
        if key in groups:
            _absorb(group, groups)
    return list(groups.values())


def _absorb(group: Group, groups: dict[tuple[Any, ...], Group]) -> None:
    """Take in a group whose instances are this one's with one statement missing."""
    model = group.model
    statements = model.region.statements
    if len(statements) < SMALLEST_OPTIONAL:
        return
    for statement in statements:
        if not isinstance(statement, Assign) or len(made_by(statement)) != 1 or len(statement.targets) != 1:
            continue
        for value in dict.fromkeys(part for part in used_by(statement) if isinstance(part, Value)):
            key = signature_of(statements, model.inputs, model.outputs, (statement, value)).key
            other = groups.get(key)
            if other is None or other is group or other.optional is not None:
                continue
            for instance in other.instances:
                instance.lacks = True
            group.instances += other.instances
            group.optional = (statement, value)
            del groups[key]
            return


# From a group to a Cell


@dataclass(eq=False)
class Built:
    """A Cell made of a group.

    Attributes:
        cell: the class.
        constructors: how each instance is made.
        weights: the parameters of each instance, by their path within it.
        moved: a statement or member of another instance → the class's, by `id`.
    """

    cell: Cell
    constructors: list[Expr]
    weights: list[dict[str, Any]]
    moved: dict[int, Any]


def build(group: Group, name: str, doc: str) -> Built:
    """Make the Cell of a group."""
    model, names = group.model, Names(cell_attributes())
    members = list(model.signature.members)
    absent = _absent(group)
    columns = _columns(group, absent)
    owned = [_own_members(group, instance, absent) for instance in group.instances]
    weights = [_weights(members, own, model.region.path, names) for own in owned]
    choices, values = _arguments(model.signature.holes, columns, names)
    fill(model.region.statements, members, choices)
    cell = Cell(name, doc, members=members, body=Block(model.region.statements, tuple(model.outputs)))
    cell.arguments = sorted(values, key=lambda argument: argument.has_default)
    flag = _make_optional(cell, group, absent, names)
    constructors = [
        _constructor(cell, {argument: column[i] for argument, column in values.items()}, flag, not instance.lacks)
        for i, instance in enumerate(group.instances)
    ]
    _own_inputs(cell, group)
    moved: dict[int, Any] = {}
    for instance, own in zip(group.instances[1:], owned[1:], strict=True):
        kept = [s for s in model.signature.statements if not (instance.lacks and s in absent)]
        moved |= {id(a): b for a, b in zip(instance.signature.statements, kept, strict=True)}
        moved |= {id(a): b for a, b in zip(own, members, strict=True) if a is not None}
    return Built(cell, constructors, weights, moved)


def _absent(group: Group) -> set[Any]:
    """The optional statement, and the members that only it uses."""
    if group.optional is None:
        return set()
    model = group.model
    kept = signature_of(model.region.statements, model.inputs, model.outputs, group.optional).members
    return {group.optional[0], *(member for member in model.signature.members if member not in kept)}


def _columns(group: Group, absent: set[Any]) -> list[list[Arg]]:
    """For every hole of the class, its literal in each instance."""
    rows = []
    for instance in group.instances:
        own = iter(instance.signature.holes)
        row = [ABSENT if instance.lacks and h.place in absent else next(own).value for h in group.model.signature.holes]
        rows.append(row)
    return [list(column) for column in zip(*rows, strict=True)]


def _own_members(group: Group, instance: Instance, absent: set[Any]) -> list[Member | None]:
    """An instance's own member in the place of each of the class's."""
    own = iter(instance.signature.members)
    return [None if instance.lacks and m in absent else next(own) for m in group.model.signature.members]


def _weights(members: list[Member], own: list[Member | None], path: str, names: Names) -> dict[str, Any]:
    """An instance's parameters; the class's members get their names when its model comes by."""
    if any(a is b for a, b in zip(members, own, strict=True)):
        for member in members:
            member.name = names.new(relative(member.hint or member.name, path), "layer")
    pairs = zip(members, own, strict=True)
    return {
        f"{member.name}.{key}" if key else member.name: weight
        for member, mine in pairs
        if mine is not None
        for key, weight in mine.weights.items()
    }


def relative(hint: str, path: str) -> str:
    """What the source calls something within the region at `path`."""
    for prefix in (f"{path}.", f"{path}_"):
        if path and hint.startswith(prefix):
            return hint[len(prefix) :]
    return hint


def _arguments(
    holes: list[Hole], columns: list[list[Arg]], names: Names
) -> tuple[list[Arg], dict[Argument, list[Arg]]]:
    """What to write into every hole, and the arguments with their value for each instance.

    A literal that all instances share stays; columns that agree become one argument.
    """
    values: dict[Argument, list[Arg]] = {}
    choices: list[Arg] = []
    for hole, column in zip(holes, columns, strict=True):
        if len({_typed(value) for value in column} - {_typed(ABSENT)}) <= 1:
            choices.append(hole.value)
            continue
        argument = next((a for a, known in values.items() if _agree(known, column)), None)
        if argument is None:
            argument = Argument(names.new(_argument_name(hole, names)), hole.default, hole.default is not ...)
            values[argument] = list(column)
        else:
            values[argument] = [b if a is ABSENT else a for a, b in zip(values[argument], column, strict=True)]
            if hole.default != argument.default:
                argument.has_default = False
        choices.append(argument)
    for argument, column in values.items():
        if any(value is ABSENT for value in column) and not argument.has_default:
            argument.default, argument.has_default = None, True
    return choices, values


def _typed(value: Arg) -> tuple[type, str]:
    return type(value), "" if value is ABSENT else repr(value)


def _agree(a: list[Arg], b: list[Arg]) -> bool:
    return all(x is ABSENT or y is ABSENT or _typed(x) == _typed(y) for x, y in zip(a, b, strict=True))


def _argument_name(hole: Hole, names: Names) -> str:
    if hole.name not in names:
        return hole.name
    if isinstance(hole.place, Member):
        return f"{hole.place.name}_{hole.name}"
    target = next(iter(made_by(hole.place)), None)
    return f"{identifier(target.hint)}_{hole.name}" if target is not None else hole.name


def _make_optional(cell: Cell, group: Group, absent: set[Any], names: Names) -> Argument | None:
    """Write the optional statement: `y = self.downsample(x) if self.downsample is not None else x`."""
    if group.optional is None:
        return None
    statement, value = group.optional
    assert isinstance(statement, Assign)
    owned = [member for member in cell.members if member in absent]
    (target,) = made_by(statement)
    flag = Argument(owned[0].name if owned else names.new(f"with_{identifier(target.hint)}"), False, True)
    for member in owned:
        member.constructor = expr("{0} if {1} else None", member.constructor, flag)
    if owned:
        statement.value = expr("{0} if {1} is not None else {2}", statement.value, owned[0], value)
    else:
        statement.value = expr("{0} if {1} else {2}", statement.value, flag, value)
    cell.arguments.append(flag)
    return flag


def _constructor(cell: Cell, values: dict[Argument, Arg], flag: Argument | None, full: bool) -> Expr:
    """How an instance is made: `Bottleneck(64, 256, stride=2)`."""
    holes, args = [], []
    for argument in cell.arguments:
        value = full if argument is flag else values[argument]
        if argument.has_default:
            holes.append(f"{argument.name}={{{len(args) + 1}}}")
            args.append(Option(argument.default if value is ABSENT else value, argument.default))
        else:
            holes.append(f"{{{len(args) + 1}}}")
            args.append(value)
    return Expr(f"{{0}}({', '.join(holes)})", (cell, *args))


def _own_inputs(cell: Cell, group: Group) -> None:
    """Give the class variables of its own for what comes in; `x` where the instances' differ."""
    fresh: dict[Value, Arg] = {}
    for i, value in enumerate(group.model.inputs):
        hints = {identifier(instance.inputs[i].hint) for instance in group.instances}
        stems = {re.sub(r"_?\d+$", "", hint) for hint in hints}
        hint = hints.pop() if len(hints) == 1 else "x" if i == 0 or len(stems) > 1 else stems.pop()
        fresh[value] = Value(hint, value.dims)
    cell.inputs = list(fresh.values())
    for statement in cell.body.statements:
        replace_in(statement, fresh)
    cell.body.results = tuple(fresh.get(result, result) for result in cell.body.results)
