from __future__ import annotations

import numpy as np
import pytest
from graph.fusions.recognition import fused, model_of
from harness import check_model

X = np.random.default_rng(0).normal(size=(2, 5, 6)).astype(np.float32)
ROTATE = (
    "(float[n,5,6] x) => (float[n,5,6] y) { a = Slice(x, half, far, axes, one) b = Slice(x, zero, half, axes, one) "
)
ROTATE += "c = Neg(a) y = Concat <axis=-1> (c, b) }"


@pytest.mark.parametrize(("half", "operator"), [(3, "RotateHalf"), (2, "Concat")])
def test_rotary_embedding(half, operator):
    bounds = {"half": half, "axes": 2, "one": 1, "zero": 0, "far": np.iinfo(np.int64).max}
    weights = {name: np.array([number]) for name, number in bounds.items()}
    assert fused(ROTATE, X, **weights)[-1] == operator
    if operator == "RotateHalf":
        assert "return rotate_half(x)" in check_model(model_of(ROTATE, **weights), [X]).script
