"""Sharing: members that several regions read. A module that is called several times is one instance of one class."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from itertools import chain
from typing import Any

from converter.script.program import Member
from converter.script.statements import Assign, Variable
from converter.script.structure.hoist import copy_literal, replace_member
from converter.script.structure.regions import Region, inputs_of, used_by
from converter.script.structure.signature import Signature, signature_of


def copy_shared_literals(root: Region) -> None:
    """Give every region its own copy of a literal that several regions read."""
    for member, regions in _readers(root).items():
        if not member.weights:
            for region in regions[1:]:
                copy_literal(member, region.statements)


def identity(signature: Signature) -> tuple[Any, ...]:
    """A key, equal for calls of one module: its layers, and the literals in the constructors of its other members."""
    layers = tuple(member for member in signature.members if member.weights)
    made = tuple(repr(slot.value) for slot in signature.slots if isinstance(slot.owner, Member))
    return (layers, made) if layers else (signature,)


def split(root: Region, leaves: Sequence[Region]) -> tuple[list[Region], dict[Region, list[Member]]]:
    """Sort leaves by whether they share members with other regions.

    Returns:
        The leaves that can become calls now, because they share no members, or only with calls of the same module; and
        the conflicting leaves, which share members with other regions, each with these members. The remaining leaves
        wait: they share members with regions that still have inner regions and may become calls of the same module. If
        all leaves wait, all are returned as conflicting.
    """
    neighbours = _neighbours(root, [leaf for leaf in leaves if len(leaf.items) > 1])
    keys = {leaf: _key(leaf) for leaf in neighbours}
    around = _around(root) if neighbours else {}

    def differs(leaf: Region, other: Region) -> bool:
        """Whether the other region cannot be a call of the same module."""
        return keys[leaf] != keys[other] if other in keys else other in around[leaf]

    conflicting: dict[Region, list[Member]] = {}
    waiting: set[Region] = set()
    for leaf, readers in neighbours.items():
        differing = [member for member, others in readers.items() if any(differs(leaf, other) for other in others)]
        if differing:
            conflicting[leaf] = differing
        elif any(other not in keys for others in readers.values() for other in others):
            waiting.add(leaf)
    unsettled = waiting.union(conflicting)
    waiting |= {leaf for leaf, readers in neighbours.items() if not unsettled.isdisjoint(chain(*readers.values()))}
    waiting -= conflicting.keys()
    ready = [leaf for leaf in leaves if leaf not in waiting and leaf not in conflicting]
    if ready or conflicting:
        return ready, conflicting
    return [], {leaf: [] for leaf in leaves}


def _neighbours(root: Region, leaves: Sequence[Region]) -> dict[Region, dict[Member, list[Region]]]:
    """For each leaf that shares layers or parameters: these members, with the other regions that read them."""
    found: dict[Region, dict[Member, list[Region]]] = {leaf: {} for leaf in leaves}
    for member, regions in _readers(root).items():
        for leaf in regions if member.weights and len(regions) > 1 else ():
            if leaf in found:
                found[leaf][member] = [region for region in regions if region is not leaf]
    return {leaf: readers for leaf, readers in found.items() if readers}


def _key(leaf: Region) -> tuple[Any, ...]:
    """A key, equal for calls of one module."""
    signature = signature_of(leaf.statements, inputs_of(leaf), [])
    return signature.key, identity(signature)


def _around(root: Region) -> dict[Region, set[Region]]:
    """For each region, all regions that contain it."""
    found: dict[Region, set[Region]] = {root: set()}
    for region in all_regions(root):
        for inner in region.inner():
            found[inner] = found[region] | {region}
    return found


def pass_in(root: Region, parameter: Member) -> None:
    """Make a parameter an input of the regions that read it: a variable, assigned before all of them."""
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
    """A region and all inner regions, recursively."""
    yield region
    for inner in region.inner():
        yield from all_regions(inner)
