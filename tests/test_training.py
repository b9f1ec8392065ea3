"""A converted network trains: its gradients are the source framework's, and fine-tuning lowers the loss."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

import converter
from converter.pipeline import Result
from converter.weights import apply

torch = pytest.importorskip("torch")

TOLERANCE = 1e-3
"""Of the largest value of a parameter's gradient."""
NOTHING = 1e-4
"""Of the largest gradient of all: a smaller one is zero but for rounding (the next batch norm takes it out)."""


@pytest.fixture(scope="module", params=["small_resnet", "encoder"])
def exported(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[Any, Result, tuple]:
    """A torch module, its conversion, and example inputs; the export keeps batch norms and equal parameters apart.

    The ResNet is small, because of every million activations about one lies so close to zero that rounding decides on
    which side of the ReLU's kink it is.
    """
    import models_torch

    folder = tmp_path_factory.mktemp(request.param)
    module = models_torch.export(request.param, folder / "model.onnx", dynamo=True, optimize=False)
    torch.manual_seed(1)
    inputs = models_torch.MODELS[request.param][1]()
    return module, converter.convert(folder / "model.onnx", output=folder, verify=False), inputs


def network_of(result: Result) -> Any:
    from converter import network

    script, *weights = [path for path in result.files if path.suffix in (".py", ".ckpt")]
    return network.load(script, weights[0])


def torch_gradients(module: Any, inputs: tuple, training: bool) -> dict[str, np.ndarray]:
    """Gradients of the sum of squares of every output."""
    module.train(training)
    module.zero_grad()
    outputs = module(*inputs)
    outputs = outputs if isinstance(outputs, tuple) else (outputs,)
    sum((output**2).sum() for output in outputs).backward()
    module.eval()
    return {name: p.grad.numpy() for name, p in module.named_parameters() if p.grad is not None}


def mindspore_gradients(net: Any, inputs: tuple, training: bool) -> dict[str, np.ndarray]:
    import mindspore as ms
    from mindspore import ops

    def loss(*values: Any) -> Any:
        outputs = net(*values)
        outputs = outputs if isinstance(outputs, tuple) else (outputs,)
        return sum(ops.square(output).sum() for output in outputs)

    ms.set_context(mode=ms.PYNATIVE_MODE)
    net.set_train(training)
    parameters = net.trainable_params()
    _, gradients = ms.value_and_grad(loss, None, parameters)(*[ms.Tensor(np.asarray(value)) for value in inputs])
    net.set_train(False)
    return {p.name: g.asnumpy() for p, g in zip(parameters, gradients, strict=True)}


@pytest.mark.parametrize("training", [False, True], ids=["inference", "training"])
def test_gradients_equal_torch(exported: tuple[Any, Result, tuple], training: bool) -> None:
    module, result, inputs = exported
    buffers = {name: tensor.clone() for name, tensor in module.named_buffers()}
    wanted = torch_gradients(module, inputs, training)
    module.load_state_dict(buffers, strict=False)
    got = mindspore_gradients(network_of(result), inputs, training)
    entries = json.loads(next(path for path in result.files if path.name.startswith("weight_map")).read_text())
    sources = {e["converted_weight"]["name"]: e for e in next(iter(entries.values()))}
    assert {sources[name]["source_weight"]["name"] for name in got} == set(wanted)
    scale = max(np.abs(gradient).max() for gradient in wanted.values())
    for name, gradient in got.items():
        entry = sources[name]
        source = apply(entry.get("transform", []), wanted[entry["source_weight"]["name"]])
        largest = max(np.abs(source).max(), NOTHING * scale)
        assert np.abs(gradient - source).max() <= TOLERANCE * largest, name


def test_fine_tuning_lowers_the_loss(exported: tuple[Any, Result, tuple]) -> None:
    import mindspore as ms
    from mindspore import nn, ops

    _, result, inputs = exported
    net = network_of(result)
    net.set_train(True)
    values = [ms.Tensor(np.asarray(value)) for value in inputs]

    def loss(*values: Any) -> Any:
        outputs = net(*values)
        outputs = outputs if isinstance(outputs, tuple) else (outputs,)
        return sum(ops.square(output).mean() for output in outputs)

    optimizer = nn.Adam(net.trainable_params(), 1e-3)
    step = ms.value_and_grad(loss, None, optimizer.parameters)
    losses = []
    for _ in range(20):
        value, gradients = step(*values)
        optimizer(gradients)
        losses.append(float(value.asnumpy()))
    assert losses[-1] < losses[0]


def test_running_statistics_move_in_training_only(exported: tuple[Any, Result, tuple]) -> None:
    import mindspore as ms

    _, result, inputs = exported
    net = network_of(result)
    statistics = [p for p in net.get_parameters() if p.name.endswith("moving_mean")]
    if not statistics:
        pytest.skip("the model has no batch norm")
    values = [ms.Tensor(np.asarray(value)) for value in inputs]
    before = [p.asnumpy().copy() for p in statistics]
    net(*values)
    assert all(np.array_equal(p.asnumpy(), old) for p, old in zip(statistics, before, strict=True))
    net.set_train(True)
    net(*values)
    assert not any(np.array_equal(p.asnumpy(), old) for p, old in zip(statistics, before, strict=True))
