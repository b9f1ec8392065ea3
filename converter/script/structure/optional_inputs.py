"""Optional inputs: of two groups, one adds a value that it is given where the other adds nothing.

Attention with a mask and attention without one are calls of one class: `attention(x, y, mask)`, `attention(x, y)`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from itertools import combinations
from typing import Any

from converter.script.program import Member
from converter.script.statements import Assign, Statement, Variable
from converter.script.structure.equal_inputs import is_candidate
from converter.script.structure.groups import MOST_NEW, Group, arguments_of
from converter.script.structure.regions import replace_in, used_by
from converter.script.structure.signature import signature_of


@dataclass(eq=False, frozen=True)
class _Addition:
    """A statement that some calls do not need: `scores + mask`; what they read instead, and the input it adds."""

    statement: Assign
    value: Variable
    added: Variable


def with_optional_inputs(groups: Iterable[Group]) -> list[Group]:
    """Merge groups of one form but for a statement that adds an input; what lacks it leaves the input out."""
    remaining = dict.fromkeys(groups)
    for group in list(remaining):
        others = [other for other in remaining if _may_lack(group, other)] if group in remaining else []
        pairs = ((each, other) for each in (_additions(group) if others else ()) for other in others)
        merged = next((other for each, other in pairs if _merge(group, other, each)), None)
        if merged is not None:
            del remaining[merged]
    return list(remaining)


def _may_lack(group: Group, other: Group) -> bool:
    """Whether another group can be this one without a statement."""
    sizes = len(group.model.region.items), len(other.model.region.items)
    of_one_class = group.model.region.scope.kind == other.model.region.scope.kind
    return of_one_class and sizes[0] == sizes[1] + 1 and is_candidate(group) and is_candidate(other)


def _additions(group: Group) -> Iterator[_Addition]:
    """The statements of a group that join an input, which nothing else reads, with another value."""
    statements = group.model.region.statements
    for statement in statements:
        read = list(dict.fromkeys(used_by(statement)))
        if not isinstance(statement, Assign) or len(statement.targets) != 1 or len(read) != 2:
            continue
        for added, value in (read, read[::-1]):
            own = sum(added in used_by(other) for other in statements) == 1 and added not in group.model.outputs
            if isinstance(value, Variable) and isinstance(added, Variable) and own and added in group.model.inputs:
                yield _Addition(statement, value, added)


@dataclass(eq=False)
class _Join:
    """How another group joins: its calls, or those of the first group if `own`, give one value for two inputs.

    Attributes:
        places: of these inputs among those of the class; None if there are none.
        second, readers: the latter of them where the first group has but one, and its statements that read it.
    """

    places: tuple[int, int] | None = None
    own: bool = False
    second: Variable | None = None
    readers: list[Statement] = field(default_factory=list)


def _merge(group: Group, other: Group, addition: _Addition) -> bool:
    """Let the instances of `other` join `group`, if they are of its form without the addition."""
    inputs = [value for value in group.model.inputs if value is not addition.added]
    how = _join(group, other, inputs, addition)
    if how is None or not _is_worth(group, other, addition):
        return False
    where = group.model.inputs.index(addition.added)
    for instance in group.instances:
        instance.inputs.append(instance.inputs.pop(where))
    group.parameters = [*inputs, addition.added]
    if how.places is not None:
        first, second = how.places
        for instance in group.instances if how.own else other.instances:
            instance.inputs.insert(second, instance.inputs[first])
        if how.second is not None:
            group.parameters.insert(second, how.second)
            for statement in how.readers:
                replace_in(statement, {inputs[first]: how.second})
    group.instances += other.instances
    group.optional, group.optional_input = (addition.statement, addition.value), addition.added
    return True


def _join(group: Group, other: Group, inputs: list[Variable], addition: _Addition) -> _Join | None:
    """How `other` joins `group`, whose inputs without the addition are `inputs`; None if they differ in more."""
    form, own_form = other.model.signature.key, _form(group, inputs, addition)
    match len(inputs) - len(other.model.inputs):
        case 0 if own_form == form:
            return _Join()
        case 1:
            places = _equal_places(inputs, lambda *pair: _form(group, inputs, addition, pair), form)
            return None if places is None else _Join(places)
        case -1:
            places = _equal_places(other.model.inputs, lambda *pair: _equal_form(other, pair), own_form)
            return None if places is None else _split(group, other, inputs, addition, places)
    return None


def _is_worth(group: Group, other: Group, addition: _Addition) -> bool:
    """Whether one class for both takes few arguments more than each of their own; the instances are marked then."""
    most = max(arguments_of(group), arguments_of(other)) + MOST_NEW
    for instance in other.instances:
        instance.lacks = True
    joined = Group([*group.instances, *other.instances], (addition.statement, addition.value))
    if arguments_of(joined) <= most:
        return True
    for instance in other.instances:
        instance.lacks = False
    return False


def _form(
    group: Group, inputs: list[Variable], addition: _Addition, equal: tuple[Variable, Variable] | None = None
) -> tuple[Any, ...]:
    """The key of a group's signature without an addition, and with one input for two."""
    skip = ([addition.statement], addition.value)
    kept = [value for value in inputs if equal is None or value is not equal[1]]
    same: dict[Variable | Member, Variable] = {} if equal is None else {equal[1]: equal[0]}
    return signature_of(group.model.region.statements, kept, group.model.outputs, skip, equal=same).key


def _equal_form(group: Group, equal: tuple[Variable, Variable]) -> tuple[Any, ...]:
    """The key of a group's signature with one input for two."""
    model = group.model
    kept = [value for value in model.inputs if value is not equal[1]]
    return signature_of(model.region.statements, kept, model.outputs, equal={equal[1]: equal[0]}).key


def _equal_places(
    inputs: list[Variable], form: Callable[[Variable, Variable], object], wanted: object
) -> tuple[int, int] | None:
    """The places of two inputs that are one in what has the wanted form."""
    places = [i for i, value in enumerate(inputs) if not value.is_layer]
    return next((pair for pair in combinations(places, 2) if form(*(inputs[place] for place in pair)) == wanted), None)


def _split(
    group: Group, other: Group, inputs: list[Variable], addition: _Addition, places: tuple[int, int]
) -> _Join | None:
    """Read two inputs as `other` does where `group` has one; None if a statement of `other` reads both."""
    first, second = (other.model.inputs[place] for place in places)
    own = [statement for statement in group.model.region.statements if statement is not addition.statement]
    readers: list[Statement] = []
    for statement, counterpart in zip(own, other.model.region.statements, strict=True):
        read = set(used_by(counterpart))
        if {first, second} <= read:
            return None
        if second in read:
            readers.append(statement)
    return _Join(places, True, Variable(second.hint, inputs[places[0]].dims), readers)
