"""Class names: a second class of one name says where it stands, or what it is."""

from __future__ import annotations

import pytest
from script.programs import call, dense, let, region, variables, within

from converter.script.structure.class_names import ClassNames
from converter.script.structure.groups import Group, instance_of
from converter.script.structure.purpose import Purpose

X, Y = variables("x y")


def group(*paths: str, kind: str = "") -> Group:
    """Instances at these paths."""
    instances = []
    for path in paths:
        name = path.rpartition(".")[2]
        (inner,) = region(*within(f"{name}:{kind}", let(Y, call(dense("fc"), X)))).inner()
        inner.path = path
        instances.append(instance_of(inner, [Y]))
    return Group(instances)


ATTENTION = Purpose("attention", "Multi-head cross-attention, 4 heads")


@pytest.mark.parametrize(
    ("first", "second", "purpose", "name"),
    [
        (group("a.block", "b.block"), group("decoder.block"), Purpose(), "DecoderBlock"),
        (group("a.layer"), group("a.layer"), Purpose("feed-forward", ""), "FeedForwardLayer"),
        (group("a.layer"), group("a.layer"), ATTENTION, "CrossAttentionLayer"),
        (group("a.layer"), group("a.layer"), Purpose("norm", ""), "NormLayer"),
        (group("a.layer"), group("a.layer"), Purpose(), "Layer2"),
        (group("a.conv"), group("a.conv"), Purpose("convolutions", ""), "Conv2"),
        (
            group("a.self", kind="T5Attention"),
            group("EncDecAttention", kind="T5Attention"),
            ATTENTION,
            "CrossT5Attention",
        ),
        (group("a.x", kind="Conv2d"), group("a.x", kind="Conv2d"), Purpose(), "Conv2d2"),
    ],
)
def test_the_second_class_of_a_name(first: Group, second: Group, purpose: Purpose, name: str) -> None:
    names = ClassNames([])
    plain = names.new(first, Purpose("feed-forward", ""))
    assert names.new(second, purpose) == name
    assert plain in names
    assert name in names


def test_a_name_of_a_given_class_is_taken() -> None:
    assert ClassNames(["Block"]).new(group("a.block"), Purpose()) == "ABlock"
    assert ClassNames(["Block"]).new(group("block"), Purpose()) == "Block2"
