"""Settings: a module as it is exported, and as it was afterwards."""

from __future__ import annotations

import sys
from types import SimpleNamespace

import pytest

torch = pytest.importorskip("torch", reason="PyTorch is an extra")

from converter.frontends.pytorch.settings import one_text_a_row  # noqa: E402 - it imports torch


@pytest.mark.parametrize(("inputs", "found"), [(["input_ids"], None), (["input_ids", "position_ids"], 3)])
def test_texts_in_one_row(monkeypatch, inputs, found):
    masks = SimpleNamespace(find_packed_sequence_indices=lambda position_ids: 3)
    monkeypatch.setitem(sys.modules, "transformers.masking_utils", masks)
    with one_text_a_row(inputs):
        assert masks.find_packed_sequence_indices(torch.arange(4)[None]) == found
    assert masks.find_packed_sequence_indices(None) == 3


def test_another_version_of_transformers(monkeypatch):
    monkeypatch.setitem(sys.modules, "transformers.masking_utils", SimpleNamespace())
    with one_text_a_row(["input_ids"]):
        pass
    monkeypatch.delitem(sys.modules, "transformers.masking_utils")
    with one_text_a_row(["input_ids"]):
        pass
