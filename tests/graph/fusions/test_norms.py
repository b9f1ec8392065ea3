from __future__ import annotations

import numpy as np
import pytest
from graph.fusions.recognition import fused, model_of
from harness import check_model

RANDOM = np.random.default_rng(0)
C, H, W = 4, 3, 5
X = RANDOM.normal(1, 2, (2, C, H, W)).astype(np.float32)
EPSILON = np.float32(1e-3)


def positive(*shape):
    return RANDOM.uniform(0.5, 1.5, shape).astype(np.float32)


def text(body: str) -> str:
    return f"(float[n,{C},{H},{W}] x) => (float[n,{C},{H},{W}] y) {{ {body} }}"


DEVIATION = "m = ReduceMean(x, axes) d = Sub(x, m) "
VARIANCE = DEVIATION + "q = Mul(d, d) v = ReduceMean(q, axes) e = Add(v, eps) "
SQUARE = "two = Constant <value_float=2.0> () " + DEVIATION + "q = Pow(d, two) v = ReduceMean(q, axes) e = Add(v, eps) "
FORMS = {
    "Sqrt, Div": VARIANCE + "s = Sqrt(e) z = Div(d, s) w = Mul(z, gamma) y = Add(w, beta)",
    "Pow, Sqrt, Div": SQUARE + "s = Sqrt(e) z = Div(d, s) w = Mul(gamma, z) y = Add(beta, w)",
    "Reciprocal": VARIANCE + "s = Sqrt(e) r = Reciprocal(s) z = Mul(d, r) w = Mul(z, gamma) y = Add(w, beta)",
    "scale first": VARIANCE + "s = Sqrt(e) r = Reciprocal(s) f = Mul(r, gamma) w = Mul(d, f) y = Add(w, beta)",
    "Pow -0.5": VARIANCE
    + "h = Constant <value_float=-0.5> () s = Pow(e, h) z = Mul(d, s) w = Mul(z, gamma) y = Add(w, beta)",
    "factor and rest": VARIANCE
    + "s = Sqrt(e) r = Reciprocal(s) f = Mul(r, gamma) w = Mul(x, f) u = Mul(m, f) b = Sub(beta, u) y = Add(w, b)",
    "factor and negative mean": VARIANCE + "s = Sqrt(e) r = Reciprocal(s) f = Mul(r, gamma) w = Mul(x, f) n = Neg(m) "
    "u = Mul(n, f) b = Add(u, beta) y = Add(w, b)",
}
PARAMETERS = {  # axes of the statistics, shape of scale and bias, operator
    "last axis": ((-1,), (W,), "LayerNormalization"),
    "last axis, more axes": ((3,), (1, 1, W), "LayerNormalization"),
    "two axes": ((-2, -1), (H, W), "LayerNormalization"),
    "all but the batch": ((1, 2, 3), (C, H, W), "LayerNormalization"),
    "instance": ((2, 3), (C, 1, 1), "InstanceNormalization"),
    "instance, four axes": ((-1, -2), (1, C, 1, 1), "InstanceNormalization"),
    "one group": ((1, 2, 3), (C, 1, 1), "GroupNormalization"),
}


@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS)
@pytest.mark.parametrize(("axes", "shape", "operator"), PARAMETERS.values(), ids=PARAMETERS)
def test_statistics_of_the_sample(form, axes, shape, operator):
    weights = {"axes": np.array(axes), "eps": EPSILON, "gamma": positive(*shape), "beta": positive(*shape)}
    left = fused(text(form), X, atol=1e-5, **weights)
    assert left[-1] == operator
    assert set(left[:-1]) <= {"Reshape"}


@pytest.mark.parametrize("shape", [(1, C, 1, 1), (C, 1, 1)])
@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS)
def test_statistics_of_the_whole_batch_stay(form, shape):
    """A group norm has statistics of its own for every element of the batch."""
    weights = {"axes": np.arange(4), "eps": EPSILON, "gamma": positive(*shape), "beta": positive(*shape)}
    assert "GroupNormalization" not in fused(text(form), X, atol=1e-5, **weights)


RUNNING = {
    "deviation": "d = Sub(x, mean) e = Add(var, eps) s = Sqrt(e) r = Reciprocal(s) f = Mul(r, gamma) "
    "w = Mul(d, f) y = Add(w, beta)",
    "divided": "d = Sub(x, mean) e = Add(var, eps) s = Sqrt(e) z = Div(d, s) w = Mul(z, gamma) y = Add(w, beta)",
    "factor and rest": "e = Add(var, eps) s = Sqrt(e) r = Reciprocal(s) f = Mul(r, gamma) w = Mul(x, f) "
    "u = Mul(mean, f) b = Sub(beta, u) y = Add(w, b)",
}


@pytest.mark.parametrize("form", RUNNING.values(), ids=RUNNING)
@pytest.mark.parametrize("shape", [(C, 1, 1), (1, C, 1, 1)])
def test_running_statistics(form, shape):
    names = ("gamma", "beta", "mean", "var")
    left = fused(text(form), X, atol=1e-5, eps=EPSILON, **{name: positive(*shape) for name in names})
    assert left == ["Reshape"] * 4 + ["BatchNormalization"]


def test_root_mean_square():
    square = "q = Mul(x, x) v = ReduceMean(q, axes) e = Add(v, eps) s = Sqrt(e) r = Reciprocal(s) "
    weights = {"axes": np.array([-1]), "eps": EPSILON, "gamma": positive(W)}
    assert fused(text(square + "z = Mul(x, r) y = Mul(gamma, z)"), X, **weights) == ["RMSNormalization"]


def test_no_bias():
    weights = {"axes": np.array([-1]), "eps": EPSILON, "gamma": positive(W)}
    left = fused(text(VARIANCE + "s = Sqrt(e) z = Div(d, s) y = Mul(z, gamma)"), X, atol=1e-5, **weights)
    assert left == ["LayerNormalization"]


GROUPS = (
    "r = Reshape(x, split) i = InstanceNormalization <epsilon=0.01> (r, ones, zeros) s = Shape(x) t = Reshape(i, s) "
    "w = Mul(t, gamma) y = Add(w, beta)"
)


def group_weights(groups=2):
    ones, zeros = np.ones(groups, np.float32), np.zeros(groups, np.float32)
    parameters = {"gamma": positive(C, 1, 1), "beta": positive(C, 1, 1)}
    return {"split": np.array([0, groups, -1]), "ones": ones, "zeros": zeros, **parameters}


def test_groups():
    assert fused(text(GROUPS), X, atol=1e-5, **group_weights())[-1] == "GroupNormalization"


def test_groups_with_scales_of_their_own_stay():
    weights = group_weights() | {"ones": np.array([1, 2], np.float32)}
    assert "GroupNormalization" not in fused(text(GROUPS), X, atol=1e-5, **weights)


CHANNELS = "i = InstanceNormalization <epsilon=0.01> (x, ones, zeros) w = Mul(i, gamma) y = Add(w, beta)"


@pytest.mark.parametrize(("ones", "goes"), [(np.ones(C, np.float32), True), (positive(C), False)])
def test_a_norm_of_channels_takes_its_scale(ones, goes):
    weights = {name: array for name, array in group_weights(C).items() if name != "split"} | {"ones": ones}
    left = fused(text(CHANNELS), X, atol=1e-5, **weights)
    assert "InstanceNormalization" in left
    assert ("Mul" in left) != goes


def test_no_scale():
    left = fused(text(VARIANCE + "s = Sqrt(e) y = Div(d, s)"), X, atol=1e-5, axes=np.array([1]), eps=EPSILON)
    assert left == ["Standardize"]


LAYER = FORMS["Sqrt, Div"]
NEAR_MISSES = {
    "another axis": (LAYER, {"axes": np.array([1]), "gamma": positive(C, 1, 1), "beta": positive(C, 1, 1)}),
    "scale of another shape": (LAYER, {"axes": np.array([-1]), "gamma": positive(C, 1, 1), "beta": positive(W)}),
    "variance of other axes": (
        LAYER.replace("ReduceMean(q, axes)", "ReduceMean(q, others)"),
        {"axes": np.array([-1]), "others": np.array([-2]), "gamma": positive(W), "beta": positive(W)},
    ),
    "deviation used": (
        LAYER.replace("y = Add(w, beta)", "a = Add(w, beta) y = Add(a, d)"),
        {"axes": np.array([-1]), "gamma": positive(W), "beta": positive(W)},
    ),
    "epsilon is a vector": (
        LAYER,
        {"axes": np.array([-1]), "gamma": positive(W), "beta": positive(W), "eps": positive(W)},
    ),
}


@pytest.mark.parametrize(("form", "weights"), NEAR_MISSES.values(), ids=NEAR_MISSES)
def test_near_misses_stay(form, weights):
    left = fused(text(form), X, atol=1e-5, **{"eps": EPSILON} | weights)
    assert not {"LayerNormalization", "InstanceNormalization", "GroupNormalization"} & set(left)


@pytest.mark.parametrize(
    ("form", "weights", "layer"),
    [
        (LAYER, {"axes": np.array([-1]), "gamma": positive(1, 1, W), "beta": positive(W)}, "nn.LayerNorm((5,), eps"),
        (GROUPS, group_weights(), "nn.GroupNorm(2, 4, eps=0.01)"),
        (
            RUNNING["factor and rest"],
            {name: positive(1, C, 1, 1) for name in ("gamma", "beta", "mean", "var")},
            "nn.BatchNorm2d(4, eps=0.001)",
        ),
        (VARIANCE + "s = Sqrt(e) y = Div(d, s)", {"axes": np.array([-1])}, "zero_mean_unit_variance(x, (-1,), 0.001)"),
    ],
)  # fmt: skip
def test_script(form, weights, layer):
    rep = check_model(model_of(text(form), **{"eps": EPSILON} | weights), [X], atol=1e-4)
    assert layer in rep.script
    assert all(weight.source_name in weights for _, weight in rep.translation.program.parameters())
