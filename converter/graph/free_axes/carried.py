"""Where a value carries the batch: on which axis, and in which order within it."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Carried:
    """The place of the batch in a value.

    Attributes:
        axis: the axis that carries it.
        outer: the factor of the axis before the batch: an axis of 12 heads and then the batch has 12, one of the batch
            and then 12 heads has 1.
    """

    axis: int
    outer: int = 1


def after_view(shape: Sequence[int], carried: Carried, target: Sequence[int], axis: int, batch: int) -> Carried | None:
    """The place of the batch after a view to `target`, if it can be on `axis`; else None.

    Args:
        shape: the extents before the view, at the batch of the file.
        carried: the place of the batch before it.
        target: the extents after it, at the batch of the file.
        axis: an axis of `target`.
        batch: the batch of the file.
    """
    before, others = math.prod(shape[: carried.axis]) * carried.outer, math.prod(target[:axis])
    if not others or before % others:
        return None
    outer = before // others
    return None if target[axis] % (outer * batch) else Carried(axis, outer)


def places(shape: Sequence[int], carried: Carried, target: Sequence[int], batch: int) -> list[Carried]:
    """The places that the batch can have after a Reshape to `target`, the likeliest first.

    An axis that is nothing but the batch is likelier than one that the batch leads, and that likelier than one that it
    ends. The last axis, which holds features, carries the batch only if it did before.
    """

    def found() -> Iterator[tuple[tuple[bool, bool, int], Carried]]:
        for axis in range(len(target)):
            place = after_view(shape, carried, target, axis, batch)
            if place is None:
                continue
            alone = place.outer == 1 and target[axis] == batch
            if alone or axis < len(target) - 1 or carried.axis == len(shape) - 1:
                yield (not alone, place.outer != 1, abs(axis - carried.axis)), place

    return [place for _, place in sorted(found(), key=lambda item: item[0])]
