"""Groups of parameters, as an engineer would say them."""

from __future__ import annotations

import pytest

from converter.training.groups import decay_of_all, groups_of


@pytest.mark.parametrize(
    ("own", "groups"),
    [
        ({"a.weight": 'd"', "a.bias": ""}, ({'d"': 'p.name.endswith("weight")'}, ())),
        ({"a.weight": "d", "b.weight": None}, ({"d": "p.name in FAST"}, ("FAST = ('a.weight',)",))),
        (
            {"a": 2.0, "b": 3.0},
            ({2.0: "p.name in FAST", 3.0: "p.name in FAST_1"}, ("FAST = ('a',)", "FAST_1 = ('b',)")),
        ),
        ({"a": "d", "b": "d"}, ({"d": ""}, ())),
    ],
)
def test_groups_by_names(own, groups):
    made = groups_of("fast", own)
    assert (made.values, made.constants) == groups


def test_what_the_optimizer_gets():
    two = groups_of("fast", {"a": '"lr": 0.1', "b": ""})
    lines, call = two.of_optimizer("all_")
    assert lines[-1] == 'groups = [{"params": fast, "lr": 0.1}, {"params": others}]'
    assert call == "groups"
    assert groups_of("fast", {"a": '"lr": 0.1'}).of_optimizer("all_") == ([], '[{"params": all_, "lr": 0.1}]')
    assert groups_of("scaled", {"a": 0.0, "b": None}).of_each(1.0) == (
        "tuple(0.0 if p.name in SCALED else 1.0 for p in optimizer.parameters)"
    )


@pytest.mark.parametrize(
    ("decays", "factor"),
    [({"a": 0.1, "b": 0.1}, 0.1), ({"a": 0.1, "b": 0.0}, 0.0), ({"a": 0.1, "bn.gamma": 0.1}, 0.0), ({}, 0.0)],
)
def test_a_decay_of_all(decays, factor):
    """MindSpore's `weight_decay` leaves out parameters with `beta` or `gamma` in their names."""
    assert decay_of_all(decays) == factor
