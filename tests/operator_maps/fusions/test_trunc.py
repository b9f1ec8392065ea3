from __future__ import annotations

import numpy as np
from graph.fusions.recognition import fused, model_of
from harness import check_model

X = np.array([-3.7, -2.5, -1.0, -0.3, -0.0, 0.0, 0.3, 1.0, 2.5, 1e9, -np.inf, np.nan], np.float32)
TRUNC = "(float[n] x) => (float[n] y) { a = Abs(x) f = Floor(a) s = Sign(x) y = Mul(f, s) }"


def test_the_size_rounded_down_with_the_sign_is_trunc():
    assert fused(TRUNC, X[:-2]) == ["Trunc"]
    assert "return ops.trunc(x)" in check_model(model_of(TRUNC), [X]).script


def test_the_sign_of_another_number_is_no_trunc():
    text = TRUNC.replace("(float[n] x)", "(float[n] x, float[n] z)").replace("Sign(x)", "Sign(z)")
    assert "Trunc" not in fused(text, X[:3], X[3:6])
