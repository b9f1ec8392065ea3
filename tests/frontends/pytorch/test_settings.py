"""Settings: a module as it is exported, and as it was afterwards."""

from __future__ import annotations

import sys
from types import SimpleNamespace

import pytest

torch = pytest.importorskip("torch", reason="PyTorch is an extra")

import converter  # noqa: E402
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


@pytest.mark.parametrize("refused", [False, True], ids=["current", "older"])
def test_detached_values_get_no_gradient(tmp_path, refused):
    """A straight-through estimator; a branch on a value is what only the older exporter takes."""

    class Rounded(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.first, self.last = torch.nn.Linear(4, 4), torch.nn.Linear(4, 2)

        def forward(self, x):
            z = self.first(x)
            if refused and z.sum() > 1e9:
                z = z + 0.0
            return self.last(z + (torch.round(z) - z).detach())

    result = converter.convert(Rounded().eval(), torch.ones(2, 4), output=tmp_path, verify=False)
    assert "ops.stop_gradient(ops.round(x) - x)" in result.files[0].read_text(encoding="utf-8")
