"""Weights that the source uses in another shape only."""

from __future__ import annotations

import numpy as np
import pytest
from graph.fusions.recognition import model_of
from harness import check_model

from converter.base.weight_steps import joined, reshape, transpose

RANDOM = np.random.default_rng(0)
X = RANDOM.normal(size=(2, 5, 4)).astype(np.float32)
W = RANDOM.normal(size=(3, 4)).astype(np.float32)


def parameters(rep):
    return {name: weight.steps for name, weight in rep.translation.program.parameters()}


def test_a_transposed_matrix_is_the_matrix_of_a_dense_layer():
    rep = check_model(model_of("(float[n,5,4] x) => (float[n,5,3] y) { t = Transpose(w) y = MatMul(x, t) }", w=W), [X])
    assert list(parameters(rep).values()) == [()]
    assert "nn.Linear(4, 3, bias=False)" in rep.script
    assert rep.translation.program.records[0].became == "a step on the way to a parameter"


def test_a_reshaped_vector_is_one_parameter():
    text = "(float[n,5,4] x) => (float[n,5,4] y) { t = Unsqueeze(w, axes) a = Mul(x, t) y = Add(a, t) }"
    rep = check_model(model_of(text, w=RANDOM.normal(size=(5,)).astype(np.float32), axes=np.array([0, 2])), [X])
    assert list(parameters(rep).values()) == [(reshape(5, 1),)]


def test_a_weight_in_two_shapes_stays_one_parameter():
    text = "(float[n,5,4] x) => (float[n,5,3] y) { t = Transpose(w) a = MatMul(x, t) s = ReduceSum(w) y = Mul(a, s) }"
    assert list(parameters(check_model(model_of(text, w=W), [X])).values()) == [()]


@pytest.mark.parametrize(
    ("steps", "kept"),
    [
        ([transpose(1, 0, 2), transpose(1, 0, 2)], ()),
        ([transpose(1, 2, 0), transpose(0, 2, 1)], (transpose(1, 0, 2),)),
        ([reshape(6, 4), reshape(24), reshape(2, 3, 4)], ()),
        ([transpose(1, 0, 2), reshape(24), reshape(12, 2)], (transpose(1, 0, 2), reshape(12, 2))),
        ([reshape(2, 3, 4), transpose(0, 2, 1)], (transpose(0, 2, 1),)),
    ],
)
def test_steps_that_undo_each_other_are_left_out(steps, kept):
    assert joined(steps, (2, 3, 4)) == kept
