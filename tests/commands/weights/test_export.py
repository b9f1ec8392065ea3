"""Export: what comes back is what went in, bit for bit, under the source's names, and its framework loads it."""

from __future__ import annotations

import importlib
import json
import re
import sys
from pathlib import Path

import mindspore as ms
import numpy as np
import pytest
from harness import save

from converter import convert
from converter.commands.weights.command import main
from converter.errors import BadParamError, ModelLoadingError, WeightMatchError
from converter.weights.readers import read


def export(checkpoint: Path, weights: Path, framework: str, output: Path, *options: str) -> int:
    arguments = [str(checkpoint), "--weight_map", str(weights), "--to", framework, "--output", str(output)]
    return main(["export", *arguments, *options])


def bits(file: Path) -> dict[str, bytes]:
    return {name: tensor.load().tobytes() for name, tensor in read(file).tensors.items()}


def trained(checkpoint: Path, output: Path) -> dict[str, np.ndarray]:
    """The checkpoint after a training step: all parameters are others."""
    arrays = {name: value.asnumpy() + np.float32(0.5) for name, value in ms.load_checkpoint(str(checkpoint)).items()}
    save(arrays, output)
    return arrays


# PyTorch


@pytest.mark.parametrize(("framework", "name"), [("torch", "back.pth"), ("safetensors", "back.safetensors")])
def test_a_torch_state_comes_back(exported, tmp_path, capfd, framework, name):
    _, state, weights, checkpoint = exported
    assert export(checkpoint, weights, framework, tmp_path / name) == 0
    want = bits(state)
    del want["norm.num_batches_tracked"]  # no parameter
    assert bits(tmp_path / name) == want
    assert capfd.readouterr() == (f"Made       12 tensors of {checkpoint}\nWritten    {tmp_path / name}\n", "")


def test_torch_loads_it(exported, tmp_path):
    import torch

    network, _, weights, checkpoint = exported
    trained(checkpoint, tmp_path / "trained.ckpt")
    assert export(tmp_path / "trained.ckpt", weights, "torch", tmp_path / "back.pth") == 0
    other = type(network)().eval()
    other.load_state_dict(torch.load(tmp_path / "back.pth", weights_only=True), strict=True)
    for (name, mine), theirs in zip(other.state_dict().items(), network.state_dict().values(), strict=True):
        if "num_batches" not in name:
            np.testing.assert_allclose(mine.numpy(), theirs.numpy() + 0.5, rtol=1e-6)


def test_the_order_and_what_the_map_lacks_come_from_the_base(exported, tmp_path, capfd):
    _, state, weights, checkpoint = exported
    assert export(checkpoint, weights, "torch", tmp_path / "back.pth", "--base", str(state)) == 0
    assert bits(tmp_path / "back.pth") == bits(state)
    assert list(bits(tmp_path / "back.pth")) == list(bits(state))
    assert "Kept       1 tensor of " in capfd.readouterr().out


def test_a_weight_of_two_names_comes_back_under_both(tmp_path):
    torch = pytest.importorskip("torch", reason="needs torch, which is optional")

    class Tied(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.embed, self.head = torch.nn.Embedding(9, 4), torch.nn.Linear(4, 9)
            self.head.weight = self.embed.weight

        def forward(self, ids):
            return self.head(torch.tanh(self.embed(ids)))

    network = Tied().eval()
    convert(network, (torch.zeros(2, 3, dtype=torch.int64),), output=tmp_path, verify=False)
    assert export(tmp_path / "Tied.ckpt", tmp_path / "weight_map_of_Tied.json", "torch", tmp_path / "back.pth") == 0
    torch.save(network.state_dict(), tmp_path / "state.pth")
    assert bits(tmp_path / "back.pth") == bits(tmp_path / "state.pth")


def test_a_shared_weight_of_the_base_gets_the_new_values(tmp_path, monkeypatch, capfd):
    monkeypatch.chdir(tmp_path)
    table, zeros = np.arange(6, dtype=np.float32).reshape(2, 3), np.zeros((2, 3), np.float32)
    np.savez("base.npz", **{"head.weight": table, "embed.weight": table, "mask": zeros, "other": zeros})
    entries = [
        {
            "converted_weight": {"name": mine, "shape": [2, 3], "data_type": "Float32"},
            "source_weight": {"name": theirs, "shape": [2, 3], "data_type": "float32"},
        }
        for mine, theirs in (("embed", "embed.weight"), ("mask", "mask"))
    ]
    Path("map.json").write_text(json.dumps({"net": entries}))
    save({"embed": table + 1, "mask": zeros + 1}, tmp_path / "net.ckpt")
    assert export("net.ckpt", "map.json", "tensorflow", "back.npz", "--base", "base.npz") == 0
    with np.load("back.npz") as back:
        np.testing.assert_array_equal(back["head.weight"], table + 1)
        np.testing.assert_array_equal(back["mask"], zeros + 1)
        np.testing.assert_array_equal(back["other"], zeros)  # equal by chance
    assert "Shared     1 tensor: head.weight (that of embed.weight)\n" in capfd.readouterr().out


@pytest.mark.parametrize("base", [[], ["--base", "base.npz"]])
def test_what_an_exporter_computed_is_left_out(tmp_path, monkeypatch, capfd, base):
    monkeypatch.chdir(tmp_path)
    array = np.arange(4, dtype=np.float32)
    np.savez("base.npz", weight=array)
    entries = [
        {
            "converted_weight": {"name": name, "shape": [4], "data_type": "Float32"},
            "source_weight": {"name": name, "shape": [4], "data_type": "float32"},
        }
        for name in ("weight", "val_85")
    ]
    Path("map.json").write_text(json.dumps({"net": entries}))
    save({"weight": array, "val_85": array}, tmp_path / "net.ckpt")
    assert export("net.ckpt", "map.json", "torch", "back.pth", *base) == 0
    assert list(bits(Path("back.pth"))) == ["weight"]
    out = capfd.readouterr().out
    assert "Made       1 tensor of net.ckpt\n" in out
    assert "Left out   made by an exporter, no weights of the source: val_85\n" in out


def test_a_base_of_another_network(tmp_path, monkeypatch, capfd):
    monkeypatch.chdir(tmp_path)
    write(tmp_path, whole=np.ones(4), half=np.ones(2))
    entries = json.loads(Path("map.json").read_text())["net"][:1]
    Path("map.json").write_text(json.dumps({"net": entries}))
    np.savez("base.npz", other=np.ones(4))
    assert export("net.ckpt", "map.json", "tensorflow", "back.npz", "--base", "base.npz") == 1
    assert "'base.npz' has no 'w'" in capfd.readouterr().err
    assert not Path("back.npz").exists()


# TensorFlow


@pytest.mark.parametrize("name", ["back", "back.ckpt", "back.npz"])
def test_the_variables_of_a_frozen_graph_come_back(frozen, tmp_path, name):
    values, weights, checkpoint = frozen
    assert export(checkpoint, weights, "tensorflow", tmp_path / name) == 0
    assert bits(tmp_path / name) == {name: array.tobytes() for name, array in values.items()}


def test_a_saver_restores_it(frozen, tmp_path):
    import tensorflow as tf

    values, weights, checkpoint = frozen
    export(checkpoint, weights, "tensorflow", tmp_path / "back")
    v1 = tf.compat.v1
    with tf.Graph().as_default(), v1.Session() as session:
        variable = v1.get_variable("conv/kernel", (3, 3, 3, 4))
        v1.train.Saver([variable]).restore(session, str(tmp_path / "back"))
        np.testing.assert_array_equal(session.run(variable), values["conv/kernel"])


def test_an_lstm_of_keras_comes_back(tmp_path, monkeypatch):
    """Kernels are transposed, and one bias becomes two."""
    monkeypatch.chdir(tmp_path)
    random = np.random.default_rng(0)
    shapes = {"kernel": (8, 24), "recurrent_kernel": (6, 24), "bias": (24,)}
    names = [f"bidirectional/{way}_lstm/lstm_cell" for way in ("forward", "backward")]
    source = {
        f"{path}/{leaf}": random.normal(size=shape).astype(np.float32)
        for path in names
        for leaf, shape in shapes.items()
    }
    source |= {"embedding/embeddings": random.normal(size=(50, 8)).astype(np.float32)}
    source |= {"dense/kernel": random.normal(size=(12, 5)).astype(np.float32), "dense/bias": np.zeros(5, np.float32)}
    np.savez("net.npz", **source)
    network = "commands.weights.my_networks:Tagger"
    assert main(["match", "--source", "net.npz", "--network", network, "--output", "net.ckpt"]) == 0
    assert export("net.ckpt", "weight_map_of_net.json", "tensorflow", "back.npz") == 0
    assert bits(Path("back.npz")) == {name: array.tobytes() for name, array in source.items()}


@pytest.mark.parametrize(
    ("layer", "options"),
    [
        ("GRU", {"reset_after": False}),
        ("LSTM", {"activation": "relu"}),
        ("LSTM", {}),
        ("GRU", {}),
        ("SimpleRNN", {}),
    ],
    ids=["GRU, reset before", "LSTM, relu", "LSTM", "GRU", "RNN"],
)
def test_what_a_recurrent_layer_of_keras_trains_comes_back(tmp_path, monkeypatch, layer, options):
    """The second bias of ONNX's operators, which Keras lacks, is not trained."""
    keras = pytest.importorskip("keras", reason="needs Keras, which is optional")
    monkeypatch.chdir(tmp_path)
    model = keras.Sequential([keras.Input((6, 5)), getattr(keras.layers, layer)(7, name="cell", **options)])
    model.save("net.keras")
    convert("net.keras", verify=False, output=tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "net", raising=False)
    network = importlib.import_module("net").MindSporeModel()
    ms.load_param_into_net(network, ms.load_checkpoint("net.ckpt"), strict_load=True)
    for parameter in network.trainable_params():
        parameter.set_data(parameter + 0.5)
    ms.save_checkpoint(network, "trained.ckpt")
    assert export("trained.ckpt", "weight_map_of_net.json", "tensorflow", "back.npz") == 0
    found = {name: tensor.load() for name, tensor in read(Path("back.npz")).tensors.items()}
    want = {"/".join(weight.path.split("/")[-3:]): weight.numpy() + np.float32(0.5) for weight in model.weights}
    assert found.keys() == want.keys()
    for name, array in want.items():
        np.testing.assert_allclose(found[name], array, rtol=1e-6, err_msg=name)


# What does not fit


def write(folder: Path, **arrays: np.ndarray) -> None:
    """A checkpoint `net.ckpt` and a map in which `half` has a part of its tensor."""
    entries = [
        {
            "converted_weight": {"name": "whole", "shape": [4], "data_type": "Float32"},
            "source_weight": {"name": "w", "shape": [4], "data_type": "float32"},
        },
        {
            "converted_weight": {"name": "half", "shape": [2], "data_type": "Float32"},
            "source_weight": {"name": "v", "shape": [4], "data_type": "float32"},
            "transform": [{"op": "slice", "axis": 0, "start": 0, "stop": 2}],
        },
    ]
    (folder / "map.json").write_text(json.dumps({"net": entries}))
    save({name: array.astype(np.float32) for name, array in arrays.items()}, folder / "net.ckpt")


@pytest.mark.parametrize(
    ("arrays", "details"),
    [
        ({"whole": np.ones(4), "half": np.ones(2)}, [r"v: 2 of its 4 elements are in no parameter; .* 'half'"]),
        ({"whole": np.ones(3), "more": np.ones(2)}, [r"whole is \(3\), not \(4\)", r"half \(2\) is missing"]),
    ],
)
def test_everything_that_does_not_fit_is_named(tmp_path, monkeypatch, capfd, arrays, details):
    monkeypatch.chdir(tmp_path)
    write(tmp_path, **arrays)
    before = set(tmp_path.rglob("*"))
    assert export("net.ckpt", "map.json", "torch", "out/net.pth") == WeightMatchError.exit_status == 1
    first, *rest = capfd.readouterr().err.splitlines()
    assert first.startswith("[WeightMatchError]")
    assert first.endswith(f"{len(details)} tensors cannot be taken back. Nothing was written.")
    for line, wanted in zip(rest, details, strict=True):
        assert re.search(wanted, line)
    assert set(tmp_path.rglob("*")) == before


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        (["missing.ckpt", "map.json", "torch", "net.pth"], ModelLoadingError),
        (["net.ckpt", "missing.json", "torch", "net.pth"], BadParamError),
        (["net.ckpt", "map.json", "torch", "net.ckpt"], BadParamError),
        (["net.ckpt", "map.json", "safetensors", "net.pth"], BadParamError),
    ],
)
def test_wrong_files(tmp_path, monkeypatch, capfd, arguments, error):
    monkeypatch.chdir(tmp_path)
    write(tmp_path, whole=np.ones(4), half=np.ones(2))
    before = set(tmp_path.iterdir())
    assert export(*arguments) == 1
    assert capfd.readouterr().err.startswith(f"[{error.__name__}]")
    assert set(tmp_path.iterdir()) == before


def test_what_else_the_checkpoint_has_is_listed(tmp_path, monkeypatch, capfd):
    monkeypatch.chdir(tmp_path)
    write(tmp_path, whole=np.ones(4), half=np.ones(2), learning_rate=np.ones(1))
    entries = json.loads(Path("map.json").read_text())["net"][:1]
    Path("map.json").write_text(json.dumps({"net": entries}))
    assert export("net.ckpt", "map.json", "tensorflow", "net.npz") == 0
    assert "Not used   2 parameters: half, learning_rate\n" in capfd.readouterr().out
