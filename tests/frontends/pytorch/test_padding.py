"""The row of an embedding that stands for padding is not trained."""

from __future__ import annotations

import pytest

import converter

torch = pytest.importorskip("torch", reason="PyTorch is an extra")

from torch import nn  # noqa: E402

from converter.frontends.pytorch.padding import padded_tables  # noqa: E402

IDS = torch.tensor([[1, 2, 5], [2, 2, 0]])


class Tagger(nn.Module):
    def __init__(self, refused: bool = False):
        super().__init__()
        self.refused = refused
        self.words, self.tags = nn.Embedding(6, 4, padding_idx=2), nn.Linear(4, 3)

    def forward(self, ids):
        x = self.words(ids)
        if self.refused and x.sum() > 1e9:  # a branch on a value is what only the older exporter takes
            x = x + 0.0
        return self.tags(x)


@pytest.mark.parametrize(
    "made",
    [Tagger, lambda: Tagger(refused=True), lambda: torch.jit.trace(Tagger().eval(), IDS)],
    ids=["current", "older", "traced"],
)
def test_a_lookup_of_padding(tmp_path, made):
    result = converter.convert(made().eval(), IDS, output=tmp_path, verify=False)
    assert "padding_untrained(self.words(ids), ids, 2)" in result.files[0].read_text(encoding="utf-8")


def test_other_lookups_are_plain(tmp_path):
    net = Tagger().eval()
    net.words.weight.requires_grad_(False)
    result = converter.convert(net, IDS, output=tmp_path, verify=False)
    assert "padding_untrained" not in result.files[0].read_text(encoding="utf-8")


def test_a_frozen_table_stays_frozen_in_the_older_exporter(tmp_path):
    """Its file does not say what is trained: the module's own record goes before a guess by the name."""

    class Positions(Tagger):
        def forward(self, ids):
            return super().forward(ids) + self.tags(self.words.weight[: ids.shape[1]])

    net = Positions(refused=True).eval()
    net.words.weight.requires_grad_(False)
    result = converter.convert(net, IDS, output=tmp_path, verify=False)
    script = result.files[0].read_text(encoding="utf-8")
    assert "parameter.requires_grad = False" in script or "requires_grad=False" in script


def test_the_tables_of_a_module():
    net = nn.Sequential(nn.Embedding(4, 2, padding_idx=-1), nn.Embedding(4, 2))
    assert padded_tables(net) == {"0.weight": 3}
    assert padded_tables(net[0]) == {"weight": 3}
