from __future__ import annotations

import numpy as np
import pytest
from graph.fusions.recognition import fused, model_of
from harness import check_model

X = np.random.default_rng(0).normal(size=(2, 12, 3)).astype(np.float32)
FAR = np.iinfo(np.int64).max


def unfolded(size: int, starts: list[int], new: int, transpose: str, axis: int = 1) -> tuple[str, dict]:
    """Slices of `x`, stacked along a new axis; and their bounds."""
    weights = {"axis": np.array([axis]), "new": np.array([new])}
    body, parts = "", []
    for i, start in enumerate(starts):
        weights |= {f"s{i}": np.array([start]), f"e{i}": np.array([start + size])}
        body += f"a{i} = Slice(x, s{i}, e{i}, axis) "
        body += f"b{i} = Transpose <perm = [{transpose}]> (a{i}) " if transpose else f"b{i} = Identity(a{i}) "
        body += f"c{i} = Unsqueeze(b{i}, new) "
        parts.append(f"c{i}")
    return body + f"t = Concat <axis = {new}> ({', '.join(parts)}) y = Tanh(t)", weights


@pytest.mark.parametrize("length", ["12", "n"])
@pytest.mark.parametrize(("new", "transpose"), [(1, ""), (1, "0,2,1"), (-1, ""), (2, "1,0,2"), (0, "")])
@pytest.mark.parametrize(
    ("size", "starts"), [(4, [0, 4, 8]), (3, [0, 3, 6]), (4, [0, 2, 4, 6, 8]), (2, [5, 0, 8])], ids=str
)
def test_windows_are_one_view(size, starts, new, transpose, length):
    body, weights = unfolded(size, starts, new, transpose)
    text = f"(float[b,{length},3] x) => (float[p,q,r,s] y) {{ {body} }}"
    left = fused(text, X, **weights)
    assert left.count("Concat") == 0
    assert left.count("Gather") == (starts != list(range(0, starts[-1] + 1, size)))


def test_script():
    body, weights = unfolded(4, [0, 4, 8], 1, "")
    rep = check_model(model_of(f"(float[b,12,3] x) => (float[b,3,4,3] y) {{ {body} }}", **weights), [X])
    assert "ops.tanh(x.reshape((x.shape[0], 3, 4, 3)))" in rep.script


@pytest.mark.parametrize(
    "body",
    [
        unfolded(4, [0, 4, 8], 1, "")[0].replace("c1, c2", "c1, c2, c0"),
        unfolded(4, [0, 4, 8], 1, "")[0].replace("y = Tanh(t)", "z = Concat<axis = 1>(t, c1) y = Tanh(z)"),
    ],
    ids=["twice", "used-elsewhere"],
)
def test_near_misses_stay(body):
    weights = unfolded(4, [0, 4, 8], 1, "")[1]
    left = fused(f"(float[b,12,3] x) => (float[b,p,4,3] y) {{ {body} }}", X, **weights)
    assert {"Concat", "Stack"} & set(left)
