"""Names of members are the same when a module is exported again: so a script changed by hand keeps its weights."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

import converter

torch = pytest.importorskip("torch", reason="PyTorch is an extra")
from torch import nn  # noqa: E402 - torch is optional


class Layer(nn.Module):
    """Attention over the last axis but one, and two dense layers."""

    def __init__(self) -> None:
        super().__init__()
        self.norm, self.query, self.key, self.value = nn.LayerNorm(8), *[nn.Linear(8, 8) for _ in range(3)]
        self.scale = nn.Parameter(torch.ones(8))
        self.mlp = nn.Sequential(nn.Linear(8, 16), nn.GELU(), nn.Linear(16, 8))

    def forward(self, x: Any) -> Any:
        y = self.norm(x)
        scores = (self.query(y) @ self.key(y).transpose(-2, -1)).softmax(-1)
        return x + self.mlp(scores @ self.value(y)) * self.scale


class Network(nn.Module):
    """Words to scores: a table that is also the head, two layers, one more that is called twice, a convolution."""

    def __init__(self) -> None:
        super().__init__()
        self.words = nn.Embedding(40, 8)
        self.position = nn.Parameter(torch.zeros(1, 5, 8))
        self.layers = nn.ModuleList([Layer(), Layer()])
        self.again = nn.Linear(8, 8)
        self.conv = nn.Conv1d(8, 8, 3, padding=1)
        self.head = nn.Linear(8, 40, bias=False)
        self.head.weight = self.words.weight

    def forward(self, ids: Any) -> Any:
        x = self.words(ids) + self.position
        for layer in self.layers:
            x = layer(x)
        x = torch.tanh(self.again(torch.tanh(self.again(x))))
        return self.head(x + self.conv(x.transpose(1, 2)).transpose(1, 2))


EXPORTS: dict[str, dict[str, Any]] = {
    "newer": {"dynamo": True, "optimize": False},
    "newer, optimised": {"dynamo": True, "optimize": True},
    "newer, batch 3": {"dynamo": True, "optimize": False, "batch": 3},
    "older": {"dynamo": False},
    "older, batch 3": {"dynamo": False, "batch": 3},
}


@pytest.fixture(scope="module")
def module() -> nn.Module:
    torch.manual_seed(0)
    made = Network().eval()
    for parameter in made.parameters():
        nn.init.normal_(parameter)
    return made


@pytest.fixture(scope="module")
def folders(module: nn.Module, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The results of all exports."""
    made = {}
    for name, given in EXPORTS.items():
        options = dict(given)
        folder = made[name] = tmp_path_factory.mktemp("export")
        inputs = (torch.randint(0, 40, (options.pop("batch", 2), 5)),)
        torch.onnx.export(module, inputs, folder / "net.onnx", verbose=False, **options)
        converter.convert(folder / "net.onnx", output=folder, verify=False)
    return made


def entries_of(folder: Path) -> dict[str, tuple[int, ...]]:
    entries = json.loads((folder / "weight_map_of_net.json").read_text(encoding="utf-8"))["net"]
    return {entry["converted_weight"]["name"]: tuple(entry["converted_weight"]["shape"]) for entry in entries}


@pytest.mark.parametrize("name", list(EXPORTS)[1:])
def test_parameters_keep_their_names(folders: dict[str, Path], name: str) -> None:
    assert entries_of(folders[name]) == entries_of(folders["newer"])


def test_a_script_that_was_changed_by_hand_takes_the_next_checkpoint(folders: dict[str, Path], tmp_path: Path) -> None:
    from converter.verification import network

    text = (folders["newer"] / "net.py").read_text(encoding="utf-8")
    changed = text.replace("    def construct(self", "    # changed by hand\n    def construct(self")
    assert "ops.tanh(" in changed
    script = tmp_path / "net.py"
    script.write_text(changed.replace("ops.tanh(", "ops.sin("), encoding="utf-8")
    for folder in folders.values():
        net = network.load(script, folder / "net.ckpt")
        assert {p.name for p in net.get_parameters()} == entries_of(folder).keys()
