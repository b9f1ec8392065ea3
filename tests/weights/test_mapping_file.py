"""The mapping file: written, edited and read again."""

from __future__ import annotations

import re
import tomllib

import pytest
from weights.networks import dense, parameter, tensor

from converter.errors import BadParamError, WeightMatchError
from converter.weights import Pairing, Part, Proposal, propose
from converter.weights.mapping_file import read, text_of

SOURCE = [
    tensor("x/kernel", 4, 3),
    tensor("x/bias", 3),
    tensor("y", 2, 3),
    tensor("z", 1, 3),
    tensor("n", dtype="int64"),
]
NETWORK = [*dense("fc", 4, 3), parameter("table", 3, 3)]


def test_a_proposal_comes_back(tmp_path):
    proposal = propose(SOURCE, NETWORK, "tensorflow")
    (tmp_path / "map.toml").write_text(text_of(proposal, "net.npz", "nets:Net"))
    again = read(tmp_path / "map.toml", SOURCE, NETWORK)
    assert [pairing.parts for pairing in again.pairings] == [pairing.parts for pairing in proposal.pairings]
    assert [pairing.confidence for pairing in again.pairings] == ["certain", "certain", "missing"]
    assert again.unused == proposal.unused


def test_names_may_hold_anything(tmp_path):
    name = 'a "b" # c\n| ?'
    source, network = [tensor(name, 3)], [parameter(name, 3)]
    pairing = Pairing(network[0], (Part(source[0]),), "certain", "x\ny")
    text = text_of(Proposal((pairing,), ()), "a\nb", "c")
    assert tomllib.loads(text) == {name: name}


def test_comments_may_be_anywhere(tmp_path):
    (tmp_path / "map.toml").write_text('# mine\n\n"table" = ["y", # first\n "z"]  # then\n"fc.bias" = "x/bias"')
    found = read(tmp_path / "map.toml", SOURCE, NETWORK)
    assert [[part.source.name for part in pairing.parts] for pairing in found.pairings] == [[], ["x/bias"], ["y", "z"]]
    assert [each.name for each in found.unused] == ["x/kernel", "n"]


def test_a_guess_stays_a_guess(tmp_path):
    (tmp_path / "map.toml").write_text('"fc.bias" = "?x/bias"')
    assert [pairing.confidence for pairing in read(tmp_path / "map.toml", SOURCE, NETWORK).pairings] == [
        "missing",
        "ambiguous",
        "missing",
    ]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ('"table" = ["y", "x/bias"]', r"\(2, 3\) and \(3\) cannot be joined"),
        ('"table" = ["y", "y"]', r"it makes \(4, 3\), the parameter is \(3, 3\)"),
        ('"table" = ["y", 1]', "a text or a list of texts"),
        ('"fc.bias" = "n | reshape(1) | zeros(3)"', "'n' is int64, the parameter is float32"),
        ('"fc.weight" = "x/kernel | "', "no step of the form"),
    ],
)
def test_what_does_not_fit(tmp_path, text, problem):
    (tmp_path / "map.toml").write_text(text)
    with pytest.raises(WeightMatchError) as error:
        read(tmp_path / "map.toml", SOURCE, NETWORK)
    (detail,) = error.value.details
    assert re.search(problem, detail)


@pytest.mark.parametrize("text", ['"fc.bias" = x', '"fc.bias" = "x"\n"fc.bias" = "y"', "\xff"])
def test_what_is_no_mapping(tmp_path, text):
    (tmp_path / "map.toml").write_bytes(text.encode("latin-1"))
    with pytest.raises(BadParamError, match="is no mapping"):
        read(tmp_path / "map.toml", SOURCE, NETWORK)
