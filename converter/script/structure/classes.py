"""Classes: regions of one signature become instances of one Cell, and the literals that differ its arguments."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from converter.base.names import Namespace, identifier
from converter.script.expressions import Arg, Call, Option
from converter.script.mindspore_api import CELL_ATTRIBUTES
from converter.script.program import Argument, Cell, Member, class_of
from converter.script.statements import Assign, Block, Statement, Variable, defined_by
from converter.script.structure.arguments import ABSENT, Arguments, arguments_for
from converter.script.structure.caches import short_name
from converter.script.structure.hoist import replace_members
from converter.script.structure.naming import hint_within, name_members, name_values, relative, shared_hint
from converter.script.structure.purpose import heads_of
from converter.script.structure.regions import Region, inputs_of, replace_in, used_by
from converter.script.structure.sequences import called, sequence_of
from converter.script.structure.sharing import identity
from converter.script.structure.signature import Signature, fill, signature_of
from converter.script.templates import expr
from converter.script.weights import Weight

SMALLEST_OPTIONAL, LONGEST_OPTIONAL = 4, 40
"""A class of fewer statements has no optional statement; in a class of more statements none is searched for."""
MOST_NEW = 2
"""A region that would add more arguments than this to a class does not become an instance of it."""

MOST_PASSED = 2
"""The most members that a class is given instead of making them."""

UNNAMED = "block"
"""The name of an instance that has no name in the source."""


@dataclass(eq=False)
class Instance:
    """A region as a call site of a class. `lacks`: the region does not have the class's optional statement."""

    region: Region
    inputs: list[Variable]
    outputs: list[Variable]
    signature: Signature
    lacks: bool = False

    def read(self, outputs: list[Variable]) -> None:
        """Replace the outputs, and compute the signature again."""
        self.outputs = outputs
        self.signature = signature_of(self.region.statements, self.inputs, outputs)


@dataclass(eq=False)
class Group:
    """Instances of one class; the first is its model.

    `optional` is a statement that some instances lack, and the variable that these read instead of its target; `passed`
    are the numbers of members that each instance is given, because their classes differ.
    """

    instances: list[Instance] = field(default_factory=list)
    optional: tuple[Statement, Variable] | None = None
    passed: set[int] = field(default_factory=set)

    @property
    def model(self) -> Instance:
        """The instance whose statements become the class's body."""
        return self.instances[0]


def instance_of(region: Region, outputs: list[Variable]) -> Instance:
    """Describe a region without inner regions."""
    inputs = inputs_of(region)
    return Instance(region, inputs, outputs, signature_of(region.statements, inputs, outputs))


def grouped(instances: Iterable[Instance]) -> list[Group]:
    """Group instances by signature, then merge groups that differ in one optional statement or chain of layers."""
    groups: dict[tuple[Any, ...], Group] = {}
    for instance in instances:
        groups.setdefault(instance.signature.key, Group()).instances.append(instance)
    sizes = {len(group.model.region.items) for group in groups.values()}
    for key, group in sorted(groups.items(), key=lambda pair: -len(pair[1].model.signature.statements)):
        if key in groups and len(group.model.region.items) >= SMALLEST_OPTIONAL:
            _absorb(group, groups, sizes)
    return _with_passed_layers(list(groups.values()))


def _with_passed_layers(groups: list[Group]) -> list[Group]:
    """Merge groups of one class of the source whose instances differ in the classes of a few members: `Layer(mlp)`.

    Some layers of a network have a mixture of experts where others have one feed-forward network.
    """
    merged: dict[tuple[Any, ...], Group] = {}
    made: list[Group] = []
    for group in groups:
        kind, places = group.model.region.scope.kind, _instances_of_classes(group.model)
        if not kind or not places or group.optional is not None:
            made.append(group)
            continue
        model = group.model
        form = signature_of(model.region.statements, model.inputs, model.outputs, passed=places).key
        first = merged.setdefault((kind, form), group)
        if first is group:
            made.append(group)
            continue
        differing = {i for i in places if _constructed(first.model, i) is not _constructed(model, i)} | first.passed
        if len(differing) > MOST_PASSED:
            made.append(group)
            continue
        first.passed = differing
        first.instances += group.instances
    for group in made:
        for instance in group.instances if group.passed else ():
            instance.signature = signature_of(
                instance.region.statements, instance.inputs, instance.outputs, passed=group.passed
            )
    return made


def _instances_of_classes(instance: Instance) -> set[int]:
    """The numbers of the members of a region that are instances of the script's classes."""
    return {i for member, i in instance.signature.members.items() if class_of(member) is not None}


def _constructed(instance: Instance, number: int) -> Cell | None:
    """The class of a member."""
    return class_of(list(instance.signature.members)[number])


def _absorb(group: Group, groups: dict[tuple[Any, ...], Group], sizes: set[int]) -> None:
    """Merge another group into `group` if its instances lack only one statement, or one chain of layers."""
    model = group.model
    for positions, value in _removable(model):
        if len(model.region.items) - len(positions) not in sizes:
            continue
        run = [model.region.statements[i] for i in positions]
        key = signature_of(model.region.statements, model.inputs, model.outputs, (run, value)).key
        other = groups.get(key)
        if other is None or other is group or other.optional is not None:
            continue
        if len(positions) > 1:
            for instance in group.instances:
                _join(instance, positions)
        for instance in other.instances:
            instance.lacks = True
        group.instances += other.instances
        group.optional = (model.region.statements[positions[0]], value)
        del groups[key]
        return


def _removable(instance: Instance) -> Iterator[tuple[list[int], Variable]]:
    """The positions of each run of statements with one result, and a variable that could replace that result."""
    statements = instance.region.statements
    for end, statement in enumerate(statements):
        if not isinstance(statement, Assign) or len(defined_by(statement)) != 1 or len(statement.targets) != 1:
            continue
        for value in dict.fromkeys(part for part in used_by(statement) if isinstance(part, Variable)):
            yield [end], value
        start = end
        while start and (call := called(statements[start])) and (before := called(statements[start - 1])):
            if call[1] != (before[2],):
                break
            start -= 1
            if len(before[1]) == 1 and isinstance(before[1][0], Variable):
                yield list(range(start, end + 1)), before[1][0]


def variants_of(instance: Instance) -> Iterator[tuple[list[int], Signature]]:
    """The signatures of an instance: complete, and without each run of statements that could be optional.

    Each with the positions of the omitted statements.
    """
    statements = instance.region.statements
    yield [], instance.signature
    if SMALLEST_OPTIONAL <= len(statements) <= LONGEST_OPTIONAL:
        for positions, value in _removable(instance):
            run = [statements[i] for i in positions]
            yield positions, signature_of(statements, instance.inputs, instance.outputs, (run, value))


def _join(instance: Instance, positions: list[int]) -> None:
    """Replace the calls of a chain of layers by one call of a SequentialCell."""
    region = instance.region
    calls = [called(region.items[i]) for i in positions]
    layers = [call[0] for call in calls if call is not None]
    first, last = calls[0], calls[-1]
    assert first is not None
    assert last is not None
    hint = f"{region.path}.{_common_words([relative(layer.hint, region.path) for layer in layers])}"
    member = sequence_of(layers, "nn.SequentialCell", "", hint)
    region.items[positions[0] : positions[-1] + 1] = [Assign((last[2],), Call(member, (first[1][0],)))]
    instance.signature = signature_of(region.statements, instance.inputs, instance.outputs)


def _common_words(names: list[str]) -> str:
    """`downsample` for `downsample_conv` and `downsample_bn`; `shortcut` if they share no word."""
    words = [re.split(r"[._]", name) for name in names]
    shared = [group[0] for group in zip(*words, strict=False) if len(set(group)) == 1]
    return "_".join(word for word in shared if not word.isdigit()) or "shortcut"


# From a group to a Cell


@dataclass(eq=False)
class Built:
    """The Cell of a group.

    Attributes:
        cell: the class.
        members: for each instance of the group, the member that its call calls; several calls of a module share one.
        extra: the arguments of each call besides its inputs.
        moved: a statement or member of an instance other than the model → its counterpart in the class.
    """

    cell: Cell
    members: list[Member]
    extra: list[list[Arg]]
    moved: dict[Any, Any]


def differences(signatures: Sequence[Signature]) -> int:
    """The number of arguments of a class with instances of these signatures."""
    columns = zip(*(signature.slots for signature in signatures), strict=True)
    rows = [[slot.value for slot in column] for column in columns]
    return len(arguments_for(signatures[0].slots, rows, Namespace(), [identity(s) for s in signatures]).values)


def outliers(group: Group) -> list[Instance]:
    """The instances whose removal saves more than `MOST_NEW` arguments each, such as a stem before the blocks."""
    found: list[Instance] = []
    remaining = Group(list(group.instances), group.optional)
    for instance in group.instances if group.optional is None else group.instances[1:]:
        fewer = Group([other for other in remaining.instances if other is not instance], group.optional)
        if len(fewer.instances) > 1 and arguments_of(fewer) + MOST_NEW < arguments_of(remaining):
            found.append(instance)
            remaining = fewer
    return found


def arguments_of(group: Group) -> int:
    """The number of arguments that the class of a group would have."""
    called = [identity(instance.signature) for instance in group.instances]
    return len(arguments_for(group.model.signature.slots, _columns(group, _absent(group)), Namespace(), called).values)


def build(group: Group, name: str, doc: str, sources: Collection[Variable]) -> Built:
    """Make the Cell of a group; `sources` are the inputs of the network, which keep their names."""
    names = Namespace(CELL_ATTRIBUTES)
    absent = _absent(group)
    cell = Cell(name, doc, members=list(group.model.signature.members))
    given_layers = _take_layers(cell, group)
    own = [_own_members(group, instance, absent) for instance in group.instances]
    paths = [instance.region.path for instance in group.instances]
    name_members(cell.members, [_shared_hint(column, paths) for column in zip(*own, strict=True)], names)
    for layer, member in given_layers.items():
        layer.name = member.name
    called = [identity(instance.signature) for instance in group.instances]
    heads = tuple(heads_of(instance.region.statements) for instance in group.instances)
    arguments = arguments_for(group.model.signature.slots, _columns(group, absent), names, called, {heads: "heads"})
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
    cell.inputs += given
    name_values(cell.body, group.model.region.path)
    _name_outputs(cell, group)
    members = [made[call] for call in called]
    moved = _moved(cell, group, own, absent) | given_layers
    return Built(cell, members, [[row[item] for item in given] for row in values], moved)


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


def _absent(group: Group) -> set[Any]:
    """The optional statement, and the members that only it uses."""
    if group.optional is None:
        return set()
    model = group.model
    kept = signature_of(
        model.region.statements, model.inputs, model.outputs, ([group.optional[0]], group.optional[1])
    ).members
    return {group.optional[0], *(member for member in model.signature.members if member not in kept)}


def _columns(group: Group, absent: set[Any]) -> list[list[Arg]]:
    """For every slot of the class, its literal in each instance."""
    rows = []
    for instance in group.instances:
        own = iter(instance.signature.slots)
        row = [ABSENT if instance.lacks and h.owner in absent else next(own).value for h in group.model.signature.slots]
        rows.append(row)
    return [list(column) for column in zip(*rows, strict=True)]


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
    for i, value in enumerate(group.model.inputs):
        hints = {identifier(instance.inputs[i].hint) for instance in group.instances}
        stems = {re.sub(r"_?\d+$", "", hint) for hint in hints}
        if i == 0 and value not in sources and not value.is_layer:
            hint = "x"
        else:
            short = {short_name(hint) for hint in hints}
            names = next((each for each in (hints, stems, short) if len(each) == 1), {"x"})
            hint = names.pop()
        fresh[value] = Variable(hint, value.dims, is_layer=value.is_layer)
    cell.inputs = list(fresh.values())
    for statement in cell.body.statements:
        replace_in(statement, fresh)
    cell.body.results = tuple(fresh.get(result, result) for result in cell.body.results)
