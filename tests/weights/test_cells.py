"""Cells: the parameters of a network in memory, with the classes that own them."""

from __future__ import annotations

import mindspore as ms
import pytest
from mindspore import nn

from converter.weights import parameters_of, propose
from converter.weights.roles import role_of_parameter


class Network(nn.Cell):
    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv1d(3, 4, 3, has_bias=True)
        self.up = nn.Conv2dTranspose(3, 5, 3)
        self.norm = nn.BatchNorm3d(4)
        self.layer_norm = nn.LayerNorm((4,))
        self.lstm = nn.LSTM(4, 5, bidirectional=True)
        self.relu = nn.PReLU(4)
        self.embedding = nn.Embedding(7, 3)
        self.layers = nn.SequentialCell(nn.Dense(3, 4), ms.mint.nn.Linear(4, 4), ms.mint.nn.BatchNorm2d(4))
        self.token = ms.Parameter(ms.ops.ones((2, 3)), name="token")


@pytest.fixture(scope="module")
def parameters():
    return {each.array.name: each for each in parameters_of(Network())}


@pytest.mark.parametrize(
    ("name", "layer", "shape", "role"),
    [
        ("conv.weight", "Conv1d", (4, 3, 1, 3), "convolution"),
        ("conv.bias", "Conv1d", (4,), "bias"),
        ("up.weight", "Conv2dTranspose", (3, 5, 3, 3), "transposed convolution"),
        ("norm.bn2d.moving_mean", "BatchNorm2d", (4,), "mean"),
        ("layer_norm.gamma", "LayerNorm", (4,), "scale"),
        ("lstm.weight_hh_l0_reverse", "LSTM", (20, 5), "hidden weight"),
        ("relu.w", "PReLU", (4,), "slope"),
        ("embedding.embedding_table", "Embedding", (7, 3), "embedding"),
        ("layers.0.weight", "Dense", (4, 3), "dense"),
        ("layers.1.weight", "Linear", (4, 4), "dense"),
        ("layers.2.weight", "BatchNorm2d", (4,), "scale"),
        ("layers.2.running_var", "BatchNorm2d", (4,), "variance"),
        ("token", "Network", (2, 3), ""),
    ],
)
def test_parameters(parameters, name, layer, shape, role):
    found = parameters[name]
    assert (found.layer, found.array.shape, found.array.dtype) == (layer, shape, "float32")
    assert role_of_parameter(found) == role


def test_all_parameters_have_a_name_in_the_checkpoint():
    network = Network()
    assert [each.array.name for each in parameters_of(network)] == list(network.parameters_dict())


def test_a_network_fits_its_own_checkpoint(parameters):
    found = propose([each.array for each in parameters.values()], parameters.values(), "mindspore")
    assert [pairing.parts[0].source.name for pairing in found.pairings] == list(parameters)
    assert not {pairing.confidence for pairing in found.pairings} - {"certain", "likely"}
    assert not any(part.steps for pairing in found.pairings for part in pairing.parts)
