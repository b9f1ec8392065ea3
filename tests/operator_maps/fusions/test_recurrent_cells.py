"""One step of a recurrent layer, as torch's exporter writes nn.GRUCell and nn.LSTMCell."""

from __future__ import annotations

import numpy as np
import pytest
from graph.fusions.recognition import fused, model_of
from harness import check_model

RANDOM = np.random.default_rng(0)
BATCH, FEATURES, HIDDEN = 3, 5, 4
X, H, C = (RANDOM.normal(size=(BATCH, width)).astype(np.float32) for width in (FEATURES, HIDDEN, HIDDEN))
GRU = """(float[n,5] x, float[n,4] h) => (float[n,4] y) {{
    a = Gemm <transB = 1> (x, weight_ih{0}) b = Gemm <transB = 1> (h, weight_hh{1})
    xr, xz, xn = Split <axis = 1, num_outputs = 3> (a) hr, hz, hn = Split <axis = 1, num_outputs = 3> (b)
    r0 = Add(hr, xr) r = Sigmoid(r0) z0 = Add(hz, xz) z = Sigmoid(z0)
    m = Mul(hn, r) n0 = Add(xn, m) new = Tanh(n0) d = Sub(h, new) s = Mul(d, z) y = Add(s, new)
}}"""
LSTM = """(float[n,5] x, float[n,4] h, float[n,4] c) => (float[n,4] y, float[n,4] k) {{
    a = Gemm <transB = 1> (h, weight_hh{1}) b = Gemm <transB = 1> (x, weight_ih{0}) total = Add(a, b)
    i0, f0, g0, o0 = Split <axis = 1, num_outputs = 4> (total)
    i = Sigmoid(i0) f = Sigmoid(f0) g = Tanh(g0) o = Sigmoid(o0)
    p = Mul(f, c) q = Mul(i, g) k = Add(p, q) t = Tanh(k) y = Mul(o, t)
}}"""


def weights(gates: int, bias: bool, features: int = FEATURES) -> dict[str, np.ndarray]:
    shapes = {"weight_ih": (gates * HIDDEN, features), "weight_hh": (gates * HIDDEN, HIDDEN)}
    shapes |= {"bias_ih": (gates * HIDDEN,), "bias_hh": (gates * HIDDEN,)} if bias else {}
    return {name: RANDOM.normal(size=shape).astype(np.float32) for name, shape in shapes.items()}


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize(
    ("text", "gates", "feeds", "layer"), [(GRU, 3, (X, H), "GRUCell"), (LSTM, 4, (X, H, C), "LSTMCell")]
)
def test_a_step_is_a_cell(text, gates, feeds, layer, bias):
    text, given = text.format(*[", bias_ih", ", bias_hh"] if bias else ["", ""]), weights(gates, bias)
    assert fused(text, *feeds, **given) == [layer]
    rep = check_model(model_of(text, **given), feeds)
    assert f"nn.{layer}(5, 4{'' if bias else ', False'})" in rep.script


def test_an_input_as_wide_as_the_state():
    text, given = LSTM.format(", bias_ih", ", bias_hh").replace("float[n,5]", "float[n,4]"), weights(4, True, HIDDEN)
    rep = check_model(model_of(text, **given), (C, H, C))
    assert "self.lstmcell(x, (h, c))" in rep.script


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("d = Sub(h, new)", "d = Sub(other, new)"),
        ("r = Sigmoid(r0)", "r = Tanh(r0)"),
        ("xr, xz, xn =", "xz, xr, xn ="),
        ("transB = 1> (x", "transB = 1, alpha = 2.0> (x"),
    ],
    ids=["state", "gate", "order", "scale"],
)
def test_another_step_is_none(old, new):
    text = GRU.format(", bias_ih", ", bias_hh").replace("float[n,4] h)", "float[n,4] h, float[n,4] other)")
    assert "GRUCell" not in fused(text.replace(old, new), X, H, C, **weights(3, True))


@pytest.mark.parametrize(
    ("old", "new"), [("q = Mul(i, g)", "q = Mul(i, c)"), ("f = Sigmoid(f0)", "f = Sigmoid(i0)")], ids=["cell", "gate"]
)
def test_another_step_is_no_lstm(old, new):
    text = LSTM.format(", bias_ih", ", bias_hh").replace(old, new)
    assert "LSTMCell" not in fused(text, X, H, C, **weights(4, True))
