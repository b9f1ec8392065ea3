from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from harness import check, check_model
from onnx import TensorProto, helper

random = np.random.default_rng(0)
WEIGHT = random.random(5, np.float32)


def normal(*shape: int) -> np.ndarray:
    return random.normal(size=shape).astype(np.float32)


def labels(*shape: int) -> np.ndarray:
    return random.integers(0, 5, shape)


@pytest.mark.parametrize("name", ["NegativeLogLikelihoodLoss", "SoftmaxCrossEntropyLoss"])
@pytest.mark.parametrize(
    ("extents", "weight", "attributes"),
    [
        ((), None, {}),
        ((), WEIGHT, {"reduction": "none"}),
        ((), WEIGHT, {}),
        ((4,), None, {"reduction": "sum"}),
        ((2, 2), WEIGHT, {"ignore_index": 1}),
        ((2, 2), None, {"ignore_index": -1}),
        ((2, 1, 2), WEIGHT, {"reduction": "none", "ignore_index": 2}),
    ],
)
def test_loss(name: str, extents: tuple[int, ...], weight: np.ndarray | None, attributes: dict[str, Any]) -> None:
    target = labels(3, *extents)
    if "ignore_index" in attributes:
        target.flat[0] = attributes["ignore_index"]
    check(name, normal(3, 5, *extents), target, weight, constants=(2,), opset=22, **attributes)


def test_what_is_written() -> None:
    rep = check("SoftmaxCrossEntropyLoss", normal(3, 5), labels(3), free=True, constants=(), reduction="sum")
    assert 'ops.cross_entropy(x0, x1, reduction="sum")' in rep.script


def test_logarithms_are_an_output() -> None:
    rep = check("SoftmaxCrossEntropyLoss", normal(3, 5, 2), labels(3, 2), WEIGHT, constants=(2,), outputs=2)
    assert "log_prob = ops.log_softmax(x0, 1)" in rep.script


OPTIMISERS = {
    "Adagrad": (3, {"norm_coefficient": 0.1, "epsilon": 1e-3, "decay_factor": 0.2}),
    "Adam": (4, {"norm_coefficient": 0.1, "norm_coefficient_post": 0.2, "alpha": 0.8, "beta": 0.7, "epsilon": 1e-3}),
    "Momentum": (3, {"norm_coefficient": 0.1, "alpha": 0.8, "beta": 0.7, "mode": "standard"}),
    "Momentum of Nesterov": (3, {"norm_coefficient": 0.1, "alpha": 0.8, "beta": 0.7, "mode": "nesterov"}),
}


@pytest.mark.parametrize("name", OPTIMISERS)
@pytest.mark.parametrize("count", [0, 3])
@pytest.mark.parametrize("tensors", [1, 2])
def test_step_of_an_optimiser(name: str, count: int, tensors: int) -> None:
    kinds, attributes = OPTIMISERS[name]
    names = [f"x{i}" for i in range(2 + kinds * tensors)]
    results = [f"y{i}" for i in range((kinds - 1) * tensors)]
    domain = "ai.onnx.preview.training"
    node = helper.make_node(name.split(" ")[0], names, results, domain=domain, **attributes)  # type: ignore[arg-type]
    shapes: list[tuple[int, list[int]]] = [(TensorProto.FLOAT, []), (TensorProto.INT64, [])]
    shapes += [(TensorProto.FLOAT, [3 + i % tensors]) for i in range(kinds * tensors)]
    graph = helper.make_graph(
        [node],
        "g",
        [helper.make_tensor_value_info(name, *shape) for name, shape in zip(names, shapes, strict=True)],
        [helper.make_tensor_value_info(y, TensorProto.FLOAT, [3 + i % tensors]) for i, y in enumerate(results)],
    )
    opsets = [helper.make_opsetid("", 17), helper.make_opsetid(domain, 1)]
    values = [np.abs(normal(3 + i % tensors)) for i in range(kinds * tensors)]
    model = helper.make_model(graph, opset_imports=opsets, ir_version=10)
    check_model(model, [np.float32(0.1), np.array(count), *values])


@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
@pytest.mark.parametrize("weighted", [False, True])
def test_losses_that_float16_adds_up(reduction: str, weighted: bool) -> None:
    """MindSpore's CPU kernel gives NaN."""
    x = (np.random.default_rng(0).normal(size=(2, 4, 6, 6)) * 600).astype(np.float16)
    labels, weights = np.zeros((2, 6, 6), np.int64), np.array([0.5, 1, 1, 1], np.float16)
    inputs = (x, labels, weights) if weighted else (x, labels)
    check("SoftmaxCrossEntropyLoss", *inputs, reduction=reduction, rtol=1e-2, atol=1)
