from __future__ import annotations

import numpy as np
import pytest
from graph.fusions.recognition import fused, model_of
from harness import check_model

RANDOM = np.random.default_rng(0)
Q, K = (RANDOM.normal(size=(2, 4, 5, 6)).astype(np.float32) for _ in range(2))
SHAPE = "(float[n,4,5,6] q, float[n,4,5,6] k) => (float[n,4,5,5] y) "
C = {"c": np.array([0.5], np.float32), "d": np.float32(0.5)}
KEYS = "s = Shape(k) a = Slice(s, m2, m1) b = Slice(s, m1, far) r = Slice(s, zero, m2) "
KEYS += "t1 = Concat <axis=0> (m1, a, b) t2 = Concat <axis=0> (r, b, a) "
KEYS += "k1 = Reshape(k, t1) k2 = Transpose <perm=[0,2,1]> (k1) kt = Reshape(k2, t2) "
BOUNDS = {name: np.array([n]) for name, n in {"m1": -1, "m2": -2, "zero": 0, "far": np.iinfo(np.int64).max}.items()}


def test_keys_are_transposed_at_once():
    left = fused(SHAPE + "{" + KEYS + "y = MatMul(q, kt) }", Q, K, **BOUNDS)
    assert left == ["Transpose", "MatMul"]


def test_other_transposes_in_three_axes_stay():
    body = "k1 = Reshape(k, t1) k2 = Transpose <perm=[0,2,1]> (k1) y = Reshape(k2, t2)"
    left = fused(
        f"(float[n,4,5,6] k) => (float[m,4,6] y) {{ {body} }}", K, t1=np.array([-1, 10, 6]), t2=np.array([-1, 4, 6])
    )
    assert left == ["Reshape", "Transpose", "Reshape"]


def test_two_scales_become_one():
    text = SHAPE + "{ kt = Transpose <perm=[0,1,3,2]> (k) a = Mul(q, c) b = Mul(d, kt) y = MatMul(a, b) }"
    assert fused(text, Q, K, **C) == ["Transpose", "MatMul", "Mul"]


@pytest.mark.parametrize(("size", "scale"), [(64, "0.125"), (32, "0.17677669"), (0.3, "1.82574")])
def test_what_rounding_left_of_two_scales_goes(size, scale):
    text = SHAPE + "{ kt = Transpose <perm=[0,1,3,2]> (k) a = Mul(q, c) b = Mul(c, kt) y = MatMul(a, b) }"
    root = np.sqrt(1 / np.sqrt(np.float32(size)), dtype=np.float32)
    assert f" * {scale}" in check_model(model_of(text, c=root), [Q, K]).script


def test_two_roots_become_their_square():
    body = (
        "kt = Transpose <perm=[0,1,3,2]> (k) r1 = Sqrt(s) r2 = Sqrt(s) a = Mul(q, r1) b = Mul(kt, r2) y = MatMul(a, b)"
    )
    text = SHAPE.replace("k) =>", "k, float[1] s) =>") + f"{{ {body} }}"
    assert fused(text, Q, K, np.array([0.3], np.float32)) == ["Transpose", "MatMul", "Mul"]


def test_scales_that_are_no_numbers_stay():
    text = SHAPE + "{ kt = Transpose <perm=[0,1,3,2]> (k) a = Mul(q, c) b = Mul(kt, d) y = MatMul(a, b) }"
    left = fused(text, Q, K, c=np.float32([1, 2, 3, 4, 5, 6]), d=np.float32(0.5))
    assert left == ["Transpose", "Mul", "Mul", "MatMul"]


REPEAT = (
    "(float[n,2,5,6] x) => (float[n,m,5,6] y) { u = Unsqueeze(x, axes) e = Expand(u, wide) y = Reshape(e, merged) }"
)


@pytest.mark.parametrize(
    ("axis", "wide", "merged", "operator"),
    [
        (2, [1, 2, 3, 5, 6], [-1, 6, 5, 6], "RepeatInterleave"),
        (2, [1, 2, 3, 5, 6], [12, 5, 6], "RepeatInterleave, Reshape"),  # batch and heads one axis
        (2, [1, 2, 3, 5, 6], [2, 6, 30], "Reshape"),
        (1, [1, 3, 2, 5, 6], [-1, 6, 5, 6], "Reshape"),  # the whole repeated, not each head
    ],
)
def test_heads_are_repeated(axis, wide, merged, operator):
    weights = {"axes": np.array([axis]), "wide": np.array(wide), "merged": np.array(merged)}
    text = REPEAT.replace("n,m,5,6", ",".join("abcd"[: len(merged)]))
    assert ", ".join(fused(text, K[:, :2], **weights)).endswith(operator)
    assert ("RepeatInterleave" in fused(text, K[:, :2], **weights)) == ("RepeatInterleave" in operator)


def test_heads_of_a_cache_are_repeated():
    text = "(float[n,2,p,6] past, float[n,2,s,6] x) => (float[n,6,t,6] y) { c = Concat <axis=2> (past, x) "
    text += "s1 = Shape <start=2, end=3> (x) s2 = Shape <start=2, end=3> (past) s = Add(s1, s2) "
    text += "n = Shape <start=0, end=1> (x) wide = Concat <axis=0> (n, a, s, b) merged = Concat <axis=0> (n, d, s, e) "
    text += "u = Unsqueeze(c, axes) e1 = Expand(u, wide) y = Reshape(e1, merged) }"
    numbers = {"axes": [2], "a": [2, 3], "b": [6], "d": [6], "e": [6]}
    left = fused(text, K[:, :2], Q[:, :2, :3], **{name: np.array(each) for name, each in numbers.items()})
    assert left == ["Concat", "RepeatInterleave"]


ROTATE = (
    "(float[n,5,6] x) => (float[n,5,6] y) { a = Slice(x, half, far, axes, one) b = Slice(x, zero, half, axes, one) "
)
ROTATE += "c = Neg(a) y = Concat <axis=-1> (c, b) }"


@pytest.mark.parametrize(("half", "operator"), [(3, "RotateHalf"), (2, "Concat")])
def test_rotary_embedding(half, operator):
    weights = {"half": np.array([half]), "axes": np.array([2]), "one": np.array([1])}
    weights |= {name: BOUNDS[name] for name in ("far", "zero")}
    assert fused(ROTATE, K[:, 0], **weights)[-1] == operator


def test_script():
    text = SHAPE + "{" + KEYS + "e = Mul(q, c) f = Mul(kt, d) y = MatMul(e, f) }"
    rep = check_model(model_of(text, **BOUNDS, **C), [Q, K])
    assert "return ops.matmul(q, k.transpose((0, 1, 3, 2))) * 0.25" in rep.script
    weights = {"half": np.array([3]), "axes": np.array([2]), "one": np.array([1]), **BOUNDS}
    del weights["m1"], weights["m2"]
    assert "return rotate_half(x)" in check_model(model_of(ROTATE, **weights), [K[:, 0]]).script
    weights = {"axes": np.array([2]), "wide": np.array([1, 2, 3, 5, 6]), "merged": np.array([-1, 6, 5, 6])}
    assert "ops.repeat_interleave(x, 3, 1)" in check_model(model_of(REPEAT, **weights), [K[:, :2]]).script


GUARDED = "s = Add(q, m) w = Softmax <axis=-1> (s) n = IsNaN(w) y = Where(n, zero, w) "
CAUSAL = np.where(np.tri(6, dtype=bool), 0, -np.inf).astype(np.float32)
NOTHING = np.concatenate([np.full((1, 6), -np.inf, np.float32), CAUSAL[1:]])


@pytest.mark.parametrize(
    ("mask", "left"),
    [(CAUSAL, ["Add", "Softmax"]), (NOTHING, ["Add", "Softmax", "IsNaN", "Where"])],
    ids=["some", "none"],
)
def test_a_guard_against_rows_of_nothing_goes_where_there_are_none(mask, left):
    scores = RANDOM.normal(size=(2, 4, 6, 6)).astype(np.float32)
    text = f"(float[n,4,6,6] q) => (float[n,4,6,6] y) {{ {GUARDED} }}"
    assert fused(text, scores, m=mask, zero=np.float32(0)) == left
