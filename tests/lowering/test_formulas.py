"""Formulas: what a short expression computes is written as one, and gives the same array."""

from __future__ import annotations

import mindspore as ms
import numpy as np
import pytest
from mindspore import ops

from converter.lowering.formulas import formula_of
from converter.script import expr
from converter.script.statements import plain_text

SAME = [
    np.full((2, 3), -np.inf, np.float32),
    np.full(20, -0.0, np.float32),
    np.full((4, 5), 0.1, np.float16),
    np.ones((4, 5), bool),
    np.full((4, 5), 2**31 - 1, np.int64),
    np.arange(20, dtype=np.float32),
    np.arange(5, -30, -3, dtype=np.int64).reshape(1, 12, 1),
    np.arange(-8, 8, dtype=np.float64),
    np.arange(20).reshape(4, 5),
    np.arange(8, 0, -1, dtype=np.float32).reshape(1, 2, 4),
    np.arange(4)[:, None] - np.arange(5),
    (np.arange(0, 12, 4, dtype=np.int32)[:, None] + np.arange(8, dtype=np.int32)).reshape(1, 3, 1, 8, 1),
]
OTHERS = [
    np.full(20, np.nan, np.float32),
    np.full((4, 5), 2**31, np.int64),
    np.arange(20, dtype=np.float32) / 2,
    np.arange(2**24, 2**24 + 20, dtype=np.int32),
    np.arange(20, dtype=np.float16),
    np.arange(4)[:, None] * np.arange(5),
    np.arange(4)[:, None] + np.zeros(5, np.int64),
    np.array(3.0, np.float32),
    np.zeros((0, 3), np.float32),
    np.ones(20, np.complex64),
]


@pytest.mark.parametrize("array", SAME, ids=lambda array: f"{array.dtype} {array.shape}")
def test_the_expression_gives_the_array(array: np.ndarray) -> None:
    text = plain_text(formula_of(array, expr(f"ms.{array.dtype.name.replace('bool', 'bool_')}")))
    made = eval(text, {"ms": ms, "ops": ops}).asnumpy()
    assert made.dtype == array.dtype
    np.testing.assert_array_equal(made, array)
    np.testing.assert_array_equal(np.signbit(made.astype(np.float32)), np.signbit(array.astype(np.float32)))


@pytest.mark.parametrize("array", OTHERS, ids=lambda array: f"{array.dtype} {array.shape}")
def test_others_have_no_expression(array: np.ndarray) -> None:
    assert formula_of(array, expr("ms.float32")) is None
