from __future__ import annotations

import numpy as np
import pytest
from graph.fusions.recognition import fused, model_of
from harness import check_model

X = np.random.default_rng(0).normal(size=(2, 3)).astype(np.float32)
AXES = {name: np.array([number]) for name, number in {"zero": 0, "one": 1, "last": -1}.items()}


def graph(body: str) -> str:
    return f"(float[n,3] x) => (float[a,b,c] y) {{ r = Relu(x) {body} }}"


@pytest.mark.usefixtures("behind_layers")
@pytest.mark.parametrize(
    ("concat", "axes", "text"),
    [(0, "zero", "ops.stack((x, r))"), (1, "one", "ops.stack((x, r), 1)"), (-1, "last", "ops.stack((x, r), 2)")],
)
def test_parts_along_a_new_axis_are_stacked(concat: int, axes: str, text: str) -> None:
    body = f"a = Unsqueeze(x, {axes}) b = Unsqueeze(r, {axes}) y = Concat <axis={concat}> (a, b)"
    weights = {axes: AXES[axes]}
    assert fused(graph(body), X, **weights) == ["Relu", "Stack"]
    script = check_model(model_of(graph(body), **weights), [X]).script
    assert text.replace("r)", "ops.relu(x))") in script or text in script


@pytest.mark.parametrize(
    "body",
    [
        "a = Unsqueeze(x, one) b = Unsqueeze(r, one) y = Concat <axis=2> (a, b)",
        "a = Unsqueeze(x, zero) b = Unsqueeze(w, zero) y = Concat <axis=0> (a, b)",
        "b = Unsqueeze(r, zero) y = Concat <axis=0> (c, b)",
    ],
    ids=["another axis", "a parameter", "no new axis"],
)
def test_others_stay(body: str) -> None:
    weights = {"w": X, "c": X[None]} | AXES
    weights = {name: array for name, array in weights.items() if f"({name}," in body or f", {name})" in body}
    assert "Stack" not in fused(graph(body), X, **weights)
