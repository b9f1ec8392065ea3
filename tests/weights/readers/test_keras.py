"""Keras's files: the names, the order and the values of the variables, without Keras."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

from converter.errors import ModelLoadingError, RuntimeIntegrityError
from converter.weights.readers import read

keras = pytest.importorskip("keras", reason="needs Keras, which is optional")
layers = keras.layers


@pytest.fixture(scope="module")
def model():
    """A model whose layers have names of their own, stand in other models, and lack some of their variables."""
    keras.utils.clear_session()
    inner = keras.Sequential([keras.Input((8,)), layers.Dense(2, name="dense_10"), layers.PReLU()], name="inner")
    image = keras.Input((8, 8, 3))
    x = layers.Conv2D(4, 3, name="second")(layers.Conv2D(3, 1, use_bias=False, name="first")(image))
    x = layers.BatchNormalization(scale=False)(x)
    x = layers.SeparableConv2D(5, 3)(layers.DepthwiseConv2D(1)(x))
    x = layers.Dense(6, name="a_head")(layers.LayerNormalization()(layers.Flatten()(x)))
    x = layers.Bidirectional(layers.LSTM(4))(layers.Reshape((2, 3))(x))
    network = keras.Model(image, inner(x))
    for variable in network.weights:
        variable.assign(np.random.default_rng(0).normal(size=variable.shape))
    network.compile("adam", "mse")
    network.optimizer.build(network.trainable_variables)  # the file holds an optimizer's slots as well
    return network


def saved(model, folder: Path, name: str) -> Path:
    if name.endswith(".weights.h5"):
        model.save_weights(folder / name)
    else:
        model.save(folder / name)
    return folder / name


@pytest.mark.parametrize(
    ("name", "kind"),
    [("net.keras", "Keras model"), ("net.h5", "Keras model in HDF5"), ("net.weights.h5", "Keras weights")],
)
def test_every_variable_by_its_name(model, tmp_path, name, kind):
    found = read(saved(model, tmp_path, name))
    wanted = {variable.path: variable for variable in model.weights}
    if name == "net.weights.h5":  # no configuration says that this norm lacks its scale
        numbers = {"beta": "0", "moving_mean": "1", "moving_variance": "2"}
        wanted = {
            path if not path.startswith("batch") else f"batch_normalization/{numbers[path.split('/')[1]]}": variable
            for path, variable in wanted.items()
        }
    assert (found.kind, found.framework) == (kind, "tensorflow")
    assert set(found.tensors) == set(wanted)
    for path, variable in wanted.items():
        tensor = found.tensors[path]
        assert (tensor.array.shape, tensor.array.dtype) == (tuple(variable.shape), "float32")
        np.testing.assert_array_equal(tensor.load(), np.asarray(variable))


@pytest.mark.parametrize("name", ["net.keras", "net.h5"])
def test_the_order_is_that_of_the_layers(model, tmp_path, name):
    assert list(read(saved(model, tmp_path, name)).tensors) == [variable.path for variable in model.weights]


def test_a_subclassed_model(tmp_path):
    class Network(keras.Model):
        def __init__(self) -> None:
            super().__init__()
            self.first = layers.Dense(3)
            self.blocks = [layers.Dense(3), layers.Embedding(5, 2)]

        def call(self, x):
            return self.blocks[0](self.first(x))

    network = Network()
    network(np.ones((1, 4)))
    network.blocks[1](np.ones((1, 4)))
    network.save_weights(tmp_path / "net.weights.h5")
    found = read(tmp_path / "net.weights.h5").tensors
    assert {name.rpartition("/")[2] for name in found} == {"kernel", "bias", "embeddings"}
    assert sorted(tensor.array.shape for tensor in found.values()) == [(3,), (3,), (3, 3), (4, 3), (5, 2)]


def test_bfloat16(tmp_path):
    network = keras.Sequential([keras.Input((3,)), layers.Dense(2, dtype="bfloat16", name="head")])
    found = read(saved(network, tmp_path, "net.keras")).tensors["head/kernel"]
    assert found.array.dtype == found.load().dtype.name == "bfloat16"
    np.testing.assert_array_equal(found.load().astype(float), np.asarray(network.weights[0]).astype(float))


def test_hdf5_of_others(tmp_path):
    import h5py

    with h5py.File(tmp_path / "net.h5", "w") as file:
        file["conv/weight"] = np.ones((2, 3))
    found = read(tmp_path / "net.h5")
    assert (found.kind, found.framework, list(found.tensors)) == ("HDF5 file", "", ["conv/weight"])


@pytest.mark.parametrize("name", ["net.keras", "net.h5"])
def test_a_file_that_is_cut(model, tmp_path, name):
    file = saved(model, tmp_path, name)
    file.write_bytes(file.read_bytes()[:-100])
    with pytest.raises(ModelLoadingError, match="is damaged"):
        tensors = read(file).tensors
        for tensor in tensors.values():
            tensor.load()


def test_without_h5py(tmp_path, monkeypatch):
    (tmp_path / "net.h5").write_bytes(b"x")
    monkeypatch.setitem(sys.modules, "h5py", None)
    with pytest.raises(RuntimeIntegrityError, match=r"h5py is needed.*onnx2mindspore\[tensorflow\]"):
        read(tmp_path / "net.h5")
