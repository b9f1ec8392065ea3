from __future__ import annotations

from typing import Any

import numpy as np
import onnx
import pytest
from harness import check, check_model

X = np.random.default_rng(0).normal(scale=3, size=(2, 3, 4)).astype(np.float32)
SLOPE = np.array([0.1, -0.2, 1.5], np.float32)

CASES = [
    ("Relu", {}, "ops.relu(x0)"),
    ("LeakyRelu", {}, "ops.leaky_relu(x0, 0.01)"),
    ("LeakyRelu", {"alpha": 0.2}, "ops.leaky_relu(x0, 0.2)"),
    ("ThresholdedRelu", {"alpha": 0.7}, "ops.threshold(x0, 0.7, 0.0)"),
    ("Elu", {}, "ops.elu(x0)"),
    ("Elu", {"alpha": 2.0}, "ops.relu(x0) + 2.0 * ops.expm1(ops.clamp(x0, max=0.0))"),
    ("Celu", {"alpha": 1.5}, "ops.celu(x0, 1.5)"),
    ("Selu", {}, "ops.selu(x0)"),
    ("Selu", {"alpha": 2.0, "gamma": 3.0}, "3.0 * (ops.relu(x0)"),
    ("Gelu", {}, "ops.gelu(x0)"),
    ("Gelu", {"approximate": "tanh"}, 'ops.gelu(x0, approximate="tanh")'),
    ("HardSigmoid", {}, "ops.clamp(x0 * 0.2 + 0.5, 0.0, 1.0)"),
    ("HardSigmoid", {"alpha": 1 / 6}, "ops.hardsigmoid(x0)"),
    ("HardSwish", {}, "ops.hardswish(x0)"),
    ("Mish", {}, "ops.mish(x0)"),
    ("Swish", {}, "ops.silu(x0)"),
    ("Swish", {"alpha": 1.702}, "x0 * ops.sigmoid(1.702 * x0)"),
    ("Sigmoid", {}, "ops.sigmoid(x0)"),
    ("Softplus", {}, "ops.softplus(x0)"),
    ("Softsign", {}, "ops.softsign(x0)"),
    ("Tanh", {}, "ops.tanh(x0)"),
    ("Softmax", {}, "ops.softmax(x0, -1)"),
    ("Softmax", {"axis": 1}, "ops.softmax(x0, 1)"),
    ("LogSoftmax", {"axis": 0}, "ops.log_softmax(x0, 0)"),
    ("Hardmax", {"axis": 0}, "x0.shape[0]"),
    ("Hardmax", {"axis": -2}, "ops.argmax(x0, 1)"),
    ("Shrink", {"bias": 0.5, "lambd": 0.5}, "ops.softshrink(x0, 0.5)"),
    ("Shrink", {"lambd": 1.5}, "ops.hardshrink(x0, 1.5)"),
    ("Shrink", {"bias": 0.2, "lambd": 1.5}, "ops.where(ops.abs(x0) > 1.5"),
]


@pytest.mark.parametrize(("operator", "attributes", "text"), CASES, ids=[f"{c[0]}-{c[1]}" for c in CASES])
@pytest.mark.usefixtures("behind_layers")
def test_becomes(operator: str, attributes: dict[str, Any], text: str) -> None:
    rep = check(operator, X, free=True, atol=2e-4, **attributes)  # tanh is good to 1e-4
    assert text in rep.script


def test_hardmax_marks_the_first_of_several_largest() -> None:
    check("Hardmax", np.array([[1, 3, 3], [2, 2, 0]], np.float32))


def test_swiglu_is_a_product() -> None:
    assert "ops.silu(x0) * x1" in check("SwiGLU", X, 2 * X, opset=28).script


@pytest.mark.usefixtures("behind_layers")
@pytest.mark.parametrize(
    ("x", "slope"), [(X, SLOPE.reshape(3, 1)), (X, SLOPE.reshape(1, 3, 1)), (X[0].T, SLOPE), (X, SLOPE[:1])]
)
def test_prelu_with_a_slope_for_each_channel_is_a_layer(x: np.ndarray, slope: np.ndarray) -> None:
    rep = check("PRelu", x, slope, constants=(1,), free=True)
    assert f"nn.PReLU({slope.size})" in rep.script
    assert [p.requires_grad for p in rep.net.get_parameters()] == [True]


@pytest.mark.parametrize("constants", [(), (1,)])
def test_prelu_with_any_other_slope_is_composed(constants: tuple[int, ...]) -> None:
    assert "ops.where(x0 >= 0" in check("PRelu", X, X[:1], constants=constants).script


def test_prelu_of_zero_is_zero_whatever_the_slope() -> None:
    check("PRelu", np.array([0.0, -1.0], np.float32), np.array([np.inf, 2.0], np.float32))


def test_prelu_of_float16_has_a_slope_of_float16() -> None:
    check("PRelu", X.astype(np.float16), np.array([0.25], np.float16), constants=(1,), rtol=1e-2)


@pytest.mark.parametrize(("operator", "attributes"), [("Elu", {"alpha": 2.0}), ("Selu", {"alpha": 1.5, "gamma": 2.0})])
def test_elu_keeps_nan(operator: str, attributes: dict[str, float]) -> None:
    check(operator, np.array([np.nan, -1.0, 2.0, np.inf, -np.inf], np.float32), **attributes)


def test_shrink_of_integers_and_of_float64() -> None:
    check("Shrink", np.array([-2, 0, 3], np.int32), bias=0.5)
    check("Shrink", np.array([-2.0, 0.0, 3.0]), bias=0.5)


def test_a_single_element_that_is_hidden_has_no_softmax() -> None:
    check("Softmax", np.array([[1.0], [-np.inf], [np.inf], [np.nan]], np.float32))


def test_elu_has_a_finite_gradient_at_large_inputs() -> None:
    import mindspore as ms
    from mindspore import ops

    rep = check("Elu", X, alpha=2.0)
    gradient = ops.grad(rep.net)(ms.Tensor(np.array([[[200.0, -1.0]]], np.float32)))
    np.testing.assert_allclose(gradient.asnumpy().reshape(-1), [1, 2 * np.exp(-1)], 1e-5)


@pytest.mark.parametrize("guard", ["n = IsNaN(s) y = Where(n, zero, s)", "y = Where(c, s, zero)"])
def test_softmax_of_nothing_that_the_model_replaces(guard: str) -> None:
    model = onnx.parser.parse_model(
        '<ir_version: 8, opset_import: ["": 17]> g (float[N,4] x, bool[N,1] c) => (float[N,4] y) '
        f"<float zero = {{0}}> {{ s = Softmax(x) {guard} }}"
    )
    x = np.array([[-np.inf] * 4, [1, -np.inf, 2, 3]], np.float32)
    rep = check_model(model, [x, np.array([[False], [True]])])
    assert "softmax_or_nan" in rep.script


def test_softmax_of_rows_that_two_masks_hide() -> None:
    """The sum of two least numbers is -inf, where MindSpore's kernel stops: all rows behind would be zeros."""
    text = f"""<ir_version: 8, opset_import: ["": 17]> g (float[N,4] x, bool[N,4] c, int64[N,1] m) => (float[N,4] y)
        <float least = {{{np.finfo(np.float32).min}}}, float zero = {{0}}, float one = {{1}}> {{
        first = Where (c, zero, least) kept = Cast <to = 1> (m) hidden = Sub (one, kept) second = Mul (hidden, least)
        scores = MatMul (x, w) some = Add (scores, first) all = Add (some, second) y = Softmax (all) }}"""
    model = onnx.parser.parse_model(text)
    model.graph.initializer.append(onnx.numpy_helper.from_array(np.eye(4, dtype=np.float32), "w"))
    kept = np.array([[True] * 4, [False] * 4, [True, False, True, True]])
    rep = check_model(model, [X[0, :1].repeat(3, 0)[:, :1].repeat(4, 1), kept, np.array([[0], [0], [1]])])
    assert "softmax_or_nan" in rep.script


def test_the_gradients_behind_a_softmax_of_single_elements_are_right() -> None:
    import mindspore as ms
    from mindspore import ops

    single, several = (check("Softmax", x).net for x in (X[:, :, :1], X))
    ms.set_context(mode=ms.PYNATIVE_MODE)
    ms.grad(lambda x: ops.square(single(x)).sum())(ms.Tensor(X[:, :, :1]))
    weight = ms.Tensor(X[..., ::-1].copy())
    gradient = ms.grad(lambda x: (several(x) * weight).sum())(ms.Tensor(X)).asnumpy()
    y = np.exp(X) / np.exp(X).sum(-1, keepdims=True)
    product = y * weight.asnumpy()
    np.testing.assert_allclose(gradient, product - y * product.sum(-1, keepdims=True), 1e-4, 1e-5)
