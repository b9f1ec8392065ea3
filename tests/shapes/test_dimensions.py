"""Symbolic dimensions: equal formulas are equal, and arithmetic that onnx_ir cannot do, or not in time, is unknown."""

from __future__ import annotations

import math
import operator
import time
from typing import Any

import onnx_ir as ir
import pytest

from converter.shapes import Dim, dims_of, is_limited, plus, product, quotient, times
from converter.shapes.dimensions import canonical, compute, not_negative
from converter.shapes.value import NotEvaluable

N, M = ir.SymbolicDim("n"), ir.SymbolicDim("m")


@pytest.mark.parametrize(
    ("name", "wanted"),
    [
        ("s", "s"),
        ("(past + s)", "past + s"),
        ("s + past", "past + s"),
        ("((c + b)) + a", "a + b + c"),
        ("(s * 4)", "4*s"),
        ("batch size", "batch size"),
        ("onnx::Gather_3_dim_0", "onnx::Gather_3_dim_0"),
        ("-1", "-1"),
        ("?", "?"),
        ("n**2 + 1", "n**2 + 1"),
        ("9**9**9**9", "9**9**9**9"),
        ("(" * 10_000, "(" * 10_000),
    ],
)
def test_equal_formulas_have_one_form(name: str, wanted: str) -> None:
    assert canonical(ir.SymbolicDim(name)) == ir.SymbolicDim(wanted)


def test_dims_of_a_shape() -> None:
    assert dims_of(None) is None
    assert dims_of(ir.Shape([2, "b + a", None])) == (2, ir.SymbolicDim("a + b"), None)


@pytest.mark.parametrize(
    ("computed", "wanted"),
    [
        (times(N, 4), "4*n"),
        (times(4, N), "4*n"),
        (times(3, 4), 12),
        (times(N, None), None),
        (times(N, 0), 0),
        (plus(N, M), "m + n"),
        (plus(M, N), "m + n"),
        (plus(times(N, -1), N), 0),
        (product((N, 4, M, 3)), "12*m*n"),
        (product(()), 1),
        (product((N, None)), None),
        (quotient(times(N, 768), times(N, 12)), 64),
        (quotient(times(N, 768), 12), "64*n"),
        (quotient(times(N, M), M), "n"),
        (quotient(N, 2), None),
        (quotient(N, M), None),
        (quotient(7, 2), None),
        (quotient(N, 0), None),
        (quotient(None, 2), None),
        (times(ir.SymbolicDim("batch size"), 2), None),
        (times(ir.SymbolicDim("9**9**9**9"), 2), None),
        (product((N, N, M)), "m*n**2"),
        (product((N, N, 4, M, M)), "4*m**2*n**2"),
        (compute(operator.floordiv, times(N, 6), 2), "3*n"),
        (compute(operator.mul, N, 2.0), "2*n"),
        (compute(math.ceil, compute(operator.truediv, times(N, 4), 2)), "2*n"),
    ],
)
def test_arithmetic(computed: Dim, wanted: Any) -> None:
    assert computed == (ir.SymbolicDim(wanted) if isinstance(wanted, str) else wanted)
    assert isinstance(computed, ir.SymbolicDim) == isinstance(wanted, str)


@pytest.mark.parametrize(
    ("function", "items"),
    [(operator.add, (N, 0.5)), (max, (N, M)), (math.sqrt, (N,)), (operator.mul, (ir.SymbolicDim("a b"), 2))],
)
def test_what_cannot_be_computed(function: Any, items: tuple[Any, ...]) -> None:
    with pytest.raises(NotEvaluable):
        compute(function, *items)


def test_a_fraction_of_nothing_free_is_no_extent() -> None:
    with pytest.raises(NotEvaluable):
        compute(operator.truediv, N, times(N, 2))


@pytest.mark.parametrize(("dim", "known"), [(N, True), (N + M * 2, True), (N - 1, False), (M - N, False)])
def test_what_is_certainly_not_negative(dim: ir.SymbolicDim, known: bool) -> None:
    assert not_negative(dim) == known


@pytest.mark.parametrize("step", [lambda dim: dim and plus(times(dim, dim), 1), lambda dim: times(dim, plus(dim, 1))])
def test_a_formula_that_grows_without_bounds_is_unknown(step: Any) -> None:
    began = time.process_time()
    dim: Dim = N
    for _ in range(1000):
        dim = step(dim)
    assert dim is None
    assert time.process_time() - began < 10


@pytest.mark.parametrize(
    ("name", "wanted"),
    [("Min(64, n)", True), ("Min(1, n)", False), ("Min(64, m)", False), ("Min(64, n) + 1", False), ("n", False)],
)
def test_an_extent_up_to_that_of_a_table(name: str, wanted: bool) -> None:
    assert is_limited(ir.SymbolicDim(name), N) == wanted
    assert not is_limited(ir.SymbolicDim(name), 64)
