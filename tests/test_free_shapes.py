"""A script runs at other batches, lengths and image sizes, where the source leaves them free or a letter frees them."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import numpy_helper
from paths import ROOT

import converter
from converter.errors import FixedAxisError

IMAGE = (0, 2, 3)
"""The batch, the height and the width."""
TEXT = (0, 1)
"""The batch and the length."""

TORCH: dict[str, tuple[Sequence[int], list[tuple[int, ...]]]] = {
    "resnet18": (IMAGE, [(1, 3, 32, 96), (7, 3, 75, 41)]),
    "unet": (IMAGE, [(1, 3, 32, 64), (7, 3, 20, 24)]),
    "pyramid": (IMAGE, [(1, 3, 32, 64), (7, 3, 25, 39)]),
    "vit": ((0,), [(1, 3, 32, 32), (7, 3, 32, 32)]),
    "encoder": (TEXT, [(1, 12), (7, 5)]),
    "decoder": (TEXT, [(1, 12), (7, 5)]),
    "tagger": (TEXT, [(1, 12), (7, 5)]),
}
"""Model → the axes that are free in the export, and shapes to run it at; the first is the one it is converted at."""

KERAS: dict[str, tuple[tuple[int | None, ...], list[tuple[int, ...]], Callable[[Any], list[Any]]]] = {
    "images": (
        (None, None, 3),
        [(1, 32, 48, 3), (7, 27, 41, 3)],
        lambda layers: [
            layers.Conv2D(6, 3, strides=2, padding="same", use_bias=False),
            layers.BatchNormalization(),
            layers.ReLU(6.0),
            layers.DepthwiseConv2D(3, padding="same"),
            layers.MaxPooling2D(3, 2, padding="same"),
            layers.GlobalAveragePooling2D(),
            layers.Dense(4, activation="softmax"),
        ],
    ),
    "maps": (
        (None, None, 3),
        [(1, 16, 24, 3), (7, 11, 9, 3)],
        lambda layers: [
            layers.Conv2DTranspose(5, 3, strides=2, padding="same"),
            layers.AveragePooling2D(2, padding="same"),
            layers.UpSampling2D(2),
            layers.Conv2D(4, 3, padding="same", dilation_rate=2, activation="swish"),
        ],
    ),
    "sequences": (
        (None, 8),
        [(1, 9, 8), (7, 14, 8)],
        lambda layers: [
            layers.Conv1D(6, 3, padding="causal"),
            layers.Bidirectional(layers.LSTM(5, return_sequences=True)),
            layers.GRU(4, return_sequences=True),
            layers.LayerNormalization(),
            layers.Dense(3),
            layers.GlobalMaxPooling1D(),
        ],
    ),
}
"""Stack of layers → the shape of its input without the batch, shapes to run it at, and the layers."""


Run = tuple[Sequence[np.ndarray], Sequence[np.ndarray]]
"""Inputs, and the outputs of the source."""


def inputs_of(name: str, shape: tuple[int, ...]) -> tuple[np.ndarray, ...]:
    """Random inputs of a model of `TORCH`; a mask hides the ends of some sequences."""
    random = np.random.default_rng(0)
    if len(shape) == 4:
        return (random.standard_normal(shape).astype(np.float32),)
    ids = random.integers(0, 50, shape)
    if name != "encoder":
        return (ids,)
    lengths = random.integers(1, shape[1] + 1, (shape[0], 1))
    return ids, (np.arange(shape[1]) < lengths).astype(np.int64)


def network_of(path: Path, **options: Any) -> Any:
    """Convert a model and load the script."""
    from converter.verification import network

    result = converter.convert(path, output=path.parent / "out", verify=False, **options)
    assert not result.unconverted, [f"{r.operator} {r.name}: {r.became}" for r in result.unconverted]
    script, weights = (path for path in result.files if path.suffix in (".py", ".ckpt"))
    return network.load(script, weights)


def check(net: Any, inputs: Sequence[np.ndarray], wanted: Sequence[np.ndarray]) -> None:
    """Compare a network with the source in PyNative and in graph mode."""
    import mindspore as ms

    for mode in (ms.PYNATIVE_MODE, ms.GRAPH_MODE):
        ms.set_context(mode=mode)
        check_outputs(net, inputs, wanted)


def check_outputs(net: Any, inputs: Sequence[np.ndarray], wanted: Sequence[np.ndarray]) -> None:
    import mindspore as ms

    made = net(*[ms.Tensor(value) for value in inputs])
    for got, want in zip(made if isinstance(made, tuple) else (made,), wanted, strict=True):
        np.testing.assert_allclose(got.asnumpy(), want, rtol=1e-3, atol=1e-4 * np.abs(want).max())


def check_compiled_once(net: Any, free: Sequence[int], runs: Sequence[Run]) -> None:
    """Compare a network that graph mode compiles once, for all extents of the free axes, with the source."""
    import mindspore as ms

    ms.set_context(mode=ms.GRAPH_MODE)
    shapes = [[None if i in free else extent for i, extent in enumerate(value.shape)] for value in runs[0][0]]
    types = [ms.Tensor(value).dtype for value in runs[0][0]]
    net.set_inputs(*[ms.Tensor(shape=shape, dtype=dtype) for shape, dtype in zip(shapes, types, strict=True)])
    for inputs, wanted in runs:
        check_outputs(net, inputs, wanted)


@pytest.mark.parametrize("dynamo", [True, False], ids=["dynamo", "torchscript"])
@pytest.mark.parametrize("name", TORCH)
def test_torch_at_another_shape_than_the_given_one(name: str, dynamo: bool, tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    import models_torch

    free, shapes = TORCH[name]
    module = models_torch.export(name, tmp_path / "model.onnx", dynamo, free)
    given = ",".join(map(str, shapes[0]))
    net = network_of(tmp_path / "model.onnx", shape=[given] * len(inputs_of(name, shapes[0])))
    runs = []
    for shape in shapes:
        inputs = inputs_of(name, shape)
        with torch.no_grad():
            outputs = module(*map(torch.from_numpy, inputs))
        runs.append((inputs, [output.numpy() for output in (outputs if isinstance(outputs, tuple) else (outputs,))]))
        check(net, *runs[-1])
    check_compiled_once(net, free, runs)


@pytest.mark.parametrize("name", KERAS)
def test_keras_at_another_shape_than_the_given_one(name: str, tmp_path: Path) -> None:
    pytest.importorskip("tensorflow", reason="the extra 'tensorflow' is not installed")
    import keras
    import models_keras

    fixed, shapes, stack = KERAS[name]
    network = keras.Sequential([keras.Input(fixed), *stack(keras.layers)])
    models_keras.randomize(network)
    models_keras.freeze(network, tmp_path / "model.pb")
    net = network_of(tmp_path / "model.pb", shape=[",".join(map(str, shapes[0]))])
    runs = []
    for shape in shapes:
        x = np.random.default_rng(0).standard_normal(shape).astype(np.float32)
        runs.append(([x], [network(x, training=False).numpy()]))
        check(net, *runs[-1])
    if name != "sequences":  # MindSpore's CPU kernel of nn.GRU takes one length at a time
        check_compiled_once(net, [0, *(axis for axis, extent in enumerate(fixed, 1) if extent is None)], runs)


STATIC = ("vit", "encoder", "tagger")
"""Models with a class token, with masks, with initial states."""


@pytest.mark.parametrize("name", STATIC)
def test_a_letter_frees_a_fixed_batch(name: str, tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    import models_torch

    module = models_torch.export(name, tmp_path / "model.onnx", False, (), batch=1)
    shape = (5, *models_torch.MODELS[name][1]()[0].shape[1:])
    inputs = inputs_of(name, shape)
    net = network_of(tmp_path / "model.onnx", shape=["N," + ",".join(map(str, shape[1:]))] * len(inputs))
    with torch.no_grad():
        outputs = module(*map(torch.from_numpy, inputs))
    check(net, inputs, [output.numpy() for output in (outputs if isinstance(outputs, tuple) else (outputs,))])


def test_a_residual_network_of_batch_one_trains_with_batches(tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    import mindspore as ms
    import models_torch
    from mindspore import nn

    kept = {"training": torch.onnx.TrainingMode.PRESERVE, "do_constant_folding": False}  # its batch norms stay
    models_torch.export("resnet18", tmp_path / "model.onnx", False, (), batch=1, **kept)
    net = network_of(tmp_path / "model.onnx", shape=["N,3,64,64"])
    ms.set_context(mode=ms.GRAPH_MODE)
    random = np.random.default_rng(0)
    labels = ms.Tensor(np.arange(32) % 4, ms.int32)
    images = ms.Tensor(random.standard_normal((32, 3, 64, 64)), ms.float32)
    step = nn.TrainOneStepCell(
        nn.WithLossCell(net, nn.CrossEntropyLoss()), nn.Adam(net.trainable_params(), learning_rate=1e-2)
    ).set_train()
    losses = [float(step(images, labels).asnumpy()) for _ in range(6)]
    assert losses[-1] < losses[0] / 2


@pytest.mark.parametrize("shape", ["1,1,H,16", "1,1,16,W"])
def test_an_image_size_that_a_node_fixes_is_not_freed(shape: str, tmp_path: Path) -> None:
    text = """<ir_version: 8, opset_import: ["" : 17]> net (float[1,1,16,16] x) => (float[1,3] y)
        { c = Conv(x, kernel)  f = Flatten(c)  y = MatMul(f, weight) }"""
    model = onnx.parser.parse_model(text)
    kernel, weight = np.ones((2, 1, 3, 3), np.float32), np.ones((392, 3), np.float32)
    model.graph.initializer.extend(
        [numpy_helper.from_array(kernel, "kernel"), numpy_helper.from_array(weight, "weight")]
    )
    onnx.save(model, tmp_path / "net.onnx")
    with pytest.raises(FixedAxisError, match=r"fixes at 16, cannot be freed: the Conv .* Export the model again"):
        converter.convert(tmp_path / "net.onnx", output=tmp_path / "out", shape=[shape], verify=False)


def test_an_image_size_that_only_the_input_fixes_is_free(tmp_path: Path) -> None:
    path = Path(shutil.copy(ROOT / "samples/super_resolution/super_resolution.onnx", tmp_path))
    net = network_of(path, shape=["N,1,H,W"])
    import mindspore as ms

    assert "float32 (N, 1, H, W)" in (tmp_path / "out" / "super_resolution.py").read_text(encoding="utf-8")
    assert net(ms.Tensor(np.zeros((2, 1, 20, 30), np.float32))).shape == (2, 1, 60, 90)
