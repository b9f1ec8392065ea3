from __future__ import annotations

import numpy as np
import pytest
from graph.fusions.recognition import fused, model_of
from harness import check_model

RANDOM = np.random.default_rng(0)
QUERIES, KEYS = RANDOM.standard_normal((2, 2, 4, 4)).astype(np.float32)
SOFTMAX = (
    "largest = ReduceMax(s, last) hidden = Equal(largest, infinity) shown = Where(hidden, zero, s) "
    "w = Softmax <axis=-1> (shown) y = Where(hidden, zero, w) "
)
NUMBERS = {"last": np.array([-1]), "infinity": np.float32(-np.inf), "zero": np.float32(0)}
BY_POSITION = (
    "n = Shape <start=1, end=2> (q) stop = Squeeze(n) rows = Range(first, stop, step) columns = Unsqueeze(rows, back) "
    "seen = LessOrEqual(rows, columns) m = Where(seen, zero, infinity) s = Add(p, m) "
)
POSITIONS = {"first": np.array(0), "step": np.array(1), "back": np.array([1])}


@pytest.mark.parametrize(
    ("masked", "constants", "last"),
    [
        ("s = Add(p, m) ", {"m": np.where(np.tri(4), 0, -np.inf).astype(np.float32)}, "Softmax"),
        ("s = Add(p, m) ", {"m": np.where(np.tri(4, k=-1), 0, -np.inf).astype(np.float32)}, "MaskedSoftmax"),
        (BY_POSITION, POSITIONS, "Softmax"),
    ],
    ids=["shows something", "hides a row", "positions"],
)
def test_zeros_go_where_no_row_is_hidden(masked, constants, last):
    text = f"(float[n,t,4] q, float[n,4,t] k) => (float[n,t,t] y) {{ p = MatMul(q, k) {masked}{SOFTMAX} }}"
    assert fused(text, QUERIES, KEYS, **NUMBERS, **constants)[-1] == last


def test_mask_of_the_caller():
    masked = "m = Where(seen, zero, infinity) s = Add(p, m) "
    text = "(float[n,4,4] q, float[n,4,4] k, bool[n,1,4] seen) => (float[n,4,4] y) "
    text += f"{{ p = MatMul(q, k) {masked}{SOFTMAX} }}"
    seen = np.array([[[True, False, True, True]], [[False] * 4]])
    assert "masked_softmax(" in check_model(model_of(text, **NUMBERS), [QUERIES, KEYS, seen]).script
