from __future__ import annotations

import numpy as np
import pytest
from harness import check

X = np.array([[-1, 0.5, 2, 3]], np.float32)
Y = np.array([[2], [0.5]], np.float32)
FLAGS, OTHERS = np.array([True, True, False, False]), np.array([[True], [False]])
SPECIAL = np.array([1, np.nan, np.inf, -np.inf], np.float32)


@pytest.mark.parametrize("operator", ["Equal", "Less", "LessOrEqual", "Greater", "GreaterOrEqual"])
@pytest.mark.parametrize("dtype", ["float32", "float64", "int32", "int64", "uint8"])
def test_comparison(operator: str, dtype: str) -> None:
    shift = 1 if dtype == "uint8" else 0
    check(operator, (X + shift).astype(dtype), (Y + shift).astype(dtype), free=True)


@pytest.mark.parametrize(
    ("operator", "text"), [("Equal", "x0 == 0.5"), ("Less", "x0 < 0.5"), ("GreaterOrEqual", "x0 >= 0.5")]
)
def test_comparison_with_a_number(operator: str, text: str) -> None:
    assert text in check(operator, X, np.float32(0.5), constants=(1,), free=True).script


def test_bools_are_compared() -> None:
    check("Equal", FLAGS, OTHERS)


@pytest.mark.parametrize("operator", ["And", "Or", "Xor"])
def test_logical(operator: str) -> None:
    assert f"ops.logical_{operator.lower()}(x0, x1)" in check(operator, FLAGS, OTHERS, free=True).script


def test_not() -> None:
    assert "ops.logical_not(x0)" in check("Not", FLAGS, free=True).script


@pytest.mark.parametrize("operator", ["BitwiseAnd", "BitwiseOr", "BitwiseXor"])
@pytest.mark.parametrize("dtype", ["int32", "uint8"])
def test_bitwise(operator: str, dtype: str) -> None:
    check(operator, np.array([12, 10, 3], dtype), np.array([10], dtype))


def test_bitwise_not() -> None:
    check("BitwiseNot", np.array([0, 5, -5], np.int32))


@pytest.mark.parametrize("dtype", ["float32", "int64", "bool"])
def test_where(dtype: str) -> None:
    check("Where", OTHERS, X.astype(dtype), np.zeros((1, 1), dtype), free=True)


@pytest.mark.parametrize(
    ("x", "y", "constants", "text"),
    [
        (X, np.float32(0.1), (2,), "ops.where(x0, x1, 0.1)"),
        (np.float32(-np.inf), X, (1,), 'ops.where(x0, float("-inf"), x2)'),
        (X.astype(np.int64), np.int64(7), (2,), "ops.where(x0, x1, 7)"),
    ],
)
def test_where_with_a_number(x: np.ndarray, y: np.ndarray, constants: tuple[int, ...], text: str) -> None:
    assert text in check("Where", OTHERS, x, y, constants=constants, free=True).script


def test_where_of_two_constants() -> None:
    case = check("Where", OTHERS, np.float32(1), np.float32(0.1), constants=(1, 2), free=True)
    assert "ops.where(x0, 1.0, 0.1)" in case.script


@pytest.mark.parametrize(("negative", "positive"), [(1, 1), (0, 1), (1, 0), (0, 0)])
def test_is_inf(negative: int, positive: int) -> None:
    check("IsInf", SPECIAL, detect_negative=negative, detect_positive=positive, free=True)


def test_is_nan() -> None:
    assert "ops.isnan(x0)" in check("IsNaN", SPECIAL, free=True).script
