"""Comparing: a network of one's own beside its source, output by output and layer by layer."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest
from commands.weights import my_sources

from converter.commands.weights.command import main
from converter.errors import BadParamError, ModelLoadingError, ParamMissingError

SOURCES = "commands.weights.my_sources"


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def compared(source: str, network: str, call: str, *options: str) -> int:
    own = ["--network", f"commands.weights.my_networks:{network}", "--output", "net.ckpt"]
    return main(["match", "--source", source, *own, "--compare", f"{SOURCES}:{call}", *options])


def torch_lenet(name: str = "torch_lenet") -> str:
    torch = pytest.importorskip("torch", reason="needs torch, which is optional")
    torch.save(getattr(my_sources, name)().state_dict(), "lenet.pth")
    return "lenet.pth"


def test_a_torch_network(capfd):
    assert compared(torch_lenet(), "LeNet5", "torch_lenet", "--shape", "2,1,28,28") == 0
    out, err = capfd.readouterr()
    assert err == ""
    assert re.search(
        r"^Output     0: same; maximum absolute error \S+, maximum relative error \S+, mean relative error ", out, re.M
    )
    assert re.search(r"^Layers     5 compared, none differs$", out, re.M)
    assert Path("net.ckpt").exists()


def test_a_convolution_of_one_pixel_is_a_dense_layer(capfd):
    """Axes of one element are no difference."""
    source = torch_lenet("torch_lenet_that_convolves")
    assert compared(source, "LeNet5", "torch_lenet_that_convolves", "--shape", "2,1,28,28") == 0
    assert "Layers     5 compared, none differs" in capfd.readouterr().out


def test_the_first_layer_that_differs(capfd):
    source = torch_lenet()
    compared(source, "LeNet5", "torch_lenet", "--shape", "2,1,28,28", "--mapping", "new.toml")
    main(["match", "--source", source, "--network", "commands.weights.my_networks:LeNet5", "--output", "net.ckpt"])
    text = Path("mapping_of_net.toml").read_text()
    Path("net.toml").write_text(
        re.sub(r'^("conv2.weight" = "3.weight)"', r'\1 | transpose(0, 1, 3, 2)"', text, flags=re.M)
    )
    capfd.readouterr()
    assert compared(source, "LeNet5", "torch_lenet", "--shape", "2,1,28,28", "--mapping", "net.toml", "--json") == 3
    found = json.loads(capfd.readouterr().out)["comparison"]
    assert not found["same"]
    assert (found["first_difference"]["layer"], found["first_difference"]["source"]) == ("conv2", "3")
    assert found["layers"] == 2
    assert Path("net.ckpt").exists()


def test_a_keras_network_whose_layers_hold_their_activation(capfd):
    keras = pytest.importorskip("keras", reason="needs Keras, which is optional")
    keras.utils.set_random_seed(1)
    my_sources.keras_lenet().save("lenet.keras")
    keras.utils.clear_session()
    assert compared("lenet.keras", "LeNet5", "keras_lenet") == 0  # the model says what its inputs are
    out = capfd.readouterr().out
    assert "Beware" not in out
    assert re.search(r"^Layers     5 compared, none differs$", out, re.M)


def test_a_recurrent_network_of_integers(capfd):
    keras = pytest.importorskip("keras", reason="needs Keras, which is optional")
    keras.utils.clear_session()
    my_sources.keras_tagger().save("tagger.keras")
    keras.utils.clear_session()
    assert compared("tagger.keras", "Tagger", "keras_tagger", "--shape", "3,4") == 0
    assert re.search(r"^Output     0: same;", capfd.readouterr().out, re.M)


def test_a_function_of_tensorflow(capfd):
    """A guess is included, since the comparison says whether it is right."""
    tf = pytest.importorskip("tensorflow", reason="needs TensorFlow, which is optional")
    network = my_sources.tensorflow_twins()
    tf.raw_ops.SaveV2(
        prefix="net",
        tensor_names=[variable.name.removesuffix(":0") for variable in network.variables],
        shape_and_slices=[""] * 4,
        tensors=[variable.value() for variable in network.variables],
    )
    assert compared("net", "Twins", "tensorflow_twins", "--shape", "3,4") == 0
    out = capfd.readouterr().out
    assert re.search(r"^Output     0: same;", out, re.M)
    assert "Layers" not in out


@pytest.mark.parametrize("beginning", ["", "model.", "0."])
def test_names_that_begin_with_a_module_around_the_network(capfd, beginning):
    torch = pytest.importorskip("torch", reason="needs torch, which is optional")
    state = my_sources.torch_lenet().state_dict()
    torch.save({beginning + name: value for name, value in state.items()}, "lenet.pth")
    assert compared("lenet.pth", "LeNet5", "torch_lenet", "--shape", "2,1,28,28") == 0
    assert re.search(r"^Layers     5 compared, none differs$", capfd.readouterr().out, re.M)


def test_other_weights_than_the_file(capfd):
    assert compared(torch_lenet(), "LeNet5", "torch_lenet(classes=9)", "--shape", "2,1,28,28") == 3
    out = capfd.readouterr().out
    assert re.search(r"^Beware     the source network has other weights", out, re.M)
    assert re.search(r"^First      layer that differs: conv1 \(source: 0\)", out, re.M)


def test_inputs_of_the_user(capfd):
    np.savez("inputs.npz", x=np.zeros((1, 1, 28, 28), np.float32))
    assert compared(torch_lenet(), "LeNet5", "torch_lenet", "--inputs", "inputs.npz") == 0


@pytest.mark.parametrize(
    ("call", "options", "error", "message"),
    [
        ("torch_lenet", [], ParamMissingError, "Add --shape"),
        ("torch_lenet", ["--shape", "2,x"], BadParamError, "is no shape"),
        ("torch_lenet", ["--shape", "0,1"], BadParamError, "at least 1"),
        ("torch_lenet", ["--inputs", "lenet.pth"], BadParamError, r"is no \.npz"),
        ("torch_lenet(10", [], BadParamError, "is no call"),
        ("no_network", [], BadParamError, "makes a int, no network"),
        ("torch_refuses", ["--shape", "2,1,28,28"], ModelLoadingError, "the source refuses the inputs: RuntimeError"),
        ("torch_lenet", ["--shape", "2,1,32,32"], ModelLoadingError, "the source refuses the inputs"),
    ],
)
def test_what_cannot_be_compared(capfd, tmp_path, call, options, error, message):
    source = torch_lenet()
    before = set(tmp_path.iterdir())
    assert compared(source, "LeNet5", call, *options) == 1
    err = capfd.readouterr().err
    assert err.startswith(f"[{error.__name__}]")
    assert re.search(message, err)
    assert set(tmp_path.iterdir()) == before


def test_a_network_that_refuses_the_inputs(capfd):
    assert compared(torch_lenet(), "Twins", "torch_lenet", "--shape", "1,1,28,28") == 1
    assert re.match(r"\[ModelLoadingError\] .*the network refuses the inputs", capfd.readouterr().err)
