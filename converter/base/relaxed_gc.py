"""Garbage: Python looks for it rarely while a conversion makes much that lives until its end."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager

_RARELY = (100_000, 50, 1000)
"""So many new objects until the young ones are looked through, and never all of them: that took a quarter of the time
at 100,000 nodes, and found nothing."""


@contextmanager
def relaxed_gc() -> Iterator[None]:
    """Let the collector of cyclic garbage hardly run in the block."""
    before = gc.get_threshold()
    gc.set_threshold(*_RARELY)
    try:
        yield
    finally:
        gc.set_threshold(*before)
