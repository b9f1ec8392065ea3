"""Step text: what people write means weight steps, and the steps are written so again."""

from __future__ import annotations

import numpy as np
import pytest

from converter.base.weight_steps import add, apply, concatenate, slice_axis
from converter.weights.step_text import parse_steps, text_of_steps

ARRAY = np.arange(24.0).reshape(2, 3, 4)
BLOCKS = np.arange(8.0)


@pytest.mark.parametrize(
    ("texts", "array", "want"),
    [
        (["transpose(2, 0, 1)"], ARRAY, ARRAY.transpose(2, 0, 1)),
        (["reshape(6, 4)", "transpose(1, 0)"], ARRAY, ARRAY.reshape(6, 4).T),
        (["slice(1, 0, 2)"], ARRAY, ARRAY[:, :2]),
        (["zeros(3)"], ARRAY, np.zeros(3)),
        (["gates(1, 0)"], BLOCKS, np.float64([4, 5, 6, 7, 0, 1, 2, 3])),
        (["gates(0, 2, 1, 3)", "forget_bias(0.5)"], BLOCKS, np.float64([0, 1, 4.5, 5.5, 2, 3, 6, 7])),
    ],
)
def test_there_and_back(texts, array, want):
    steps = parse_steps(texts, array.shape)
    np.testing.assert_array_equal(apply(steps, array), want)
    assert text_of_steps(steps) == texts


def test_spaces_do_not_matter_and_a_transpose_without_axes_turns_all():
    assert parse_steps([" transpose() "], (2, 3)) == parse_steps(["transpose(1,0)"], (2, 3))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("flip(1)", "the steps are transpose"),
        ("transpose", "no step of the form"),
        ("transpose(1, 1, 0)", "does not fit"),
        ("reshape(5, 5)", "does not fit"),
        ("slice(3, 0, 1)", "within the shape"),
        ("slice(1, 2, 2)", "within the shape"),
        ("gates(0, 1, 2)", "not divisible by 3"),
        ("gates()", "not divisible"),
        ("transpose(a, b)", "does not fit"),
        ("reshape(2.5)", "must be integers"),
        ("slice(1)", "does not fit"),
    ],
)
def test_what_is_no_step(text, message):
    with pytest.raises(ValueError, match=message):
        parse_steps([text], (2, 3, 4))


def test_a_concatenation_without_a_text():
    with pytest.raises(ValueError, match="no text"):
        text_of_steps([concatenate(0, [slice_axis(0, 0, 1), add(1)], [slice_axis(0, 1, 2), add(2)])])
