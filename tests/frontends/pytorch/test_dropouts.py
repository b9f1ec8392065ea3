"""Dropouts that a module's code calls as functions, and what else a module does in training mode only."""

from __future__ import annotations

import pytest

import converter

torch = pytest.importorskip("torch", reason="PyTorch is an extra")

from torch import nn  # noqa: E402
from torch.nn import functional  # noqa: E402

from converter.frontends.pytorch.dropouts import called_dropouts, lost_in_training  # noqa: E402
from converter.frontends.pytorch.loading import Loaded  # noqa: E402

X = torch.ones(2, 4, 8)


class Functions(nn.Module):
    def __init__(self):
        super().__init__()
        self.first, self.last = nn.Linear(8, 8), nn.Linear(8, 8)

    def forward(self, x):
        x = functional.dropout(self.last(functional.dropout(self.first(x), 0.2, self.training)), 0.3, self.training)
        return functional.dropout(x, 0.4, False)


class Attention(nn.Module):
    def __init__(self):
        super().__init__()
        self.key = nn.Linear(8, 8)

    def forward(self, x):
        ratio = 0.1 if self.training else 0.0
        return functional.scaled_dot_product_attention(x, self.key(x), x, dropout_p=ratio, is_causal=True)


class Channels(Functions):
    def forward(self, x):
        return functional.dropout1d(self.last(x), 0.3, self.training)


class Noise(nn.Module):
    def forward(self, x):
        return x + torch.randn_like(x) if self.training else x


class Skipping(nn.Module):
    """A layer that is left out at random."""

    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(8, 8)

    def forward(self, x):
        return x if self.training and torch.rand([]) < 0.0001 else self.layer(x)


class Guarded(Functions):
    def forward(self, x):
        x = self.first(x)
        if self.training:
            x = functional.dropout(x, 0.5)
        return x


class Targets(Functions):
    def forward(self, x, targets=None):
        if self.training:
            x = x - targets
        return functional.dropout(self.first(x), 0.5, self.training)


def notes_on(net: nn.Module) -> list[str]:
    loaded = Loaded(net.eval())
    values = {"input" if isinstance(net, nn.Sequential) else "x": X}
    called = called_dropouts(net, lambda: loaded.run(values), loaded.run(values))
    assert not any(each.training for each in net.modules())
    assert functional.dropout(X, 0.5, training=False) is X
    return lost_in_training(net, called)


@pytest.mark.parametrize(
    ("made", "texts"),
    [
        (Functions, ["self.dropout = nn.Dropout(p=0.2)", "self.dropout_1 = nn.Dropout(p=0.3)"]),
        (Attention, ["self.dropout = nn.Dropout(p=0.1)", "self.dropout(ops.softmax("]),
        (Channels, ["* self.dropout(", "nn.Dropout(p=0.3)"]),
    ],
)
def test_dropouts_are_written(tmp_path, made, texts):
    result = converter.convert(made().eval(), X, output=tmp_path, edges="none")
    script = result.files[0].read_text(encoding="utf-8")
    assert all(text in script for text in texts), script
    assert "0.4" not in script
    assert result.verification.verdict == "same"
    assert result.notes == ()


@pytest.mark.parametrize(
    ("net", "note"),
    [
        (nn.Sequential(nn.Linear(8, 8), Noise()), "'1' (Noise) computes otherwise"),
        (nn.Sequential(nn.Linear(8, 8), Skipping()), "'1' (Skipping) computes otherwise"),
        (nn.Sequential(Guarded()), "The dropout of 0 acts in torch's training mode only"),
        (Targets(), "The dropout of Targets acts in torch's training mode only"),
        (nn.Sequential(nn.Linear(8, 8), nn.BatchNorm1d(4), nn.Dropout(0.5)), ""),
    ],
    ids=["noise", "skipping", "guarded", "targets", "layers"],
)
def test_what_is_not_written_is_named(net, note):
    notes = notes_on(net)
    assert len(notes) == bool(note)
    assert note in "".join(notes)
