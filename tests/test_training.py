"""A converted network trains: its gradients are the source framework's, and fine-tuning lowers the loss."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import converter
from converter.api import Result
from converter.base.weight_steps import apply

TOLERANCE = 1e-3
"""Of the largest value of a parameter's gradient."""
NOTHING = 1e-3
"""Of the largest gradient of all: a smaller one is zero but for rounding (the next batch norm takes it out)."""

TORCH = ("resnet18", "encoder", "decoder", "tied_decoder", "tagger")
KERAS = ("MobileNetV2", "LSTM", "GRU", "ConvNeXt", "EfficientNet")

Gradients = dict[str, np.ndarray]


@dataclass(frozen=True)
class Trained:
    """A model of a framework, its conversion, and inputs.

    Attributes:
        gradients: for training mode or not, the gradient of the sum of squares of every output with respect to every
            trainable tensor, by the tensor's name in the weight map. The model's state stays as it was.
        moved: running means and variances after a step in training mode, by the name in the weight map; None where
            the file does not hold the momentum.
    """

    result: Result
    inputs: tuple[np.ndarray, ...]
    gradients: Callable[[bool], Gradients]
    moved: Callable[[], Gradients] | None = None

    def network(self) -> Any:
        """The script as a network, its checkpoint loaded."""
        from converter.verification import network

        script, *weights = [path for path in self.result.files if path.suffix in (".py", ".ckpt")]
        return network.load(script, weights[0])

    def entries(self) -> dict[str, Any]:
        """The weight map, by the parameter's name."""
        file = next(path for path in self.result.files if path.name.startswith("weight_map"))
        return {e["converted_weight"]["name"]: e for e in next(iter(json.loads(file.read_text()).values()))}


def of_torch(name: str, folder: Path) -> Trained:
    """A torch export that keeps batch norms and equal parameters apart."""
    torch = pytest.importorskip("torch")
    import models_torch

    module = models_torch.export(name, folder / "model.onnx", dynamo=True, optimize=False)
    torch.manual_seed(1)
    inputs = models_torch.MODELS[name][1]()
    names = {id(p): key for key, p in module.named_parameters(remove_duplicate=False)}  # the last one, as in the export

    def run(training: bool) -> None:
        module.train(training)
        module.zero_grad()
        outputs = module(*inputs)
        outputs = outputs if isinstance(outputs, tuple) else (outputs,)
        sum((output**2).sum() for output in outputs).backward()
        module.eval()

    def gradients(training: bool) -> Gradients:
        buffers = {key: tensor.clone() for key, tensor in module.named_buffers()}
        run(training)
        module.load_state_dict(buffers, strict=False)
        return {names[id(p)]: p.grad.numpy() for p in module.parameters() if p.grad is not None}

    def moved() -> Gradients:
        buffers = {key: tensor.clone() for key, tensor in module.named_buffers()}
        run(training=True)
        found = {key: tensor.numpy().copy() for key, tensor in module.named_buffers() if "running" in key}
        module.load_state_dict(buffers, strict=False)
        return found

    result = converter.convert(folder / "model.onnx", output=folder, verify=False)
    return Trained(result, tuple(value.numpy() for value in inputs), gradients, moved)


def of_keras(name: str, folder: Path) -> Trained:
    """A frozen graph, whose constants are told from one another by their random values."""
    pytest.importorskip("tensorflow", reason="the extra 'tensorflow' is not installed")
    import keras
    import models_keras
    import tensorflow as tf

    keras.utils.set_random_seed(0)
    network, shape = models_keras.TRAINED[name]()
    models_keras.randomize(network)
    models_keras.freeze(network, folder / "model.pb")
    constants = models_keras.constants(folder / "model.pb")
    random = np.random.default_rng(1)
    words = network.inputs[0].dtype == "int32"
    inputs = random.integers(0, 50, shape, np.int32) if words else random.standard_normal(shape).astype(np.float32)

    def gradients(training: bool) -> Gradients:
        kept = network.get_weights()
        with tf.GradientTape() as tape:
            loss = tf.reduce_sum(tf.square(network(inputs, training=training)))
        variables = network.trainable_variables
        found = tape.gradient(loss, [variable.value for variable in variables])
        network.set_weights(kept)
        names = [next(k for k, array in constants.items() if np.array_equal(array, v.numpy())) for v in variables]
        return {name: tf.convert_to_tensor(gradient).numpy() for name, gradient in zip(names, found, strict=True)}

    result = converter.convert(folder / "model.pb", output=folder, verify=False)
    return Trained(result, (inputs,), gradients)


@pytest.fixture(scope="module", params=[*TORCH, *KERAS])
def trained(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Trained:
    """A model of each kind.

    They are small, because of every million activations about one lies so close to zero that rounding decides on
    which side of the ReLU's kink it is.
    """
    make = of_torch if request.param in TORCH else of_keras
    return make(request.param, tmp_path_factory.mktemp(request.param))


def step_of(net: Any, graph: bool) -> Callable[..., Any]:
    """A function from inputs to the sum of squares of every output and its gradients."""
    import mindspore as ms
    from mindspore import ops

    def loss(*values: Any) -> Any:
        outputs = net(*values)
        outputs = outputs if isinstance(outputs, tuple) else (outputs,)
        return sum([ops.square(output).sum() for output in outputs])

    ms.set_context(mode=ms.GRAPH_MODE if graph else ms.PYNATIVE_MODE)
    step = ms.value_and_grad(loss, None, net.trainable_params())
    return ms.jit(step) if graph else step


def tensors(values: tuple[np.ndarray, ...]) -> list[Any]:
    import mindspore as ms

    return [ms.Tensor(value) for value in values]


@pytest.mark.parametrize("graph", [False, True], ids=["PyNative", "graph"])
@pytest.mark.parametrize("training", [False, True], ids=["inference", "training"])
def test_gradients_equal_the_source(trained: Trained, training: bool, graph: bool) -> None:
    wanted = trained.gradients(training)
    net = trained.network()
    net.set_train(training)
    _, gradients = step_of(net, graph)(*tensors(trained.inputs))
    got = {p.name: g.asnumpy() for p, g in zip(net.trainable_params(), gradients, strict=True)}
    entries = {name: entry for name, entry in trained.entries().items() if name in got}
    assert {entry["source_weight"]["name"] for entry in entries.values()} == set(wanted)
    scale = max(np.abs(gradient).max() for gradient in wanted.values())
    for name, entry in entries.items():
        source = apply(entry.get("transform", []), wanted[entry["source_weight"]["name"]])
        largest = max(np.abs(source).max(), NOTHING * scale)
        assert np.abs(got[name] - source).max() <= TOLERANCE * largest, name


def test_fine_tuning_lowers_the_loss(trained: Trained) -> None:
    from mindspore import nn

    net = trained.network()
    net.set_train(True)
    step = step_of(net, graph=True)
    values = tensors(trained.inputs)
    loss, gradients = step(*values)
    first = float(loss.asnumpy())
    slope = sum(float(np.square(gradient.asnumpy()).sum()) for gradient in gradients)
    optimizer = nn.SGD(net.trainable_params(), 0.01 * first / slope)  # a step takes off about a hundredth
    for _ in range(20):
        loss, gradients = step(*values)
        optimizer(gradients)
    assert float(loss.asnumpy()) < 0.95 * first


def test_running_statistics_move_in_training_only(trained: Trained) -> None:
    net = trained.network()
    statistics = {p.name: p for p in net.get_parameters() if "moving_" in p.name}
    if not statistics:
        pytest.skip("the model has no batch norm")
    before = {name: p.asnumpy().copy() for name, p in statistics.items()}
    net(*tensors(trained.inputs))
    assert all(np.array_equal(p.asnumpy(), before[name]) for name, p in statistics.items())
    net.set_train(True)
    net(*tensors(trained.inputs))
    assert not any(np.array_equal(p.asnumpy(), before[name]) for name, p in statistics.items())
    wanted = trained.moved() if trained.moved else {}
    for name, entry in trained.entries().items():
        source = wanted.get(entry["source_weight"]["name"])
        if source is not None:
            np.testing.assert_allclose(statistics[name].asnumpy(), source, rtol=1e-3, atol=1e-4, err_msg=name)
