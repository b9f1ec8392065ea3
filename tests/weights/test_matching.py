"""Matching: which tensor each parameter gets, how sure that is, and what stays open."""

from __future__ import annotations

import time
from collections import Counter

import numpy as np
import onnx
import pytest
from onnx.reference import ReferenceEvaluator
from weights import networks
from weights.networks import dense, parameter, recurrent, tensor

from converter.base.weight_steps import apply, shape_after
from converter.weights import Pairing, propose
from converter.weights.step_text import text_of_steps


def pairings(source, network, framework="") -> dict[str, Pairing]:
    """The proposal by the names of the parameters; whatever is proposed has the parameter's shape."""
    found = propose(source, network, framework).pairings
    assert [each.parameter for each in found] == list(network)
    for each in found:
        for part in each.parts:
            assert shape_after(part.steps, part.source.shape)[1:] == each.parameter.array.shape[1:]
    return {each.parameter.array.name: each for each in found}


def sources(found: dict[str, Pairing]) -> dict[str, str]:
    return {name: "+".join(part.source.name for part in each.parts) for name, each in found.items()}


def confidences(found: dict[str, Pairing]) -> Counter[str]:
    return Counter(each.confidence for each in found.values())


LAYERS = ["conv1", "conv2", "fc1", "fc2", "fc3"]
LENETS = {
    "raw variables": ["Variable"] + [f"Variable_{i}" for i in range(1, 10)],
    "Keras": [
        f"{layer}/{leaf}"
        for layer in ("conv2d", "conv2d_1", "dense", "dense_1", "dense_2")
        for leaf in ("kernel", "bias")
    ],
    "slim": [f"LeNet/{layer}/{leaf}" for layer in LAYERS for leaf in ("weights", "biases")],
    "by hand": [f"{leaf}_{layer}" for layer in LAYERS for leaf in ("W", "b")],
    "short": ["wc1", "bc1", "wc2", "bc2", "wd1", "bd1", "wd2", "bd2", "out_w", "out_b"],
}


@pytest.mark.parametrize("names", LENETS.values(), ids=LENETS)
def test_a_lenet_of_tensorflow(names):
    source = [tensor(name, *shape) for name, shape in zip(names, networks.LENET_SHAPES, strict=True)]
    found = pairings(source, networks.LENET, "tensorflow")
    assert list(sources(found).values()) == names
    assert not {"ambiguous", "missing"} & set(confidences(found))
    assert [step["op"] for step in found["conv2.weight"].parts[0].steps] == ["transpose"]
    assert "(H, W, C) = (5, 5, 16)" in found["fc1.weight"].reason


def test_a_dense_layer_behind_a_flatten():
    image = np.arange(400).reshape(5, 5, 16)
    kernel = np.random.default_rng(0).normal(size=(400, 120))
    source = [tensor(f"v{i}", *shape) for i, shape in enumerate(networks.LENET_SHAPES)]
    (part,) = pairings(source, networks.LENET, "tensorflow")["fc1.weight"].parts
    weight = apply(part.steps, kernel)
    np.testing.assert_allclose(weight @ image.transpose(2, 0, 1).reshape(-1), image.reshape(-1) @ kernel)


def test_an_image_that_is_not_square_is_a_question():
    network = [parameter("conv.weight", 8, 3, 3, 3, layer="Conv2d"), *dense("fc", 48, 5)]
    source = [tensor("conv/kernel", 3, 3, 3, 8), tensor("fc/kernel", 48, 5), tensor("fc/bias", 5)]
    found = pairings(source, network, "tensorflow")
    assert found["fc.weight"].confidence == "ambiguous"
    assert "(2, 3, 8); " in found["fc.weight"].reason
    assert found["conv.weight"].confidence == "certain"


@pytest.mark.parametrize(
    ("source", "by_hand"),
    [
        (networks.resnet18_of_torch, networks.resnet18_by_hand),
        (networks.bert_of_torch, networks.bert_by_hand),
    ],
)
def test_networks_with_names_of_their_own(source, by_hand):
    wanted = {parameter.array.name: name for parameter, name in by_hand()}
    found = pairings(source(), [parameter for parameter, _ in by_hand()], "torch")
    assert sources(found) == wanted
    assert not {"ambiguous", "missing"} & set(confidences(found))


@pytest.mark.parametrize("ordered", [True, False])
def test_a_resnet_whose_authors_count_from_other_numbers(ordered):
    """Only the two convolutions 64 -> 256 of the first block, and their norms, cannot be told from each other."""
    wanted = {parameter.array.name: name for parameter, name in networks.resnet50_by_hand()}
    source = networks.resnet50_of_keras()
    if not ordered:
        source = sorted(source, key=lambda each: each.name)
    network = [parameter for parameter, _ in networks.resnet50_by_hand()]
    found = propose(source, network, "tensorflow", ordered=ordered).pairings
    sure = {each.parameter.array.name: each for each in found if each.confidence in ("certain", "likely")}
    assert sources(sure) == {name: wanted[name] for name in sure}
    assert len(sure) >= len(wanted) - 4


@pytest.mark.parametrize("ordered", [True, False])
def test_blocks_that_one_author_numbers_and_the_other_names(ordered):
    pairs = list(networks.inverted_residuals())
    wanted = {each.array.name: name for each, name in pairs}
    shapes = {name: each.array.shape for each, name in pairs}
    source = []
    for name, shape in shapes.items():
        turned = {4: (shape[2:] + shape[1::-1]) if "depthwise" not in name else (*shape[2:], shape[0], 1)}
        source.append(tensor(name, *turned.get(len(shape), shape)))
    if not ordered:
        source = sorted(source, key=lambda each: each.name)
    found = propose(source, [each for each, _ in pairs], "tensorflow", ordered=ordered).pairings
    sure = {each.parameter.array.name: each for each in found if each.confidence in ("certain", "likely")}
    assert sources(sure) == {name: wanted[name] for name in sure}
    assert len(sure) >= 0.9 * len(wanted)


def test_norms_of_depthwise_and_pointwise_convolutions():
    """`conv_dw_1_bn` follows `conv_dw_1`, though `conv_pw_1` differs from it in the kind of layer only, too."""
    leaves = ("gamma", "beta", "moving_mean", "moving_variance")
    source, network = [], []
    for i in range(3):
        source += [tensor(f"conv_dw_{i + 1}/kernel", 3, 3, 8, 1)]
        source += [tensor(f"conv_dw_{i + 1}_bn/{leaf}", 8) for leaf in leaves]
        source += [tensor(f"conv_pw_{i + 1}/kernel", 1, 1, 8, 8)]
        source += [tensor(f"conv_pw_{i + 1}_bn/{leaf}", 8) for leaf in leaves]
        network += [parameter(f"blocks.{i}.depthwise.weight", 8, 1, 3, 3, layer="Conv2d")]
        network += [parameter(f"blocks.{i}.bn1.{leaf}", 8, layer="BatchNorm2d") for leaf in leaves]
        network += [parameter(f"blocks.{i}.pointwise.weight", 8, 8, 1, 1, layer="Conv2d")]
        network += [parameter(f"blocks.{i}.bn2.{leaf}", 8, layer="BatchNorm2d") for leaf in leaves]
    found = pairings(source, network, "tensorflow")
    assert confidences(found)["ambiguous"] == 0
    assert list(sources(found).values()) == [each.name for each in source]


def test_more_layers_of_one_name_than_the_network_has():
    """The first ones are meant where both networks count from the same number on; nobody knows where they do not."""
    source = [tensor(f"h.{i}.fc.weight", 4, 6) for i in range(5)]
    first = pairings(source, [parameter(f"h.{i}.fc.weight", 4, 6, layer="Dense") for i in range(3)], "torch")
    assert list(sources(first).values()) == [f"h.{i}.fc.weight" for i in range(3)]
    other = pairings(source, [parameter(f"b.{i}.fc.weight", 4, 6, layer="Dense") for i in range(1, 4)], "torch")
    assert set(confidences(other)) == {"ambiguous"}


def test_names_of_one_framework_are_certain():
    source = networks.bert_of_torch()
    leaves = {"weight": "gamma", "bias": "beta"}
    network = [
        parameter(f"{path}.{leaves[leaf]}", *each.shape, layer="LayerNorm")
        if "Norm" in path
        else parameter(each.name, *each.shape, layer="Dense" if "dense" in path else "")
        for each in source
        for path, _, leaf in [each.name.rpartition(".")]
    ]
    found = pairings(source, network, "torch")
    assert list(sources(found).values()) == [each.name for each in source]
    assert (
        confidences(found) == {"certain": len(source) - 9 * 3, "likely": 9 * 3} or confidences(found)["ambiguous"] == 0
    )


def test_equal_shapes_without_a_name_are_ambiguous():
    network = [*dense("a", 4, 3), *dense("b", 4, 3), *dense("c", 3, 2)]
    source = [
        tensor(f"{name}.{leaf}", *shape)
        for name, rows in (("x", 4), ("y", 4), ("z", 3))
        for leaf, shape in (("weight", (rows - 1 if rows == 4 else 2, rows)), ("bias", (3 if rows == 4 else 2,)))
    ]
    found = pairings(source, network, "torch")
    assert {name: each.confidence for name, each in found.items()} == {
        "a.weight": "ambiguous",
        "a.bias": "ambiguous",
        "b.weight": "ambiguous",
        "b.bias": "ambiguous",
        "c.weight": "certain",
        "c.bias": "certain",
    }
    assert sources(found)["b.weight"] == "y.weight"  # in order
    assert found["b.weight"].others == ("x.weight",)


def test_what_nothing_fits_is_missing():
    found = pairings([tensor("fc.weight", 5, 4), tensor("other", 9)], dense("fc", 4, 3), "torch")
    assert confidences(found) == {"missing": 2}
    assert sources(found) == {"fc.weight": "", "fc.bias": ""}
    assert found["fc.weight"].reason.endswith("; nearest: fc.weight (5, 4)")


def test_one_tensor_for_two_parameters_is_ambiguous():
    found = pairings([tensor("x", 3)], [parameter("a", 3), parameter("b", 3)])
    assert [each.confidence for each in found.values()] == ["ambiguous", "missing"]


@pytest.mark.parametrize("dtype", ["int64", "bool"])
def test_an_integer_is_no_weight(dtype):
    found = pairings([tensor("fc.weight", 3, 4, dtype=dtype)], [parameter("fc.weight", 3, 4, layer="Dense")], "torch")
    assert confidences(found) == {"missing": 1}


def test_slots_of_optimizers_are_no_weights():
    source = [tensor(name, 4, 3) for name in ("fc/kernel/Adam", "fc/kernel", "fc/kernel/ExponentialMovingAverage")]
    found = pairings(source, [parameter("dense.weight", 3, 4, layer="Dense")], "tensorflow")
    assert sources(found) == {"dense.weight": "fc/kernel"}
    assert found["dense.weight"].confidence == "certain"


# Square matrices


@pytest.mark.parametrize(
    ("source", "framework", "transposed"),
    [
        ([tensor("fc.weight", 4, 4)], "torch", False),
        ([tensor("fc/kernel", 4, 4)], "tensorflow", True),
        ([tensor("fc/kernel", 4, 4)], "", True),
        ([tensor("fc.weight", 4, 4), tensor("out.weight", 4, 6)], "torch", True),  # GPT-2's Conv1D
        ([tensor("fc.weight", 4, 4), tensor("out.weight", 6, 4)], "", False),
    ],
)
def test_a_square_matrix(source, framework, transposed):
    network = [parameter("fc.weight", 4, 4, layer="Dense"), parameter("out.weight", 6, 4, layer="Dense")]
    pairing = pairings(source, network[: len(source)], framework)["fc.weight"]
    assert [step["op"] for step in pairing.parts[0].steps] == ["transpose"] * transposed
    assert pairing.confidence == "likely"
    assert "square" in pairing.reason


@pytest.mark.parametrize("framework", ["", "onnx"])
def test_a_square_matrix_that_nothing_explains(framework):
    found = pairings([tensor("fc.weight", 4, 4)], [parameter("fc.weight", 4, 4, layer="Dense")], framework)
    assert found["fc.weight"].confidence == "ambiguous"


# Recurrent layers


def lstm(x, weight_ih, weight_hh, bias_ih, bias_hh):
    """An LSTM with gates i f g o, as torch.nn.LSTM defines it; returns the last hidden state."""
    hidden = weight_hh.shape[1]
    h, c = np.zeros(hidden), np.zeros(hidden)
    for step in x:
        i, f, g, o = np.split(weight_ih @ step + bias_ih + weight_hh @ h + bias_hh, 4)
        c = sigmoid(f) * c + sigmoid(i) * np.tanh(g)
        h = sigmoid(o) * np.tanh(c)
    return h


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def lstm_of_keras(x, kernel, recurrent_kernel, bias):
    """Keras's LSTMCell: gates i f c o."""
    h, c = np.zeros(3), np.zeros(3)
    for step in x:
        i, f, g, o = np.split(step @ kernel + h @ recurrent_kernel + bias, 4)
        c = sigmoid(f) * c + sigmoid(i) * np.tanh(g)
        h = sigmoid(o) * np.tanh(c)
    return h


def lstm_of_tensorflow(x, kernel, bias):
    """TensorFlow 1's LSTMCell: gates i j f o of one product, forget_bias 1."""
    h, c = np.zeros(3), np.zeros(3)
    for step in x:
        i, j, f, o = np.split(np.concatenate([step, h]) @ kernel + bias, 4)
        c = sigmoid(f + 1) * c + sigmoid(i) * np.tanh(j)
        h = sigmoid(o) * np.tanh(c)
    return h


def gru(x, weight_ih, weight_hh, bias_ih, bias_hh):
    """torch.nn.GRU: gates r z n."""
    h = np.zeros(weight_hh.shape[1])
    for step in x:
        ir, iz, i_n = np.split(weight_ih @ step + bias_ih, 3)
        hr, hz, hn = np.split(weight_hh @ h + bias_hh, 3)
        z = sigmoid(iz + hz)
        h = (1 - z) * np.tanh(i_n + sigmoid(ir + hr) * hn) + z * h
    return h


def gru_of_keras(x, kernel, recurrent_kernel, bias):
    """Keras's GRUCell with reset_after: gates z r h, a bias of two rows."""
    h = np.zeros(3)
    for step in x:
        xz, xr, xh = np.split(step @ kernel + bias[0], 3)
        hz, hr, hh = np.split(h @ recurrent_kernel + bias[1], 3)
        z = sigmoid(xz + hz)
        h = z * h + (1 - z) * np.tanh(xh + sigmoid(xr + hr) * hh)
    return h


@pytest.mark.parametrize(
    ("layer", "ours", "theirs", "arrays"),
    [
        ("LSTM", lstm, lstm_of_keras, {"kernel": (5, 12), "recurrent_kernel": (3, 12), "bias": (12,)}),
        ("LSTM", lstm, lstm_of_tensorflow, {"kernel": (8, 12), "bias": (12,)}),
        ("GRU", gru, gru_of_keras, {"kernel": (5, 9), "recurrent_kernel": (3, 9), "bias": (2, 9)}),
    ],
)
def test_recurrent_layers_compute_the_same(layer, ours, theirs, arrays):
    random = np.random.default_rng(0)
    values = {f"rnn/cell/{name}": random.normal(size=shape) for name, shape in arrays.items()}
    network = recurrent("rnn", layer, 5, 3)
    found = pairings([tensor(name, *array.shape) for name, array in values.items()], network, "tensorflow")
    assert not {"ambiguous", "missing"} & set(confidences(found))
    x = random.normal(size=(4, 5))
    weights = [apply(part.steps, values[part.source.name]) for each in found.values() for part in each.parts]
    np.testing.assert_allclose(ours(x, *weights), theirs(x, *values.values()))


def test_both_directions():
    network = recurrent("lstm", "LSTM", 5, 3, ways=2)
    torch = [tensor(each.array.name, *each.array.shape) for each in network]
    assert list(sources(pairings(torch, network, "torch")).values()) == [each.array.name for each in network]
    keras = [
        tensor(f"bidirectional/{way}_lstm/lstm_cell/{leaf}", *shape)
        for way in ("backward", "forward")
        for leaf, shape in (("kernel", (5, 12)), ("recurrent_kernel", (3, 12)), ("bias", (12,)))
    ]
    found = pairings(keras, network, "tensorflow")
    assert sources(found)["lstm.weight_hh_l0_reverse"] == "bidirectional/backward_lstm/lstm_cell/recurrent_kernel"
    assert sources(found)["lstm.bias_hh_l0"] == "bidirectional/forward_lstm/lstm_cell/bias"
    assert not {"ambiguous", "missing"} & set(confidences(found))


@pytest.mark.parametrize(("layer", "gates", "ours"), [("LSTM", 4, lstm), ("GRU", 3, gru)])
def test_packed_weights_of_onnx(layer, gates, ours):
    """Two layers of both directions, whose tensors have the numbers that torch's exporter gives them."""
    helper = onnx.helper
    shapes = [((2, gates * 3, width), (2, gates * 3, 3), (2, 2 * gates * 3)) for width in (3, 6)]
    random = np.random.default_rng(0)
    values = {f"onnx::{layer}_{i}": random.normal(size=shape) for i, shape in enumerate(sum(shapes, ()))}
    source = [tensor(name, *array.shape) for name, array in values.items()]
    network = recurrent("first", layer, 3, 3, ways=2) + recurrent("second", layer, 6, 3, ways=2)
    found = pairings(source, network, "onnx")
    assert confidences(found) == {"certain": 16}
    x = random.normal(size=(4, 3))
    options = {"linear_before_reset": 1} if layer == "GRU" else {}
    node = helper.make_node(layer, ["x", *"wrb"], ["", "h"], hidden_size=3, direction="bidirectional", **options)
    ends = [helper.make_tensor_value_info(name, onnx.TensorProto.DOUBLE, None) for name in ("x", *"wrb", "h")]
    model = helper.make_model(helper.make_graph([node], "net", ends[:-1], ends[-1:]))
    weights = dict(zip("wrb", list(values.values())[:3], strict=True))
    expected = ReferenceEvaluator(model).run(None, {"x": x[:, None], **weights})[0][:, 0]
    for way, suffix in enumerate(("", "_reverse")):
        parts = [
            found[f"first.{leaf}_l0{suffix}"].parts[0] for leaf in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
        ]
        own = [apply(part.steps, values[part.source.name]) for part in parts]
        np.testing.assert_allclose(ours(x[::-1] if way else x, *own), expected[way])
    assert all(text_of_steps(part.steps) for each in found.values() for part in each.parts)


def test_more_packed_weights_than_layers_are_ambiguous():
    source = [
        tensor(f"{name}{i}", *shape) for i in (1, 2) for name, shape in zip("WR", [(1, 12, 5), (1, 12, 3)], strict=True)
    ]
    found = pairings(source, recurrent("lstm", "LSTM", 5, 3), "onnx")
    assert confidences(found) == {"ambiguous": 2, "missing": 2}
    assert found["lstm.weight_ih_l0"].others == ("W2",)


def test_a_gru_that_resets_before_its_product_has_no_layer():
    source = [
        tensor(f"gru/cell/{n}", *s) for n, s in (("kernel", (5, 9)), ("recurrent_kernel", (3, 9)), ("bias", (9,)))
    ]
    found = pairings(source, recurrent("gru", "GRU", 5, 3), "tensorflow")
    assert [each.confidence for each in found.values()] == ["missing", "certain", "missing", "missing"]
    assert "(reset_after=False), which MindSpore's GRU cannot compute: gru/cell/bias" in found["gru.bias_ih_l0"].reason


def test_many_layers_take_a_moment_only():
    network = [each for i in range(300) for each in dense(f"blocks.{i}.mlp.up", 8, 16)]
    source = [tensor(f"h.{i}.mlp.c_fc.weight", 8, 16) for i in range(300)]
    source += [tensor(f"h.{i}.mlp.c_fc.bias", 16) for i in range(300)]
    began = time.perf_counter()
    found = pairings(source, network, "torch")
    assert time.perf_counter() - began < 10
    assert sources(found)["blocks.123.mlp.up.bias"] == "h.123.mlp.c_fc.bias"
