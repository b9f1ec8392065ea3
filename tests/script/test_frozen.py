"""Parameters that the source does not train: the shortest words for their names."""

from __future__ import annotations

import pytest
from script.programs import Stored

from converter.script import Cell, Member, Program, Weight
from converter.script.emit import definitions_of
from converter.script.frozen import frozen_parameters


def program_of(names: str) -> Program:
    """A program with parameters of these names; those that begin with a `!` are frozen."""
    members = []
    for given in names.split():
        first, _, rest = given.lstrip("!").partition(".")
        weight = Weight(Stored(given), frozen=given.startswith("!"))
        members.append(Member(first, None, {rest: weight}))
    return Program([Cell("MindSporeModel", members=members)], [])


@pytest.mark.parametrize(
    ("names", "starts", "ends"),
    [
        ("a.weight b.weight", (), ()),
        ("!a.weight !a.bias b.weight", ("a.",), ()),
        ("!a.0.weight !a.0.bias a.1.weight", ("a.0.",), ()),
        ("a.weight !a.bias !scale", ("a.bias", "scale"), ()),
        ("!a.gamma a.beta !b.gamma b.beta", (), (".gamma",)),
        ("!a.gamma a.beta !b.gamma b.beta !c.weight !c.bias", ("c.",), (".gamma",)),
        ("!a.gamma a.beta b.gamma", ("a.gamma",), ()),
        ("!encoder.weight encoder_2.weight", ("encoder.",), ()),
        ("!rnn.bias_l0 !rnn.bias_l0_reverse rnn.weight", ("rnn.bias_l0",), ()),
        ("!rnn.bias_l0 rnn.bias_l0_reverse !c.weight", ("c.",), ()),
    ],
)
def test_names_are_described_in_few_words(names: str, starts: tuple[str, ...], ends: tuple[str, ...]) -> None:
    program = program_of(names)
    frozen = frozen_parameters(program)
    assert (frozen.starts, frozen.ends) == (starts, ends)
    for name, weight in program.parameters():
        assert (name.startswith(starts) or name.endswith(ends) or name in frozen.names) == weight.frozen


def test_the_constructor_freezes_them() -> None:
    (text,) = definitions_of(program_of("!a.gamma a.beta !b.gamma !c.weight"))
    assert 'if name.startswith("c.") or name.endswith(".gamma"):' in text.replace("'", '"')
    assert "parameter.requires_grad = False" in text
    assert "requires_grad" not in definitions_of(program_of("a.gamma"))[0]
    (text,) = definitions_of(program_of("!rnn.bias_l0 rnn.bias_l0_reverse"))
    assert "if name in ['rnn.bias_l0']:" in text
