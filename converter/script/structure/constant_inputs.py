"""Constant inputs: a module reads a constant where others of its form read what they are given.

The first layer of a network has its positions as a constant, the later ones compute them. The constant moves to what
calls the module: `attention(x, self.positions)`, and all are instances of one class.
"""

from __future__ import annotations

from collections.abc import Sequence

from converter.script.program import Member
from converter.script.statements import Assign, Statement, Variable, defined_by
from converter.script.structure.groups import MOST_NEW, Group, Instance, differences
from converter.script.structure.hoist import replace_members
from converter.script.structure.regions import Region, remove_statements, replace_in, used_by
from converter.script.structure.sharing import is_constant
from converter.script.structure.signature import Signature, signature_of

MOST_CONSTANTS = 2
"""The most constants that a module is given."""


def constants_beside_inputs(groups: Sequence[Group]) -> dict[Region, list[Member]]:
    """The regions of groups that would join a larger group if they were given their constants, and these."""
    by_key = {group.model.signature.key: group for group in groups if group.optional is None and not group.passed}
    found: dict[Region, list[Member]] = {}
    for group in by_key.values():
        constants = [member for member in group.model.signature.members if is_constant(member)]
        if not 1 <= len(constants) <= MOST_CONSTANTS:
            continue
        signature = _given(group.model, constants)
        other = by_key.get(signature.key)
        if other is None or other is group or not _joins(group, other, signature):
            continue
        for instance in group.instances:
            own = list(instance.signature.members)
            found[instance.region] = [own[group.model.signature.members[constant]] for constant in constants]
    return found


def _given(instance: Instance, constants: Sequence[Member]) -> Signature:
    """The signature of a region if it were given its constants."""
    stand_ins: dict[Variable | Member, Variable] = {constant: Variable("constant") for constant in constants}
    names = _names_of(instance.region, constants)
    stand_ins |= {name: stand_ins[constant] for name, constant in names.values()}
    statements = [statement for statement in instance.region.statements if statement not in names]
    made: set[Variable] = set()
    inputs: dict[Variable, None] = {}
    for statement in statements:
        for part in used_by(statement):
            value = stand_ins.get(part, part)
            if isinstance(value, Variable) and value not in made:
                inputs[value] = None
        made.update(defined_by(statement))
    ordered = sorted(inputs, key=lambda value: value.is_layer)
    return signature_of(statements, ordered, instance.outputs, equal=stand_ins)


def _names_of(region: Region, constants: Sequence[Member]) -> dict[Statement, tuple[Variable, Member]]:
    """The statements of a region that only give a constant a name, as where it was passed on to an inner module."""
    return {
        statement: (name, constant)
        for statement in region.statements
        if isinstance(statement, Assign) and isinstance(constant := statement.value, Member) and constant in constants
        for name in defined_by(statement)
    }


def _joins(group: Group, other: Group, signature: Signature) -> bool:
    """Whether a group may join another one: of one class of the source, not the larger one, with few new arguments."""
    of_one_class = group.model.region.scope.kind == other.model.region.scope.kind
    known = [instance.signature for instance in other.instances]
    few = differences([*known, signature]) <= differences(known) + MOST_NEW
    return of_one_class and len(group.instances) <= len(other.instances) and few


def pass_from(parent: Region, region: Region, constants: Sequence[Member]) -> None:
    """Make constants inputs of a region, which its parent region hands to it."""
    values = {constant: Variable(constant.hint.rpartition(".")[2] or constant.name) for constant in constants}
    names = _names_of(region, constants)
    remove_statements(region, names.keys())
    for statement in region.statements:
        replace_members(statement, values)
        replace_in(statement, {name: values[constant] for name, constant in names.values()})
    place = parent.items.index(region)
    parent.items[place:place] = [Assign((values[constant],), constant) for constant in constants]
