"""Naming: what members and variables are called inside the Cell that they have come to."""

from __future__ import annotations

import pytest
from script.programs import call, dense, let, member, returning, variables

from converter.base.names import Namespace
from converter.script.expressions import Arg, invoke
from converter.script.statements import Branch, Variable
from converter.script.structure.naming import (
    hint_within,
    made_from,
    name_members,
    name_values,
    relative,
    shared_hint,
    without_common_number,
)


@pytest.mark.parametrize(
    ("hint", "path", "name"),
    [
        ("layer1.0.conv1", "layer1.0", "conv1"),
        ("layer1_0_conv1", "layer1_0", "0_conv1"),
        ("layer1.0", "layer1.0", ""),
        ("layer10.conv", "layer1", "layer10.conv"),
        ("conv", "", "conv"),
    ],
)
def test_a_name_relative_to_a_region(hint: str, path: str, name: str) -> None:
    assert relative(hint, path) == ("conv1" if "_" in path else name)


@pytest.mark.parametrize(
    ("hint", "path", "constructor", "name"),
    [
        ("layer1.0.conv1", "layer1.0", invoke("nn.Conv2d", 3, 3, 1), "conv1"),
        ("layer1.0", "layer1.0", invoke("nn.Conv2d", 3, 3, 1), "Conv"),
        ("elsewhere.norm", "layer1.0", invoke("nn.BatchNorm2d", 3), "norm"),
        ("layer1.0.2", "layer1.0", invoke("nn.Dense", 3, 3), "Dense"),
        ("layer1.0.2", "layer1.0", 3, "2"),
        ("norm", "", invoke("nn.BatchNorm2d", 3), "norm"),
    ],
)
def test_what_a_member_is_called_in_a_cell(hint: str, path: str, constructor: Arg, name: str) -> None:
    assert hint_within(member(hint, constructor, "weight"), path) == name


@pytest.mark.parametrize(
    ("constructor", "name"),
    [
        (invoke("nn.Conv2d", 3), "Conv"),
        (invoke("nn.Dense", 3), "Dense"),
        (invoke("Parameter", 3), ""),
        (invoke("ms.ops.relu"), ""),
        (3, ""),
    ],
    ids=str,
)
def test_what_a_constructor_makes(constructor: Arg, name: str) -> None:
    assert made_from(constructor) == name


def test_members_get_unique_names() -> None:
    members = [dense("a"), dense("b"), dense("c"), dense("d")]
    name_members(members, ["conv", "conv", "", "lambda"], Namespace())
    assert [each.name for each in members] == ["conv", "conv_1", "layer", "lambda_1"]


def test_instances_share_a_name_without_the_number_that_varies() -> None:
    assert shared_hint(["conv", "conv"]) == "conv"
    assert shared_hint(["conv_3", "conv_4"]) == "conv"
    assert shared_hint(["conv_3_1", "conv_3_2"]) == "conv"
    assert shared_hint(["1", "2"]) == "1"


def test_a_number_that_most_names_end_in_is_dropped() -> None:
    assert without_common_number(["conv_1", "norm_1", "relu"]) == ["conv", "norm", "relu"]
    assert without_common_number(["conv_1", "norm_2", "relu"]) == ["conv_1", "norm_2", "relu"]
    assert without_common_number(["conv_1", "norm", "relu"]) == ["conv_1", "norm", "relu"]
    assert without_common_number([]) == []


def test_the_last_value_of_a_module_is_called_after_it() -> None:
    a, b, c = (Variable(hint, path="net.fc") for hint in ("matmul", "add", "relu"))
    y = Variable("y", path="net")
    body = returning(y, after=[let(a, 1), Branch((b,), a, returning(c, after=[let(c, 2)]), returning(a)), let(y, b)])
    name_values(body, "net")
    assert [value.hint for value in (a, b, c, y)] == ["matmul", "add", "fc", "y"]


def test_a_name_of_the_source_is_kept_unless_it_is_one_letter() -> None:
    word, letter = Variable("hidden", path="fc1", assigned=True), Variable("x", path="fc2", assigned=True)
    (x,) = variables("x")
    name_values(returning(letter, after=[let(word, call(dense("fc1"), x)), let(letter, call(dense("fc2"), word))]), "")
    assert (word.hint, word.assigned) == ("hidden", True)
    assert (letter.hint, letter.assigned) == ("fc2", False)


def test_what_a_module_computes_before_it_calls_inner_ones_is_not_its_result() -> None:
    mask, y, x = Variable("Where", path="encoder"), Variable("Add", path="encoder.layers.1"), Variable("x")
    name_values(returning(y, after=[let(mask, call(dense("fc1"), x)), let(y, call(dense("fc2"), mask))]), "")
    assert (mask.hint, y.hint) == ("Where", "encoder.layers")


def test_what_a_sequence_returns_is_not_called_after_its_last_element() -> None:
    """A Sequential of a convolution, a norm and an activation; a part of it that is not the end keeps its number."""
    x, conv, relu, y = (Variable("v", path=path) for path in ("", "convs.0.0", "convs.0.2", "convs.1"))
    made = [let(conv, call(dense("c"), x)), let(relu, call(dense("r"), conv)), let(y, call(dense("d"), relu))]
    name_values(returning(y, after=made), "")
    assert [value.hint for value in (conv, relu, y)] == ["convs.0.0", "convs.0", "convs"]
