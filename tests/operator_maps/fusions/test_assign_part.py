from __future__ import annotations

import numpy as np
import pytest
from graph.fusions.recognition import fused, model_of
from harness import check_model

X = np.random.default_rng(0).normal(size=(2, 5, 4, 9)).astype(np.float32)
FAR = np.iinfo(np.int64).max


def grid(*ranges: tuple[int, int]) -> np.ndarray:
    """The places of a rectangle, as torch's older exporter folds them."""
    return np.stack(np.meshgrid(*(np.arange(*each) for each in ranges), indexing="ij"), -1)


SCATTER = "(float[2,5,4,9] x, float[%s] p) => (float[2,5,4,9] y) { d = Neg (x) y = ScatterND (d, i, p) }"


@pytest.mark.usefixtures("behind_layers")
@pytest.mark.parametrize(
    ("ranges", "operators", "written"),
    [
        (((0, 2), (0, 4), (0, 4), (4, 9)), ["Neg", "AssignPart"], "((0, 0), (0, 1), (0, 0), (4, 0))"),
        (((0, 2), (-1, 0), (0, 4), (4, 9)), ["Neg", "AssignPart"], "((0, 0), (4, 0), (0, 0), (4, 0))"),
        (((1, 2), (2, 4)), ["Neg", "AssignPart"], "((1, 0), (2, 1), (0, 0), (0, 0))"),
        (((0, 2), (1, 3)), ["Neg", "Slice", "Slice", "Concat"], "ops.cat(("),
        (((0, 2), (0, 5)), ["Identity"], ""),
    ],
    ids=str,
)
def test_a_scatter_of_a_rectangle(ranges, operators, written):
    part = np.random.default_rng(1).normal(size=(*grid(*ranges).shape[:-1], *X.shape[len(ranges) :]))
    text, places = SCATTER % ",".join(map(str, part.shape)), grid(*ranges)
    feeds = [X, part.astype(np.float32)]
    assert fused(text, *feeds, i=places) == operators
    assert written in check_model(model_of(text, i=places), feeds).script


@pytest.mark.parametrize("change", ["a step", "another order", "two times"])
def test_other_places_stay(change):
    places = grid((0, 2), (0, 4))
    if change == "a step":
        places = places * [1, 2] % 5
    elif change == "another order":
        places = places[:, ::-1]
    else:
        places[1] = places[0]
    part = np.ones((2, 4, 4, 9), np.float32)
    assert "ScatterND" in fused(SCATTER % "2,4,4,9", X, part, i=np.ascontiguousarray(places))


FREE = """(float[n,5,4,9] x) => (float[n,5,4,9] y) {
    d = Neg (x) s = Shape (d) n = Gather (s, zero) r = Range (zero, n, unit) a = Reshape (r, column)
    ab = Add (a, b) abc = Add (ab, c) t = Shape (abc)
    a1 = Expand (a, t) b1 = Expand (b, t) c1 = Expand (c, t)
    a2 = Unsqueeze (a1, last) b2 = Unsqueeze (b1, last) c2 = Unsqueeze (c1, last)
    i = Concat <axis = -1> (a2, b2, c2)
    u = Slice (x, from, to, axes) e = Gather <axis = 1> (u, zero) p = Reshape (e, shape) y = ScatterND (d, i, p)
}"""
PLACES = {
    "zero": np.array(0),
    "unit": np.array(1),
    "column": np.array([-1, 1, 1]),
    "shape": np.array([-1, 1, 2, 9]),
    "b": np.array([[3]]),
    "c": np.array([1, 2]),
    "from": np.array([0, 0]),
    "to": np.array([1, 2]),
    "axes": np.array([1, 2]),
    "last": np.array([-1]),
}


@pytest.mark.usefixtures("behind_layers")
def test_a_scatter_along_a_free_axis():
    """As torch's older exporter writes `y[:, 3, 1:3] = x[:, 0, :2]`."""
    assert fused(FREE, X, **PLACES) == ["Neg", "Slice", "AssignPart"]
    script = check_model(model_of(FREE, **PLACES), [X]).script
    assert "((0, 0), (3, 1), (1, 1), (0, 0)))" in script
    assert "arange" not in script


def test_a_part_of_what_is_filled_is_padded():
    text = "(float[2,4,4,5] x) => (float[2,5,4,9] y)"
    text += "{ f = ConstantOfShape <value = float[1] {-2.5}> (t) y = ScatterND (f, i, x) }"
    weights = {"t": np.array([2, 5, 4, 9]), "i": grid((0, 2), (0, 4), (0, 4), (4, 9))}
    feed = np.ascontiguousarray(X[:, :4, :, :5])
    assert fused(text, feed, **weights) == ["Pad"]
    script = check_model(model_of(text, **weights), [feed]).script
    assert "pad_with(x, ((0, 0), (0, 1), (0, 0), (4, 0)), -2.5)" in script


def test_a_weight_of_zeros_is_not_filled():
    """It is trained."""
    text = "(float[2,4,4,5] x) => (float[2,5,4,9] y) { y = ScatterND (f, i, x) }"
    weights = {"f": np.zeros((2, 5, 4, 9), np.float32), "i": grid((0, 2), (0, 4), (0, 4), (4, 9))}
    assert fused(text, np.ascontiguousarray(X[:, :4, :, :5]), **weights) == ["AssignPart"]


NESTED = {
    "slices": "m = Slice (d, a, c, one) k = Slice (m, a, c, three) j = Concat <axis=3> (k, p)"
    "l = Slice (d, c, far, one)",
    "transposes": "m = Slice (d, a, c, one) t = Transpose <perm=[3,1,2,0]> (m) k = Slice (t, a, c, a)"
    "q = Transpose <perm=[3,1,2,0]> (p) o = Concat <axis=0> (k, q) v = Transpose <perm=[1,3,2,0]> (o)"
    "j = Transpose <perm=[1,0,2,3]> (v) l = Slice (d, c, far, one)",
}


@pytest.mark.usefixtures("behind_layers")
@pytest.mark.parametrize("form", NESTED)
def test_concatenations_in_each_other(form):
    """As torch's current exporter writes `d[:, :4, :, 4:] = p`."""
    text = f"(float[n,5,4,9] x, float[n,4,4,5] p) => (float[n,5,4,9] y) {{ d = Neg (x) {NESTED[form]}"
    text += "y = Concat <axis=1> (j, l) }"
    weights = {name: np.array([value]) for name, value in {"a": 0, "c": 4, "one": 1, "three": 3, "far": FAR}.items()}
    weights = {name: value for name, value in weights.items() if form == "slices" or name != "three"}
    feeds = [X, np.ascontiguousarray(X[:, :4, :, :5])]
    assert [each for each in fused(text, *feeds, **weights) if each != "Transpose"] == ["Neg", "AssignPart"]
    script = check_model(model_of(text, **weights), feeds).script
    assert "with_part(-x, p, ((0, 0), (0, 1), (0, 0), (4, 0)))" in script


def test_concatenations_of_other_parts_stay():
    """The inner one joins parts of another middle."""
    text = f"(float[n,5,4,9] x, float[n,4,4,5] p) => (float[n,5,4,9] y) {{ d = Neg (x) {NESTED['slices']}"
    text += "y = Concat <axis=1> (j, l) }"
    weights = {"a": 0, "c": 4, "one": 1, "three": 3, "far": FAR}
    text = text.replace("m = Slice (d, a, c, one)", "m = Slice (d, one, far, one)")
    feeds = [X, np.ascontiguousarray(X[:, :4, :, :5])]
    assert "AssignPart" not in fused(text, *feeds, **{name: np.array([value]) for name, value in weights.items()})


@pytest.mark.usefixtures("behind_layers")
@pytest.mark.parametrize("place", [0, 2, -1])
def test_one_place_along_an_axis(place):
    """As torch's current exporter writes `x[:, i, 4:] = p`."""
    text = "(float[n,5,9] x, float[n,5] p) => (float[n,5,9] y) { d = Neg (x) e = Gather <axis=1> (d, i)"
    text += "k = Slice (e, a, c, one) j = Concat <axis=1> (k, p) u = Unsqueeze (j, one) s = Shape (u)"
    text += "h = Expand (i, s) y = ScatterElements <axis=1> (d, h, u) }"
    weights = {"i": np.array(place), "a": np.array([0]), "c": np.array([4]), "one": np.array([1])}
    feeds = [X[:, :, 0].copy(), X[:, 0, 0, :5].copy()]
    assert fused(text, *feeds, **weights) == ["Neg", "Unsqueeze", "AssignPart"]
    around = (place % 5, 4 - place % 5)
    assert f"((0, 0), {around}, (4, 0))" in check_model(model_of(text, **weights), feeds).script
