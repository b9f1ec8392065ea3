"""A bound on memory: what asks for more gets none, and the bound ends with its block."""

from __future__ import annotations

import sys

import numpy as np
import pytest

from converter.base.memory import at_most

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="only Linux bounds the address space")


def test_more_is_refused():
    with at_most(1 << 28), pytest.raises(MemoryError):
        np.ones(1 << 30, np.uint8)


def test_the_bound_ends_with_its_block():
    with at_most(1 << 28):
        np.ones(1 << 24, np.uint8)
    np.empty(1 << 30, np.uint8)


def test_bounds_inside_each_other():
    with at_most(1 << 28):
        with at_most(1 << 40):
            pass
        with pytest.raises(MemoryError):
            np.ones(1 << 30, np.uint8)
