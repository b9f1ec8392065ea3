"""Classes: regions of one signature become instances of one Cell, and the literals that differ its arguments."""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from converter.base.names import Namespace, identifier
from converter.script.expressions import Arg, Call, Option
from converter.script.mindspore_api import CELL_ATTRIBUTES
from converter.script.program import Argument, Cell, Member
from converter.script.statements import Assign, Block, Variable, defined_by
from converter.script.structure.arguments import ABSENT, Arguments, arguments_for
from converter.script.structure.caches import short_name
from converter.script.structure.groups import Group, Instance, absent_in, columns_of, extents_in
from converter.script.structure.hoist import replace_members
from converter.script.structure.naming import hint_within, name_members, name_values, shared_hint
from converter.script.structure.purpose import heads_of
from converter.script.structure.regions import replace_in
from converter.script.structure.sharing import identity
from converter.script.structure.signature import fill
from converter.script.templates import expr
from converter.script.weights import Weight

UNNAMED = "block"
"""The name of an instance that has no name in the source."""


@dataclass(eq=False)
class Built:
    """The Cell of a group.

    Attributes:
        cell: the class.
        members: for each instance of the group, the member that its call calls; several calls of a module share one.
        args: the arguments of each call.
        moved: a statement or member of an instance other than the model → its counterpart in the class.
    """

    cell: Cell
    members: list[Member]
    args: list[tuple[Arg, ...]]
    moved: dict[Any, Any]


def build(group: Group, sources: Collection[Variable]) -> Built:
    """Make the Cell of a group, as yet without a name; `sources` are the inputs of the network, which keep theirs."""
    names = Namespace(CELL_ATTRIBUTES)
    absent = absent_in(group)
    cell = Cell("", "", members=list(group.model.signature.members))
    given_layers = _take_layers(cell, group)
    own = [_own_members(group, instance, absent) for instance in group.instances]
    paths = [instance.region.path for instance in group.instances]
    name_members(cell.members, [_shared_hint(column, paths) for column in zip(*own, strict=True)], names)
    for layer, member in given_layers.items():
        layer.name = member.name
    called = [identity(instance.signature) for instance in group.instances]
    heads = tuple(heads_of(instance.region.statements) for instance in group.instances)
    columns = columns_of(group, absent)
    arguments = arguments_for(group.model.signature.slots, columns, names, called, {heads: "heads"}, extents_in(group))
    weights = [_weights(cell.members, mine) for mine in own]
    given = _write_body(cell, group, arguments)
    flag = _make_optional(cell, group, absent, names)
    values = [{item: column[i] for item, column in arguments.values.items()} for i in range(len(group.instances))]
    made: dict[tuple[Any, ...], Member] = {}
    for call, row, instance, parameters in zip(called, values, group.instances, weights, strict=True):
        if call not in made:
            constructor = _constructor(cell, row, flag, not instance.lacks)
            made[call] = Member("", constructor, parameters, instance.region.path or UNNAMED)
    _own_inputs(cell, group, sources)
    place = len(group.inputs) - (group.optional_input is not None)
    cell.inputs[place:place] = given
    name_values(cell.body, group.model.region.path)
    _name_outputs(cell, group)
    members = [made[call] for call in called]
    moved = _moved(cell, group, own, absent) | given_layers
    extra = [[None if row[item] is ABSENT else row[item] for item in given] for row in values]
    own_inputs = [instance.inputs for instance in group.instances]
    args = [(*each[:place], *more, *each[place:]) for each, more in zip(own_inputs, extra, strict=True)]
    return Built(cell, members, args, moved)


def _take_layers(cell: Cell, group: Group) -> dict[Any, Any]:
    """Replace the members that a class is given by new ones, in its statements too: from those of the model to them."""
    fresh = {cell.members[i]: Member("", None, {}, cell.members[i].hint) for i in group.passed}
    cell.members = [fresh.get(member, member) for member in cell.members]
    for statement in group.model.region.statements if fresh else ():
        replace_members(statement, fresh)
    return dict(fresh)


def _write_body(cell: Cell, group: Group, arguments: Arguments) -> list[Variable]:
    """Use the model's statements as the class's body, with arguments in the slots.

    Returns:
        The arguments of `construct` besides the inputs.
    """
    model = group.model
    fill(model.region.statements, cell.members, arguments.choices)
    cell.body = Block(model.region.statements, tuple(model.outputs))
    constructed = [item for item in arguments.values if isinstance(item, Argument)]
    cell.arguments = sorted(constructed, key=lambda argument: argument.has_default)
    return [item for item in arguments.values if isinstance(item, Variable)]


def _moved(cell: Cell, group: Group, own: list[list[Member | None]], absent: set[Any]) -> dict[Any, Any]:
    """A statement or member of an instance other than the model → its counterpart in the class."""
    moved: dict[Any, Any] = {}
    for instance, mine in zip(group.instances[1:], own[1:], strict=True):
        kept = [s for s in group.model.signature.statements if not (instance.lacks and s in absent)]
        moved |= dict(zip(instance.signature.statements, kept, strict=True))
        moved |= {a: b for a, b in zip(mine, cell.members, strict=True) if a is not None and a is not b}
    return moved


def _own_members(group: Group, instance: Instance, absent: set[Any]) -> list[Member | None]:
    """For each member of the class, the instance's own member; None if the instance lacks it."""
    own = iter(instance.signature.members)
    return [None if instance.lacks and m in absent else next(own) for m in group.model.signature.members]


def _weights(members: list[Member], own: list[Member | None]) -> dict[str, Weight]:
    """The parameters of an instance, by their names in the class."""
    pairs = zip(members, own, strict=True)
    return {
        f"{member.name}.{key}" if key else member.name: weight
        for member, mine in pairs
        if mine is not None
        for key, weight in mine.weights.items()
    }


def _shared_hint(own: tuple[Member | None, ...], paths: list[str]) -> str:
    """The name of a member of the class, computed from the instances' own members."""
    return shared_hint([hint_within(member, path) for member, path in zip(own, paths, strict=True) if member])


def _make_optional(cell: Cell, group: Group, absent: set[Any], names: Namespace) -> Argument | None:
    """Write the optional statement: `y = self.downsample(x) if self.downsample is not None else x`."""
    if group.optional is None:
        return None
    statement, value = group.optional
    assert isinstance(statement, Assign)
    owned = [member for member in cell.members if member in absent]
    if group.optional_input is not None:
        statement.value = expr("{0} if {1} is not None else {2}", statement.value, group.optional_input, value)
        return None
    (target,) = defined_by(statement)
    flag = Argument(owned[0].name if owned else names.new(f"with_{identifier(target.hint)}"), False, True)
    for member in owned:
        member.constructor = expr("{0} if {1} else None", member.constructor, flag)
    if owned:
        statement.value = expr("{0} if {1} is not None else {2}", statement.value, owned[0], value)
    else:
        statement.value = expr("{0} if {1} else {2}", statement.value, flag, value)
    cell.arguments.append(flag)
    return flag


def _constructor(cell: Cell, values: dict[Argument | Variable, Arg], flag: Argument | None, full: bool) -> Call:
    """The constructor call of an instance: `Bottleneck(64, 256, stride=2)`."""
    args: list[Arg] = []
    names: list[str] = []
    for argument in cell.arguments:  # arguments with defaults come last
        value = full if argument is flag else values[argument]
        if argument.has_default:
            names.append(argument.name)
            value = Option(argument.default if value is ABSENT else value, argument.default)
        args.append(value)
    return Call(cell, tuple(args), tuple(names))


def _name_outputs(cell: Cell, group: Group) -> None:
    """Name results without the number of the layer, if the names of all instances differ in it only."""
    columns = zip(*(instance.outputs for instance in group.instances), strict=True)
    for result, column in zip(cell.body.results, columns, strict=True):
        short = {short_name(identifier(value.hint)) for value in column}
        if isinstance(result, Variable) and len({value.hint for value in column}) == len(column) > 1 == len(short):
            result.hint = short.pop()


def _own_inputs(cell: Cell, group: Group, sources: Collection[Variable]) -> None:
    """Replace the inputs by new variables of the class: the first is `x`, unless it is an input of the network."""
    fresh: dict[Variable, Arg] = {}
    for i, value in enumerate(group.inputs):
        hints = {identifier(instance.inputs[i].hint) for instance in group.instances if i < len(instance.inputs)}
        stems = {re.sub(r"_?\d+$", "", hint) for hint in hints}
        if i == 0 and value not in sources and not value.is_layer:
            hint = "x"
        else:
            short = {short_name(hint) for hint in hints}
            names = next((each for each in (hints, stems, short) if len(each) == 1), {"x"})
            hint = names.pop()
        optional = value is group.optional_input
        fresh[value] = Variable(hint, value.dims, is_layer=value.is_layer, is_optional=optional)
    cell.inputs = list(fresh.values())
    for statement in cell.body.statements:
        replace_in(statement, fresh)
    cell.body.results = tuple(fresh.get(result, result) for result in cell.body.results)
