"""What torch's exporters refuse, or would write wrongly, is named with the line of the user's code."""

from __future__ import annotations

import re
from types import SimpleNamespace

import onnx_ir as ir
import pytest
from frontends.pytorch import nets

import converter
from converter.errors import BadParamError, ModelLoadingError, TorchExportError
from converter.frontends import Request, load

torch = pytest.importorskip("torch", reason="PyTorch is an extra")
evaluator = pytest.importorskip("onnxscript.evaluator", reason="it comes with PyTorch's extra")
from converter.frontends.pytorch import unknown  # noqa: E402


def test_a_branch_on_values(tmp_path):
    message = r"computes otherwise on another input than what .*\(nets\.py, line \d+: `if x\.sum\(\) > 0:`\)"
    with pytest.raises(TorchExportError, match=message) as error:
        converter.convert(nets.Branching(), shape=["N,4"], output=tmp_path / "out")
    assert not (tmp_path / "out").exists()
    assert error.value.code == "1000006"


def test_inputs_that_the_module_refuses(tmp_path):
    message = r"does not run on 'input' \(1, 3\): IndexError: index out of range in self\. Correct the inputs\."
    with pytest.raises(ModelLoadingError, match=message):
        converter.convert(torch.nn.Embedding(4, 2), (torch.tensor([[1, 2, 9]]),), output=tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_question_that_changes_nothing(tmp_path):
    result = converter.convert(nets.Harmless(), shape=["N,4"], output=tmp_path, verify=False)
    assert result.notes[0].startswith("torch's current exporter refuses the module: ")
    assert "if x.sum() > 1e6:" in result.notes[0]


def test_a_letter_for_an_extent_that_the_module_fixes(tmp_path):
    message = r"computes with the extent 16 of axis 1 of 'x', which --shape leaves free \('L'\)\. Give the number"
    with pytest.raises(BadParamError, match=message):
        converter.convert(nets.Positions(), shape=["N,L,4"], output=tmp_path)


@pytest.mark.parametrize("pads", [True, False])
def test_a_branch_on_a_length(tmp_path, pads):
    """The branch that pads serves every length; where no branch does, a note says so."""
    result = converter.convert(nets.Padding(pads), shape=["N,L,4"], output=tmp_path, verify=False)
    text = (tmp_path / f"{result.name}.py").read_text(encoding="utf-8")
    assert ("pad_axis(x, 1, " in text) is pads
    noted = ["is right at 'x (2, 16, 4)', not at 'x (2, 17, 4)'." in note for note in result.notes]
    assert noted == ([] if pads else [True])


def test_a_length_that_the_current_exporter_fixes(tmp_path):
    result = converter.convert(nets.Heads(), shape=["N,L,4"], output=tmp_path, verify=False)
    assert "Its older one took it." in result.notes[0]
    assert "reshape((x.shape[0], 16," not in (tmp_path / f"{result.name}.py").read_text(encoding="utf-8")


def test_an_extent_that_the_module_fixes_and_nobody_asked_to_be_free(tmp_path):
    result = converter.convert(nets.OneByOne(), output=tmp_path, verify=False)
    assert "x  float32 (1, 3, 8, 8)" in (tmp_path / f"{result.name}.py").read_text(encoding="utf-8")


def test_an_operator_that_onnx_does_not_have(tmp_path):
    """It becomes a stub, and a note names the line."""
    result = converter.convert(nets.Bessel(), shape=["N,4"], output=tmp_path, verify=False)
    assert [record.operator for record in result.unconverted] == ["prims::bessel_j0"]
    assert re.search(
        r"prims\.bessel_j0 \(nets\.py, line \d+: `return torch\.special\.bessel_j0\(self\.fc\(x\)\) \+ 1`\)",
        result.notes[0],
    )


def test_operators_that_mindspore_has(tmp_path):
    """They have rows, and a check that torch records for a result is left out."""
    result = converter.convert(nets.Whitening(), shape=["N,5,4"], output=tmp_path, edges="none")
    assert (result.verdict, result.unconverted) == ("same", ())
    assert "aten.linalg_inv_ex" in result.notes[0]
    assert "ops.cumprod(" in (tmp_path / f"{result.name}.py").read_text(encoding="utf-8")


@pytest.mark.parametrize("line", [r": `return torch\.special\.bessel_j0\(self\.fc\(x\)\) \+ 1`", ""])
def test_an_operator_in_torchscript(tmp_path, line):
    """What TorchScript keeps of the source names the line; of a trace, its number only."""
    module = nets.Bessel()
    made = torch.jit.script(module) if line else torch.jit.trace(module, torch.ones(1, 4))
    torch.jit.save(made, tmp_path / "net.pt")
    with pytest.raises(TorchExportError, match=rf"'aten::special_bessel_j0' .* \(nets\.py, line \d+{line}\)\. Rewrite"):
        load(Request(tmp_path / "net.pt", shapes=("N,4",), folder=tmp_path))


def test_a_projected_lstm(tmp_path):
    """torch's current exporter writes it as a plain one, without notice."""
    with pytest.raises(TorchExportError, match=r"the LSTM 'rnn' has proj_size=2, which ONNX's LSTM does not have"):
        converter.convert(nets.Projected(), shape=["N,T,3"], output=tmp_path)


def test_arguments_of_an_unknown_operator_are_attributes():
    """Tensors are inputs, lists of them too; what else is given is an attribute by its name, dtypes as numbers."""
    recorder = SimpleNamespace(nodes=[])
    x, y = (ir.Value(name=name) for name in "xy")
    with evaluator.default_as(recorder):
        unknown._node(torch.ops.aten.index_put.default, x, [y, None], x, True)
        unknown._node(torch.ops.aten.topk.default, x, 3, dim=-1, largest=False)
    first, second = recorder.nodes
    assert (first.domain, first.op_type, list(first.inputs)) == ("aten", "index_put", [x, y, None, x])
    assert first.attributes["accumulate"].value == 1
    assert {name: attribute.value for name, attribute in second.attributes.items()} == {"k": 3, "dim": -1, "largest": 0}
    assert len(second.outputs) == 2
