from __future__ import annotations

from math import pi, sqrt

import numpy as np
import pytest
from graph.fusions.recognition import fused, model_of
from harness import check_model

X = np.random.default_rng(0).normal(scale=3, size=(2, 5)).astype(np.float32)
NUMBERS = {
    "zero": 0, "half": 0.5, "one": 1, "two": 2, "three": 3, "six": 6, "sixth": 1 / 6, "twenty": 20, "fifth": 0.2,
    "r2": sqrt(2), "r1_2": 1 / sqrt(2), "c": 0.044715, "r2_pi": sqrt(2 / pi), "q": 1.702, "almost": 0.5001,
    "tensor": np.ones((1, 1, 1)),
}  # fmt: skip


def left_of(body: str) -> list[str]:
    """The operators that are left of `y = f(x)`; `body` is a list of statements."""
    weights = {name: np.asarray(number, np.float32) for name, number in NUMBERS.items() if name in body} | {
        "axes": np.array([-1], np.int64),
        "first": np.array([0], np.int64),
    }
    return fused(f"(float[n,5] x) => (float[n,5] y) {{ {body} }}", X, **weights)


CASES = {
    "gelu: x * 0.5 first": ("a = Div(x, r2) b = Erf(a) c1 = Add(b, one) d = Mul(x, half) y = Mul(d, c1)", "Gelu"),
    "gelu: 0.5 last": ("a = Mul(x, r1_2) b = Erf(a) c1 = Add(one, b) d = Mul(x, c1) y = Mul(d, half)", "Gelu"),
    "gelu: 0.5 with erf": ("a = Mul(r1_2, x) b = Erf(a) c1 = Add(b, one) d = Div(c1, two) y = Mul(x, d)", "Gelu"),
    "gelu: complement of erf": (
        "n = Neg(x) a = Mul(n, r1_2) b = Erf(a) c1 = Sub(one, b) d = Mul(half, x) y = Mul(d, c1)",
        "Gelu",
    ),
    "gelu: tanh, Pow": (
        (
            "a = Pow(x, three) b = Mul(c, a) d = Add(x, b) e = Mul(r2_pi, d) f = Tanh(e) g = Add(f, one) "
            "h = Mul(x, g) y = Mul(half, h)"
        ),
        "Gelu",
    ),
    "gelu: tanh, products": (
        (
            "a = Mul(x, x) a1 = Mul(a, x) b = Mul(c, a1) d = Add(x, b) e = Mul(r2_pi, d) f = Tanh(e) g = Add(f, one) "
            "h = Mul(x, half) y = Mul(h, g)"
        ),
        "Gelu",
    ),
    "gelu: tanh, square": (
        (
            "a = Mul(x, c) a1 = Mul(a, x) b = Add(a1, one) d = Mul(x, r2_pi) e = Mul(d, b) f = Tanh(e) g = Add(one, f) "
            "h = Mul(x, half) y = Mul(h, g)"
        ),
        "Gelu",
    ),
    "silu": ("a = Sigmoid(x) y = Mul(a, x)", "Swish"),
    "silu of 1.702 x": ("a = Mul(q, x) b = Sigmoid(a) y = Mul(x, b)", "Swish"),
    "hard sigmoid": ("a = Add(x, three) b = Clip(a, zero, six) y = Div(b, six)", "HardSigmoid"),
    "hard sigmoid: Relu, Min": ("a = Add(x, three) r = Relu(a) b = Min(r, six) y = Mul(b, sixth)", "HardSigmoid"),
    "hard sigmoid: slope 0.2": ("a = Mul(x, fifth) b = Add(a, half) y = Clip(b, zero, one)", "HardSigmoid"),
    "hard sigmoid: x / 6": ("a = Div(x, six) b = Add(a, half) y = Clip(b, zero, one)", "HardSigmoid"),
    "clip": ("a = Max(x, zero) y = Min(a, six)", "Clip"),
    "clip: bounds in the other order": ("a = Min(six, x) y = Max(zero, a)", "Clip"),
    "hard sigmoid: Min, Max": ("a = Add(x, three) m = Max(a, zero) b = Min(m, six) y = Div(b, six)", "HardSigmoid"),
    "hard swish": ("a = Add(x, three) b = Clip(a, zero, six) d = Mul(x, b) y = Div(d, six)", "HardSwish"),
    "hard swish: / 6 first": ("a = Add(x, three) b = Clip(a, zero, six) d = Div(b, six) y = Mul(x, d)", "HardSwish"),
    "hard swish: HardSigmoid": ("a = HardSigmoid <alpha=0.16666667, beta=0.5> (x) y = Mul(x, a)", "HardSwish"),
    "softplus": ("a = Exp(x) b = Add(a, one) y = Log(b)", "Softplus"),
    "softplus: threshold": ("a = Softplus(x) b = Greater(x, twenty) y = Where(b, x, a)", "Softplus"),
    "mish": ("a = Softplus(x) b = Tanh(a) y = Mul(x, b)", "Mish"),
    "mish: log": ("a = Exp(x) b = Add(one, a) d = Log(b) e = Tanh(d) y = Mul(x, e)", "Mish"),
    "softmax": ("a = ReduceMax(x, axes) b = Sub(x, a) d = Exp(b) e = ReduceSum(d, axes) y = Div(d, e)", "Softmax"),
}


@pytest.mark.parametrize(("body", "operator"), CASES.values(), ids=CASES)
def test_becomes_one_operator(body, operator):
    assert left_of(body) == [operator]


NEAR_MISSES = {
    "gelu: half is not half": "a = Div(x, r2) b = Erf(a) c1 = Add(b, one) d = Mul(x, almost) y = Mul(d, c1)",
    "gelu: erf of another": "w = Abs(x) a = Div(w, r2) b = Erf(a) c1 = Add(b, one) d = Mul(x, half) y = Mul(d, c1)",
    "softplus with another axis": "a = Exp(x) b = Add(a, tensor) s = Log(b) y = ReduceMax <keepdims=0> (s, first)",
    "silu of another": "w = Abs(x) a = Sigmoid(w) y = Mul(a, x)",
    "silu: sigmoid used": "a = Sigmoid(x) b = Mul(a, x) y = Add(a, b)",
    "hard sigmoid: up to 3": "a = Add(x, three) b = Clip(a, zero, three) y = Div(b, six)",
    "hard swish: other slope": "a = HardSigmoid <alpha=0.2, beta=0.5> (x) y = Mul(x, a)",
    "softplus: threshold too low": "a = Softplus(x) b = Greater(x, six) y = Where(b, x, a)",
    "clip: bounds change places": "a = Max(x, six) y = Min(a, zero)",
    "softplus: two": "a = Exp(x) b = Add(a, two) y = Log(b)",
}


@pytest.mark.parametrize("body", NEAR_MISSES.values(), ids=NEAR_MISSES)
def test_near_misses_stay(body):
    assert len(left_of(body)) > 1


def test_float16_constants_count_as_what_their_type_can_hold():
    text = (
        "(float16[n,5] x) => (float16[n,5] y) "
        "{ a = Mul(x, r) b = Erf(a) c = Add(b, one) d = Mul(x, half) y = Mul(d, c) }"
    )
    weights = {"r": np.float16(1 / sqrt(2)), "one": np.float16(1), "half": np.float16(0.5)}
    assert fused(text, X.astype(np.float16), rtol=1e-2, atol=1e-2, **weights) == ["Gelu"]


def test_script():
    body = "a = Div(x, r2) b = Erf(a) c1 = Add(b, one) d = Mul(x, half) y = Mul(d, c1)"
    weights = {name: np.float32(NUMBERS[name]) for name in ("r2", "one", "half")}
    rep = check_model(model_of(f"(float[n,5] x) => (float[n,5] y) {{ {body} }}", **weights), [X])
    assert "return ops.gelu(x)" in rep.script
    assert len(rep.translation.program.records) == 5
