"""Whole models: each converts without a stub and equals its source in both modes; small ones are exported to MINDIR."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from harness import assert_short, proved
from paths import MODELS

import converter
from converter.api import Result
from converter.verification.comparisons import SENSITIVE

REAL = sorted(path for path in MODELS.iterdir() if path.suffix in (".onnx", ".pb"))
LIGHT = sorted((Path(onnx.__file__).parent / "backend" / "test" / "data" / "light").glob("light_*.onnx"))
RUN = ("light_shufflenet.onnx", "light_squeezenet.onnx", "light_inception_v1.onnx")
"""Light models that are run and exported; the weights of all are constants of equal elements."""

KERAS = {
    "ResNet50": (5, 130, 53),
    "MobileNetV2": (5, 130, 52),
    "InceptionV3": (12, 300, 94),
    "EfficientNetB0": (12, 200, 49),
    "DenseNet121": (12, 200, 121),
}
"""Applications of Keras, the most classes and lines for each, and its batch norms."""

IMAGES = {"candy.onnx"}
"""Models that want pixels from 0 to 255. Candy takes a mean of about 110 off its input: on standard normal numbers its
first norm sees a variance so small that onnxruntime's own InstanceNormalization is 1e-4 off (against float64, where the
script is 4e-8 off)."""

HALF_PRECISION = {"squeezenet_fp16.onnx"}
"""onnxruntime computes these in 32 bits between the layers on a CPU, MindSpore rounds every layer to 16."""


def convert_real(path: Path, folder: Path, **options: Any) -> Result:
    """Convert a model of `tests/models` at the ends and shapes that its .json names, with more options."""
    wanted = json.loads(path.with_suffix(path.suffix + ".json").read_text(encoding="utf-8"))
    values = {name: np.asarray(value) for name, value in wanted.get("values", {}).items()}
    if path.name in IMAGES:
        shape = wanted["shapes"][0]
        values[wanted["inputs"][0]] = np.random.default_rng(0).uniform(0, 255, shape).astype(np.float32)
    inputs = folder / "inputs.npz" if values else None
    if inputs is not None:
        np.savez(inputs, **values)
    result = converter.convert(
        path,
        shape=[",".join(map(str, shape)) or "-" for shape in wanted["shapes"]],
        input_nodes=wanted["inputs"],
        output_nodes=wanted["outputs"],
        output=folder / "out",
        verify_inputs=inputs,
        **options,
    )
    assert not [note for note in result.notes if note.endswith("Please report it.")]
    return result


def proved_in_float32(result: Result, path: Path) -> None:
    """Assert that a 16-bit network is the same when it computes in 32 bits, and close when it rounds every layer."""
    import mindspore as ms
    import onnxruntime

    assert not result.unconverted
    assert result.verification is not None
    (feed,) = result.verification.feeds.values()
    session = onnxruntime.InferenceSession(path)
    wanted = session.run(None, {session.get_inputs()[0].name: feed})[0].astype(np.float32)
    net = network_of(result)
    for parameter in net.get_parameters():
        parameter.set_dtype(ms.float32)
    ms.set_context(mode=ms.PYNATIVE_MODE)
    got = net(ms.Tensor(feed.astype(np.float32))).asnumpy()
    largest = np.abs(wanted).max()
    assert np.abs(got - wanted).max() <= 2e-3 * largest
    assert all((output.max_abs or 0.0) <= 2e-2 * largest for output in result.verification.outputs)
    assert result.verdict == SENSITIVE
    assert "in float32, source and script are" in result.verification.note


def network_of(result: Result) -> Any:
    """Import a conversion's script and load its checkpoint."""
    from converter.verification import network

    script, *weights = [path for path in result.files if path.suffix in (".py", ".ckpt", ".safetensors")]
    return network.load(script, weights[0] if weights else None)


def export_mindir(result: Result, shapes: list[tuple[int, ...]], dtypes: list[np.dtype], folder: Path) -> None:
    """Export a converted network to MINDIR."""
    import mindspore as ms

    net = network_of(result)
    inputs = [ms.Tensor(np.ones(shape, dtype)) for shape, dtype in zip(shapes, dtypes, strict=True)]
    target = folder / "net.mindir"
    ms.export(net, *inputs, file_name=os.fspath(target), file_format="MINDIR")
    assert target.exists()


@pytest.mark.parametrize("path", REAL, ids=lambda path: path.name)
def test_real_models(path: Path, tmp_path: Path) -> None:
    if path.suffix == ".pb":
        pytest.importorskip("tensorflow")
    result = convert_real(path, tmp_path)
    if path.name in HALF_PRECISION:
        proved_in_float32(result, path)
    else:
        proved(result)


@pytest.mark.parametrize("path", LIGHT, ids=lambda path: path.stem)
def test_light_models(path: Path, tmp_path: Path) -> None:
    if path.name not in RUN:
        result = converter.convert(path, output=tmp_path / "out", verify=False)
        assert not result.unconverted
        return
    result = converter.convert(path, output=tmp_path / "out")
    proved(result)
    export_mindir(result, *_signature(result), tmp_path)


@pytest.mark.parametrize("name", KERAS)
def test_keras_applications(name: str, tmp_path: Path) -> None:
    pytest.importorskip("tensorflow")
    from models_keras import frozen

    path = tmp_path / f"{name}.pb"
    frozen(name, path, (96, 96, 3))
    result = converter.convert(path, output=tmp_path / "out")
    proved(result)
    classes, lines, norms = KERAS[name]
    assert_short(result, classes, lines)
    weights = [parameter.name for parameter in network_of(result).get_parameters()]
    assert sum(weight.endswith(".moving_mean") for weight in weights) == norms


@pytest.mark.parametrize("dynamo", [True, False], ids=["dynamo", "torchscript"])
@pytest.mark.parametrize("name", ["resnet", "vit", "encoder", "decoder", "unet"])
def test_torch_exports(name: str, dynamo: bool, tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    import models_torch

    path = tmp_path / f"{name}.onnx"
    module = models_torch.export(name, path, dynamo)
    result = converter.convert(path, output=tmp_path / "out")
    proved(result)
    export_mindir(result, *_signature(result), tmp_path)
    inputs = models_torch.MODELS[name][1]()
    batch = tuple(torch.cat([value] * 3) for value in inputs)  # the batch is free: run it at 6
    with torch.no_grad():
        wanted = module(*batch)
    for got, want in zip(run(result, batch), wanted if isinstance(wanted, tuple) else (wanted,), strict=True):
        np.testing.assert_allclose(got, want.numpy(), rtol=1e-3, atol=1e-4)


def run(result: Result, inputs: tuple) -> list[np.ndarray]:
    """Run a converted network on torch tensors or arrays."""
    import mindspore as ms

    ms.set_context(mode=ms.PYNATIVE_MODE)
    made = network_of(result)(*[ms.Tensor(np.asarray(value)) for value in inputs])
    return [item.asnumpy() for item in (made if isinstance(made, tuple) else (made,))]


def _signature(result: Result) -> tuple[list[tuple[int, ...]], list[np.dtype]]:
    """Shapes and element types of what verification fed."""
    assert result.verification is not None
    feeds = result.verification.feeds
    return [array.shape for array in feeds.values()], [array.dtype for array in feeds.values()]
