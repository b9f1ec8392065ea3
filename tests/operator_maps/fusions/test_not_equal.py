from __future__ import annotations

import numpy as np
import pytest
from graph.fusions.recognition import fused, model_of
from harness import check_model

X = np.array([1, 2, np.nan, 4], np.float32)
Y = np.array([1, 3, np.nan, 5], np.float32)


@pytest.mark.parametrize(
    ("inputs", "ends", "script"),
    [
        ((X, Y), "float[4] x, float[4] v", "x != v"),
        ((X,), "float[4] x", "x != 4.0"),
        ((X > 1, Y > 1), "bool[4] x, bool[4] v", "x != v"),
    ],
)
def test_what_is_not_equal(inputs: tuple[np.ndarray, ...], ends: str, script: str) -> None:
    text = f"({ends}) => (bool[4] y) {{ e = Equal (x, v) y = Not (e) }}"
    constants = {} if len(inputs) > 1 else {"v": np.array(4, np.float32)}
    assert fused(text, *inputs, **constants) == ["NotEqual"]
    assert script in check_model(model_of(text, **constants), list(inputs)).script


def test_what_is_compared_twice() -> None:
    """What is equal is read, too."""
    text = "(float[4] x, float[4] v) => (bool[4] y, bool[4] e) { e = Equal (x, v) y = Not (e) }"
    assert "NotEqual" not in fused(text, X, Y)
