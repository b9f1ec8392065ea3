"""Frozen graphs of Keras: networks with batch norms, and recurrent layers, which are loops in the graph."""

from __future__ import annotations

import json
from collections import Counter

import numpy as np
import pytest

pytest.importorskip("tensorflow", reason="the extra 'tensorflow' is not installed")

import onnxruntime
from models_keras import constants, freeze, frozen, randomize
from onnx.numpy_helper import to_array

import converter
from converter.base.weight_steps import SOURCE, apply
from converter.frontends.source import Request, Source
from converter.frontends.tensorflow.frozen_graph import load, start
from converter.frontends.tensorflow.runtime import quiet_tensorflow

with quiet_tensorflow():
    import keras
    from keras import layers


def operators(source: Source) -> Counter[str]:
    return Counter(node.op_type for node in source.model.graph.node)


def check(source: Source, *shape: int) -> None:
    """The ONNX model gives what TensorFlow gives."""
    x = np.random.default_rng(0).uniform(-1, 1, shape).astype(source.inputs[0].dtype)
    (expected,) = start(source.original)({source.inputs[0].name: x})
    session = onnxruntime.InferenceSession(source.model.SerializeToString())
    (output,) = session.run(None, {source.inputs[0].value: x})
    np.testing.assert_allclose(output, expected, rtol=1e-4, atol=1e-5 * np.abs(expected).max())


def test_batch_norms_and_weights_come_through(tmp_path):
    """tests/test_models.py counts those of the other applications."""
    size, norms = 32, 52
    path = tmp_path / "net.pb"
    frozen("MobileNetV2", path, (size, size, 3))
    source = load(Request(path, shapes=(f"1,{size},{size},3",)))
    count = operators(source)
    assert count["BatchNormalization"] == norms
    assert count["Transpose"] == 1  # images come channels last
    assert source.inputs[0].shape == ("N", size, size, 3)
    made = [tensor for tensor in source.model.graph.initializer if tensor.data_type == 1 and "__" in tensor.name]
    assert not any(len(tensor.dims) > 0 for tensor in made)  # every float weight has a name of the source
    check(source, 3, size, size, 3)


@pytest.mark.parametrize(
    ("layer", "operator"),
    [
        (lambda: layers.LSTM(5), "LSTM"),
        (lambda: layers.GRU(5), "GRU"),
        (lambda: layers.GRU(5, reset_after=False, return_sequences=True), "GRU"),
        (lambda: layers.SimpleRNN(5, return_sequences=True), "RNN"),
        (lambda: layers.SimpleRNN(5, activation="relu", use_bias=False), "RNN"),
        (lambda: layers.Bidirectional(layers.LSTM(5, return_sequences=True)), "LSTM"),
    ],
    ids=["LSTM", "GRU", "GRU, reset before", "RNN", "RNN, relu", "bidirectional"],
)
def test_a_recurrent_layer_comes_back(tmp_path, layer, operator):
    network = keras.Sequential([keras.Input((7, 3)), layer()])
    randomize(network)
    freeze(network, tmp_path / "net.pb")
    source = load(Request(tmp_path / "net.pb"))
    count = operators(source)
    assert count[operator] == 1
    assert not count["Loop"]
    assert not count["Expand"]  # the initial state, which is zero
    check(source, 4, 7, 3)


@pytest.mark.parametrize("layer", [layers.LSTM, layers.SimpleRNN], ids=["LSTM", "RNN"])
def test_the_bias_of_a_recurrent_layer_is_its_own(tmp_path, layer):
    """ONNX has two biases in one vector; the other is zero. Both layers have the same untrained bias."""
    network = keras.Sequential([keras.Input((7, 5)), layer(5, return_sequences=True), layer(5)])
    freeze(network, tmp_path / "net.pb")
    source = load(Request(tmp_path / "net.pb"))
    notes = {
        tensor.name: json.loads(entry.value)
        for tensor in source.model.graph.initializer
        for entry in tensor.metadata_props
        if entry.key == SOURCE
    }
    tensors = {tensor.name: tensor for tensor in source.model.graph.initializer}
    known = constants(tmp_path / "net.pb")
    nodes = [node for node in source.model.graph.node if node.op_type in ("LSTM", "RNN")]
    joined = {node.output[0]: node.input for node in source.model.graph.node if node.op_type == "Concat"}
    for node in nodes:
        own, state = joined[node.input[3]]
        note = notes[own]
        assert note["name"].startswith(notes[node.input[1]]["name"].partition("_cell")[0])
        np.testing.assert_array_equal(apply(note["transform"], known[note["name"]]), to_array(tensors[own]))
        assert not to_array(tensors[state]).any()
    assert len({notes[joined[node.input[3]][0]]["name"] for node in nodes}) == len(nodes) == 2
    check(source, 4, 7, 5)


def test_every_weight_of_both_directions_has_its_own_origin(tmp_path):
    network = keras.Sequential([keras.Input((7, 3)), layers.Bidirectional(layers.LSTM(5))])
    freeze(network, tmp_path / "net.pb")  # untrained: the biases of both directions are equal
    known = constants(tmp_path / "net.pb")
    source = load(Request(tmp_path / "net.pb"))
    found = set()
    for tensor in source.model.graph.initializer:
        for note in (json.loads(entry.value) for entry in tensor.metadata_props if entry.key == SOURCE):
            np.testing.assert_array_equal(apply(note["transform"], known[note["name"]]), to_array(tensor))
            found.add(note["name"])
    assert not any("Set for inference" in note for note in source.notes), "nothing reads the tokens of control flow"
    assert found == {name for name in known if "lstm_cell" in name}
    assert len(found) == 6
    check(source, 4, 7, 3)


def test_attention_keeps_its_products(tmp_path):
    x = keras.Input((7, 6))
    network = keras.Model(x, layers.MultiHeadAttention(2, 3)(x, x))
    randomize(network)
    freeze(network, tmp_path / "net.pb")
    source = load(Request(tmp_path / "net.pb"))
    count = operators(source)
    assert (count["Einsum"], count["MatMul"], count["Transpose"]) == (2, 4, 0)
    check(source, 4, 7, 6)


def test_a_recurrent_layer_of_another_formula_stays_a_loop(tmp_path):
    network = keras.Sequential([keras.Input((7, 3)), layers.GRU(5, recurrent_activation="tanh")])
    randomize(network)
    freeze(network, tmp_path / "net.pb")
    source = load(Request(tmp_path / "net.pb"))
    assert operators(source)["Loop"] == 1
    check(source, 4, 7, 3)


@pytest.mark.parametrize(
    ("shape", "stack"),
    [
        ((9, 4), lambda: [layers.Conv1D(5, 3), layers.BatchNormalization(), layers.MaxPooling1D(), layers.Flatten()]),
        ((8, 8, 3), lambda: [layers.Conv2DTranspose(4, 3, strides=2, padding="same"), layers.UpSampling2D(2)]),
        ((8, 8, 4), lambda: [layers.SeparableConv2D(6, 3, activation="gelu"), layers.Conv2D(4, 1, groups=2)]),
        ((6, 6, 4), lambda: [layers.GroupNormalization(2), layers.LayerNormalization(), layers.PReLU()]),
        ((5, 8), lambda: [layers.Dense(6, activation="swish"), layers.GlobalAveragePooling1D()]),
    ],
    ids=["Conv1D", "Conv2DTranspose", "SeparableConv2D", "norms", "Dense"],
)
def test_other_layers(tmp_path, shape, stack):
    network = keras.Sequential([keras.Input(shape), *stack()])
    randomize(network)
    freeze(network, tmp_path / "net.pb")
    check(load(Request(tmp_path / "net.pb")), 3, *shape)


@pytest.mark.parametrize(
    ("shape", "layer", "expected"),
    [
        ((4, 6, 3), lambda: layers.UpSampling2D((2, 3)), {"Transpose": 2, "Resize": 1}),
        ((5, 8), lambda: layers.Dense(6), {"MatMul": 1, "Add": 1}),
        ((None, 8), lambda: layers.Dense(6), {"MatMul": 1, "Add": 1}),
    ],
    ids=["UpSampling2D", "Dense", "Dense, free length"],
)
def test_what_keras_writes_with_reshapes_is_one_operator(tmp_path, shape, layer, expected):
    network = keras.Sequential([keras.Input(shape), layer()])
    randomize(network)
    freeze(network, tmp_path / "net.pb")
    source = load(Request(tmp_path / "net.pb"))
    assert operators(source) == expected
    check(source, 3, *(extent or 7 for extent in shape))


@pytest.mark.parametrize(
    ("shape", "layer", "expected"),
    [
        ((5, 8), lambda: layers.LayerNormalization(), {"LayerNormalization": 1}),
        ((4, 4, 8), lambda: layers.LayerNormalization(axis=(2, 3), center=False), {"LayerNormalization": 1}),
        ((5, 8), lambda: layers.LayerNormalization(scale=False), {"LayerNormalization": 1}),
        ((4, 4, 8), lambda: layers.GroupNormalization(2), {"InstanceNormalization": 1}),
        ((5, 8), lambda: layers.GroupNormalization(-1, scale=False), {"InstanceNormalization": 1}),
        ((8, 8), lambda: layers.LayerNormalization(axis=1), {"ReduceMean": 2}),
    ],
    ids=["layer", "two axes", "no scale", "group", "instance", "another axis"],
)
def test_a_norm_of_the_sample_comes_back(tmp_path, shape, layer, expected):
    network = keras.Sequential([keras.Input(shape), layer()])
    randomize(network)
    freeze(network, tmp_path / "net.pb")
    source = load(Request(tmp_path / "net.pb"))
    assert {name: operators(source)[name] for name in expected} == expected
    notes = [note for tensor in source.model.graph.initializer for note in tensor.metadata_props]
    noted = [json.loads(note.value)["name"] for note in notes if note.key == SOURCE]
    assert set(noted) <= set(constants(tmp_path / "net.pb"))
    check(source, 3, *shape)


def test_a_norm_between_convolutions_leaves_the_layout_alone(tmp_path):
    stack = [layers.Conv2D(8, 3), layers.GroupNormalization(4), layers.ReLU(), layers.Conv2D(4, 3)]
    network = keras.Sequential([keras.Input((8, 8, 3)), *stack])
    randomize(network)
    freeze(network, tmp_path / "net.pb")
    source = load(Request(tmp_path / "net.pb"))
    assert operators(source)["Transpose"] == 2
    check(source, 3, 8, 8, 3)


def test_the_bias_of_a_one_dimensional_convolution_is_its_own(tmp_path):
    network = keras.Sequential([keras.Input((9, 4)), layers.Conv1D(5, 3)])
    randomize(network)
    freeze(network, tmp_path / "net.pb")
    source = load(Request(tmp_path / "net.pb"))
    assert [len(node.input) for node in source.model.graph.node if node.op_type == "Conv"] == [3]
    check(source, 3, 9, 4)


def test_attention(tmp_path):
    x = keras.Input((5, 8))
    network = keras.Model(x, layers.MultiHeadAttention(2, 4)(x, x))
    randomize(network)
    freeze(network, tmp_path / "net.pb")
    check(load(Request(tmp_path / "net.pb")), 3, 5, 8)


def test_stacked_convolutional_lstms_of_a_free_length(tmp_path):
    """The second one reads what the first one stacks, whose batch is known late: a list would not compile."""
    frames = keras.Input((None, 6, 6, 1), name="frames")
    x = keras.layers.ConvLSTM2D(2, 3, padding="same", return_sequences=True)(frames)
    keras.Model(frames, keras.layers.ConvLSTM2D(2, 3, padding="same")(x)).save(tmp_path / "stacked.keras")
    result = converter.convert(tmp_path / "stacked.keras", output=tmp_path, verify=False)
    script = (tmp_path / f"{result.name}.py").read_text(encoding="utf-8")
    assert script.count("ops.zeros((ms.mutable(0), ") == 2
    assert ".append(" not in script
