from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from harness import check, check_model, compare, expected_of, model_of

random = np.random.default_rng(0)


def normal(*shape: int) -> np.ndarray:
    return random.normal(size=shape).astype(np.float32)


X = normal(2, 4, 5, 6)
SCALE, BIAS, MEAN, VARIANCE = normal(4), normal(4), normal(4), np.abs(normal(4)) + 0.1


def same_at_another_batch(rep: Any, operator: str, x: np.ndarray, *vectors: np.ndarray, **attributes: Any) -> None:
    more = np.concatenate([x, 2 * x, x[:1]])
    wanted = expected_of(model_of(operator, [more, *vectors], **attributes), [more, *vectors])
    compare(rep.run([more])[0], wanted[0], 1e-4, 1e-5, rep.script)


@pytest.mark.parametrize(
    ("x", "attributes", "text"),
    [
        (X, {}, "nn.BatchNorm2d(4)"),
        (X, {"epsilon": 1e-3, "momentum": 0.99}, "nn.BatchNorm2d(4, eps=0.001, momentum=0.99)"),
        (X[:, :, 0, 0], {}, "nn.BatchNorm1d(4)"),
        (X[:, :, 0], {}, "nn.BatchNorm1d(4)"),
        (X[:, :, None], {}, "nn.BatchNorm3d(4)"),
    ],
    ids=["2-D", "options", "vectors", "1-D", "3-D"],
)
def test_batch_norm_is_a_layer(x: np.ndarray, attributes: dict[str, Any], text: str) -> None:
    vectors = (SCALE, BIAS, MEAN, VARIANCE)
    rep = check("BatchNormalization", x, *vectors, constants=(1, 2, 3, 4), free=True, **attributes)
    assert text in rep.script
    trained = {p.name.rsplit(".", 1)[-1]: p.requires_grad for p in rep.net.get_parameters()}
    assert trained == {"moving_mean": False, "moving_variance": False, "gamma": True, "beta": True}
    same_at_another_batch(rep, "BatchNormalization", x, *vectors, **attributes)


def test_batch_norm_with_computed_vectors_is_a_function() -> None:
    rep = check("BatchNormalization", X, SCALE, BIAS, MEAN, VARIANCE, epsilon=0.1)
    assert "batch_norm(x0, x1, x2, x3, x4, 0.1)" in rep.script


def test_batch_norm_in_training_moves_the_statistics() -> None:
    # onnxruntime runs no training on the CPU; what it should be, by the operator's specification
    mean, variance = X.mean((0, 2, 3)), X.var((0, 2, 3))
    shape = (1, 4, 1, 1)
    y = (X - mean.reshape(shape)) / np.sqrt(variance.reshape(shape) + 1e-5) * SCALE.reshape(shape) + BIAS.reshape(shape)
    expect = [y, MEAN * 0.8 + mean * 0.2, VARIANCE * 0.8 + variance * 0.2]
    vectors = (SCALE, BIAS, MEAN, VARIANCE)
    check("BatchNormalization", X, *vectors, outputs=3, training_mode=1, momentum=0.8, expect=expect)


@pytest.mark.parametrize(
    ("operator", "x", "attributes", "text"),
    [
        ("InstanceNormalization", X, {"epsilon": 0.1}, "nn.GroupNorm(4, 4, eps=0.1)"),
        ("InstanceNormalization", X[:, :, 0], {}, "nn.GroupNorm(4, 4)"),
        ("GroupNormalization", X, {"num_groups": 2}, "nn.GroupNorm(2, 4)"),
        ("GroupNormalization", X, {"num_groups": 4, "epsilon": 0.1}, "nn.GroupNorm(4, 4, eps=0.1)"),
    ],
)
def test_group_norm(operator: str, x: np.ndarray, attributes: dict[str, Any], text: str) -> None:
    rep = check(operator, x, SCALE, BIAS, constants=(1, 2), free=True, **attributes)
    assert text in rep.script
    same_at_another_batch(rep, operator, x, SCALE, BIAS, **attributes)
    groups = attributes.get("num_groups", 4)
    computed = check(operator, x, SCALE, BIAS, **attributes).script
    assert f"ops.group_norm(x0, {groups}, x1, x2" in computed


@pytest.mark.parametrize(
    ("shape", "attributes", "text"),
    [
        ((6,), {}, "nn.LayerNorm((6,), epsilon=1e-05)"),
        ((6,), {"axis": 3, "epsilon": 0.1}, "nn.LayerNorm((6,), epsilon=0.1)"),
        ((5, 6), {"axis": 2}, "nn.LayerNorm((5, 6), begin_norm_axis=2, begin_params_axis=2"),
        ((4, 5, 6), {"axis": -3}, "nn.LayerNorm((4, 5, 6), begin_norm_axis=1"),
    ],
)
def test_layer_norm_is_a_layer(shape: tuple[int, ...], attributes: dict[str, Any], text: str) -> None:
    scale, bias = normal(*shape), normal(*shape)
    rep = check("LayerNormalization", X, scale, bias, constants=(1, 2), free=True, **attributes)
    assert text in rep.script
    same_at_another_batch(rep, "LayerNormalization", X, scale, bias, **attributes)


@pytest.mark.parametrize(
    ("bias", "constants", "text"),
    [
        (normal(6), (), "ops.LayerNorm(-1, -1, 1e-05)(x0, x1, x2)[0]"),
        (None, (), "layer_norm(x0, x1, "),
        (normal(1, 6), (1, 2), "standardize(x0, (-1,), 1e-05)"),
    ],
    ids=["computed", "no bias", "bias of another shape"],
)
def test_layer_norm_elsewhere_is_a_function(bias: np.ndarray | None, constants: tuple[int, ...], text: str) -> None:
    assert text in check("LayerNormalization", X, normal(6), bias, constants=constants).script


@pytest.mark.parametrize("outputs", [2, 3])
def test_layer_norm_also_gives_mean_and_deviation(outputs: int) -> None:
    check("LayerNormalization", X, normal(5, 6), normal(5, 6), constants=(1, 2), outputs=outputs, axis=2)


@pytest.mark.parametrize("attributes", [{}, {"axis": 2, "epsilon": 0.1}])
def test_rms_norm(attributes: dict[str, Any]) -> None:
    scale = normal(5, 6) if attributes else normal(6)
    check("RMSNormalization", X, scale, constants=(1,), free=True, opset=23, **attributes)


def test_rms_norm_with_a_trained_weight_is_a_class() -> None:
    script = check("RMSNormalization", X, normal(6), constants=(1,), free=True, opset=23).script
    assert "RMSNorm(6, 1e-05)" in script
    assert "def rms_norm(" not in script


def test_rms_norm_with_a_computed_weight_is_a_function() -> None:
    script = check("RMSNormalization", X, normal(6), free=True, opset=23).script
    assert "return rms_norm(x0, x1, (-1,), 1e-05)" in script
    assert "class RMSNorm" not in script


def test_rms_norm_computes_half_precision_wide() -> None:
    x = np.full((1, 8), 1000, np.float16)  # whose squares are beyond float16
    check("RMSNormalization", x, np.ones(8, np.float16), constants=(1,), opset=23, expect=[np.ones_like(x)])


@pytest.mark.parametrize("attributes", [{}, {"p": 1}, {"axis": 1}, {"axis": 0, "p": 1}])
def test_lp_normalization(attributes: dict[str, Any]) -> None:
    x = X.copy()
    x[:, :, 0, :] = 0  # zeros stay zeros
    check("LpNormalization", x, free=True, opset=21, **attributes)


@pytest.mark.parametrize("attributes", [{}, {"axes": (1, 3)}])
def test_mean_variance_normalization(attributes: dict[str, Any]) -> None:
    check("MeanVarianceNormalization", X, free=True, **attributes)


@pytest.mark.parametrize(
    "attributes", [{"size": 3}, {"size": 5, "alpha": 0.5, "beta": 0.6, "bias": 2.0}, {"size": 7, "alpha": 1.0}]
)
def test_local_response_norm(attributes: dict[str, Any]) -> None:
    rep = check("LRN", X, free=True, **attributes)
    same_at_another_batch(rep, "LRN", X, **attributes)


@pytest.mark.parametrize(
    ("operator", "scale", "bias", "text"),
    [
        ("LayerNormalization", np.ones(6), np.zeros(6), "normalize(x0, -1, 1e-05)"),
        ("LayerNormalization", np.ones(6), None, "normalize(x0, -1, 1e-05)"),
        ("InstanceNormalization", np.ones(4), np.zeros(4), "nn.GroupNorm(4, 4, affine=False)"),
        ("InstanceNormalization", np.arange(4), np.zeros(4), "nn.GroupNorm(4, 4, affine=False)"),
    ],
)
def test_a_norm_without_trained_vectors_trains_nothing(
    operator: str, scale: np.ndarray, bias: np.ndarray | None, text: str
) -> None:
    vectors = [vector.astype(np.float32) for vector in (scale, bias) if vector is not None]
    model = model_of(operator, [X, *vectors], constants=range(1, 3))
    for tensor in model.graph.initializer:
        tensor.metadata_props.add(key="onnx2mindspore.trained", value="no")
    rep = check_model(model, [X])
    assert text in rep.script
    assert not rep.net.trainable_params()


def test_batch_norm_of_doubles() -> None:
    x, *vectors = (np.random.default_rng(0).uniform(1, 2, shape) for shape in ((2, 3, 4), (3,), (3,), (3,), (3,)))
    check("BatchNormalization", x, *vectors, constants=(1, 2, 3, 4))


@pytest.mark.parametrize(
    ("operator", "options"),
    [("LpNormalization", {"axis": 1}), ("LRN", {"size": 3}), ("MeanVarianceNormalization", {})],
)
def test_squares_that_float16_does_not_hold(operator: str, options: dict[str, Any]) -> None:
    x = np.random.default_rng(0).choice([-600, 300, 900], (2, 4, 3, 3)).astype(np.float16)
    check(operator, x, rtol=1e-2, atol=1e-2, **options)


@pytest.mark.parametrize(
    ("operator", "opset", "channels"),
    [("InstanceNormalization", 22, 4), ("GroupNormalization", 18, 2), ("GroupNormalization", 21, 4)],
)
@pytest.mark.parametrize("spatial", [(3,), (3, 2), (2, 3, 2)])
def test_a_norm_of_free_channels(operator: str, opset: int, channels: int, spatial: tuple[int, ...]) -> None:
    options = {"num_groups": 2} if operator[0] == "G" else {}
    inputs = [normal(2, 4, *spatial), normal(channels), normal(channels)]
    model = model_of(operator, inputs, opset=opset, **options)
    for value in model.graph.input:
        for axis, dim in enumerate(value.type.tensor_type.shape.dim):
            dim.dim_param = f"{value.name}{axis}"
    del model.graph.output[0].type.tensor_type.shape.dim[:]
    model.graph.output[0].type.tensor_type.ClearField("shape")
    check_model(model, inputs, atol=2e-5, dynamic=True)
