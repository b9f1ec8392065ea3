"""Python's limit of recursion, for what goes down deep trees."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager

DEEP = 6000
"""Enough for expressions of a thousand levels. Python parses three times as deep, in C, for which 8 MB suffice."""


@contextmanager
def deep_recursion() -> Iterator[None]:
    """Let functions call each other more deeply inside the block."""
    before = sys.getrecursionlimit()
    sys.setrecursionlimit(max(before, DEEP))
    try:
        yield
    finally:
        sys.setrecursionlimit(before)
