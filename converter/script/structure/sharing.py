"""Sharing: members that several regions read. A module that is called several times is one instance of one class."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from itertools import chain
from typing import Any

from converter.script.expressions import Attribute, Call, Name
from converter.script.program import Member
from converter.script.statements import Assign, Variable
from converter.script.structure.hoist import replace_members
from converter.script.structure.regions import Region, all_regions, inputs_of, members_of, used_by
from converter.script.structure.signature import Signature, signature_of

MOST_LAYERS = 3
"""The most layers that a class takes as inputs."""
FEWEST_BESIDE = 3
"""The least number of statements of such a class besides the calls of these layers."""


def copy_shared_literals(root: Region) -> None:
    """Give every region its own copy of a literal that several regions read."""
    copies: dict[Region, dict[Member, Member]] = defaultdict(dict)
    for literal, regions in _readers(root).items():
        if not literal.weights:
            for region in regions[1:]:
                copies[region][literal] = Member(literal.name, literal.constructor, {}, literal.hint)
    for region, own in copies.items():
        for statement in region.statements:
            replace_members(statement, own)


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
    candidates = {leaf for leaf in leaves if len(leaf.items) > 1}
    shared = {
        member: regions
        for member, regions in _readers(root).items()
        if member.weights and len(regions) > 1 and not candidates.isdisjoint(regions)
    }
    kinds = _kinds(candidates.intersection(chain.from_iterable(shared.values())))
    around = _around(root) if shared else {}
    differing: dict[Region, list[Member]] = {leaf: [] for leaf in leaves}
    waiting: set[Region] = set()
    for member, regions in shared.items():
        others = {region for region in regions if region not in kinds}
        alike = len({kinds[region] for region in regions if region in kinds}) == 1
        for leaf in regions:
            if leaf not in kinds:
                continue
            if not alike or not others.isdisjoint(around[leaf]):  # they cannot be calls of one module
                differing[leaf].append(member)
            elif others:
                waiting.add(leaf)
    conflicting = {leaf: members for leaf, members in differing.items() if members}
    unsettled = waiting.union(conflicting)
    for regions in shared.values():
        if not unsettled.isdisjoint(regions):
            waiting |= {leaf for leaf in regions if leaf in kinds}
    waiting -= conflicting.keys()
    ready = [leaf for leaf in leaves if leaf not in waiting and leaf not in conflicting]
    if ready or conflicting:
        return ready, conflicting
    return [], {leaf: [] for leaf in leaves}


def _kinds(leaves: Iterable[Region]) -> dict[Region, int]:
    """A number for each leaf, equal for calls of one module."""
    numbers: dict[tuple[Any, ...], int] = {}
    return {leaf: numbers.setdefault(_key(leaf), len(numbers)) for leaf in leaves}


def _key(leaf: Region) -> tuple[Any, ...]:
    """A key, equal for calls of one module."""
    signature = signature_of(leaf.statements, inputs_of(leaf), [])
    return signature.key, identity(signature)


def constants_of_some_calls(leaves: Iterable[Region]) -> dict[Region, list[Member]]:
    """For leaves that call the same layers in the same order, the constants that only some of them read.

    The first step of a loop that is unrolled reads a constant where the later ones read what the step before computed.
    """
    calls: dict[tuple[Member, ...], list[Region]] = defaultdict(list)
    for leaf in leaves:
        layers = tuple(member for member in members_of(leaf) if member.weights and "" not in member.weights)
        calls[layers].append(leaf)
    found: dict[Region, list[Member]] = {}
    for layers, same in calls.items():
        constants = {leaf: [m for m in members_of(leaf) if is_constant(m)] for leaf in same}
        if layers and len(same) > 1 and len({len(own) for own in constants.values()}) > 1:
            found |= constants
    return found if any(found.values()) else {}


def is_constant(member: Member) -> bool:
    """Whether a member is a parameter or a tensor, not a layer."""
    made = member.constructor
    while isinstance(made, Call) and isinstance(made.function, Attribute):  # `ops.arange(8).reshape((1, 8))`
        made = made.function.value
    name = made.function.path if isinstance(made, Call) and isinstance(made.function, Name) else ""
    return "" in member.weights or name == "ms.Tensor" or name.startswith("ops.")


def _around(root: Region) -> dict[Region, set[Region]]:
    """For each region, all regions that contain it."""
    found: dict[Region, set[Region]] = {root: set()}
    for region in all_regions(root):
        for inner in region.inner():
            found[inner] = found[region] | {region}
    return found


def forms_of(leaves: Iterable[Region]) -> dict[Region, tuple[Any, ...]]:
    """The form of each leaf, equal for those that could be instances of one class."""
    return {leaf: signature_of(leaf.statements, inputs_of(leaf), []).key for leaf in leaves}


def takes_layers(leaf: Region, layers: Collection[Member]) -> bool:
    """Whether a region is worth a class that takes layers as inputs: `block(x, self.position_encoding)`."""
    own = [member for member in members_of(leaf) if member.weights and member not in layers]
    return bool(own and layers) and len(layers) <= MOST_LAYERS and len(leaf.items) >= len(layers) + FEWEST_BESIDE


def pass_in(root: Region, parameters: Sequence[Member]) -> None:
    """Make parameters, or layers, inputs of the regions that read them: variables, assigned before all of them."""
    values = {each: Variable(_last_name(each.hint), is_layer=not is_constant(each)) for each in parameters}
    for region in all_regions(root) if parameters else ():
        if region is not root:
            for statement in region.statements:
                replace_members(statement, values)
    root.items[:0] = [Assign((values[parameter],), parameter) for parameter in parameters]


def _last_name(hint: str) -> str:
    """`temperature` of `blocks.0.attn.temperature`: it is passed to all blocks."""
    name = hint.rpartition(".")[2]
    return hint if not name or name.isdigit() else name


def _readers(root: Region) -> dict[Member, list[Region]]:
    """For every member, the regions that read it."""
    readers: dict[Member, dict[Region, None]] = defaultdict(dict)
    for region in all_regions(root):
        for statement in region.statements:
            for part in used_by(statement):
                if isinstance(part, Member):
                    readers[part][region] = None
    return {member: list(regions) for member, regions in readers.items()}
