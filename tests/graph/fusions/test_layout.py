from __future__ import annotations

import numpy as np
import pytest
from graph.fusions.recognition import fused, model_of
from harness import check_model

RANDOM = np.random.default_rng(0)
X = RANDOM.normal(size=(2, 3, 5, 6)).astype(np.float32)
W = RANDOM.normal(size=(3, 3, 1, 1)).astype(np.float32)
NUMBERS = {"half": np.float32(0.5), "row": RANDOM.normal(size=3).astype(np.float32), "pixels": np.array([1, 2])}
NUMBERS |= {"pads": np.array([0, 1, 0, 0, 0, 0, 2, 0]), "one": np.ones((1, 1, 1, 1), np.float32)}
LAST, FIRST = "Transpose <perm = [0, 2, 3, 1]>", "Transpose <perm = [0, 3, 1, 2]>"


def left_of(body: str) -> list[str]:
    text = f"(float[n,3,5,6] x) => (float[a,b,c,d] y) {{ {body} }}"
    weights = {name: array for name, array in {**NUMBERS, "w": W}.items() if f"{name})" in body or f"{name}," in body}
    return fused(text, X, **weights)


@pytest.mark.parametrize(
    ("body", "left"),
    [
        (f"t = {LAST} (x) r = Relu(t) z = {FIRST} (r)", ["Relu", "Neg"]),
        (f"t = {LAST} (x) a = Add(half, t) b = Mul(a, one) z = {FIRST} (b)", ["Add", "Mul", "Neg"]),
        (f"t = {LAST} (x) s = Sigmoid(t) m = Mul(t, s) z = {FIRST} (m)", ["Swish", "Neg"]),
        (f"r = Relu(x) t = {LAST} (x) s = {LAST} (r) m = Add(t, s) z = {FIRST} (m)", ["Relu", "Add", "Neg"]),
        (f"t = {LAST} (x) p = Pad(t, pads) z = {FIRST} (p)", ["Pad", "Neg"]),
        (f"t = {LAST} (x) m = ReduceMean <keepdims = 1> (t, pixels) z = {FIRST} (m)", ["ReduceMean", "Neg"]),
        (f"t = {LAST} (x) r = Relu(t) z = Tanh(r)", ["Relu", "Tanh", "Neg", "Transpose"]),
        (
            f"t = {LAST} (x) g = Greater(t, half) k = Where(g, t, one) f = Cast <to = 10> (k) z = {FIRST} (f)",
            ["Greater", "Where", "Cast", "Neg"],
        ),
    ],
    ids=["unary", "numbers", "used twice", "two branches", "padding", "mean", "to the end", "other types"],
)
def test_transposes_sink_to_their_inverse(body: str, left: list[str]) -> None:
    assert left_of(f"{body} y = Neg(z)") == left


@pytest.mark.parametrize(
    "body",
    [
        f"t = {LAST} (x) a = Add(t, row) y = {FIRST} (a)",
        f"t = {LAST} (x) s = Softmax <axis = -1> (t) r = Relu(t) a = Add(s, r) y = {FIRST} (a)",
        "t = Transpose <perm = [0, 1, 3, 2]> (x) r = Relu(t) y = Transpose <perm = [0, 1, 3, 2]> (r)",
    ],
    ids=["vector", "read otherwise", "another order"],
)
def test_others_stay(body: str) -> None:
    assert left_of(body)[0] == "Transpose"


def test_script() -> None:
    body = f"c = Conv(x, w) t = {LAST} (c) h = Add(t, half) m = Mul(t, h) s = {FIRST} (m) y = Conv(s, w)"
    text = f"(float[n,3,5,6] x) => (float[n,3,5,6] y) {{ {body} }}"
    assert "transpose" not in check_model(model_of(text, w=W, half=NUMBERS["half"]), [X]).script
