"""Equal inputs: of two groups, one reads a value twice where the other reads two values.

Self-attention is attention whose keys come from the same sequence as its queries: `attention(x, x)`, `attention(x, y)`.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from itertools import combinations, takewhile
from typing import Any

from converter.script.statements import Variable
from converter.script.structure.groups import MOST_NEW, Group, Instance, differences
from converter.script.structure.signature import signature_of

SMALLEST = 8
"""The least number of statements of a class that is called with one value for two of its inputs."""


def with_equal_inputs(groups: Iterable[Group]) -> list[Group]:
    """Merge groups of one form but for an input of the larger one that is another input in the smaller one."""
    remaining = dict.fromkeys(groups)
    by_form: dict[tuple[Any, ...], list[Group]] = defaultdict(list)
    for group in remaining:
        if is_candidate(group):
            by_form[_form(group, len(group.model.inputs))].append(group)
    for group in [group for same in by_form.values() for group in same]:
        smaller = by_form.get(_form(group, len(group.model.inputs) - 1), [])
        for place, other in _matches(group.model, smaller) if group in remaining else ():
            if other in remaining and _is_worth(group, other):
                for instance in other.instances:
                    instance.inputs.insert(place[1], instance.inputs[place[0]])
                group.instances += other.instances
                del remaining[other]
    return list(remaining)


def has_equal_inputs(group: Group) -> bool:
    """Whether some calls give one value for several inputs."""
    return any(len(set(instance.inputs)) < len(instance.inputs) for instance in group.instances)


def shared_name(group: Group) -> str:
    """`Attention` for `SelfAttention` and `EncDecAttention`; "" if the names end in no common word, or are one name."""
    names = {instance.region.scope.name for instance in group.instances}
    if not has_equal_inputs(group) or len(names) == 1:
        return ""
    words = [re.findall(r"[A-Z]?[a-z]+|[A-Z]+|\d+", name)[::-1] for name in names]
    ending = takewhile(lambda column: len(set(column)) == 1, zip(*words, strict=False))
    return "_".join(column[0] for column in ending if not column[0].isdigit())


def is_candidate(group: Group) -> bool:
    """Whether a group is large enough, and its calls differ in nothing else."""
    signature = group.model.signature
    layers = any(member.weights for member in signature.members)
    return group.optional is None and not group.passed and layers and len(signature.statements) >= SMALLEST


def _form(group: Group, inputs: int) -> tuple[Any, ...]:
    """What groups that could be merged have in common."""
    signature = group.model.signature
    return group.model.region.scope.kind, len(signature.statements), len(signature.members), inputs


def _matches(model: Instance, others: Sequence[Group]) -> Iterator[tuple[tuple[int, int], Group]]:
    """The places of two inputs of `model`, and a group whose calls give one value for both."""
    by_key = {other.model.signature.key: other for other in others}
    values = [value for value in model.inputs if not value.is_layer]
    for first, second in combinations(range(len(values)), 2) if others else ():
        other = by_key.get(_key(model, values[first], values[second]))
        if other is not None:
            yield (first, second), other


def _key(model: Instance, kept: Variable, value: Variable) -> tuple[Any, ...]:
    """The key of a region's signature if an input were another one."""
    inputs = [each for each in model.inputs if each is not value]
    return signature_of(model.region.statements, inputs, model.outputs, equal={value: kept}).key


def _is_worth(group: Group, other: Group) -> bool:
    """Whether one class for both takes few arguments more than each of their own."""
    own, others = ([instance.signature for instance in each.instances] for each in (group, other))
    return differences([*own, *others]) <= max(differences(own), differences(others)) + MOST_NEW
