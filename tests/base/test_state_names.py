"""State names: the names of a checkpoint are matched to those of a network, whatever stands before them."""

from __future__ import annotations

import pytest

from converter.base.state_names import matched

WANTED = {"conv.weight": (4, 3), "conv.bias": (4,), "head.weight": (2, 4)}


def found(change) -> dict[str, tuple[int, ...]]:
    return {change(name): shape for name, shape in WANTED.items()}


@pytest.mark.parametrize(
    "change",
    [
        lambda name: name,
        lambda name: f"module.{name}",
        lambda name: f"_orig_mod.{name}",
        lambda name: f"module._orig_mod.model.{name}",
        lambda name: name.replace("conv.", "conv._orig_mod."),
    ],
)
def test_wrappers_are_taken_off(change):
    names = found(change)
    assert matched({**names, "other": (1,)}, WANTED) == {name: change(name) for name in WANTED}


def test_a_part_of_a_network():
    part = {"encoder.weight": (4, 3), "encoder.bias": (4,), "head.weight": (9, 9)}
    wanted = {"weight": (4, 3), "bias": (4,)}
    assert matched(part, wanted) == {"weight": "encoder.weight", "bias": "encoder.bias"}
    whole = {f"bert.{name}": shape for name, shape in WANTED.items()} | {"classifier.weight": (2, 2)}
    assert matched(WANTED, whole) == {f"bert.{name}": name for name in WANTED}


def test_another_shape_is_no_counterpart():
    assert matched(found(str) | {"head.weight": (5, 4)}, WANTED) == {n: n for n in ("conv.weight", "conv.bias")}
    assert matched({}, WANTED) == matched(WANTED, {}) == {}
