"""Number laws: what two networks count, and from which number on."""

from __future__ import annotations

from converter.weights.names import compared
from converter.weights.number_laws import Law, agreement, assumed, learnt


def names(*paths: str):
    return compared([(path, "") for path in paths])


def test_a_constant_between_two_numbers():
    here, there = names("layer1.0", "layer2.1", "layer3.0"), names("conv2_block1", "conv3_block2", "conv4_block1")
    laws = learnt(zip(here, there, strict=True))
    assert Law(("layer", 0), ("convolution", 0), 1) in laws
    assert Law(("layer", 1), ("layer", 0), 1) in laws  # a block is a layer, too
    assert Law(("layer", 0), ("layer", 0), 0) not in laws
    table = {law[:2]: law.offset for law in laws}
    assert agreement(table, here[1], there[1]) == 1
    assert agreement(table, here[0], there[1]) == -1
    assert agreement({}, here[0], there[1]) == 0


def test_one_number_proves_nothing():
    assert learnt(zip(names("a1.x", "a1.y"), names("b4.x", "b4.y"), strict=True)) == []


def test_a_law_holds_for_all_pairs():
    assert learnt(zip(names("a1", "a2", "a3"), names("b1", "b2", "b9"), strict=True)) == []


def test_before_any_pair_is_decided():
    assert assumed(names("h.0", "h.1"), names("h.0", "h.1", "h.2")) == [Law(("layer", 0), ("layer", 0), 0)]
    assert assumed(names("h.1", "h.2"), names("h.0", "h.1", "h.2")) == []
    assert assumed(names("a.0", "a.1"), names("b.0", "b.1")) == []
