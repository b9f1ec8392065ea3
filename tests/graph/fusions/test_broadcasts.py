from __future__ import annotations

import numpy as np
import pytest
from graph.fusions.recognition import fused

X = np.random.default_rng(0).normal(size=(2, 3, 5)).astype(np.float32)
MEAN = "m = ReduceMean(x, axes) e = Expand(m, shape) "


@pytest.mark.parametrize(
    ("body", "left"),
    [
        ("y = Mul(x, e)", ["ReduceMean", "Mul"]),
        ("a = Sub(e, x) y = Div(a, e)", ["ReduceMean", "Sub", "Div"]),
        ("y = Mul(e, e)", ["ReduceMean", "Expand", "Mul"]),  # nothing else is as large
        ("a = Mul(x, e) b = Relu(e) y = Add(a, b)", ["ReduceMean", "Mul", "Relu", "Add"]),
        ("a = Mul(x, e) b = Softmax(e) y = Add(a, b)", ["ReduceMean", "Expand", "Mul", "Softmax", "Add"]),
        ("y = Concat <axis=2> (x, e)", ["ReduceMean", "Expand", "Concat"]),
    ],
)
@pytest.mark.parametrize("batch", ["2", "n"])
def test_an_expansion_that_happens_by_itself_goes(body: str, left: list[str], batch: str) -> None:
    text = f"(float[{batch},3,5] x) => (float[{batch},3,c] y) {{ {MEAN + body} }}"
    shape = {"shape": np.array([2, 3, 5])}
    if batch == "n":
        text, shape = text.replace("e = Expand", "shape = Shape(x) e = Expand"), {}
    assert [op for op in fused(text, X, axes=np.array([1, 2]), **shape) if op != "Shape"] == left


@pytest.mark.parametrize(
    ("body", "goes"), [("y = Add(x, e)", True), ("y = Mul(e, e)", False), ("a = Softmax(e) y = Add(x, a)", False)]
)
def test_an_axis_in_front_goes(body: str, goes: bool) -> None:
    text = f"(float[2,3,5] x) => (float[r,3,5] y) {{ p = Add(w, w) e = Unsqueeze(p, axes) {body} }}"
    weights = {"w": X[0], "axes": np.array([0])}
    assert ("Unsqueeze" in fused(text, X, **weights)) != goes


@pytest.mark.parametrize(("reader", "goes"), [("y = Add(v, u)", True), ("y = Softmax(u)", False)])
def test_an_expansion_before_new_axes_goes(reader: str, goes: bool) -> None:
    """Positions of a text, expanded to the batch, are compared with each other in a mask that the scores broadcast."""
    text = "(float[2,3,5] x) => (float[a,b,c,d] y) { p = Add(w, w) e = Expand(p, to) u = Unsqueeze(e, axes) "
    text += f"v = Unsqueeze(x, new) {reader} }}"
    weights = {"w": X[:1, 0], "to": np.array([2, 5]), "axes": np.array([1, 2]), "new": np.array([1])}
    assert ("Expand" not in fused(text, X, **weights)) == goes


def test_a_tensor_of_one_number_times_another_is_one_number() -> None:
    text = "(float[n,3,5] x) => (float[n,3,5] y) { s = Shape(x) e = Expand(one, s) f = Mul(e, large) y = Min(x, f) }"
    numbers = {"one": np.array(-1, np.float32), "large": np.array(1e10, np.float32)}
    assert fused(text, X, **numbers) == ["Min"]
