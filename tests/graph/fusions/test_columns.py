from __future__ import annotations

import numpy as np
import pytest
from graph.fusions.recognition import fused, model_of
from harness import check_model

X = np.random.default_rng(0).normal(size=(5, 4)).astype(np.float32)
INDICES = {f"i{k}": np.int64(k) for k in range(4)} | {"one": np.array([1]), "n4": np.array([-1, 4])}
NUMBERS = {"half": np.float32(0.5), "low": np.float32(0), "high": np.float32(0.8), "higher": np.float32(0.9)}
COLUMNS = "".join(f"c{k} = Gather <axis=1> (x, i{k}) " for k in range(4))
SCALED = "".join(f"s{k} = Mul(c{k}, half) " for k in range(4))


def stacked(*names: str) -> str:
    """torch.stack(names, 1)."""
    new = "".join(f"u{i} = Unsqueeze({name}, one) " for i, name in enumerate(names))
    return f"{new} y = Concat <axis=1> ({', '.join(f'u{i}' for i in range(len(names)))})"


def left(body: str, head: str = "(float[5,4] x) => (float[n,c] y)") -> list[str]:
    return fused(f"{head} {{ {body} }}", X, **INDICES, **NUMBERS)


def test_columns_that_are_scaled_alike_are_scaled_together() -> None:
    assert left(COLUMNS + SCALED + stacked("s0", "s1", "s2", "s3")) == ["Mul"]
    assert left(COLUMNS + SCALED + stacked("s1", "s2")) == ["Slice", "Mul"]
    assert left(COLUMNS + SCALED + stacked("s0", "s2")) == ["Slice", "Mul"]


@pytest.mark.parametrize(
    "body",
    [
        SCALED + stacked("s1", "s0", "s3", "s2"),
        SCALED.replace("s3 = Mul(c3, half)", "s3 = Add(c3, half)") + stacked("s0", "s1", "s2", "s3"),
        "a = Softmax <axis=0> (c0) b = Softmax <axis=0> (c1) " + stacked("a", "b"),
    ],
    ids=["another order", "another operator", "not elementwise"],
)
def test_columns_that_are_computed_otherwise_stay(body: str) -> None:
    assert "Stack" in left(COLUMNS + body)


def test_boxes_of_centres_and_sizes() -> None:
    """Two corners of each box, from those of an anchor."""
    centred = "w = Sub(c2, c0) h = Sub(c3, c1) a = Add(c0, c2) b = Add(c1, c3) "
    body = COLUMNS + centred + "p = Sub(a, w) q = Sub(b, h) r = Add(a, w) s = Add(b, h) " + stacked("p", "q", "r", "s")
    assert sorted(left(body)) == ["Add", "Add", "Concat", "Split", "Sub", "Sub"]


def test_a_size_that_is_repeated() -> None:
    body = COLUMNS + "w = Sub(c2, c0) h = Sub(c3, c1) " + stacked("w", "h", "w", "h")
    assert left(body) == ["Split", "Sub", "Concat"]


def test_parts_of_a_split() -> None:
    """RAFT scales the coordinates of a grid."""
    body = "a, b = Split <axis=1> (x, two) {} y = Concat <axis=1> (c, d)"
    sizes = {"two": np.array([1, 1])}
    head = "(float[n,2] x) => (float[n,c] y)"
    scaled = "c = Mul(a, half) d = Mul(b, half)"
    assert fused(f"{head} {{ {body.format(scaled)} }}", X[:, :2], **sizes, **NUMBERS) == ["Mul"]
    two = fused(f"{head} {{ {body.format('c = Mul(a, half) d = Mul(b, high)')} }}", X[:, :2], **sizes, **NUMBERS)
    assert two == ["Mul"]


BOUNDED = "a = Slice(x, i0s, far, one, step) b = Slice(x, i1s, far, one, step) "
CLIPPED = "c = Clip(a, low, {}) d = Clip(b, low, {}) e = Unsqueeze(c, last) f = Unsqueeze(d, last) "
WOVEN = BOUNDED + CLIPPED + "g = Concat <axis=2> (e, f) y = Reshape(g, n4)"
BOUNDS = {"i0s": np.array([0]), "i1s": np.array([1]), "far": np.array([1 << 40]), "step": np.array([2])}


@pytest.mark.parametrize(("limits", "goes"), [(("high", "high"), True), (("high", "higher"), False)])
def test_every_other_column(limits: tuple[str, str], goes: bool) -> None:
    """Detectors clip x and y of boxes."""
    text = f"(float[5,4] x) => (float[5,4] y) {{ {WOVEN.format(*limits)} }}"
    remaining = fused(text, X, last=np.array([2]), **BOUNDS, **INDICES, **NUMBERS)
    assert (remaining == ["Clip"]) == goes


def test_columns_that_are_read_elsewhere_stay() -> None:
    read = COLUMNS + SCALED + stacked("s0", "s1").replace("y =", "joined =")
    text = f"(float[n,4] x) => (float[n,c] y) {{ {read} t = Add(s0, s1) v = Unsqueeze(t, one) y = Mul(joined, v) }}"
    assert "Stack" in fused(text, X, **INDICES, **NUMBERS)


@pytest.mark.parametrize(
    ("sizes", "cut"), [("w = Sub(c2, c0) h = Sub(c3, c1)", "split"), ("w = Sub(c1, c0) h = Sub(c2, c1)", "stack")]
)
def test_boxes_of_which_there_may_be_none(sizes: str, cut: str) -> None:
    """Graph mode dies of a slice of no elements."""
    chosen = "p = Gather <axis=1> (b, i0) q = Greater(p, limit) r = NonZero(q) s = Squeeze(r, zero) x = Gather(b, s) "
    text = f"(float[5,4] b, float limit) => (float[m,2] y) {{ {chosen} {COLUMNS} {sizes} {stacked('w', 'h')} }}"
    for limit in (0, 9):
        report = check_model(model_of(text, **INDICES, zero=np.array([0])), [X, np.float32(limit)])
        assert cut in report.script


def test_script() -> None:
    text = f"(float[n,4] x) => (float[n,c] y) {{ {COLUMNS + SCALED + stacked('s0', 's1', 's2', 's3')} }}"
    report = check_model(model_of(text, **INDICES, **NUMBERS), [X])
    assert "x * 0.5" in report.script
    assert "stack" not in report.script
