"""Groups: regions that can be call sites of one class, by their signatures."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from converter.base.names import Namespace
from converter.script.expressions import Arg, Call, dimension
from converter.script.program import Cell, class_of
from converter.script.statements import Assign, Statement, Variable, defined_by
from converter.script.structure.arguments import ABSENT, arguments_for
from converter.script.structure.naming import relative
from converter.script.structure.regions import Region, inputs_of, used_by
from converter.script.structure.sequences import called, sequence_of
from converter.script.structure.sharing import identity
from converter.script.structure.signature import Signature, signature_of

SMALLEST_OPTIONAL, LONGEST_OPTIONAL = 4, 40
"""A class of fewer statements has no optional statement; in a class of more statements none is searched for."""
MOST_NEW = 2
"""A region that would add more arguments than this to a class does not become an instance of it."""

MOST_PASSED = 2
"""The most members that a class is given instead of making them."""


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

    `optional` is a statement that some instances lack, and the variable that these read instead of its target; where it
    adds an input, this is `optional_input`, the last one, which the calls that lack it leave out. `passed` are the
    numbers of members that each instance is given, because their classes differ; `parameters` are the inputs that the
    model's statements read, where they are not those that the model is called with.
    """

    instances: list[Instance] = field(default_factory=list)
    optional: tuple[Statement, Variable] | None = None
    passed: set[int] = field(default_factory=set)
    optional_input: Variable | None = None
    parameters: list[Variable] = field(default_factory=list)

    @property
    def model(self) -> Instance:
        """The instance whose statements become the class's body."""
        return self.instances[0]

    @property
    def inputs(self) -> list[Variable]:
        """The inputs that the class's body reads."""
        return self.parameters or self.model.inputs


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


# What a class of a group would take


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
    slots, columns = group.model.signature.slots, columns_of(group, absent_in(group))
    return len(arguments_for(slots, columns, Namespace(), called, extents=extents_in(group)).values)


def extents_in(group: Group) -> dict[tuple[Arg, ...], Arg]:
    """Fixed extents of inputs that differ between instances: their values, and what reads the model's: `x.shape[1]`."""
    found: dict[tuple[Arg, ...], Arg] = {}
    columns = zip(*(instance.inputs for instance in group.instances), strict=False)
    for read, column in zip(group.inputs, columns, strict=False):
        shapes = [value.dims or () for value in column]
        for axis, extents in enumerate(zip(*shapes, strict=False)):
            if all(type(extent) is int for extent in extents) and len({len(shape) for shape in shapes}) == 1:
                found.setdefault(extents, dimension(read, axis))
    return found


def absent_in(group: Group) -> set[Any]:
    """The optional statement, and the members that only it uses."""
    if group.optional is None:
        return set()
    model = group.model
    kept = signature_of(
        model.region.statements, model.inputs, model.outputs, ([group.optional[0]], group.optional[1])
    ).members
    return {group.optional[0], *(member for member in model.signature.members if member not in kept)}


def columns_of(group: Group, absent: set[Any]) -> list[list[Arg]]:
    """For every slot of the class, its literal in each instance."""
    rows = []
    for instance in group.instances:
        own = iter(instance.signature.slots)
        row = [ABSENT if instance.lacks and h.owner in absent else next(own).value for h in group.model.signature.slots]
        rows.append(row)
    return [list(column) for column in zip(*rows, strict=True)]
