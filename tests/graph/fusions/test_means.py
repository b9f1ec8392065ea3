from __future__ import annotations

import numpy as np
import pytest
from graph.fusions.recognition import fused

X = np.random.default_rng(0).normal(size=(2, 3, 5)).astype(np.float32)


@pytest.mark.parametrize(
    ("new", "over", "left"),
    [
        ([-2], [-1, -2], ["ReduceMean"]),
        ([2, 3], [2, 3, 4], ["ReduceMean"]),
        ([3], [1, 3], ["ReduceMean"]),
        ([3], [3], ["Unsqueeze", "ReduceMean"]),
        ([3], [1], ["Unsqueeze", "ReduceMean", "Reshape"]),
    ],
    ids=str,
)
def test_a_mean_over_new_axes(new, over, left):
    """What torch exports for `AdaptiveAvgPool1d(1)`, and a Flatten behind it."""
    rank = 3 + len(new)
    extents = ["n", "3", "5"]
    for axis in sorted(axis % rank for axis in new):
        extents.insert(axis, "1")
    for axis in over:
        extents[axis % rank] = "1"
    kept = [extent for axis, extent in enumerate(extents) if axis not in {each % rank for each in (*new, *over)}]
    text = f"(float[n,3,5] x) => (float[{','.join(kept)}] y) {{ u = Unsqueeze(x, new) "
    text += "m = ReduceMean <keepdims=1> (u, over) y = Reshape(m, shape) }"
    shape = np.array([-1, *map(int, kept[1:])])
    assert fused(text, X, new=np.array(new), over=np.array(over), shape=shape) == left


@pytest.mark.parametrize(
    ("perm", "over", "left"),
    [
        ((0, 2, 1), [2], ["ReduceMean"]),
        ((0, 2, 1), [-2], ["ReduceMean"]),
        ((2, 0, 1), [0], ["ReduceMean"]),
        ((2, 1, 0), [1], ["Transpose", "ReduceMean"]),
    ],
    ids=str,
)
def test_a_mean_of_a_transposed_tensor(perm, over, left):
    extents = ["n", "3", "5"]
    kept = [extents[source] for axis, source in enumerate(perm) if axis not in {each % 3 for each in over}]
    text = f"(float[n,3,5] x) => (float[{','.join(kept)}] y) {{ t = Transpose <perm=[{','.join(map(str, perm))}]> (x) "
    assert fused(f"{text} y = ReduceMean <keepdims=0> (t, over) }}", X, over=np.array(over)) == left


@pytest.mark.parametrize("reduce", ["ReduceMax", "ReduceMean", "ReduceSum"])
@pytest.mark.parametrize(
    ("over", "removed", "result", "left"),
    [
        ([-1], [2], "2,3", []),
        ([2, 1], [1, 2], "2", []),
        ([2], [], "2,3", ["Squeeze"]),  # all axes of extent 1: another may be one
    ],
    ids=str,
)
def test_a_reduction_whose_axes_are_squeezed(reduce, over, removed, result, left):
    text = f"(float[2,3,5] x) => (float[{result}] y) {{ m = {reduce} <keepdims=1> (x, over) "
    text += "y = Squeeze(m, removed) }" if removed else "y = Squeeze(m) }"
    given = {"removed": np.array(removed)} if removed else {}
    assert fused(text, X, over=np.array(over), **given) == [reduce, *left]
