"""What is written down of MindSpore is what the installed one says."""

from __future__ import annotations

import inspect
import subprocess
import sys
from pathlib import Path

import onnx
import pytest
from graph.normalize.harness import parse
from mindspore import nn, ops

from converter.script.mindspore_api import CELL_ATTRIBUTES, PARAMETERS


def test_the_attributes_of_a_cell() -> None:
    assert {name for name in {*dir(nn.Cell), *vars(nn.Cell())} if not name.startswith("_")} == CELL_ATTRIBUTES


@pytest.mark.parametrize("name", PARAMETERS)
def test_the_parameters_of_a_layer(name: str) -> None:
    module, _, layer = name.partition(".")
    parameters = inspect.signature(getattr({"nn": nn, "ops": ops}[module], layer)).parameters
    assert [*parameters][: len(PARAMETERS[name].split())] == PARAMETERS[name].split()


WITHOUT = """
import sys
import converter
sys.modules["mindspore"] = None  # its import fails
converter.convert(sys.argv[1], output=sys.argv[2], verify=False)
"""


def test_a_model_is_translated_without_mindspore(tmp_path: Path) -> None:
    model = parse("g (float[1,3,8,8] x) => (float y) { a = Conv(x, w) y = Relu(a) }", 17)
    model.graph.initializer.append(onnx.helper.make_tensor("w", 1, [4, 3, 1, 1], [0.5] * 12))
    onnx.save(model, tmp_path / "net.onnx")
    subprocess.run([sys.executable, "-c", WITHOUT, tmp_path / "net.onnx", tmp_path / "out"], check=True)
    assert "nn.Conv2d(3, 4, 1" in (tmp_path / "out" / "net.py").read_text(encoding="utf-8")
