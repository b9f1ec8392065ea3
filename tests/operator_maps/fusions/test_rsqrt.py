from __future__ import annotations

import numpy as np
import pytest
from graph.fusions.recognition import fused, model_of
from harness import check_model

X = np.array([0.25, 1.0, 3.0, 1e-30, 1e30, 0.0, -0.0, -1.0, np.inf, np.nan])
RSQRT = "(float[n] x) => (float[n] y) { r = Sqrt(x) y = Reciprocal(r) }"


@pytest.mark.parametrize("dtype", ["float", "double"])
def test_the_reciprocal_of_a_root_is_rsqrt(dtype: str) -> None:
    text, x = RSQRT.replace("float", dtype), X.astype({"float": np.float32}.get(dtype, np.float64))
    assert fused(text, x[:5]) == ["Rsqrt"]
    assert "return ops.rsqrt(x)" in check_model(model_of(text), [x]).script


def test_a_root_that_is_read_again_stays() -> None:
    text = RSQRT.replace("(float[n] y) {", "(float[n] y, float[n] r) {")
    assert "Rsqrt" not in fused(text, X[:5].astype(np.float32))


def test_half_precision_rounds_the_root() -> None:
    assert "Rsqrt" not in fused(RSQRT.replace("float[", "float16["), X[:3].astype(np.float16))
