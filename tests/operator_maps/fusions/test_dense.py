from __future__ import annotations

import numpy as np
import pytest
from graph.fusions.recognition import fused, model_of
from harness import check_model

RANDOM = np.random.default_rng(0)
X = RANDOM.normal(size=(2, 5, 4)).astype(np.float32)
W = RANDOM.normal(size=(4, 3)).astype(np.float32)
B = RANDOM.normal(size=3).astype(np.float32)


@pytest.mark.parametrize("add", ["Add(t, b)", "Add(b, t)"])
@pytest.mark.parametrize("shape", [(3,), (1, 3), (1, 1, 3)])
def test_matmul_and_add_are_a_dense_layer(add, shape):
    text = f"(float[n,5,4] x) => (float[n,5,3] y) {{ t = MatMul(x, w) y = {add} }}"
    assert fused(text, X, w=W, b=B.reshape(shape)) == ["Dense"]


@pytest.mark.parametrize(
    ("text", "weights"),
    [
        ("(float[n,5,4] x) => (float[n,5,3] y, float[n,5,3] t) { t = MatMul(x, w) y = Add(t, b) }", {"w": W, "b": B}),
        ("(float[n,5,4] x) => (float[n,5,3] y) { t = MatMul(x, w) u = Add(t, b) y = Mul(t, u) }", {"w": W, "b": B}),
        ("(float[n,5,4] x) => (float[n,5,3] y) { t = MatMul(x, w) y = Add(t, b) }", {"w": W, "b": X[0, :, :3]}),
        (
            "(float[n,5,4] x) => (float[n,n,5,3] y) { t = MatMul(x, w) y = Add(t, b) }",
            {"w": W, "b": B.reshape(1, 1, 1, 3)},
        ),
        ("(float[n,5,4] x, float[3] b) => (float[n,5,3] y) { t = MatMul(x, w) y = Add(t, b) }", {"w": W}),
    ],
    ids=["output", "used-elsewhere", "matrix", "more-axes", "computed"],
)
def test_near_misses_stay(text, weights):
    feeds = [X, B] if "b" not in weights else [X]
    assert "Dense" not in fused(text, *feeds, **weights)


ROWS = "(float[n,5,4] x) => (float[n,5,3] y) { a = Reshape(x, flat) b = Gemm <transB=%d> (a, w, c) y = Reshape(b, to) }"


@pytest.mark.parametrize("trans", [0, 1])
def test_gemm_of_all_rows_is_a_dense_layer(trans):
    shapes = {"flat": np.array([-1, 4]), "to": np.array([-1, 5, 3])}
    assert fused(ROWS % trans, X, w=W.T if trans else W, c=B, **shapes)[-1] == "Dense"


def test_gemm_of_heads_as_rows_is_a_dense_layer():
    """GPT-2's last linear layer of an attention, which takes the heads together."""
    text = "(float[n,m,2,2] x) => (float[n,m,3] y) { r = Reshape(x, flat) g = Gemm(r, w, c) s = Shape(x) "
    text += "t = Slice(s, start, end) u = Concat <axis=0> (t, three) y = Reshape(g, u) }"
    numbers = {"flat": [-1, 4], "start": [0], "end": [2], "three": [3]}
    weights = {"w": W, "c": B} | {name: np.array(each) for name, each in numbers.items()}
    left = fused(text, X.reshape(2, 5, 2, 2), **weights)
    assert "Dense" in left
    assert "Gemm" not in left


def test_gemm_of_other_rows_stays():
    shapes = {"flat": np.array([-1, 4]), "to": np.array([-1, 3, 5])}
    assert "Gemm" in fused((ROWS % 0).replace("float[n,5,3] y", "float[n,3,5] y"), X, w=W, c=B, **shapes)


def test_script():
    model = model_of("(float[n,5,4] x) => (float[n,5,3] y) { t = MatMul(x, w) y = Add(b, t) }", w=W, b=B.reshape(1, 3))
    rep = check_model(model, [X])
    assert "nn.Linear(4, 3)" in rep.script
    assert [record.operator for record in rep.translation.program.records] == ["onnx::MatMul", "onnx::Add"]


@pytest.mark.parametrize(
    ("equation", "x", "weight", "bias", "layer"),
    [
        ("abc,cde->abde", (2, 5, 4), (4, 2, 3), (2, 3), "nn.Linear(4, 6)"),
        ("abcd,cde->abe", (2, 5, 2, 3), (2, 3, 4), (4,), "nn.Linear(6, 4)"),
        ("abcd,cdef->abef", (2, 5, 2, 3), (2, 3, 4, 2), (1, 1, 4, 2), "nn.Linear(6, 8)"),
    ],
)
def test_an_einsum_with_a_bias_is_a_dense_layer(equation, x, weight, bias, layer):
    x, w, b = (RANDOM.normal(size=shape).astype(np.float32) for shape in (x, weight, bias))
    shape = ",".join(["n", "m", *map(str, x.shape[2:])])
    result = ",".join("nmcdefgh"[: len(equation.partition("->")[2])])
    text = f'(float[{shape}] x) => (float[{result}] y) {{ t = Einsum <equation="{equation}"> (x, w) y = Add(t, b) }}'
    assert fused(text, x, w=w, b=b) == ["Dense"]
    assert layer in check_model(model_of(text, w=w, b=b), [x]).script


@pytest.mark.parametrize(
    ("equation", "weight", "bias"),
    [("abc,dc->abd", (3, 4), (3,)), ("abc,cd->adb", (4, 3), (5,)), ("abc,cd->abd", (4, 3), (5, 1))],
    ids=["turned", "another order", "another axis"],
)
def test_another_einsum_stays(equation, weight, bias):
    w, b = (RANDOM.normal(size=shape).astype(np.float32) for shape in (weight, bias))
    text = f'(float[n,5,4] x) => (float[n,f,g] y) {{ t = Einsum <equation="{equation}"> (x, w) y = Add(t, b) }}'
    assert fused(text, X, w=w, b=b) == ["Einsum", "Add"]
