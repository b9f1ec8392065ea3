"""Bounded loops: what runs until nothing changes must come to an end, or say that it does not."""

from __future__ import annotations

from collections.abc import Iterator


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
