from __future__ import annotations

import numpy as np
import pytest
from graph.fusions.recognition import fused, model_of
from harness import check_model

RANDOM = np.random.default_rng(0)
MASK = np.array([[1, 1, 1, 0], [1, 1, 0, 0]], bool)
SCORES = RANDOM.normal(size=(2, 3, 4, 4)).astype(np.float32)
ONE = {"zero": np.int64(0), "one": np.int64(1), "no": np.float32(0), "never": np.float32(-1e9)}

# What torch writes for `mask[i[:, None, None, None], j[None, None, None]]`, i and j counting.
COUNTS = "n = Shape <start=0, end=1> (scores) m = Shape <start=3> (scores) n0 = Squeeze(n) m0 = Squeeze(m) "
COUNTS += "i = Range(zero, n0, one) j = Range(zero, m0, one) "
GRID = "i1 = Unsqueeze(i, last) j1 = Unsqueeze(j, first) to = Concat <axis=0> (n, ones, m, ones0) "
GRID += "i2 = Expand(i1, to) j2 = Expand(j1, to) ij = Concat <axis=-1> (i2, j2) seen = GatherND(mask, ij) "
END = "added = Where({}, no, never) y = Add(scores, added) "
AXES = {
    "last": np.array([1, 2, 3, 4]),
    "first": np.array([0, 1, 2, 4]),
    "ones": np.array([1, 1]),
    "ones0": np.array([1]),
}
HEAD = "(float[n,3,s,s] scores, bool[n,s] mask) => (float[n,3,s,s] y) "


def test_a_mask_by_computed_indices():
    left = fused(HEAD + "{" + COUNTS + GRID + END.format("seen") + "}", SCORES, MASK, **ONE, **AXES)
    assert left == ["Unsqueeze", "Where", "Add"]


def test_a_mask_by_indices_that_are_stacked():
    """transformers 5: both indices are expanded to the shape of their maximum, then get the last axis."""
    stacked = "i1 = Unsqueeze(i, right) j1 = Unsqueeze(j, left) largest = Max(i1, j1) to = Shape(largest) "
    stacked += "i2 = Expand(i1, to) j2 = Expand(j1, to) i3 = Unsqueeze(i2, end) j3 = Unsqueeze(j2, end) "
    stacked += "ij = Concat <axis=-1> (i3, j3) seen = GatherND(mask, ij) "
    axes = {"right": np.array([1, 2, 3]), "left": np.array([0, 1, 2]), "end": np.array([-1])}
    left = fused(HEAD + "{" + COUNTS + stacked + END.format("seen") + "}", SCORES, MASK, **ONE, **axes)
    assert left == ["Unsqueeze", "Where", "Add"]


PLACES = "i1 = Unsqueeze(i, right) j1 = Unsqueeze(j, left) size = Shape({}) width = Gather(size, one) "
PLACES += "row = Mul(i1, width) at = Add(row, j1) flat = Flatten <axis=2> (mask) part = Gather(flat, at) "
PLACES += "to = Shape(at) seen = Reshape(part, to) "
SIDES = {"right": np.array([1, 2, 3]), "left": np.array([0, 1, 2])}


def test_a_mask_by_places_in_its_elements():
    left = fused(HEAD + "{" + COUNTS + PLACES.format("mask") + END.format("seen") + "}", SCORES, MASK, **ONE, **SIDES)
    assert left == ["Unsqueeze", "Where", "Add"]


def test_places_of_another_width_stay():
    body = COUNTS + PLACES.format("scores") + END.format("seen")  # the second extent of the scores is 3
    assert "Gather" in fused(HEAD + "{" + body + "}", SCORES, MASK, **ONE, **SIDES)


def test_a_mask_longer_than_the_scores_is_cut():
    text = HEAD.replace("bool[n,s]", "bool[n,t]")
    longer = np.concatenate([MASK, MASK], 1)
    left = fused(text + "{" + COUNTS + GRID + END.format("seen") + "}", SCORES, longer, **ONE, **AXES)
    assert left[-4:] == ["Slice", "Unsqueeze", "Where", "Add"]


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_a_mask_by_constant_indices(order):
    grid = np.stack(np.broadcast_arrays(np.arange(2).reshape(2, 1, 1, 1), np.arange(4)), -1)
    text = "(float[2,3,4,4] scores, bool[2,4] mask) => (float[2,3,4,4] y) { seen = GatherND(mask, ij) "
    feeds = [SCORES, MASK if order == (0, 1) else np.tile(MASK.T, (1, 2))[:, :2]]
    text = text if order == (0, 1) else text.replace("bool[2,4]", "bool[4,2]")
    left = fused(text + END.format("seen") + "}", *feeds, **ONE, ij=grid[..., order])
    assert ("GatherND" in left) == (order == (1, 0))


def test_a_row_that_is_no_count_stays():
    grid = np.stack(np.broadcast_arrays(np.array([1, 0]).reshape(2, 1, 1, 1), np.arange(4)), -1)
    text = "(float[2,3,4,4] scores, bool[2,4] mask) => (float[2,3,4,4] y) { seen = GatherND(mask, ij) "
    assert "GatherND" in fused(text + END.format("seen") + "}", SCORES, MASK, **ONE, ij=grid)


TRUE = "k = Unsqueeze(j, first) t = GreaterOrEqual(k, zero) b = And(yes, t) "
ALWAYS = {"yes": np.bool_(True), "first": np.array([0, 1, 3])}


def test_what_is_true_everywhere_goes():
    body = COUNTS + TRUE + "u = Unsqueeze(mask, axes) both = And(u, b) " + END.format("both")
    left = fused(HEAD + "{" + body + "}", SCORES, MASK, **ONE, **ALWAYS, axes=np.array([1, 2]))
    assert left == ["Unsqueeze", "Where", "Add"]


PACKED = "p = Unsqueeze(j, front) f = Slice(p, start, {end}, axis) b = Sub(f, one) c = Concat <axis=-1> (b, p) "
PACKED += "l = Slice(c, {start}, {far}, axis) e = Slice(c, start, last, axis) d = Sub(l, e) same = Equal(d, {step}) "
PACKED += "begun = Not(same) number = Cast <to=7> (begun) count = CumSum(number, one) "
PACKED += "q = Unsqueeze(count, rows) k = Unsqueeze(count, columns) equal = Equal(q, k) u = Unsqueeze(mask, middle) "


@pytest.mark.parametrize(
    ("changed", "goes"), [({}, True), ({"step": "two"}, False), ({"start": "start", "far": "last"}, False)]
)
def test_a_mask_of_packed_texts_goes_where_positions_count(changed, goes):
    """transformers 5 looks for texts that are packed into one row, by positions that begin anew."""
    places = {"end": "first", "start": "first", "far": "far", "step": "one"} | changed
    body = COUNTS + PACKED.format(**places) + "both = And(equal, u) "
    arrays = {"front": [0], "start": [0], "first": [1], "seconds": [2], "axis": [-1], "last": [-1], "far": [1 << 40]}
    arrays |= {"rows": [1, 3], "columns": [1, 2], "middle": [1, 2]}
    weights = {name: np.array(numbers) for name, numbers in arrays.items()} | {"two": np.int64(2)}
    left = fused(HEAD + "{" + body + END.format("both") + "}", SCORES, MASK, **ONE, **weights)
    assert (left == ["Unsqueeze", "Where", "Add"]) == goes


def test_what_is_true_everywhere_stays_where_it_makes_the_shape():
    body = COUNTS + TRUE + "u = Unsqueeze(mask, axes) y = And(u, b) "
    head = HEAD.replace("float[n,3,s,s] y", "bool[n,1,s,s] y")
    left = fused(head + "{" + body + "}", SCORES, MASK, **ONE, **ALWAYS, axes=np.array([1, 2]))
    assert "And" in left


def test_script():
    model = model_of(HEAD + "{" + COUNTS + GRID + END.format("seen") + "}", **ONE, **AXES)
    rep = check_model(model, [SCORES, MASK])
    assert "mask[:, None, None]" in rep.script


NOTHING = {
    "positions": "k = Unsqueeze(j, first) c = GreaterOrEqual(k, zero) ",
    "ones": "o = ConstantOfShape <value = float[1] {1.0}> (m) t = Cast <to = 9> (o) c = Unsqueeze(t, first) ",
    "expanded": "k = Unsqueeze(j, first) u = GreaterOrEqual(k, zero) h = Shape(u) c = Expand(u, h) ",
}


@pytest.mark.parametrize("condition", NOTHING.values(), ids=NOTHING)
def test_a_mask_that_hides_nothing_goes(condition):
    """An encoder of transformers that is given no mask."""
    body = COUNTS + condition + "w = Where(c, zeros, low) a = Add(scores, w) y = Softmax(a)"
    numbers = {"zeros": np.float32(0), "low": np.float32(-1e38), "first": np.array([0, 1, 2])}
    head = "(float[n,3,s,s] scores, bool[n,s] mask) => (float[n,3,s,s] y) "
    assert fused(head + "{" + body + "}", SCORES, MASK, **ONE, **numbers) == ["Softmax"]


@pytest.mark.parametrize(
    ("shown", "condition"), [(1.0, "GreaterOrEqual(k, zero)"), (0.0, "Greater(k, zero)")], ids=["shown", "condition"]
)
def test_a_mask_that_changes_something_stays(shown, condition):
    body = (
        COUNTS + f"k = Unsqueeze(j, first) c = {condition} w = Where(c, zeros, low) a = Add(scores, w) y = Softmax(a)"
    )
    numbers = {"zeros": np.float32(shown), "low": np.float32(-1e38), "first": np.array([0, 1, 2])}
    head = "(float[n,3,s,s] scores, bool[n,s] mask) => (float[n,3,s,s] y) "
    assert "Add" in fused(head + "{" + body + "}", SCORES, MASK, **ONE, **numbers)


def test_a_mask_that_hides_nothing_stays_beside_others():
    """The attention of an encoder and that of a decoder are one class."""
    body = COUNTS + NOTHING["positions"] + "w = Where(c, zeros, low) a = Add(scores, w) p = Softmax(a) "
    body += "seen = Unsqueeze(mask, middle) v = Where(seen, zeros, low) b = Add(p, v) y = Softmax(b)"
    numbers = {"zeros": np.float32(0), "low": np.float32(-1e38), "first": np.array([0, 1, 2])}
    head = "(float[n,3,s,s] scores, bool[n,s] mask) => (float[n,3,s,s] y) "
    left = fused(head + "{" + body + "}", SCORES, MASK, **ONE, **numbers, middle=np.array([1, 2]))
    assert left.count("Add") == 2
