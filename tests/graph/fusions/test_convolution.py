from __future__ import annotations

import numpy as np
import pytest
from graph.fusions.recognition import fused, model_of
from harness import check_model

RANDOM = np.random.default_rng(0)
X = RANDOM.normal(size=(2, 3, 6, 6)).astype(np.float32)
W = RANDOM.normal(size=(4, 3, 3, 3)).astype(np.float32)
B = RANDOM.normal(size=4).astype(np.float32)
CONV = "t = Conv<strides = [2, 1]>(x, w)"


@pytest.mark.parametrize("add", ["Add(t, b)", "Add(b, t)"])
@pytest.mark.parametrize("shape", [(4, 1, 1), (1, 4, 1, 1)])
def test_a_convolution_takes_its_bias(add, shape):
    text = f"(float[n,3,6,6] x) => (float[n,4,2,4] y) {{ {CONV} y = {add} }}"
    assert fused(text, X, w=W, b=B.reshape(shape)).count("Conv") == 1
    model = model_of(text, w=W, b=B.reshape(shape))
    rep = check_model(model, [X])
    assert 'nn.Conv2d(3, 4, 3, stride=(2, 1), pad_mode="valid", has_bias=True)' in rep.script
    assert [record.operator for record in rep.translation.program.records] == ["onnx::Conv", "onnx::Add"]


def test_a_transposed_convolution_takes_its_bias():
    text = "(float[n,4,6,6] x) => (float[n,3,8,8] y) { t = ConvTranspose(x, w) y = Add(t, b) }"
    rep = check_model(model_of(text, w=W, b=B[:3].reshape(3, 1, 1)), [X[:, [0, 1, 2, 0]]])
    assert "has_bias=True" in rep.script


@pytest.mark.parametrize(
    ("text", "bias"),
    [
        (f"(float[n,3,6,6] x) => (float[n,4,2,4] y, float[n,4,2,4] t) {{ {CONV} y = Add(t, b) }}", (4, 1, 1)),
        (f"(float[n,3,6,6] x) => (float[n,4,2,4] y) {{ {CONV} u = Add(t, b) y = Mul(u, b) }}", (4, 1, 1)),
        (f"(float[n,3,6,6] x) => (float[n,4,2,4] y) {{ {CONV} y = Add(t, b) }}", (4,)),
        (f"(float[n,3,6,6] x) => (float[n,4,2,4] y) {{ {CONV} y = Add(t, b) }}", (1, 1, 1, 4)),
    ],
    ids=["output", "bias-used-elsewhere", "along-width", "along-width-4d"],
)
def test_near_misses_stay(text, bias):
    assert "Add" in fused(text, X, w=W, b=B.reshape(bias))
