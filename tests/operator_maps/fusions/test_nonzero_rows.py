from __future__ import annotations

import numpy as np
import pytest
from graph.fusions.recognition import fused, model_of
from harness import check_model

X = np.array([[1.0, 0.0, 2.0], [0.0, 0.0, 3.0]], np.float32)
ROWS = "(float[2,3] x) => (int64[n,2] y) {{ p = NonZero(x) y = Transpose <perm = {}> (p) }}"


def test_positions_that_are_turned_are_rows():
    assert fused(ROWS.format([1, 0]), X) == ["NonZeroRows"]
    assert "return ops.nonzero(x != 0)" in check_model(model_of(ROWS.format([1, 0])), [X]).script


def test_a_transpose_without_perm_turns_them():
    assert fused(ROWS.format("").replace("<perm = >", ""), X) == ["NonZeroRows"]


@pytest.mark.parametrize(
    "changed",
    [
        ("[1, 0]", "[0, 1]"),
        ("y = ", "z = Add(p, p) y = "),
    ],
)
def test_other_positions_stay(changed):
    body = ROWS.format([1, 0]).replace("int64[n,2]", "int64[n,m]").replace(*changed)
    assert "NonZeroRows" not in fused(body.replace("(p) }", "(z) }") if "z =" in body else body, X)
