"""Names: words of one meaning, numbers by what they count, and the paths of layers."""

from __future__ import annotations

import pytest

from converter.weights.names import compared, framework_of, layer_of, likeness, natural, split


@pytest.mark.parametrize(
    ("name", "path", "leaf"),
    [
        ("layer1.0.conv1.weight", "layer1/0/conv1", "weight"),
        ("conv1/kernel:0", "conv1", "kernel"),
        ("conv1/kernel/read", "conv1", "kernel"),
        ("net/conv1/kernel/Read/ReadVariableOp", "net/conv1", "kernel"),
        ("w/.ATTRIBUTES/VARIABLE_VALUE", "", "w"),
        ("W_conv1", "", "w_conv1"),
    ],
)
def test_split(name, path, leaf):
    assert split(name) == (path, leaf)


def test_the_layer_of_a_norm_in_three_dimensions():
    assert layer_of("norm.bn2d.gamma") == "norm"


@pytest.mark.parametrize(
    ("one", "other", "wanted"),
    [
        ("encoder.layer.0.attention.self.query", "blocks.0.attn.q", True),
        ("fc1", "dense_1", True),
        ("intermediate.dense", "inter.fc", True),
        ("encoder.layer.0.attention.self.query", "blocks.0.attn.k", False),
        ("conv1", "bn1", False),
    ],
)
def test_words_of_one_meaning(one, other, wanted):
    first, second = (compared([(name, ""), ("entirely.different", "")])[0] for name in (one, other))
    third = compared([("entirely.different", ""), (one, "")])[0]
    assert (likeness(first.words, second.words) > 0.6) is wanted
    assert likeness(first.words, third.words) == 0


def test_what_all_names_have_says_nothing():
    first, second = compared([("bert.encoder.dense", ""), ("bert.pooler.dense", "norm")])
    assert first.words == {"encoder"}
    assert second.words == {"pooler", "norm"}


def test_numbers_by_what_they_count():
    (name, *_) = compared([("layer1.0.conv2", ""), ("layer2.1.conv1", "")])
    assert name.numbers == {("layer", 0): 1, ("layer", 1): 0, ("convolution", 0): 2}
    assert name.order == (1, 0, 2)


def test_the_first_of_a_family_counts_0():
    names = compared([("conv2d", ""), ("conv2d_1", ""), ("conv2d_10", "")])
    assert [name.order for name in names] == [(0,), (1,), (10,)]
    assert len({name.family for name in names}) == 1


def test_letters_count():
    assert [name.order for name in compared([("res2a_branch2b", ""), ("res2c_branch2a", "")])] == [
        (2, 1, 2, 2),
        (2, 3, 2, 1),
    ]


@pytest.mark.parametrize(
    ("names", "framework"),
    [
        (["conv.weight", "conv.bias", "norm.running_mean"], "torch"),
        (["conv.weight", "norm.gamma", "norm.moving_mean"], "mindspore"),
        (["conv/kernel", "norm/gamma"], "tensorflow"),
        (["Variable", "Variable_1"], ""),
    ],
)
def test_whose_names_these_are(names, framework):
    assert framework_of(names) == framework


def test_natural_order():
    assert natural(["x_10", "x_9", "a2b", "a10", "x_9/w"]) == ["a2b", "a10", "x_9", "x_9/w", "x_10"]
