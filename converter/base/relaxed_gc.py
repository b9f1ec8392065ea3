"""Garbage collection, made rare during a conversion: most objects that a conversion makes live until its end."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager

_RARELY = (100_000, 50, 1000)
"""Thresholds for `gc.set_threshold`: the oldest generation is in effect never collected. Its collections took a quarter
of the time of a graph of 100,000 nodes and freed nothing."""


@contextmanager
def relaxed_gc() -> Iterator[None]:
    """Let Python's cyclic garbage collector run only rarely inside the block."""
    before = gc.get_threshold()
    gc.set_threshold(*_RARELY)
    try:
        yield
    finally:
        gc.set_threshold(*before)


@contextmanager
def paused_gc() -> Iterator[None]:
    """Let Python's cyclic garbage collector not run inside the block, in which much is made that lives on.

    To collect it again and again takes a tenth to a sixth of the time of an import, or of reading scripts.
    """
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()
