"""Compare: what counts as a difference, and how large it is."""

from __future__ import annotations

import ml_dtypes
import numpy as np
import pytest

from converter.artifacts.tensors import LazyTensor, TensorSpec
from converter.commands.weights.compare import compare


def stored(**arrays: np.ndarray) -> dict[str, LazyTensor]:
    return {
        name: LazyTensor(TensorSpec(name, array.shape, array.dtype.name), lambda array=array: array)
        for name, array in arrays.items()
    }


ONE = np.array([1.0, -2.0, 0.0], np.float32)


@pytest.mark.parametrize(
    ("first", "second", "max_abs", "max_rel", "note"),
    [
        (ONE, ONE.copy(), 0.0, 0.0, ""),
        (ONE, ONE + np.float32([0, 0, 0.5]), 0.5, 1.0, ""),
        (ONE, ONE * np.float32([1, -1, 1]), 4.0, 2.0, ""),
        (ONE, ONE * np.float32([1.25, 1, 1]), 0.25, 0.2, ""),
        (ONE, -ONE * 0, 2.0, 1.0, ""),
        (ONE, ONE.astype(np.float16), 0.0, 0.0, "another type"),
        (ONE, ONE.astype(ml_dtypes.bfloat16), 0.0, 0.0, "another type"),
        (ONE, ONE.reshape(3, 1), None, None, "another shape"),
        (np.float32([np.nan, np.inf]), np.float32([np.nan, np.inf]), 0.0, 0.0, ""),
        (np.float32([1, 2]), np.float32([1, np.nan]), None, None, "NaN or infinity in one of them"),
        (np.float32([np.inf, 2]), np.float32([-np.inf, 2]), None, None, "NaN or infinity in one of them"),
        (np.array([1, 2]), np.array([1, 4]), 2.0, 0.5, ""),
        (np.array(2**53), np.array(2**53 + 1), 1.0, 2**-53, ""),
        (np.array([True, False]), np.array([True, True]), 1.0, 1.0, ""),
        (np.complex64([1 + 1j]), np.complex64([1 - 1j]), 2.0, 2**0.5, ""),
        (np.zeros((0, 3)), np.zeros((0, 3)), 0.0, 0.0, ""),
    ],
)
def test_differences(first, second, max_abs, max_rel, note):
    (found,) = compare(stored(w=first), stored(w=second))
    assert found.note == note
    assert found.max_abs == (max_abs if max_abs is None else pytest.approx(max_abs))
    assert found.max_rel == (max_rel if max_rel is None else pytest.approx(max_rel))
    assert found.same == (max_abs == 0.0 and not note)


def test_parameters_that_one_of_them_lacks():
    found = compare(stored(a=ONE, b=ONE), stored(c=ONE, b=ONE))
    assert [(each.name, each.note, each.same) for each in found] == [
        ("a", "only in the first", False),
        ("b", "", True),
        ("c", "only in the second", False),
    ]
    assert found[0].second is None
    assert found[2].first is None
