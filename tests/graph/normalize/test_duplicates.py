"""One Range for the numbers that a module counts several times, one Split for each tensor that it splits."""

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


SPLITS = """
    g (float[N, 6] x, float[N, 6] w) => (float[N, 2] y, float[N, M] z)
    <int64[2] parts = {2, 4}, int64[2] same = {2, 4}> {
        a, b = Split <axis = 1> (x, parts)
        y = Neg (a)
        c, d = Split <axis = 1> (OTHER, same)
        z = Neg (READ)
    }
"""


@pytest.mark.parametrize(
    ("second", "other", "read", "count"),
    [
        ("/model/Split_1", "x", "d", 1),
        ("/model/Split_1", "x", "c", 1),
        ("/other/Split", "x", "d", 1),  # torch splits a tensor in each of the layers that read its parts
        ("/other/Split", "x", "c", 2),  # two modules that read the same part
        ("/model/Split_1", "w", "d", 2),
    ],
)
def test_splits(second: str, other: str, read: str, count: int) -> None:
    made = parse(SPLITS.replace("OTHER", other).replace("READ", read), 17)
    made.producer_name = "pytorch"
    for node in made.graph.node:
        node.name = {"a": "/model/Split", "c": second}.get(node.output[0], f"/{node.output[0]}")
    assert sum(node.op_type == "Split" for node in assert_equals_original(made).graph) == count


FILLS = """
    g (float[N, 4] x, float[M, 4] w) => (float[N, 3] y, float[M, 3] z)
    <float zero = {0}, float other = {0}, int64[1] width = {3}, int64[1] same = {3}> {
        n = Shape <start = 0, end = 1> (x)
        shape = Concat <axis = 0> (n, width)
        a = Expand (zero, shape)
        y = Neg (a)
        m = Shape <start = 0, end = 1> (OF)
        second = Concat <axis = 0> (m, same)
        b = Expand (other, second)
        z = Exp (b)
    }
"""


@pytest.mark.parametrize(("of", "count"), [("x", 1), ("w", 2)])
@pytest.mark.parametrize("operator", ["Expand", "ConstantOfShape"])
@pytest.mark.parametrize("reshaped", [False, True])
def test_equal_fills_are_one(reshaped: bool, operator: str, of: str, count: int) -> None:
    text = FILLS
    if reshaped:  # as torch's exporter writes an extent among others
        for one, many in (("n = ", "shape = "), ("m = ", "second = ")):
            text = text.replace(one, f"a{one}").replace(many, f"{one}Reshape (a{one[0]}, flat) {many}")
        text = text.replace("int64[1] same", "int64[1] flat = {-1}, int64[1] same")
    text = text.replace("OF", of).replace("M", "N" if of == "x" else "M")
    if operator == "ConstantOfShape":
        text = text.replace("Expand (zero, ", "ConstantOfShape (").replace("Expand (other, ", "ConstantOfShape (")
    made = assert_equals_original(parse(text, 17))
    assert sum(node.op_type == operator for node in made.graph) == count
