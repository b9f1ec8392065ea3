from __future__ import annotations

from typing import Any

import mindspore as ms
import numpy as np
import pytest
from harness import check, model_of
from onnx import TensorProto
from onnx_backend import MindSporeBackend, MindSporeRep

X = np.random.default_rng(0).normal(size=(2, 3)).astype(np.float32)
RATIO, ON = np.float32(0.3), np.array(True)


def both_modes(rep: MindSporeRep, *inputs: np.ndarray) -> list[tuple[Any, ...]]:
    results = []
    for mode in (ms.PYNATIVE_MODE, ms.GRAPH_MODE):
        ms.set_context(mode=mode)
        results.append(rep.run(inputs))
    return results


NORMAL = {"mean": 5.0, "scale": 2.0}
UNIFORM = {"low": -1.0, "high": 3.0}
DRAWS = [
    ("RandomNormal", {"shape": [50, 80]}, 0, 1),
    ("RandomNormal", {"shape": [50, 80], "dtype": TensorProto.DOUBLE, **NORMAL}, 5, 2),
    ("RandomUniform", {"shape": [50, 80], **UNIFORM}, 1, 4 / 12**0.5),
    ("RandomUniform", {"shape": [50, 80], "dtype": TensorProto.FLOAT16, "seed": 3.0}, 0.5, 1 / 12**0.5),
    ("RandomNormalLike", NORMAL, 5, 2),
    ("RandomUniformLike", UNIFORM, 1, 4 / 12**0.5),
    ("RandomUniformLike", {"dtype": TensorProto.FLOAT16}, 0.5, 1 / 12**0.5),
]


@pytest.mark.parametrize(("operator", "attributes", "mean", "deviation"), DRAWS)
def test_distribution(operator: str, attributes: dict[str, Any], mean: float, deviation: float) -> None:
    inputs = [np.zeros((50, 80), np.float32)] if operator.endswith("Like") else []
    rep = MindSporeBackend.prepare(model_of(operator, inputs, free=True, **attributes))
    for (drawn,) in both_modes(rep, *inputs):
        types = {TensorProto.DOUBLE: np.float64, TensorProto.FLOAT16: np.float16}
        assert drawn.dtype == types.get(attributes.get("dtype"), np.float32)
        assert drawn.shape == (50, 80)
        drawn = drawn.astype(np.float64)
        assert abs(drawn.mean() - mean) < 0.06 * deviation
        assert abs(drawn.std() / deviation - 1) < 0.06


def test_a_shape_that_is_free_is_taken_from_the_input() -> None:
    rep = MindSporeBackend.prepare(model_of("RandomNormalLike", [X], free=True))
    assert rep.run([np.zeros((7, 3), np.float32)])[0].shape == (7, 3)


def test_bernoulli_draws_each_element_with_its_own_probability() -> None:
    p = np.repeat(np.array([[0.0, 0.2, 1.0]], np.float32), 2000, 0)
    rep = MindSporeBackend.prepare(model_of("Bernoulli", [p], free=True, dtype=TensorProto.INT32))
    for (drawn,) in both_modes(rep, p):
        assert drawn.dtype == np.int32
        np.testing.assert_allclose(drawn.mean(0), [0, 0.2, 1], atol=0.04)


def test_multinomial_draws_from_logarithms() -> None:
    logits = np.log(np.array([[1, 3], [3, 1]], np.float32)) + 5
    rep = MindSporeBackend.prepare(model_of("Multinomial", [logits], sample_size=2000))
    for (drawn,) in both_modes(rep, logits):
        assert drawn.dtype == np.int32
        np.testing.assert_allclose(drawn.mean(1), [0.75, 0.25], atol=0.04)


@pytest.mark.parametrize(("inputs", "p"), [((X,), 0.5), ((X, RATIO), 0.3), ((X, RATIO, np.array(False)), 0.3)])
def test_dropout_is_a_layer_that_acts_in_training(inputs: tuple[np.ndarray, ...], p: float) -> None:
    rep = check("Dropout", *inputs, constants=(1, 2), free=True)
    assert f"nn.Dropout(p={p})" in rep.script
    rep.net.set_train()
    kept = rep.run([np.ones((100, 50), np.float32)])[0]
    assert abs((kept == 0).mean() - p) < 0.05
    np.testing.assert_allclose(kept[kept != 0], 1 / (1 - p), 1e-5)


def test_dropout_keeps_everything_in_inference() -> None:
    check("Dropout", X, RATIO, constants=(1,), outputs=2, free=True)


def test_dropout_of_an_unknown_ratio_in_inference_is_nothing() -> None:
    assert "return x0" in check("Dropout", X, RATIO).script


@pytest.mark.parametrize("outputs", [1, 2])
@pytest.mark.parametrize("constants", [(1, 2), (2,), ()])
def test_dropout_that_the_source_applies_always(outputs: int, constants: tuple[int, ...]) -> None:
    x = np.ones((100, 50), np.float32)
    model = model_of("Dropout", [x, RATIO, ON], constants=constants, outputs=outputs, free=True)
    rep = MindSporeBackend.prepare(model)
    for dropped, *mask in both_modes(rep, x, *[(RATIO, ON)[i - 1] for i in (1, 2) if i not in constants]):
        assert abs((dropped == 0).mean() - 0.3) < 0.05
        np.testing.assert_allclose(dropped[dropped != 0], 1 / 0.7, 1e-5)
        for kept in mask:
            np.testing.assert_array_equal(kept, dropped != 0)


def test_dropout_that_an_input_turns_off() -> None:
    check("Dropout", X, RATIO, np.array(False), outputs=2)
