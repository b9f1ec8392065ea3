"""What holds for all tests."""

from __future__ import annotations

import gc
import os
import sys
from collections.abc import Iterator

import pytest

from converter.base import graph_mode

os.environ["LANGUAGE"] = "en"  # the terminal's messages, also of processes that tests start
graph_mode.EDGES = "none"  # those who test edge inputs ask for them


_COLLECT_ALL_AFTER = 200
"""After so many tests what was taken out of the garbage collector's sight is looked through once."""

_tests_since = 0


@pytest.hookimpl(trylast=True)
def pytest_runtest_teardown() -> None:
    """Take what is loaded out of the garbage collector's sight: MindSpore collects before it compiles a network.

    In 14 of the ONNX project's cases that took 0.26 s of the 0.91 s of compiling one on average.
    """
    global _tests_since
    if "mindspore" not in sys.modules:
        return
    _tests_since += 1
    if _tests_since == _COLLECT_ALL_AFTER:
        _tests_since = 0
        gc.unfreeze()
    gc.collect()
    gc.freeze()


@pytest.fixture(autouse=True)
def same_mode() -> Iterator[None]:
    """Put MindSpore back into the mode that it had before the test."""
    pynative, mode = 1, _mode()
    yield
    if _mode() not in (None, mode):
        sys.modules["mindspore"].set_context(mode=pynative if mode is None else mode)


def _mode() -> int | None:
    """The mode of MindSpore, if a test has imported it."""
    return sys.modules["mindspore"].get_context("mode") if "mindspore" in sys.modules else None
