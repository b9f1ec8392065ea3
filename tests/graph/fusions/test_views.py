from __future__ import annotations

import numpy as np
import pytest
from graph.fusions.recognition import fused, model_of
from harness import check_model

X = np.random.default_rng(0).normal(size=(2, 3, 5)).astype(np.float32)
FAR = np.iinfo(np.int64).max


def left_of(body: str, **weights) -> list[str]:
    return fused(f"(float[n,3,5] x) => (float[n,5] y) {{ {body} }}", X, **weights)


def vectors(**numbers):
    return {name: np.array([number]) for name, number in numbers.items()}


SLICE = "a = Slice(x, start, end, axis, step) y = Squeeze(a, axis)"


@pytest.mark.parametrize(
    ("start", "end", "axis"), [(1, 2, 1), (2, FAR, 1), (-1, FAR, 1), (-2, -1, 1), (1, 2, -2)], ids=str
)
def test_a_slice_of_one_is_an_element(start, end, axis):
    assert left_of(SLICE, **vectors(start=start, end=end, axis=axis, step=1)) == ["Gather"]


def test_a_gather_of_one_is_an_element():
    text = (
        "(float[n,3,5] x, int64 i) => (float[n,5] y)"
        "{ v = Unsqueeze(i, zero) a = Gather <axis=1> (x, v) y = Squeeze(a, one) }"
    )
    assert fused(text, X, np.array(2), **vectors(zero=0, one=1)) == ["Gather"]


def test_one_number_in_another_shape_is_made_at_once():
    body = "s = Shape(x) f = Expand(number, s) t = Concat <axis=1> (x, f) y = ReduceSum <keepdims=0> (t, one)"
    assert "ConstantOfShape" in left_of(body, number=np.float32(0.5), **vectors(one=1))


def test_the_last_along_a_free_axis_is_an_element():
    text = f"(float[3,n,5] x) => (float[3,5] y) {{ {SLICE} }}"
    assert fused(text, X, **vectors(start=-1, end=FAR, axis=1, step=1)) == ["Gather"]


@pytest.mark.parametrize(("start", "end"), [(0, 2), (1, FAR)], ids=str)
def test_slices_of_more_stay(start, end):
    body = "a = Slice(x, start, end, axis) b = ReduceSum(a, axis) y = Squeeze(b, axis)"
    assert left_of(body, **vectors(start=start, end=end, axis=1))[0] == "Slice"


@pytest.mark.parametrize(
    ("body", "left"),
    [
        ("a = Reshape(x, flat) y = Reshape(a, shape)", ["Reshape"]),
        ("a = Unsqueeze(x, axis) y = Reshape(a, shape)", ["Reshape"]),
        ("a = Flatten(x) b = Reshape(a, flat) y = Reshape(b, shape)", ["Reshape"]),
        (
            "s = Shape(x) n = Slice(s, first, axis) t = Concat <axis=0> (n, rest) a = Reshape(x, t) y = Reshape(a, t)",
            ["Shape", "Slice", "Concat", "Reshape"],
        ),
        ("a = Reshape(x, flat) y = Reshape(a, zero)", ["Reshape", "Reshape"]),
        ("s = Shape(x) a = Abs(x) b = Reshape(a, s) y = Reshape(b, shape)", ["Abs", "Reshape"]),
        ("s = Shape(x) a = Reshape(x, s) b = Abs(a) y = Reshape(b, shape)", ["Abs", "Reshape"]),
        ("s = Shape(x) a = Expand(x, s) b = Abs(a) y = Reshape(b, shape)", ["Abs", "Reshape"]),
        ("s = Shape(x) a = Abs(x) b = Reshape(a, shape) y = Reshape(b, shape)", ["Abs", "Reshape"]),
    ],
)
def test_what_changes_nothing_goes(body, left):
    shapes = {"flat": [-1, 15], "shape": [-1, 5], "zero": [0, 3, 5], "axis": [1], "first": [0], "rest": [15]}
    text = f"(float[n,3,5] x) => (float[a,b,c] y) {{ {body} }}"
    assert fused(text, X, **{name: np.array(shapes[name]) for name in shapes if name in body}) == left


def test_an_extent_may_be_a_number_that_is_reshaped():
    """As torch writes that of a free axis."""
    body = "s = Shape(x) n = Gather(s, i) v = Reshape(n, k) t = Concat <axis=0> (v, rest)"
    text = f"(float[n,3,5] x) => (float[a,b] y) {{ {body} a = Reshape(x, t) y = Reshape(a, t) }}"
    left = fused(text, X, i=np.array(0), k=np.array([-1]), rest=np.array([15]))
    assert left == ["Shape", "Gather", "Reshape", "Concat", "Reshape"]


@pytest.mark.parametrize("index", [[[2], [0], [-1]], [[[2], [1]]]], ids=["vector", "matrix"])
def test_places_of_one_number_are_an_index(index):
    rank = np.ndim(index)
    text = f"(float[n,3,5] x) => (float[{','.join('abcd'[: rank + 1])}] y) {{ y = GatherND(x, places) }}"
    x = np.concatenate([X, X + 1])
    assert fused(text, x, places=np.array(index)) == ["Gather"]
    text = text.replace("(float[n,3,5] x)", f"(float[n,3,5] x, int64[{','.join(map(str, np.shape(index)))}] places)")
    assert fused(text, x, np.array(index)) == ["Squeeze", "Gather"]


def test_places_of_two_numbers_stay():
    text = "(float[n,3,5] x) => (float[a,5] y) { y = GatherND(x, places) }"
    assert fused(text, X, places=np.array([[0, 1], [1, 2]])) == ["GatherND"]


@pytest.mark.parametrize(
    ("numbers", "left"),
    [(np.arange(30).reshape(2, 1, 15), ["Reshape"]), (np.arange(30)[::-1].copy(), ["Reshape", "Gather"])],
    ids=["in order", "reversed"],
)
def test_all_elements_in_order_are_a_reshape(numbers, left):
    shape = ",".join(map(str, numbers.shape))
    text = f"(float[2,3,5] x) => (float[{shape}] y) {{ a = Reshape(x, flat) y = Gather(a, index) }}"
    assert fused(text, X, flat=np.array([-1]), index=numbers) == left


@pytest.mark.parametrize(
    ("shape", "split", "perm", "to", "left"),
    [
        ((2, 6, 5, 4), [2, 3, 2, 5, 4], [0, 3, 4, 1, 2], [2, -1, 2], ["Transpose", "Reshape"]),
        ((2, 1, 5, 4), [2, 1, 1, 5, 4], [0, 3, 4, 1, 2], [2, -1, 1], ["Reshape"]),
        ((2, 6, 5), [2, 3, 2, 5], [0, 3, 2, 1], [2, -1, 3], None),
        ((2, 6, 5), [2, 3, 2, 5], [0, 2, 1, 3], [2, 6, 5], None),
        ((2, 7, 7, 5), [2, 1, 7, 1, 7, 5], [0, 1, 3, 2, 4, 5], [2, -1, 5], None),  # the only window of Swin
        ((2, 6, 5), [2, 6, 1, 5], [0, 2, 1, 3], [-1], None),  # the only head of an attention
        ((2, 6, 5), [12, 5], [1, 0], [-1], None),
    ],
    ids=str,
)
def test_axes_are_split_only_if_their_parts_go_apart(shape, split, perm, to, left):
    """The anchors of a detector do not."""
    x = np.random.default_rng(0).normal(size=shape).astype(np.float32)
    ends = [",".join(map(str, extents)) for extents in (shape, ["a"] * len(to))]
    body = f"r = Reshape(x, split) t = Transpose <perm = {perm}> (r) y = Reshape(t, to)"
    text = f"(float[{ends[0]}] x) => (float[{ends[1]}] y) {{ {body} }}"
    assert fused(text, x, split=np.array(split), to=np.array(to)) == (left or ["Reshape", "Transpose", "Reshape"])


@pytest.mark.parametrize(
    ("added", "removed", "left"),
    [([-1], [3], []), ([1, 3], [-2, 1], []), ([1], [2], ["Unsqueeze", "Squeeze"])],
    ids=str,
)
def test_axes_that_come_and_go(added, removed, left):
    rank = 3 + len(added)
    extents = [None] * rank
    for axis in added:
        extents[axis % rank] = "1"
    rest = iter(["n", "1", "k"])
    extents = [extent or next(rest) for extent in extents]
    extents = [extent for axis, extent in enumerate(extents) if axis not in {each % rank for each in removed}]
    text = f"(float[n,1,k] x) => (float[{','.join(extents)}] y) {{ u = Unsqueeze(x, a) s = Squeeze(u, b) y = Relu(s) }}"
    assert fused(text, X[:, :1], a=np.array(added), b=np.array(removed)) == [*left, "Relu"]


@pytest.mark.parametrize("count", ["s = Shape(x) n = Gather(s, zero)", "s = Shape <start=0, end=1> (x) n = Squeeze(s)"])
@pytest.mark.parametrize(("step", "left"), [(15, ["Reshape"]), (3, ["Gather"])])
def test_all_rows_of_a_free_batch_in_order_are_a_reshape(step, left, count):
    """What torch exports for `as_strided`."""
    body = f"{count} r = Range(zero, n, one) k = Mul(r, step) u = Unsqueeze(k, axes) "
    body += "z = Add(zero, u) i = Add(z, within) a = Reshape(x, flat) y = Gather(a, i)"
    constants = {"zero": np.array(0), "one": np.array(1), "flat": np.array([-1]), "step": np.array(step)}
    constants |= {"axes": np.array([1, 2]), "within": np.arange(15).reshape(1, 15, 1)}
    made = fused(f"(float[n,3,5] x) => (float[n,15,1] y) {{ {body} }}", X, **constants)
    assert made[-1:] == left
    assert made == left or step == 3


@pytest.mark.parametrize(
    ("index", "left"),
    [
        ([0, 1], ["Slice"]),
        ([2, 3, 4], ["Slice"]),
        ([[1, 2, 3]], ["Slice", "Unsqueeze"]),
        ([0, 1, 2, 3, 4], []),
        ([[0, 1, 2, 3, 4]], ["Unsqueeze"]),
        ([1, 0], ["Gather"]),
        ([[0, 1], [2, 3]], ["Gather"]),
        ([-2, -1], ["Slice"]),
        ([-1, 0], ["Gather"]),
        ([3], ["Slice"]),
    ],
    ids=str,
)
def test_elements_in_a_row_are_a_slice(index, left):
    body = "a = Gather <axis=2> (x, index) y = Relu(a)"
    text = f"(float[n,3,5] x) => (float[{','.join('nabcd'[: 2 + np.ndim(index)])}] y) {{ {body} }}"
    assert fused(text, X, index=np.array(index)) == [*left, "Relu"]


TABLE = np.random.default_rng(1).normal(size=(90, 5)).astype(np.float32)


@pytest.mark.parametrize(
    ("index", "body", "left"),
    [
        (np.zeros((2, 3), int), "y = Add(x, rows)", ["Gather", "Add"]),
        (np.full((1, 3), 4), "y = Add(rows, x)", ["Gather", "Add"]),
        (np.tile([3, 4, 5], (2, 1)), "y = Add(x, rows)", ["Slice", "Add"]),
        (np.tile([3, 4, 6], (2, 1)), "y = Add(x, rows)", ["Gather", "Add"]),
        (np.zeros((2, 3), int), "y = Concat <axis=2> (x, rows)", ["Gather", "Concat"]),
    ],
    ids=["one row", "one axis", "a slice", "other rows", "not broadcast"],
)
def test_rows_that_all_elements_read_are_read_once(index, body, left):
    text = f"(float[2,3,5] x) => (float[2,3,d] y) {{ rows = Gather(table, index) {body} }}"
    assert fused(text, X, table=TABLE, index=index) == left


def test_one_row_of_a_table_in_a_script():
    text = "(float[2,3,5] x) => (float[2,3,5] y) { rows = Gather(table, index) y = Add(x, rows) }"
    assert "x + self.table[0]" in check_model(model_of(text, table=TABLE, index=np.zeros((2, 3), int)), [X]).script


def test_many_positions_are_a_slice():
    text = "(float[2,80,5] x) => (float[2,80,5] y) { rows = Gather(table, index) y = Add(x, rows) }"
    x = np.random.default_rng(2).normal(size=(2, 80, 5)).astype(np.float32)
    assert fused(text, x, table=TABLE, index=np.arange(80)[None]) == ["Slice", "Add"]


def test_new_axes_are_put_in_at_once():
    text = "(float[n,5] x) => (float[1,1,n,1,5] a, float[1,1,n,5,1] b) { "
    text += "s = Unsqueeze(x, front) t = Unsqueeze(s, first) a = Unsqueeze(t, three) b = Unsqueeze(t, back) }"
    axes = {"front": np.array([0]), "first": np.array([0]), "three": np.array([3]), "back": np.array([-1])}
    x = np.arange(10, dtype=np.float32).reshape(2, 5)
    assert fused(text, x, **axes) == ["Unsqueeze", "Unsqueeze"]
    assert "x[None, None, :, None]" in check_model(model_of(text, **axes), [x]).script


@pytest.mark.parametrize(("squeezed", "left"), [([1], ["Gather"]), ([-2], ["Gather"]), ([0], ["Slice", "Squeeze"])])
def test_an_index_of_one_element_is_a_number(squeezed, left):
    x = X[:1]
    text = "(float[1,3,5] x) => (float[a,b] y) { a = Gather <axis = 1> (x, index) y = Squeeze(a, axes) }"
    made = fused(text, x, index=np.array([2]), axes=np.array(squeezed))
    assert made == left


@pytest.mark.parametrize(("extent", "new", "left"), [(1, [0], []), (1, [1], ["Gather", "Unsqueeze"]), (2, [0], None)])
def test_the_only_element_of_a_batch_that_is_joined_again(extent, new, left):
    body = "r = Relu(x) a = Gather <axis = 0> (r, index) u = Unsqueeze(a, axes) y = Abs(u)"
    text = f"(float[{extent},3,5] x) => (float[a,b,c] y) {{ {body} }}"
    made = fused(text, X[:extent], index=np.int64(0), axes=np.array(new))
    assert made == ["Relu", *(["Gather", "Unsqueeze"] if left is None else left), "Abs"]


BETWEEN = """(float[n,3,6,4] x) => (float[n,m,3,4] y) <int64[1] index = {-2}> {
    turned = Transpose<perm = [2, 0, 1, 3]>(x)
    taken = Gather<axis = 0>(turned, index)
    y = Transpose<perm = [1, 0, 2, 3]>(taken)
}"""


@pytest.mark.parametrize(("index", "written"), [("-2", "4, 1"), ("0", "0, 1"), ("5", "5, 1")])
def test_an_index_of_an_axis_between_others_is_a_slice(index: str, written: str) -> None:
    x = np.arange(2 * 3 * 6 * 4, dtype=np.float32).reshape(2, 3, 6, 4)
    script = check_model(model_of(BETWEEN.replace("-2", index)), [x]).script
    assert f"return mint.narrow(x, 2, {written}).transpose((0, 2, 1, 3))" in script


def test_several_indices_of_an_axis_between_others() -> None:
    x = np.arange(2 * 3 * 6 * 4, dtype=np.float32).reshape(2, 3, 6, 4)
    script = check_model(model_of(BETWEEN.replace("int64[1]", "int64[2]").replace("-2", "-3, -2")), [x]).script
    assert "return mint.narrow(x, 2, 3, 2).transpose((0, 2, 1, 3))" in script


@pytest.mark.parametrize(
    ("inner", "outer", "left"),
    [
        ((1, 0, 2), (2, 0, 1, 3), ["Gather"]),
        ((2, 0, 1), (2, 3, 0, 1), ["Gather"]),
        ((2, 1, 0), (3, 2, 0, 1), ["Gather"]),
        ((1, 0, 2), (2, 1, 0, 3), ["Transpose", "Gather", "Transpose"]),
        ((1, 0, 2), (0, 2, 1, 3), ["Transpose", "Gather", "Transpose"]),
    ],
    ids=str,
)
def test_indices_of_an_axis_that_is_moved_to_the_front(inner, outer, left):
    text = (
        "(float[n,3,5] x) => (float[a,b,c,d] y)"
        f"{{ a = Transpose <perm={list(inner)}> (x) b = Gather (a, index) y = Transpose <perm={list(outer)}> (b) }}"
    )
    assert fused(text, X, index=np.array([[2, 0], [1, 1], [0, 2]])) == left
