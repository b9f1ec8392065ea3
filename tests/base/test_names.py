from __future__ import annotations

import pytest

from converter.base.names import Namespace, identifier
from converter.script.mindspore_api import CELL_ATTRIBUTES


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("layer1/Conv.0:0", "layer1_conv_0_0"),
        ("1_conv", "conv_1"),
        ("12", "x12"),
        ("BatchNorm", "batch_norm"),
        ("ReLU", "relu"),
        ("GRU", "gru"),
        ("__a--b__", "a_b"),
        ("日本", "x"),
        ("", "x"),
        ("é1", "x1"),
        ("a" * 63 + "/b", "a" * 63),
    ],
)
def test_identifier(text: str, name: str) -> None:
    assert identifier(text) == name
    assert name.isidentifier()


def test_the_default_stands_where_nothing_is_left() -> None:
    assert identifier("//", "constant") == "constant"
    assert identifier("7", "layer") == "layer7"


def test_names_are_unique() -> None:
    names = Namespace()
    assert [names.new(hint) for hint in ("conv", "conv", "Conv", "conv_1", "conv")] == [
        "conv",
        "conv_1",
        "conv_2",
        "conv_1_1",
        "conv_3",
    ]
    assert "conv_2" in names
    assert "conv_4" not in names


@pytest.mark.parametrize("word", ["lambda", "match", "list", "ops", "np", "ms", "self", "helper"])
def test_reserved_names_get_a_number(word: str) -> None:
    assert Namespace(frozenset({"helper"})).new(word) == f"{word}_1"


@pytest.mark.parametrize("name", ["construct", "training", "param_prefix", "cls_name"])
def test_the_attributes_of_every_cell_are_known(name: str) -> None:
    assert name in CELL_ATTRIBUTES
