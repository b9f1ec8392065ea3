"""Assignments to all of a tensor."""

from __future__ import annotations

import numpy as np
import pytest
from graph.fusions.recognition import fused

X = np.random.default_rng(0).normal(size=(3, 4)).astype(np.float32)
ROWS = "i = Unsqueeze (r, minus) u = Neg (x) d = Relu (x) z = ScatterND (d, i, u) y = Abs (z)"
WEIGHTS = {"zero": np.array(0), "one": np.array(1), "minus": np.array([-1]), "first": np.array(0)}
WEIGHTS |= {"start": np.array([0]), "far": np.array([2**62])}


@pytest.mark.parametrize("limit", ["Gather (s, first)", "Identity (three)"])
def test_rows_that_are_all_written_are_what_is_written(limit: str) -> None:
    free = "3" if "three" in limit else "n"
    body = f"s = Shape (x) n = {limit} c = Range (zero, n, one) r = Slice (c, start, far) {ROWS}"
    text = f"(float[{free},4] x) => (float[{free},4] y) {{ {body} }}"
    assert fused(text, X, **WEIGHTS, three=np.array(3)) == ["Neg", "Abs"]


def test_transposes_around_an_assignment_of_all_rows() -> None:
    """`x[:, :] = -x` along the second axis, which is free."""
    body = "s = Shape (x) n = Gather (s, one) r = Range (zero, n, one) i = Unsqueeze (r, minus) w = Neg (x) "
    body += "u = Transpose <perm = [1, 0]> (w) t = Transpose <perm = [1, 0]> (x) z = ScatterND (t, i, u) "
    body += "b = Transpose <perm = [1, 0]> (z) y = Abs (b)"
    assert fused(f"(float[3,n] x) => (float[3,n] y) {{ {body} }}", X, **WEIGHTS) == ["Neg", "Abs"]


def test_rows_that_are_written_in_part_stay() -> None:
    body = (
        "s = Shape (x) n = Gather (s, first) r = Range (one, n, one) i = Unsqueeze (r, minus) u = Slice (x, rows, end) "
    )
    body += "d = Relu (x) z = ScatterND (d, i, u) y = Abs (z)"
    text = f"(float[n,4] x) => (float[n,4] y) {{ {body} }}"
    rows = np.array([1]), np.array([3])
    assert "ScatterND" in fused(text, X, **WEIGHTS, rows=rows[0], end=rows[1])


STEPS = " ".join(f"u{i} = Slice (x, a{i}, b{i}, ones) d{i + 1} = ScatterND (d{i}, i{i}, u{i})" for i in range(3))
ZEROS = np.zeros((1, 3, 4), np.float32)


@pytest.mark.parametrize(("order", "joined"), [((0, 1, 2), True), ((2, 0, 1), True), ((0, 1, 1), False)])
def test_a_chain_that_writes_each_position_once_is_a_concatenation(order: tuple[int, ...], joined: bool) -> None:
    constants = {f"i{i}": np.array([[[0, place]]]) for i, place in enumerate(order)}
    constants |= {f"a{i}": np.array([i]) for i in range(3)} | {f"b{i}": np.array([i + 1]) for i in range(3)}
    text = f"(float[1,3,4] x) => (float[1,3,4] y) {{ {STEPS} y = Abs (d3) }}"
    made = fused(text, X[None], **constants, d0=ZEROS, ones=np.array([1]))
    assert "ScatterND" not in made
    # one for each assignment that is not joined; the slices of x in order are x
    assert made.count("Concat") == (3 if not joined else order != (0, 1, 2))


WRITES = {
    "to the end": [(2, 4)],
    "within": [(1, 3)],
    "one behind the other": [(0, 1), (1, 4)],
    "again": [(1, 2), (0, 3)],
}
PARTS = {"to the end": 2, "within": 3, "one behind the other": 2, "again": 2}


@pytest.mark.parametrize("axis", [0, 1])
@pytest.mark.parametrize("writes", WRITES)
def test_assignments_to_slices_are_a_concatenation(axis: int, writes: str) -> None:
    turn = (lambda name, of: f"{name} = Transpose <perm = [1, 0]> ({of})") if axis else "{} = Identity ({})".format
    nodes, constants = [turn("d0", "x")], {}
    for i, (first, last) in enumerate(WRITES[writes]):
        constants |= {f"f{i}": np.array([first]), f"l{i}": np.array([last]), "axis": np.array([axis])}
        constants |= {f"i{i}": np.arange(first, last)[:, None]}
        nodes += [f"s{i} = Slice (x, f{i}, l{i}, axis) u{i} = Neg (s{i})", turn(f"t{i}", f"u{i}")]
        nodes += [f"d{i + 1} = ScatterND (d{i}, i{i}, t{i})"]
    nodes += [turn("z", f"d{len(WRITES[writes])}"), "y = Abs (z)"]
    made = fused(f"(float[4,4] x) => (float[4,4] y) {{ {' '.join(nodes)} }}", np.vstack([X, X[:1]]), **constants)
    assert "ScatterND" not in made
    assert "Transpose" not in made
    assert made.count("Concat") == 1
    assert made.count("Slice") == PARTS[writes]


def test_a_slice_that_is_written_again_in_part_stays() -> None:
    constants = {"i0": np.array([[0], [1]]), "i1": np.array([[1], [2]]), "zero": np.array([0]), "two": np.array([2])}
    body = "u = Slice (x, zero, two) v = Neg (u) a = ScatterND (x, i0, v) b = ScatterND (a, i1, u) y = Abs (b)"
    assert fused(f"(float[3,4] x) => (float[3,4] y) {{ {body} }}", X, **constants).count("ScatterND") == 2


PLACES = "m = Greater (x, half) e = Expand (m, all) n = NonZero (e) i = Transpose <perm = [1, 0]> (n)"
COUNT = "f = Reshape (m, minus) c = Cast <to = 7> (f) k = ReduceSum (c)"
NUMBERS = {"half": np.array(0.5, np.float32), "minus": np.array([-1]), "all": np.array([3, 4])}
WRITTEN = {
    "one number": ("u = Expand (seven, k)", np.array(7, np.float32)),
    "a tensor of one number": ("u = Expand (seven, k)", np.array([7], np.float32)),
    "another tensor": ("a = NonZero (m) b = Transpose <perm = [1, 0]> (a) q = Neg (x) u = GatherND (q, b)", None),
}


@pytest.mark.parametrize("written", WRITTEN)
def test_assignments_where_a_mask_is_true(written: str) -> None:
    nodes, number = WRITTEN[written]
    text = f"(float[3,4] x) => (float[3,4] y) {{ {PLACES} {COUNT} {nodes} y = ScatterND (x, i, u) }}"
    made = fused(text, X, **NUMBERS, **({} if number is None else {"seven": number}))
    assert "Where" in made
    assert not {"ScatterND", "GatherND"} & set(made)


def test_a_mask_of_rows() -> None:
    places = "m = Greater (r, half) n = NonZero (m) i = Transpose <perm = [1, 0]> (n)"
    nodes = "k = Shape (i) one = Slice (k, start, behind) w = Concat <axis = 0> (one, four) u = Expand (seven, w)"
    text = f"(float[3,4] x, float[3] r) => (float[3,4] y) {{ {places} {nodes} y = ScatterND (x, i, u) }}"
    constants = {"half": NUMBERS["half"], "seven": np.array(7, np.float32), "four": np.array([4])}
    constants |= {"start": np.array([0]), "behind": np.array([1])}
    assert "Where" in fused(text, X, X[:, 0], **constants)


def test_assignments_that_a_mask_does_not_tell() -> None:
    """Of another mask's elements, or of as many as the source computes."""
    other = "l = Less (x, half) a = NonZero (l) b = Transpose <perm = [1, 0]> (a) u = GatherND (x, b)"
    text = "(float[4] x, float[2] u) => (float[4] y) { m = Greater (x, half) n = NonZero (m) "
    text += "i = Transpose <perm = [1, 0]> (n) y = ScatterND (x, i, u) }"
    line = np.array([0, 1, 0, 1], np.float32)
    assert "ScatterND" in fused(text, line, X[0, :2], half=NUMBERS["half"])
    text = text.replace(", float[2] u", "").replace("y = S", f"{other} y = S")
    assert "ScatterND" in fused(text, line, half=NUMBERS["half"])
