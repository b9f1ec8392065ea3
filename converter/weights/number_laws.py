"""Number laws: how the numbers in the names of one network lead to those in the names of another.

Two authors count alike, but from another beginning: `layer1.0` is `conv2_block1`, `features.7` is `block_6`. A law says
that what one network counts behind a word is what the other one counts behind some word, plus a constant. Laws are
learnt from pairs that are decided already, and hold for all of these.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from converter.weights.names import Label, Name

_FEWEST_VALUES = 2
"""Different numbers for which a law must hold: one number proves nothing."""


class Law(NamedTuple):
    """The number behind `there` is the number behind `here`, plus `offset`."""

    here: Label
    there: Label
    offset: int


def assumed(here: Sequence[Name], there: Sequence[Name]) -> list[Law]:
    """Laws before any pair is decided: both networks count the same from the same number on, behind the same word."""
    ours, theirs = _values(here), _values(there)
    return [
        Law(label, label, 0)
        for label in ours.keys() & theirs.keys()
        if ours[label] <= theirs[label] and min(ours[label]) == min(theirs[label])
    ]


def learnt(pairs: Iterable[tuple[Name, Name]]) -> list[Law]:
    """The laws that hold for all decided pairs, and for several numbers."""
    offsets: dict[tuple[Label, Label], dict[int, set[int]]] = {}
    for one, other in pairs:
        for here, number in one.numbers.items():
            for there, theirs in other.numbers.items():
                offsets.setdefault((here, there), {}).setdefault(theirs - number, set()).add(number)
    return [
        Law(here, there, offset)
        for (here, there), found in offsets.items()
        for offset, numbers in found.items()
        if len(found) == 1 and len(numbers) >= _FEWEST_VALUES
    ]


def agreement(laws: Mapping[tuple[Label, Label], int], one: Name, other: Name) -> float:
    """How well two names obey the laws, from -1 (no law) to 1 (every law); 0 where no law speaks of them."""
    kept = broken = 0
    for here, number in one.numbers.items():
        for there, theirs in other.numbers.items():
            offset = laws.get((here, there))
            if offset is not None:
                kept += theirs == number + offset
                broken += theirs != number + offset
    return (kept - broken) / (kept + broken) if kept + broken else 0.0


def _values(names: Iterable[Name]) -> dict[Label, set[int]]:
    found: dict[Label, set[int]] = {}
    for name in names:
        for label, number in name.numbers.items():
            found.setdefault(label, set()).add(number)
    return found
