from __future__ import annotations

import numpy as np
import pytest
from graph.fusions.recognition import fused

X = np.random.default_rng(0).normal(size=(2, 3)).astype(np.float32)
ELEMENTS = """(float[n,3] x) => (float[k] y) {{
    m = ReduceSum <keepdims = 0> (x, first) a = Gather(m, {0}) b = Gather(m, {1}) c = Gather(m, {2})
    p = Reshape(a, whole) q = Unsqueeze(b, first) r = Reshape(c, whole) j = Concat <axis = 0> ({3}) y = Relu(j)
}}"""


@pytest.mark.parametrize(
    ("order", "parts", "joined"),
    [
        (("zero", "one", "two"), "p, q, r", True),
        (("zero", "one", "last"), "p, q, r", True),
        (("one", "zero", "two"), "p, q, r", False),
        (("zero", "one", "two"), "p, q", False),
    ],
    ids=str,
)
def test_all_elements_of_a_vector(order, parts, joined):
    """What torch exports for the lengths of a split that `lengths.tolist()` gave."""
    numbers = {"zero": 0, "one": 1, "two": 2, "last": -1}
    constants = {name: np.array(number) for name, number in numbers.items() if name in order}
    left = fused(ELEMENTS.format(*order, parts), X, first=np.array([0]), whole=np.array([-1]), **constants)
    assert ("Concat" not in left) == joined


PARTS = """(float[2,6,3] x) => (float[a,b,c] y) {{
    s = Relu(x) a = Slice(s, n0, n1, axis) b = Slice(s, n1, {0}, axis) c = Slice(s, {0}, {1}, axis) {2}
}}"""
RAISED = "p = Exp(a) q = Abs(b) r = Neg(c) y = Concat <axis = 1> (r, q, p)"
BOUNDS = {f"n{i}": np.array([i]) for i in (0, 1, 3, 4)} | {"axis": np.array([1]), "far": np.array([1 << 40])}
WHOLE = np.random.default_rng(0).normal(size=(2, 6, 3)).astype(np.float32)


@pytest.mark.parametrize(("bounds", "whole"), [(("n3", "far"), True), (("n3", "n4"), False), (("n4", "far"), True)])
def test_slices_that_are_all_parts_of_an_axis_are_a_split(bounds, whole):
    left = fused(PARTS.format(*bounds, RAISED), WHOLE, **BOUNDS)
    assert (left.count("Split"), left.count("Slice")) == ((1, 0) if whole else (0, 3))


def test_two_slices_stay():
    body = "s = Relu(x) a = Slice(s, n0, n3, axis) b = Slice(s, n3, far, axis) p = Exp(a) y = Concat <axis = 1> (b, p)"
    assert fused(f"(float[2,6,3] x) => (float[a,b,c] y) {{ {body} }}", WHOLE, **BOUNDS).count("Slice") == 2


@pytest.mark.parametrize("places", [("zero", "zero", "zero"), ("zero", "zero", "one")])
def test_one_element_of_each_part_is_taken_before_the_split(places):
    """Detectors split the predictions of all levels, and take those of each image."""
    taken = " ".join(f"{name}0 = Gather({name}, {place})" for name, place in zip("abc", places, strict=True))
    body = f"{taken} p = Exp(a0) q = Abs(b0) r = Neg(c0) y = Concat <axis = 0> (r, q, p)"
    numbers = {"zero": np.array(0), "one": np.array(1)}
    left = fused(PARTS.format("n3", "far", body).replace("float[a,b,c]", "float[a,b]"), WHOLE, **BOUNDS, **numbers)
    assert left.count("Gather") == (1 if len(set(places)) == 1 else 3)
    assert left.count("Split") == 1
