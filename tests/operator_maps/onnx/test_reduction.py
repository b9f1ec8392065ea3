from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from harness import check

X = np.random.default_rng(0).normal(size=(2, 3, 4)).astype(np.float32)
SUMS = ["ReduceL1", "ReduceL2", "ReduceLogSumExp", "ReduceMax", "ReduceMean", "ReduceMin", "ReduceProd", "ReduceSum"]
REDUCTIONS = [*SUMS, "ReduceLogSum", "ReduceSumSquare"]
ONE, TWO = np.array([1]), np.array([-1, 0])


def values_of(operator: str) -> np.ndarray:
    return np.abs(X) + 0.1 if operator == "ReduceLogSum" else X


@pytest.mark.parametrize("operator", REDUCTIONS)
@pytest.mark.parametrize("axes", [ONE, TWO, None], ids=["one", "two", "all"])
@pytest.mark.parametrize("keepdims", [0, 1])
def test_constant_axes(operator: str, axes: np.ndarray | None, keepdims: int) -> None:
    check(operator, values_of(operator), axes, constants=(1,), keepdims=keepdims, free=True)


@pytest.mark.parametrize("operator", REDUCTIONS)
@pytest.mark.parametrize("keepdims", [0, 1])
def test_computed_axes(operator: str, keepdims: int) -> None:
    check(operator, values_of(operator), TWO, keepdims=keepdims)


@pytest.mark.parametrize("operator", REDUCTIONS)
def test_no_axes_at_all_leave_the_rest_of_the_formula(operator: str) -> None:
    check(operator, values_of(operator), noop_with_empty_axes=1)


TEXTS = [
    ("ReduceMean", {"keepdims": 0}, np.array([2, 3]), "ops.mean(x0, (2, 3))"),
    ("ReduceMean", {}, ONE, "ops.mean(x0, 1, True)"),
    ("ReduceSum", {"keepdims": 0}, None, "ops.sum(x0)"),
    ("ReduceMax", {"keepdims": 0}, ONE, "ops.amax(x0, 1)"),
    ("ReduceL2", {}, ONE, "ops.sqrt(ops.sum(ops.square(x0), 1, keepdim=True))"),
]


@pytest.mark.parametrize(("operator", "attributes", "axes", "text"), TEXTS, ids=[case[3] for case in TEXTS])
def test_becomes(operator: str, attributes: dict[str, Any], axes: np.ndarray | None, text: str) -> None:
    x = np.zeros((2, 3, 4, 5), np.float32)
    assert text in check(operator, x, axes, constants=(1,), free=True, **attributes).script


@pytest.mark.parametrize("operator", ["ReduceSum", "ReduceMax", "ReduceMin", "ReduceProd"])
@pytest.mark.parametrize("dtype", ["int32", "int64"])
def test_integers_stay_what_they_are(operator: str, dtype: str) -> None:
    check(operator, (10 * X).astype(dtype), ONE, constants=(1,), free=True)


@pytest.mark.parametrize("operator", ["ReduceMax", "ReduceMin"])
def test_bools_and_bytes(operator: str) -> None:
    check(operator, X > 0, ONE, constants=(1,))
    check(operator, (10 * np.abs(X)).astype(np.uint8), ONE, constants=(1,))


NOTHING = {
    "ReduceSum": 0, "ReduceProd": 1, "ReduceMax": -np.inf, "ReduceMin": np.inf, "ReduceL2": 0, "ReduceLogSum": -np.inf,
    "ReduceLogSumExp": -np.inf,
}  # fmt: skip


@pytest.mark.parametrize("operator", NOTHING)
def test_nothing_to_reduce(operator: str) -> None:
    expect = [np.full((2, 1, 4), NOTHING[operator], np.float32)]
    check(operator, np.zeros((2, 0, 4), np.float32), ONE, constants=(1,), expect=expect)


@pytest.mark.parametrize("operator", NOTHING)
def test_nothing_to_reduce_along_computed_axes(operator: str) -> None:
    expect = [np.full((2, 1, 4), NOTHING[operator], np.float32)]
    check(operator, np.zeros((2, 0, 4), np.float32), ONE, expect=expect)


def test_nothing_to_reduce_along_several_computed_axes() -> None:
    check("ReduceSum", np.zeros((2, 0, 0), np.float32), np.array([1, 2]), expect=[np.zeros((2, 1, 1), np.float32)])


def test_nothing_to_reduce_among_integers() -> None:
    empty = np.zeros((2, 0), np.int32)
    check("ReduceMax", empty, ONE, constants=(1,), expect=[np.full((2, 1), np.iinfo(np.int32).min, np.int32)])


TIES = np.array([[3, 1, 3], [0, 0, -1]], np.float32)


@pytest.mark.parametrize("operator", ["ArgMax", "ArgMin"])
@pytest.mark.parametrize("last", [0, 1])
@pytest.mark.parametrize(("axis", "keepdims"), [(0, 1), (-1, 0)])
def test_positions_among_equals(operator: str, last: int, axis: int, keepdims: int) -> None:
    check(operator, TIES, axis=axis, keepdims=keepdims, select_last_index=last, free=True)


@pytest.mark.parametrize("dtype", ["float32", "int32", "int64", "uint8"])
def test_positions_of_any_type(dtype: str) -> None:
    check("ArgMax", np.abs(TIES).astype(dtype), axis=1)


@pytest.mark.parametrize("operator", ["CumSum", "CumProd"])
@pytest.mark.parametrize(("exclusive", "reverse"), [(0, 0), (1, 0), (0, 1), (1, 1)])
def test_cumulative(operator: str, exclusive: int, reverse: int) -> None:
    options = {"opset": 14} if operator == "CumSum" else {}
    check(operator, X, np.int64(-1), constants=(1,), exclusive=exclusive, reverse=reverse, free=True, **options)


@pytest.mark.parametrize("operator", ["CumSum", "CumProd"])
@pytest.mark.parametrize("dtype", ["int32", "int64"])
@pytest.mark.parametrize("constants", [(), (1,)])
def test_cumulative_integers(operator: str, dtype: str, constants: tuple[int, ...]) -> None:
    check(operator, np.array([[1, 2, 3], [4, 5, 6]], dtype), np.int64(1), constants=constants)


@pytest.mark.parametrize("dtype", ["int32", "int64"])
def test_root_of_integers_is_one(dtype: str) -> None:
    check("ReduceL2", np.array([[3, 4], [1, 1]], dtype), np.array([1]), constants=(1,), opset=18)


@pytest.mark.parametrize("operator", ["ArgMax", "ArgMin"])
@pytest.mark.parametrize(("keep", "last"), [(0, 0), (1, 1)])
def test_places_in_no_rows(operator: str, keep: int, last: int) -> None:
    """MindSpore's functions refuse them."""
    check(operator, np.zeros((0, 3), np.float32), axis=1, keepdims=keep, select_last_index=last)


@pytest.mark.parametrize("operator", ["ReduceL2", "ReduceLogSum"])
@pytest.mark.parametrize("axes", [ONE, None], ids=["one", "all"])
def test_sums_that_float16_does_not_hold(operator: str, axes: np.ndarray | None) -> None:
    x = np.full((2, 3, 4), 30000, np.float16)
    rep = check(operator, x, axes, constants=(1,), rtol=1e-2)
    assert ".astype(ms.float16)" in rep.script
