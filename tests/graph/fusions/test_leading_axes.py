from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from graph.fusions.recognition import OPERATORS, fused, model_of

from converter.graph.fusions import fuse_operators
from converter.graph.normalize import normalize
from converter.graph.queries import axes_of

X = np.random.default_rng(0).normal(size=(2, 4, 3, 3)).astype(np.float32)
POSITIONS = "p = Add(w, w) a = Unsqueeze(p, row) b = Unsqueeze(p, column) "
W = {"w": np.arange(3, dtype=np.float32)}
WEIGHTS = W | {"row": np.array([0, 1, 2]), "column": np.array([0, 1, 3])}


def new_axes(text: str, x: np.ndarray, **weights: np.ndarray) -> list[tuple[int, ...] | None]:
    """The axes that each Unsqueeze inserts which is left; the numbers stay."""
    fused(text, x, **weights)
    model = normalize(model_of(text, **weights), Path())
    fuse_operators(model, OPERATORS)
    return [axes_of(node.inputs[1], node.outputs[0]) for node in model.graph if node.op_type == "Unsqueeze"]


@pytest.mark.parametrize(
    ("body", "left"),
    [
        ("m = Sub(a, b) y = Add(x, m)", [(1,)]),  # p - p[:, None]
        ("m = Sub(a, b) c = Cos(m) y = Mul(c, x)", [(1,)]),
        ("m = Sub(a, b) s = Softmax(m) y = Add(x, s)", [(0, 1, 3)]),  # Softmax reads the shape
        ("m = Sub(a, b) c = Concat <axis=3> (m, m) y = Add(z, c)", [(1,)]),
        ("m = Sub(a, b) c = Concat <axis=-1> (m, b) y = Add(v, c)", [(1,)]),
        ("m = Sub(a, b) c = Concat <axis=0> (m, b4) y = Add(x, c)", [(0, 1, 3)]),  # along an axis that would go
        ("m = Sub(a, b) c = Concat <axis=-1> (m, b4) y = Add(v, c)", [(0, 1, 3)]),  # beside one that has it
    ],
)
def test_leading_axes_go_that_broadcasting_adds(body: str, left: list[tuple[int, ...]]) -> None:
    text = "(float[2,4,3,3] x) => (float[a,b,c,d] y) { z = Concat <axis=-1> (x, x) v = Concat <axis=-1> (x, v1) "
    constants = {"v1": X[..., :1], "b4": X[:1, :1, :, :1]}
    if "Concat <axis=0>" in body:
        constants["b4"] = X[:1, :1]
    assert new_axes(text + POSITIONS + body + " }", X, **WEIGHTS, **constants) == left


def test_an_output_keeps_its_axes() -> None:
    text = f"(float[2,4,3,3] x) => (float[a,b,c,d] y, float[1,1,3,3] m) {{ {POSITIONS} m = Sub(a, b) y = Add(x, m) }}"
    assert new_axes(text, X, **WEIGHTS) == [(0, 1, 3)]


def test_a_sub_graph_keeps_what_it_reads() -> None:
    branch = "graph = g () => (float[a,b,c,d] {0}) {{ {0} = {1} }}"
    branches = f"then_{branch.format('t', 'Softmax(m)')}, else_{branch.format('e', 'Tanh(m)')}"
    branches = branches.replace("then_graph", "then_branch").replace("else_graph", "else_branch")
    text = f"(float[2,4,3,3] x) => (float[a,b,c,d] y) {{ {POSITIONS} m = Sub(a, b) s = ReduceMax <keepdims=0> (x) "
    text += f"q = Greater(s, zero) n = If <{branches}> (q) y = Add(x, n) }}"
    assert new_axes(text, X, **WEIGHTS, zero=np.float32(0)) == [(0, 1, 3)]


def test_rows_of_a_table_are_taken_by_a_vector() -> None:
    """Embeddings of positions: `x + table(positions)` instead of `x + table(positions[None])`."""
    text = "(float[2,3,5] x) => (float[2,3,5] y) { i = Add(at, one) u = Unsqueeze(i, front) g = Gather(table, u) "
    text += "y = Add(x, g) }"
    weights = {
        "at": np.array([0, 2, 1]),
        "one": np.array(1),
        "front": np.array([0]),
        "table": X.reshape(-1)[:30].reshape(6, 5),
    }
    assert new_axes(text, X.reshape(-1)[:30].reshape(2, 3, 5), **weights) == []


def test_new_axes_in_the_middle_of_a_table_that_lacks_its_own() -> None:
    """A rotary table (1, S, D) that gets an axis for the heads is (S, D) all along."""
    text = "(float[2,4,3,3] x) => (float[2,4,3,3] y) { p = Add(w, w) a = Unsqueeze(p, first) f = Mul(a, v) c = Cos(f) "
    text += "u = Unsqueeze(c, heads) y = Mul(x, u) }"
    axes = {"first": np.array([0, 2]), "heads": np.array([1])}
    assert new_axes(text, X, **W, v=np.float32([1, 2, 3]), **axes) == [(1,)]
