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


def test_two_scales_stay_in_float16_whose_products_overflow():
    ends = "(float16[n,2,t,64] q, float16[n,2,64,s] k) => (float16[n,2,t,s] y)"
    q, k = np.full((1, 2, 3, 64), 45, np.float16), np.full((1, 2, 64, 3), 45, np.float16)
    left = fused(f"{ends} {{ a = Mul(q, c) b = Mul(k, c) y = MatMul(a, b) }}", q, k, c=np.float16(64**-0.25))
    assert left == ["Mul", "Mul", "MatMul"]


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


def test_script():
    text = SHAPE + "{" + KEYS + "e = Mul(q, c) f = Mul(kt, d) y = MatMul(e, f) }"
    rep = check_model(model_of(text, **BOUNDS, **C), [Q, K])
    assert "return ops.matmul(q, k.transpose((0, 1, 3, 2))) * 0.25" in rep.script


GUARDLESS = ["MatMul", "Add", "Softmax"]
GUARDED = "p = MatMul(q, k) s = Add(p, m) w = Softmax <axis=-1> (s) n = IsNaN(w) y = Where(n, zero, w) "
CAUSAL = np.where(np.tri(6, dtype=bool), 0, -np.inf).astype(np.float32)
INFINITE = np.where(np.tri(6, dtype=bool), 0, np.inf).astype(np.float32)
NOTHING = np.concatenate([np.full((1, 6), -np.inf, np.float32), CAUSAL[1:]])


@pytest.mark.parametrize(
    ("mask", "left"),
    [(CAUSAL, GUARDLESS), (NOTHING, [*GUARDLESS, "IsNaN", "Where"]), (INFINITE, [*GUARDLESS, "IsNaN", "Where"])],
    ids=["some", "none", "infinite"],
)
def test_a_guard_against_rows_of_nothing_goes_where_there_are_none(mask, left):
    queries, keys = RANDOM.normal(size=(2, 4, 6, 3)), RANDOM.normal(size=(2, 4, 3, 6))
    text = f"(float[n,4,6,3] q, float[n,4,3,6] k) => (float[n,4,6,6] y) {{ {GUARDED} }}"
    assert fused(text, queries.astype(np.float32), keys.astype(np.float32), m=mask, zero=np.float32(0)) == left


@pytest.mark.parametrize(
    ("product", "left"), [("MatMul(q, k)", ["MatMul", "Softmax"]), ("Add(q, k)", ["Add", "Softmax", "IsNaN", "Where"])]
)
def test_a_guard_without_a_mask_goes_behind_a_product(product: str, left: list[str]) -> None:
    guarded = f"p = {product} w = Softmax <axis=-1> (p) n = IsNaN(w) y = Where(n, zero, w)"
    one, other = RANDOM.normal(size=(2, 2, 4, 6, 6)).astype(np.float32)
    text = f"(float[n,4,6,6] q, float[n,4,6,6] k) => (float[n,4,6,6] y) {{ {guarded} }}"
    assert fused(text, one, other, zero=np.float32(0)) == left
