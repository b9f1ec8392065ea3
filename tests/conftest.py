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


def pytest_collection_finish() -> None:
    """Take all that is loaded out of the garbage collector's sight: MindSpore collects before it compiles a network.

    That took 0.55 s of 0.95 s for every network of the ONNX project's cases. Tests that run no network do not pay for
    the import of MindSpore, which takes seconds.
    """
    if "mindspore" in sys.modules or "onnx_backend" in sys.modules:
        import mindspore  # noqa: F401

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
