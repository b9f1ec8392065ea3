"""Progress of the process, read from the tail of its journal while it runs."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

Count = Callable[[int, int], None]
"""A function of the number of nodes that the process has reached, and the number of all nodes."""

PERIOD = 0.2
"""Seconds."""

_REACHED = b'{"reached":'


@contextmanager
def tail_progress(results: Path, total: int, count: Count) -> Iterator[None]:
    """Count the nodes that the process writes to `results`, while the block waits for the process.

    `count` is called from a thread.
    """
    over = threading.Event()

    def tail() -> None:
        while not over.wait(PERIOD):
            if total and results.exists():
                count(results.read_bytes().count(_REACHED), total)

    thread = threading.Thread(target=tail, daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()
