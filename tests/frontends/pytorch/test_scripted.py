"""TorchScript in torch's older exporter: what it computes, keeps and names."""

from __future__ import annotations

import ast
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import onnx
import pytest

torch = pytest.importorskip("torch")

from torch import nn  # noqa: E402
from torch.nn import functional  # noqa: E402

from converter.base.trained import OF_CHANNELS  # noqa: E402
from converter.frontends.pytorch.agreement import session_of  # noqa: E402
from converter.frontends.pytorch.exporters import finish, with_older  # noqa: E402
from converter.frontends.pytorch.inputs import Input  # noqa: E402
from converter.frontends.pytorch.loading import Loaded  # noqa: E402
from converter.frontends.pytorch.outputs import named_outputs  # noqa: E402
from converter.frontends.pytorch.settings import as_network  # noqa: E402
from converter.graph.hints.scopes import TORCH_SCOPES  # noqa: E402


def exported(folder: Path, module: torch.nn.Module, **values: torch.Tensor) -> onnx.ModelProto:
    """The module as ONNX with a free first axis, after onnxruntime has computed what torch computes of two batches."""
    loaded = Loaded(module.eval())
    inputs = [Input(name, ("N", *value.shape[1:]), value) for name, value in values.items()]
    file = folder / "net.onnx"
    with as_network(loaded.module):
        outputs = list(named_outputs(loaded.run(values), values))
        with_older(loaded, inputs, outputs, file)
        finish(file, inputs, loaded)
        for batch in (values, {name: torch.cat([value, value.flip(0)]) for name, value in values.items()}):
            expected = named_outputs(loaded.run(batch), batch)
            found = session_of(file).run(list(expected), {name: value.numpy() for name, value in batch.items()})
            for array, tensor in zip(found, expected.values(), strict=True):
                np.testing.assert_allclose(array, tensor.numpy(), rtol=1e-4, atol=1e-5)
    return onnx.load(file)


def kinds(model: onnx.ModelProto) -> set[str]:
    return {node.op_type for node in model.graph.node}


def scopes(model: onnx.ModelProto, kind: str) -> list[Sequence[str]]:
    """The paths of the modules around the nodes of a kind."""
    nodes = [node for node in model.graph.node if node.op_type == kind]
    recorded = [{entry.key: entry.value for entry in node.metadata_props} for node in nodes]
    return [ast.literal_eval(entries[TORCH_SCOPES])[1:-1] for entries in recorded]


def test_ranks_that_the_exporter_cannot_derive(tmp_path):
    """It refuses a transposition behind `unflatten` of computed extents, as in any attention of PyTorch."""
    layer = nn.TransformerEncoderLayer(8, 2, 16, batch_first=True).eval()

    class Encoder(nn.Module):
        def __init__(self):
            super().__init__()
            self.encoder = nn.TransformerEncoder(layer, 2, enable_nested_tensor=False)

        def forward(self, x, keep):
            return self.encoder(x, src_key_padding_mask=keep == 0)

    x, keep = torch.randn(2, 5, 8), torch.tensor([[1, 1, 1, 1, 1], [1, 1, 1, 0, 0]])
    with as_network(net := Encoder()):
        traced = torch.jit.trace(net, (x, keep), check_trace=False)
    model = exported(tmp_path, traced, x=x, keep=keep)
    assert scopes(model, "LayerNormalization")[-1] == ["encoder", "encoder.layers.1", "encoder.layers.1.norm2"]
    assert len([node for node in model.graph.node if node.op_type == "Dropout"]) == 6


class Listed(nn.Module):
    def __init__(self, side: bool = True):
        super().__init__()
        self.side = side
        self.layers = nn.ModuleList([nn.Linear(4, 6), nn.Linear(6, 6)])
        self.aside = nn.Linear(6, 2)

    def forward(self, x, shift: torch.Tensor | None = None, steps: int = 2):
        means: list[torch.Tensor] = []
        for layer in self.layers:
            x = torch.relu(layer(x))
            means.append(x.mean(dim=1))
        if shift is not None:
            x = x + shift
        total = torch.zeros_like(means[0])
        for i in range(len(means)):
            total = total + means[i] * float(i + 1)
        for _ in range(steps):
            x = torch.tanh(x)
        aside = self.aside(x) if self.side else x
        return aside, total


@pytest.mark.parametrize("shifted", [False, True])
def test_defaults_and_loops_of_a_known_count(tmp_path, shifted):
    values = {"x": torch.randn(2, 4)} | ({"shift": torch.randn(2, 6)} if shifted else {})
    model = exported(tmp_path, torch.jit.script(Listed()), **values)
    assert not kinds(model) & {"Loop", "If", "SequenceAt", "SequenceInsert", "Optional", "OptionalHasElement"}
    assert scopes(model, "Gemm") == [["layers.0"], ["layers.1"], ["aside"]]
    assert [value.name for value in model.graph.input] == list(values)


def test_inputs_in_another_order(tmp_path):
    class Weighed(nn.Module):
        def forward(self, left, right):
            return left - 2 * right

    script = torch.jit.script(Weighed())
    exported(tmp_path, script, right=torch.randn(2, 3), left=torch.randn(2, 3))


@pytest.mark.parametrize("form", ["script", "trace"])
def test_dropouts_stay(tmp_path, form):
    class Dropping(nn.Module):
        def __init__(self):
            super().__init__()
            self.channels = nn.Dropout2d(0.25)
            self.elements = nn.Dropout(0.5)
            self.never = nn.Dropout(0.0)

        def forward(self, x):
            x = self.never(self.elements(self.channels(x)))
            return functional.dropout(x, 0.125, self.training)

    x, net = torch.randn(2, 3, 4, 4), Dropping().eval()
    model = exported(tmp_path, torch.jit.script(net) if form == "script" else torch.jit.trace(net, (x,)), x=x)
    found = [node for node in model.graph.node if node.op_type == "Dropout"]
    assert [any(entry.key == OF_CHANNELS for entry in node.metadata_props) for node in found] == [True, False, False]
    assert all(len(node.input) == 2 for node in found)


def test_functions_that_the_exporter_lacks(tmp_path):
    class Compared(nn.Module):
        def __init__(self):
            super().__init__()
            self.score = nn.Bilinear(3, 3, 2)

        def forward(self, a, b):
            distances = [functional.pairwise_distance(a, b, p) for p in (1.0, 2.0, 3.0)]
            same = functional.pairwise_distance(a, a)
            crossed = torch.swapaxes(torch.hstack([a, b]), 0, 1).swapdims(0, 1)
            return self.score(a, b), torch.stack(distances), same, crossed, torch.outer(a[:, 0], b[0])

    a, b = torch.randn(2, 3), torch.randn(2, 3)
    exported(tmp_path, torch.jit.trace(Compared(), (a, b)), a=a, b=b)


@pytest.mark.parametrize("form", ["script", "trace"])
def test_a_cell_in_a_loop(tmp_path, form):
    class Steps(nn.Module):
        def __init__(self):
            super().__init__()
            self.cell = nn.GRUCell(3, 4)

        def forward(self, x, h):
            for i in range(x.size(1)):
                h = self.cell(x[:, i], h)
            return h

    x, h = torch.randn(2, 3, 3), torch.randn(2, 4)
    exported(tmp_path, torch.jit.script(Steps()) if form == "script" else torch.jit.trace(Steps(), (x, h)), x=x, h=h)


class Encoder(nn.Module):
    """An encoder; of texts of different lengths if these are given."""

    def __init__(self, norm_first: bool, activation: str) -> None:
        super().__init__()
        layer = nn.TransformerEncoderLayer(8, 2, 16, activation=activation, batch_first=True, norm_first=norm_first)
        self.encoder = nn.TransformerEncoder(layer, 2, enable_nested_tensor=not norm_first)

    def forward(self, x, lengths: torch.Tensor | None = None):
        if lengths is None:
            return self.encoder(x)
        return self.encoder(x, src_key_padding_mask=torch.arange(x.shape[1])[None] >= lengths[:, None])


class Attending(nn.Module):
    """Attention to oneself, and to another; with its weights, which are the means of the heads."""

    def __init__(self) -> None:
        super().__init__()
        self.attention = nn.MultiheadAttention(8, 2, batch_first=True)

    def forward(self, x, other: torch.Tensor | None = None):
        return self.attention(x, x, x) if other is None else self.attention(x, other, other)


@pytest.mark.parametrize("form", ["script", "trace"])
@pytest.mark.parametrize(
    ("net", "second"),
    [
        (Encoder(False, "relu"), {"lengths": torch.tensor([5, 3])}),
        (Encoder(True, "gelu"), {"lengths": torch.tensor([5, 3])}),
        (Encoder(False, "gelu"), {}),
        (Attending(), {}),
        (Attending(), {"other": torch.randn(2, 7, 8)}),
    ],
    ids=["packed", "norm first, not packed", "whole texts", "attention", "attention to another"],
)
def test_fused_layers(tmp_path, form, net, second):
    for parameter in net.parameters():
        nn.init.normal_(parameter, std=0.5)
    values = {"x": torch.randn(2, 5, 8), **second}
    with torch.no_grad():  # torch then fuses and packs
        script = (
            torch.jit.script(net.eval()) if form == "script" else torch.jit.trace(net.eval(), tuple(values.values()))
        )
    model = exported(tmp_path, script, **values)
    assert not kinds(model) & {"Loop", "SequenceAt"}
    assert len([node for node in model.graph.node if node.op_type == "Softmax"]) == 1 + isinstance(net, Encoder)


def test_a_mask_with_gaps_is_packed_as_torch_packs_it(tmp_path):
    """A trace does not check the mask: it takes as many tokens as there are, from the first one on."""

    class Masked(nn.Module):
        def __init__(self):
            super().__init__()
            self.encoder = Encoder(False, "relu").encoder

        def forward(self, x, dropped):
            return self.encoder(x, src_key_padding_mask=dropped)

    net, x = Masked().eval(), torch.randn(2, 5, 8)
    sorted_, gaps = (
        torch.tensor([row, [False] * 5]) for row in ([False] * 3 + [True] * 2, [False, True] * 2 + [False])
    )
    with torch.no_grad():
        trace = torch.jit.trace(net, (x, sorted_))
    exported(tmp_path, trace, x=x, dropped=gaps)
