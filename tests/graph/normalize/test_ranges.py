"""One Range for the numbers that a module counts several times."""

from __future__ import annotations

import pytest
from graph.normalize.harness import assert_equals_original, parse

TWO = """
    g (float[N, 4] x, float[M, 4] w) => (int64[N] y, int64[N] z) <int64 zero = {0}, int64 one = {1}, int64 axis = {0}> {
        shape = Shape (x)
        n = Gather (shape, axis)
        a = Range (zero, n, one)
        y = Neg (a)
        other = Shape (OTHER)
        m = Gather (other, axis)
        b = Range (zero, m, one)
        z = Mul (b, b)
    }
"""


def ranges(first: str, second: str, other: str = "x") -> int:
    """The Ranges that are left of two, of these names."""
    made = parse(TWO.replace("OTHER", other), 17)
    made.producer_name = "pytorch"
    for node in made.graph.node:
        node.name = {"a": first, "b": second}.get(node.output[0], f"/{node.output[0]}")
    return sum(node.op_type == "Range" for node in assert_equals_original(made).graph)


def test_ranges_of_one_module_are_one() -> None:
    assert ranges("/model/Range", "/model/Range_1") == 1


@pytest.mark.parametrize(
    ("first", "second", "other"),
    [
        ("/model.0/Range", "/model.1/Range", "x"),  # each module has its own
        ("Range_1", "Range_2", "x"),  # which module it is is not recorded
        ("/model/Range", "/model/Range_1", "w"),  # the extents of two tensors
    ],
)
def test_others_stay_two(first: str, second: str, other: str) -> None:
    assert ranges(first, second, other) == 2
