"""How a model of Keras was compiled, and the training script that is made of it on request."""

from __future__ import annotations

import pytest

pytest.importorskip("keras", reason="the extra 'tensorflow' is not installed")

import importlib
import inspect
import json

import h5py
import keras
import numpy as np

import converter
from converter.frontends import Request, load
from converter.verification import network as networks


def model(activation, size=3):
    inputs = keras.Input((6,), name="features")
    return keras.Model(inputs, keras.layers.Dense(size, activation, name="scores")(inputs))


def adam():
    rate = keras.optimizers.schedules.ExponentialDecay(0.01, 100, 0.9, staircase=True)
    return keras.optimizers.Adam(rate, epsilon=1e-5)


def sgd():
    return keras.optimizers.SGD(0.1, 0.9, nesterov=True, global_clipnorm=2.0)


@pytest.mark.parametrize("suffix", [".keras", ".h5"])
@pytest.mark.parametrize(
    ("activation", "loss", "optimizer", "expected"),
    [
        ("softmax", "sparse_categorical_crossentropy", adam, ("CrossEntropyOfProbabilities", 3, "Adam", "exponential")),
        (
            None,
            keras.losses.SparseCategoricalCrossentropy(from_logits=True),
            sgd,
            ("CrossEntropyLoss", 3, "Momentum", "constant"),
        ),
        ("sigmoid", "binary_crossentropy", "rmsprop", ("BCELoss", 0, "RMSProp", "constant")),
        (None, "mse", "adagrad", ("MSELoss", 0, "Adagrad", "constant")),
        (None, "mae", "adamax", ("L1Loss", 0, "AdaMax", "constant")),
    ],
)
def test_loss_and_optimizer_are_read(tmp_path, suffix, activation, loss, optimizer, expected):
    network = model(activation)
    network.compile(optimizer=optimizer() if callable(optimizer) else optimizer, loss=loss)
    network.save(tmp_path / f"net{suffix}")
    training = load(Request(tmp_path / f"net{suffix}")).training
    found = training.loss.name, training.loss.classes, training.optimizer.name, training.optimizer.rate.kind
    assert found == expected


def test_an_optimizer_of_keras_2(tmp_path):
    """Its class is registered, and so has another name in the file."""
    network = model(None)
    network.compile(optimizer=sgd(), loss="mse")
    network.save(tmp_path / "net.h5")
    with h5py.File(tmp_path / "net.h5", "r+") as file:
        config = json.loads(file.attrs["training_config"])
        config["optimizer_config"]["class_name"] = "Custom>SGD"
        file.attrs["training_config"] = json.dumps(config)
    assert load(Request(tmp_path / "net.h5")).training.optimizer.name == "Momentum"


def test_a_script_is_written_where_it_is_asked_for(tmp_path):
    network = model(None)
    network.compile(optimizer=sgd(), loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    network.save(tmp_path / "net.keras")
    converter.convert(tmp_path / "net.keras", output=tmp_path, verify=False)
    assert not (tmp_path / "train_net.py").exists()
    converter.convert(tmp_path / "net.keras", output=tmp_path, verify=False, train_script=True)
    text = (tmp_path / "train_net.py").read_text()
    assert "nn.SGD(net.trainable_params(), learning_rate=0.1, momentum=0.9, nesterov=True)" in text
    assert "ops.clip_by_global_norm(gradients, 2.0)" in text
    assert "loss = nn.CrossEntropyLoss()" in text


def test_running_variances_of_keras_are_others(tmp_path):
    inputs = keras.Input((6,))
    network = keras.Model(inputs, keras.layers.BatchNormalization()(inputs))
    network.compile("sgd", "mse")
    network.save(tmp_path / "norm.keras")
    assert "n / (n - 1)" in load(Request(tmp_path / "norm.keras")).training.notes[0]


def several_outputs() -> keras.Model:
    inputs = keras.Input((6,), name="features")
    hidden = keras.layers.Dense(5, "tanh")(inputs)
    ends = {"kind": keras.layers.Dense(3, "softmax"), "size": keras.layers.Dense(1), "seen": keras.layers.Dense(2)}
    network = keras.Model(inputs, {name: layer(hidden) for name, layer in ends.items()})
    losses = {
        "kind": "sparse_categorical_crossentropy",
        "size": keras.losses.Huber(),
        "seen": keras.losses.BinaryCrossentropy(from_logits=True),
    }
    optimizer = keras.optimizers.AdamW(0.01, weight_decay=0.1, clipnorm=1.0)
    network.compile(optimizer, losses, loss_weights={"kind": 1.0, "size": 0.5, "seen": 2.0}, run_eagerly=True)
    return network


def test_several_outputs_are_trained_as_keras_does(tmp_path, monkeypatch):
    """Each output has its loss and a weight; AdamW shrinks the weights itself."""
    import mindspore as ms

    keras.utils.set_random_seed(0)
    network, random = several_outputs(), np.random.default_rng(0)
    network.save(tmp_path / "several.keras")
    converter.convert(tmp_path / "several.keras", output=tmp_path, verify=False, train_script=True)
    x = random.normal(size=(8, 6)).astype(np.float32)
    labels = {
        "kind": random.integers(0, 3, 8).astype(np.int32),
        "size": random.normal(size=(8, 1)).astype(np.float32),
        "seen": random.integers(0, 2, (8, 2)).astype(np.float32),
    }
    for _ in range(3):
        network.train_on_batch(x, labels)
    expected = network.predict_on_batch(x)
    monkeypatch.syspath_prepend(tmp_path)
    script = importlib.import_module("train_several")
    columns = [name.removeprefix("label_") for name in inspect.signature(script.TrainStep.construct).parameters][2:]
    net = script.load_network()
    step = script.TrainStep(net, script.SumOfLosses(), script.make_optimizer(net)).set_train()
    for _ in range(3):
        step(ms.Tensor(x), *(ms.Tensor(labels[name]) for name in columns))
    for name, made in zip(columns, net(ms.Tensor(x)), strict=True):
        np.testing.assert_allclose(made.asnumpy(), expected[name], 1e-4, 1e-5)


def test_a_model_that_was_not_compiled_has_none(tmp_path):
    model(None).save(tmp_path / "net.keras")
    assert load(Request(tmp_path / "net.keras")).training is None


def test_what_a_model_does_not_train_is_frozen(tmp_path):
    import mindspore as ms

    keras.utils.set_random_seed(0)
    inputs = keras.Input((6,))
    layers = [
        keras.layers.Dense(20, name="frozen"),
        keras.layers.BatchNormalization(name="frozen_norm"),
        keras.layers.BatchNormalization(scale=False, name="without_scale"),
        keras.layers.BatchNormalization(center=False, name="without_bias"),
        keras.layers.BatchNormalization(scale=False, center=False, name="bare"),
        keras.layers.LayerNormalization(scale=False, name="layer_norm"),
        keras.layers.Dense(3, name="head"),
    ]
    layers[0].trainable = layers[1].trainable = False
    network = keras.Model(inputs, keras.Sequential(layers)(inputs))
    for variable in network.variables:
        variable.assign(np.random.default_rng(0).uniform(0.5, 1.5, variable.shape))
    network.save(tmp_path / "net.keras")
    converter.convert(tmp_path / "net.keras", output=tmp_path, verify=False)
    net = networks.load(tmp_path / "net.py", tmp_path / "net.ckpt")
    entries = json.loads((tmp_path / "weight_map_of_net.json").read_text())["net"]
    sources = {entry["converted_weight"]["name"]: entry["source_weight"]["name"] for entry in entries}
    trained = {"/".join(sources[p.name].split("/")[-2:]) for p in net.trainable_params()}
    assert trained == {"/".join(variable.path.split("/")[-2:]) for variable in network.trainable_variables}
    batch = np.random.default_rng(1).standard_normal((8, 6)).astype(np.float32)
    wanted = network(batch, training=True).numpy()  # a frozen batch norm keeps to its running statistics
    got = net.set_train()(ms.Tensor(batch)).asnumpy()
    np.testing.assert_allclose(got, wanted, rtol=1e-3, atol=1e-4)
