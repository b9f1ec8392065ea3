from __future__ import annotations

import numpy as np
import pytest
from graph.fusions.recognition import fused, model_of
from harness import check_model

X = np.random.default_rng(0).normal(size=(2, 3, 5)).astype(np.float32)
FAR = np.iinfo(np.int64).max


def vectors(**numbers):
    return {name: np.array([number]) for name, number in numbers.items()}


ROLL = "(float[n,3,5] x) => (float[n,3,5] y) { a = Slice(x, cut, far, axis) b = Slice(x, zero, cut, axis) "
ROLL += "y = Concat <axis=1> (a, b) }"


@pytest.mark.usefixtures("behind_layers")
@pytest.mark.parametrize(("cut", "axis"), [(1, 1), (-1, -2)])
def test_the_end_before_the_beginning_is_a_roll(cut, axis):
    weights = vectors(cut=cut, axis=axis, zero=0, far=FAR)
    assert fused(ROLL, X, **weights) == ["Roll"]
    assert "return roll(x, " in check_model(model_of(ROLL, **weights), [X]).script


@pytest.mark.parametrize("axis", [0, 1])
def test_nothing_is_rolled(axis: int) -> None:
    """Along an axis of no extent nothing can be cut, and along others graph mode ended the process."""
    text = ROLL.replace("axis=1", f"axis={axis}").replace("float[n,3,5] y", "float[n,k,5] y")
    assert (
        "if x.size else x" in check_model(model_of(text, **vectors(cut=-1, axis=axis, zero=0, far=FAR)), [X[:0]]).script
    )


@pytest.mark.usefixtures("behind_layers")
def test_a_roll_goes_the_shorter_way():
    weights = vectors(cut=-1, axis=2, zero=0, far=FAR)
    assert "return roll(x, 1, 2)" in check_model(model_of(ROLL.replace("axis=1", "axis=2"), **weights), [X]).script


def test_an_end_that_is_cut_is_no_roll():
    text = ROLL.replace("float[n,3,5] y", "float[n,2,5] y")
    assert "Roll" not in fused(text, X, **vectors(cut=1, axis=1, zero=0, far=2))
