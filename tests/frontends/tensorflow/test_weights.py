"""The steps from the constants of a frozen graph to the weights: recorded, so that they hold for kernels of any values.

The weight map of a graph whose weights are zeros, all one value or symmetric is used with random weights of the same
graph. It must give what converting the graph with these gives.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import numpy_helper, parser

pytest.importorskip("tensorflow", reason="the extra 'tensorflow' is not installed")

from models_keras import constants, freeze
from paths import MODELS

from converter import convert
from converter.base.stages import Stages
from converter.base.weight_steps import SOURCE, apply
from converter.commands.weights.remap import remap
from converter.frontends.source import Request
from converter.frontends.tensorflow.frozen_graph import load
from converter.frontends.tensorflow.provenance import Joined, Origin, Recorded, recorded
from converter.frontends.tensorflow.runtime import quiet_tensorflow
from converter.frontends.tensorflow.weights import restore
from converter.weights.readers import read

with quiet_tensorflow() as tf:
    import keras
    from keras import layers

    v1 = tf.compat.v1

BASIC_LSTM = MODELS / "basic_lstm_s.pb"
FORGET_BIAS = "LSTM-Layer/lstm/rnn/while/rnn/basic_lstm_cell/add/y"
KERNEL = "lstm/rnn/basic_lstm_cell/kernel"
BIAS = "lstm/rnn/basic_lstm_cell/bias"


def symmetric(shape: tuple[int, ...]) -> np.ndarray:
    """Where the extents are equal, every permutation of the axes gives the same array."""
    return np.cos(np.square(np.indices(shape)).sum(0)).astype(np.float32)


ALIKE = {
    "zeros": lambda shape: np.zeros(shape, np.float32),
    "one value": lambda shape: np.full(shape, 0.25, np.float32),
    "symmetric": symmetric,
}


def random(shape: tuple[int, ...]) -> np.ndarray:
    return np.random.default_rng(len(shape)).uniform(-1, 1, shape).astype(np.float32)


def filled(model: Path, file: Path, fill, forget_bias: float = 1) -> Path:
    """The graph with other weights: float constants of more than one element. The rest is no weight."""
    graph = v1.GraphDef.FromString(model.read_bytes())
    for node in graph.node:
        array = tf.make_ndarray(node.attr["value"].tensor) if node.op == "Const" else np.zeros(0, int)
        if array.dtype.kind == "f" and array.size > 1:
            node.attr["value"].tensor.CopyFrom(tf.make_tensor_proto(fill(array.shape)))
        elif node.name == FORGET_BIAS:
            node.attr["value"].tensor.CopyFrom(tf.make_tensor_proto(np.float32(forget_bias)))
    file.write_bytes(graph.SerializeToString())
    return file


def translated(model: Path, folder: Path, **options) -> tuple[Path, Path]:
    """Weight map and checkpoint."""
    convert(model, output=folder, verify=False, **options)
    return folder / f"weight_map_of_{model.stem}.json", folder / f"{model.stem}.ckpt"


def check_remapped(model: Path, folder: Path, fill, forget_bias: float = 1, **options) -> None:
    """The map of the graph filled with `fill` fits random weights."""
    alike = filled(model, folder / "alike.pb", fill, forget_bias)
    newer = filled(model, folder / "newer.pb", random, forget_bias)
    weights, _ = translated(alike, folder / "alike", **options)
    _, expected = translated(newer, folder / "newer", **options)
    remap(weights, newer, folder / "again.ckpt", None, None, Stages({}))
    want, got = read(expected).tensors, read(folder / "again.ckpt").tensors
    assert set(got) == set(want)
    for name, tensor in want.items():
        np.testing.assert_array_equal(got[name].load(), tensor.load(), name)


def origins(model: onnx.ModelProto) -> dict[str, dict]:
    """What the metadata of the initializers say, by the name of the constant."""
    notes = [json.loads(p.value) for t in model.graph.initializer for p in t.metadata_props if p.key == SOURCE]
    return {note["name"]: note for note in notes}


def image():
    return v1.placeholder(tf.float32, [2, 3, 3, 3], "x")


GRAPHS = {
    "HWIO": lambda: tf.nn.conv2d(image(), random((3, 3, 3, 3)), 1, "SAME"),
    "HWIO, one pixel": lambda: tf.nn.conv2d(image(), random((1, 1, 3, 3)), 1, "SAME"),
    "depthwise": lambda: tf.nn.depthwise_conv2d(image(), random((3, 3, 3, 3)), [1, 1, 1, 1], "SAME"),
    "depthwise, one each": lambda: tf.nn.depthwise_conv2d(image(), random((3, 3, 3, 1)), [1, 1, 1, 1], "SAME"),
    "transposed": lambda: tf.nn.conv2d_transpose(image(), random((3, 3, 3, 3)), [2, 6, 6, 3], 2),
    "MatMul": lambda: tf.matmul(v1.placeholder(tf.float32, [2, 3], "x"), random((3, 3))),
    "MatMul, weight transposed": lambda: tf.matmul(
        v1.placeholder(tf.float32, [2, 3], "x"), random((3, 3)), transpose_b=True
    ),
    "read twice": lambda: tf.add(
        *(tf.nn.conv2d(image(), kernel, 1, "SAME") for kernel in [tf.constant(random((3, 3, 3, 3)))] * 2)
    ),
    "bias and scale": lambda: tf.nn.bias_add(
        tf.nn.conv2d(image() * random((3,)), random((3, 3, 3, 3)), 1, "SAME"), random((3,))
    ),
}


@pytest.mark.parametrize("fill", ALIKE.values(), ids=ALIKE)
@pytest.mark.parametrize("network", GRAPHS.values(), ids=GRAPHS)
def test_kernels(tmp_path, network, fill):
    with tf.Graph().as_default() as graph:
        network()
    (tmp_path / "net.pb").write_bytes(graph.as_graph_def().SerializeToString())
    check_remapped(tmp_path / "net.pb", tmp_path, fill)


@pytest.mark.parametrize("fill", ALIKE.values(), ids=ALIKE)
@pytest.mark.parametrize(
    "layer",
    [
        lambda: layers.LSTM(3),
        lambda: layers.GRU(3),
        lambda: layers.GRU(3, reset_after=False),
        lambda: layers.SimpleRNN(3),
        lambda: layers.Bidirectional(layers.LSTM(3)),
    ],
    ids=["LSTM", "GRU", "GRU, reset before", "RNN", "bidirectional"],
)
def test_recurrent_layers_of_keras(tmp_path, layer, fill):
    freeze(keras.Sequential([keras.Input((4, 3)), layer()]), tmp_path / "net.pb")
    check_remapped(tmp_path / "net.pb", tmp_path, fill)


def ends_of_basic_lstm() -> dict[str, list[str]]:
    told = json.loads(BASIC_LSTM.with_name(f"{BASIC_LSTM.name}.json").read_text())
    shapes = [",".join(map(str, shape)) for shape in told["shapes"]]
    return {"input_nodes": told["inputs"], "output_nodes": told["outputs"], "shape": shapes}


@pytest.mark.parametrize("fill", ALIKE.values(), ids=ALIKE)
def test_the_lstm_of_tensorflow_1(tmp_path, fill):
    check_remapped(BASIC_LSTM, tmp_path, fill, forget_bias=0, **ends_of_basic_lstm())


@pytest.mark.parametrize("fill", [*ALIKE.values(), lambda shape: np.full(shape, -1, np.float32)], ids=[*ALIKE, "-1"])
def test_a_bias_that_a_number_was_added_to_is_none_of_the_source(tmp_path, fill):
    """The bias of the forget gate and 1: no steps make it. Where it is -1, zeros come out."""
    model = filled(BASIC_LSTM, tmp_path / "net.pb", fill)
    ends = ends_of_basic_lstm()
    source = load(Request(model, *(tuple(given) for given in ends.values())))
    notes = origins(source.model)
    assert KERNEL in notes
    assert BIAS not in notes
    known = constants(model)
    assert not {tensor.name for tensor in source.model.graph.initializer} & (known.keys() - {"W_o", "b_o"})


# What is recorded


def test_only_what_rearranges_keeps_the_provenance():
    origin = Origin("kernel", (2, 3, 4))
    array = recorded(np.arange(24, dtype=np.float32).reshape(2, 3, 4), origin)
    rearranged = [
        array,
        array.transpose(2, 0, 1),
        np.transpose(array, [1, -1, 0]),
        np.transpose(array),
        array.transpose(np.array([1, 0, 2])),
        array.transpose(onnx.helper.make_attribute("perm", [0, 2, 1]).ints),
        array.reshape(4, -1),
        np.reshape(array, (6, 4)),
        np.expand_dims(array, 0),
        array.astype(np.float32),
        np.split(array, [1], axis=1)[1],
        np.concatenate(np.split(array, 3, 1)[::-1], axis=-2),
        np.concatenate([part.transpose(1, 2, 0) for part in np.split(array.reshape(3, 8, 1), 4, axis=1)], axis=1),
    ]
    for result in rearranged:
        np.testing.assert_array_equal(apply(result.provenance.steps, np.asarray(array)), result)
    others = [
        array + 0,
        array.astype(np.float16),
        array[0],
        array.T,
        np.reshape(array, -1, order="F"),
        np.stack([array]),
    ]
    others += [np.concatenate([array, array * 0]), np.concatenate([array, np.ones((1, 3, 4), np.float32)])]
    assert [result.provenance for result in others if isinstance(result, Recorded)] == [None] * len(others)
    with pytest.raises(ValueError, match="read-only"):
        array[0] = 1


def test_parts_of_several_constants_are_noted_each():
    one, other = (recorded(np.zeros((2, 2), np.float32), Origin(name, (2, 2))) for name in "ab")
    whole = np.concatenate([np.concatenate([one, np.zeros_like(one)], axis=1), np.concatenate([other, one], axis=1)])
    assert isinstance(whole.provenance, Joined)
    assert [[part.name for part in row.parts] for row in whole.provenance.parts] == [["a", "a"], ["b", "a"]]
    assert whole.provenance.parts[0].parts[1].steps == ({"op": "zeros", "shape": [2, 2]},)
    assert whole.transpose().provenance is None


def test_an_initializer_without_provenance_does_not_keep_the_name_of_a_constant():
    model = parser.parse_model("""
        <ir_version: 8, opset_import: ["" : 17]>
        net (float[2] x) => (float[2] y) { y = Mul (x, kernel) }
    """)
    model.graph.initializer.append(numpy_helper.from_array(np.zeros(2, np.float32), "kernel"))
    restore(model.graph, {"kernel": np.zeros(2, np.float32)})
    (name,) = [tensor.name for tensor in model.graph.initializer]
    assert name == model.graph.node[0].input[1] != "kernel"
