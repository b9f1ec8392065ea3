from __future__ import annotations

import numpy as np
import pytest
from graph.fusions.recognition import fused, model_of
from harness import check_model

RANDOM = np.random.default_rng(0)
Q, K = (RANDOM.normal(size=(2, 4, 5, 6)).astype(np.float32) for _ in range(2))
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


def test_script():
    weights = {"axes": np.array([2]), "wide": np.array([1, 2, 3, 5, 6]), "merged": np.array([-1, 6, 5, 6])}
    assert "ops.repeat_interleave(x, 3, 1)" in check_model(model_of(REPEAT, **weights), [K[:, :2]]).script
