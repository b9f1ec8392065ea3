from __future__ import annotations

import numpy as np
import pytest
from graph.fusions.recognition import fused, model_of
from harness import check_model

X = np.random.default_rng(0).normal(size=(2, 3, 5)).astype(np.float32)


def left_of(body: str, **weights) -> list[str]:
    return fused(f"(float[n,3,5] x) => (float[n,5] y) {{ {body} }}", X, **weights)


SPLIT = "a, b, c = Split <axis=1> (x, sizes) p = Squeeze(a, axis) q = Squeeze(b, axis) r = Squeeze(c, axis) "
GATHER = "p = Gather <axis=1> (x, i0) q = Gather <axis=1> (x, i1) r = Gather <axis=1> (x, i2) "
INDICES = {f"i{i}": np.array(i) for i in range(3)}
SUM = "s = Mul(p, q) y = Sub(s, r)"


@pytest.mark.parametrize("parts", [SPLIT, GATHER], ids=["split", "gather"])
def test_all_elements_are_unbound(parts):
    weights = {"sizes": np.array([1, 1, 1]), "axis": np.array([1]), **INDICES}
    weights = {name: array for name, array in weights.items() if name in parts}
    assert left_of(parts + SUM, **weights) == ["Unbind", "Mul", "Sub"]


@pytest.mark.usefixtures("behind_layers")
def test_one_part_may_be_reshaped():
    """As where a query is reshaped before its axis is taken out."""
    parts = SPLIT.replace("p = Squeeze(a, axis)", "p = Reshape(a, shape)")
    constants = {"sizes": np.array([1, 1, 1]), "axis": np.array([1]), "shape": np.array([-1, 5])}
    assert left_of(parts + SUM, **constants) == ["Unbind", "Reshape", "Mul", "Sub"]
    text = f"(float[n,3,5] x) => (float[n,5] y) {{ {parts + SUM} }}"
    assert "= ops.unbind(x, 1)" in check_model(model_of(text, **constants), [X]).script


def test_elements_of_elements_are_unbound():
    body = "a = Gather (x, i0) b = Gather (x, i1) p = Gather (a, i0) q = Gather (a, i1) r = Gather (a, i2) "
    text = f"(float[2,3,5] x) => (float[3,5] y) {{ {body} s = Mul(p, q) t = Sub(s, r) y = Add(t, b) }}"
    assert fused(text, X, **INDICES) == ["Unbind", "Unbind", "Mul", "Sub", "Add"]


def test_one_element_of_each_is_not_unbound():
    assert "Unbind" not in left_of("p = Gather <axis=1> (x, i0) q = Gather <axis=1> (x, i2) y = Mul(p, q)", **INDICES)


def test_a_split_whose_parts_are_used_otherwise_stays():
    body = SPLIT + "t = Add(p, q) s = ReduceSum(b, axis) u = Squeeze(s, axis) v = Add(t, u) y = Sub(v, r)"
    left = left_of(body, sizes=np.array([1, 1, 1]), axis=np.array([1]))
    assert "Split" in left
    assert "Unbind" not in left


def test_places_of_no_element() -> None:
    """Graph mode fails to unbind what NonZero does not find, and so does every step after it."""
    constants = {"i0": np.array(0), "i1": np.array(1), "ten": np.array(10)}
    body = "z = NonZero(x) p = Gather(z, i0) q = Gather(z, i1) r = Mul(p, ten) y = Add(r, q)"
    for mask in (np.eye(2, dtype=np.float32), np.zeros((2, 2), np.float32)):
        rep = check_model(model_of(f"(float[n,m] x) => (int64[k] y) {{ {body} }}", **constants), [mask])
        assert "= mint.unbind(" in rep.script


@pytest.mark.parametrize("past", [0, 2])
def test_keys_and_values_of_all_layers_in_one_tensor(past: int) -> None:
    """The first step of a decoder has no past: the inner Unbind is of none, too."""
    constants = {f"i{n}": np.array(n) for n in range(2)}
    layers = [
        f"p{n} = Gather(past, i{n}) k{n} = Gather(p{n}, i0) v{n} = Gather(p{n}, i1) "
        f"c{n} = Concat <axis = 0> (k{n}, {x}) d{n} = Concat <axis = 0> (v{n}, {x}) y{n} = Mul(d{n}, c{n})"
        for n, x in enumerate(("x", "y0"))
    ]
    text = f"(float[q,4] x, float[2,2,p,4] past) => (float[a,b] y1) {{ {' '.join(layers)} }}"
    caches = np.ones((2, 2, past, 4), np.float32)
    rep = check_model(model_of(text, **constants), [np.ones((3, 4), np.float32), caches])
    assert rep.script.count("= mint.unbind(") > 1


@pytest.mark.usefixtures("behind_layers")
def test_script():
    text = f"(float[n,3,5] x) => (float[n,5] y) {{ {SPLIT + SUM} }}"
    rep = check_model(model_of(text, sizes=np.array([1, 1, 1]), axis=np.array([1])), [X])
    assert "= ops.unbind(x, 1)" in rep.script
    assert len(rep.translation.program.records) == 6
