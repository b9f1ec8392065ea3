"""What torch's exporters refuse, or would write wrongly, is named with the line of the user's code."""

from __future__ import annotations

import pytest
from frontends.pytorch import nets

import converter
from converter.errors import BadParamError, TorchExportError

torch = pytest.importorskip("torch", reason="PyTorch is an extra")


def test_a_branch_on_values(tmp_path):
    message = r"computes otherwise on another input than what .*\(nets\.py, line \d+: `if x\.sum\(\) > 0:`\)"
    with pytest.raises(TorchExportError, match=message) as error:
        converter.convert(nets.Branching(), shape=["N,4"], output=tmp_path / "out")
    assert not (tmp_path / "out").exists()
    assert error.value.code == "1000006"


def test_a_question_that_changes_nothing(tmp_path):
    result = converter.convert(nets.Harmless(), shape=["N,4"], output=tmp_path, verify=False)
    assert result.notes[0].startswith("torch's current exporter refuses the module: ")
    assert "if x.sum() > 1e6:" in result.notes[0]


def test_a_letter_for_an_extent_that_the_module_fixes(tmp_path):
    message = r"computes with the extent 16 of axis 1 of 'x', which --shape leaves free \('L'\)\. Give the number"
    with pytest.raises(BadParamError, match=message):
        converter.convert(nets.Positions(), shape=["N,L,4"], output=tmp_path)
