"""Bounded loops: what runs until nothing changes, or searches a graph, must come to an end, or say that it does not."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TypeVar

Item = TypeVar("Item")


def bounded(limit: int, purpose: str) -> Iterator[int]:
    """Count the turns of a loop that its body breaks out of.

    Args:
        limit: more turns than this the loop cannot need.
        purpose: what the loop does, for the error.

    Raises:
        RuntimeError: the loop has not ended after `limit` turns.
    """
    yield from range(limit)
    raise RuntimeError(f"to {purpose} takes more than {limit} turns: it makes no progress")


def follows(item: Item, premises: Callable[[Item], Sequence[Item] | None], limit: int) -> bool:
    """Whether a property of an item follows from that of the items that it is computed from, in at most `limit` steps.

    A node that many nodes read is looked at from each of them: without a limit that takes quadratic time.

    Args:
        item: what is asked about.
        premises: returns the items that must have the property so that an item has it: none if it has the property by
            itself; None if it is unknown.
        limit: the most items that are looked at.
    """
    pending = [item]
    for _ in range(limit):
        if not pending:
            return True
        needed = premises(pending.pop())
        if needed is None:
            return False
        pending += needed
    return not pending


def reached(starts: Iterable[Item], neighbours: Callable[[Item], Iterable[Item]], limit: int) -> Iterator[Item]:
    """The items that lead from `starts` along `neighbours`, each once; at most `limit` of them."""
    seen: set[Item] = set()
    pending = list(starts)
    while pending and len(seen) < limit:
        item = pending.pop()
        if item not in seen:
            seen.add(item)
            yield item
            pending += neighbours(item)
