"""Judging nodes on edge inputs: what is open, what another reference allows, what a kernel is known for."""

from __future__ import annotations

import numpy as np
import pytest

from converter.verification.cpu_kernels import fault_of
from converter.verification.edge_judgement import judged, symptoms, where_finite, without_tiny

NAN, INF = np.nan, np.inf
HUGE = np.array([3e38, 1.0], np.float32)


def floats(*values: float) -> np.ndarray:
    return np.array(values, np.float32)


@pytest.mark.parametrize(
    ("operator", "read", "got", "want", "verdict"),
    [
        ("Relu", floats(NAN, 1), floats(0, 1), floats(NAN, 1), "differs"),
        ("Relu", floats(1, 1), floats(1, 1), floats(1, 1), "same"),
        ("Cast", floats(NAN, 3e9, 7), np.array([0, 5, 7], np.int32), np.array([-9, 2, 7], np.int32), "same"),
        ("Cast", floats(NAN, 3e9, 7), np.array([0, 5, 8], np.int32), np.array([-9, 2, 7], np.int32), "differs"),
        ("Conv", HUGE, floats(NAN, 0), floats(INF, 0), "same"),
        ("Conv", floats(NAN, 1), floats(NAN, NAN), floats(NAN, 0), "differs"),
        ("Softmax", HUGE, floats(NAN, 0), floats(1, 0), "differs"),
        ("Mul", floats(1e-38), floats(0, 1e-40), floats(1e-39, 0), "same"),
        ("TopK", floats(NAN, 1), np.array([0]), np.array([1]), "same"),
        ("TopK", floats(2, 1), np.array([1]), np.array([0]), "differs"),
        ("DynamicQuantizeLinear", floats(NAN, 1), np.array([0, 255]), np.array([9, 1]), "same"),
        ("DynamicQuantizeLinear", floats(0, 1), np.array([0, 255]), np.array([0, 1]), "differs"),
        ("Div", np.array([7]), np.array([3.0, 1]), np.array([3.0]), "differs"),
    ],
)
def test_what_an_operator_leaves_open(operator, read, got, want, verdict) -> None:
    assert judged(operator, [read], got, want).verdict == verdict


def test_each_element_may_agree_with_either_reference() -> None:
    got, want, other = floats(NAN, 2, 3), floats(1, 2, 9), floats(NAN, 9, 3)
    assert judged("Max", [floats(NAN)], got, want, other).verdict == "same"
    assert judged("Max", [floats(NAN)], floats(5, 2, 3), want, other).verdict == "differs"


def test_the_smallest_numbers_may_be_zero() -> None:
    got, want = floats(0.0, 1e-38, 1.0), floats(1.18e-38, -1e-39, 1.0)
    np.testing.assert_array_equal(without_tiny(got), without_tiny(want))
    assert without_tiny("text") == "text"


def test_where_the_source_overflows() -> None:
    assert where_finite(floats(NAN, 2), floats(INF, 3)).tolist() == [INF, 2]
    assert where_finite(floats(NAN), floats(INF, 3)).shape == (1,)


def test_a_fault_of_a_kernel_needs_its_call_and_its_symptom() -> None:
    found = symptoms({"x": floats(NAN, -INF), "i": np.array([2**40]), "e": np.zeros((0, 3))})
    assert found == ["NaN", "infinity", "integers beyond 2^24", "no elements"]
    assert fault_of("ops.relu", found) == "ops.relu of NaN is 0"
    assert fault_of("nn.LayerNorm", found) == "nn.LayerNorm refuses a tensor without elements"
    assert fault_of("ops.relu", ["infinity"]) == ""
    assert fault_of("ops.nonzero(x).T", symptoms({"x": floats(1e-9)})).startswith("ops.nonzero takes")
    assert fault_of("nn.MaxPool2d", ["no elements"]).startswith("max pooling refuses")
    assert fault_of("nn.MaxPool2d", symptoms({"x": floats(-INF, -INF)})).endswith("the lowest number")
    assert fault_of("ops.mish", symptoms({"x": floats(3, 50, INF)})) == "ops.mish of 44.4 and more is NaN"
    assert fault_of("ops.mish", symptoms({"x": floats(-50, 40)})) == ""
    assert fault_of("ops.gelu", symptoms({"x": np.array([4e4], np.float16)})).endswith("is infinity")
    assert fault_of("ops.gelu", symptoms({"x": floats(4e4)})) == ""
    assert fault_of("ops.exp", found) == ""
