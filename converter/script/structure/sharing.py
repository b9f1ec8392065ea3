"""Sharing: what several regions read. A module that is called several times is one member of one class."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import Any

from converter.script.program import Member
from converter.script.statements import Assign, Variable
from converter.script.structure.hoist import copy_literal, replace_member
from converter.script.structure.regions import Region, inputs_of, used_by
from converter.script.structure.signature import Signature, signature_of


def copy_shared_literals(root: Region) -> None:
    """Repeat a literal that several regions read in each of them."""
    for member, regions in _readers(root).items():
        if not member.weights:
            for region in regions[1:]:
                copy_literal(member, region.statements)


def identity(signature: Signature) -> tuple[Any, ...]:
    """The same for two calls of one module: its layers, and what its other members are made with."""
    layers = tuple(member for member in signature.members if member.weights)
    made = tuple(repr(slot.value) for slot in signature.slots if isinstance(slot.owner, Member))
    return (layers, made) if layers else (signature,)


def split(root: Region, leaves: Sequence[Region]) -> tuple[list[Region], dict[Region, list[Member]]]:
    """Sort leaves by what they share.

    Returns:
        Those that can be turned into calls now, because they share nothing, or only with other calls of their module;
        and those that share with something else, each with the members in question. The others share with regions that
        hold inner ones still, which may turn out to be calls of the same module. Where there are only such, they share
        with something else.
    """
    shared = {m: regions for m, regions in _readers(root).items() if m.weights and len(regions) > 1}
    of_leaf: dict[Region, list[Member]] = defaultdict(list)
    for member, regions in shared.items():
        for region in regions:
            of_leaf[region].append(member)
    whole = dict.fromkeys(leaf for leaf in leaves if len(leaf.items) > 1)
    calls = {leaf: _key(leaf) for leaf in whole if of_leaf[leaf]}
    around = _around(root) if calls else {}
    conflicting: dict[Region, list[Member]] = {}
    waiting: set[Region] = set()
    for leaf in calls:
        others = {member: [r for r in shared[member] if r is not leaf] for member in of_leaf[leaf]}
        differing = [m for m, regions in others.items() if any(_differs(leaf, r, calls, around) for r in regions)]
        if differing:
            conflicting[leaf] = differing
        elif any(region not in whole for regions in others.values() for region in regions):
            waiting.add(leaf)
    unsettled = waiting.union(conflicting)
    waiting |= {
        leaf for leaf in calls if any(r in unsettled for m in of_leaf[leaf] for r in shared[m])
    } - conflicting.keys()
    ready = [leaf for leaf in leaves if leaf not in waiting and leaf not in conflicting]
    return ready, conflicting or ({} if ready else {leaf: [] for leaf in leaves if leaf in waiting})


def _differs(leaf: Region, other: Region, calls: dict[Region, Any], around: dict[Region, set[Region]]) -> bool:
    """Whether another region can be no call of the same module."""
    return calls[leaf] != calls[other] if other in calls else other in around[leaf]


def _key(leaf: Region) -> tuple[Any, ...]:
    signature = signature_of(leaf.statements, inputs_of(leaf), [])
    return signature.key, identity(signature)


def _around(root: Region) -> dict[Region, set[Region]]:
    """The regions that hold each region."""
    found: dict[Region, set[Region]] = {root: set()}
    for region in all_regions(root):
        for inner in region.inner():
            found[inner] = found[region] | {region}
    return found


def pass_in(root: Region, parameter: Member) -> None:
    """Read a parameter once, in front of everything, and let regions take it from there."""
    value = Variable(parameter.hint)
    for region in all_regions(root):
        if region is not root:
            for statement in region.statements:
                replace_member(statement, parameter, value)
    root.items.insert(0, Assign((value,), parameter))


def _readers(root: Region) -> dict[Member, list[Region]]:
    """For every member, the regions that read it."""
    readers: dict[Member, dict[Region, None]] = defaultdict(dict)
    for region in all_regions(root):
        for statement in region.statements:
            for part in used_by(statement):
                if isinstance(part, Member):
                    readers[part][region] = None
    return {member: list(regions) for member, regions in readers.items()}


def all_regions(region: Region) -> Iterator[Region]:
    """A region and everything within."""
    yield region
    for inner in region.inner():
        yield from all_regions(inner)
