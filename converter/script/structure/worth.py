"""Worth: which groups of regions become classes, and which stay inline."""

from __future__ import annotations

from converter.script.program import class_of
from converter.script.statements import For
from converter.script.structure import unrolled
from converter.script.structure.groups import Group, arguments_of
from converter.script.structure.regions import CONTAINERS, Item, Region
from converter.script.structure.sequences import called

SMALLEST_CLASS = 3
"""A region of fewer statements is inlined into its parent region."""
SMALLEST_SINGLE = 12
"""The least number of statements of a block that is used once and still becomes a class."""
SMALLEST_SIBLING = 6
"""The same, if other regions with the same class in the source, but another signature, become a class."""
FEW, MOST_ARGUMENTS = 3, 5
"""A class without a name in the source may take more arguments than this only if it has more than `FEW` instances."""


def is_small(group: Group, known: bool, together: int) -> bool:
    """Whether a group's statements are inlined at its call sites instead of becoming a class.

    `known` says that other regions of its class in the source become a class; `together` is how many instances stand
    side by side, and so may become a loop.
    """
    single = len(group.instances) == 1
    smallest = (SMALLEST_SIBLING if known else SMALLEST_SINGLE) if single else SMALLEST_CLASS
    if sum(map(_size, group.model.region.items)) < smallest:
        return together < 2 or len(group.instances) < FEW or not _calls_blocks(group.model.region)
    kind = group.model.region.scope.kind
    if kind and not (single and kind in CONTAINERS):
        return False
    return (kind in CONTAINERS and single) or (len(group.instances) <= FEW and arguments_of(group) > MOST_ARGUMENTS)


def _size(item: Item) -> int:
    """The number of statements that an item stands for: those of the first iterations of a loop over elements."""
    collects = isinstance(item, For) and all(value == () for value in item.initial)
    return 1 + unrolled.FEWEST * len(item.body.statements) if isinstance(item, For) and collects else 1


def _calls_blocks(region: Region) -> bool:
    """Whether a region does nothing but call instances of the script's classes, such as attention and feed-forward."""
    calls = [called(item) for item in region.items]
    return len(calls) > 1 and all(call is not None and class_of(call[0]) is not None for call in calls)
