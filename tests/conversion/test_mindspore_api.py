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
from written_calls import written_calls

from converter.script.mindspore_api import CELL_ATTRIBUTES, PARAMETERS


def test_the_attributes_of_a_cell() -> None:
    assert {name for name in {*dir(nn.Cell), *vars(nn.Cell())} if not name.startswith("_")} == CELL_ATTRIBUTES


def parameters(name: str) -> list[str]:
    room, _, function = name.partition(".")
    found = getattr({"nn": nn, "ops": ops}[room], function, None)
    try:
        return [name for name in inspect.signature(found).parameters if name != "self"] if found else []
    except ValueError:  # written in C
        return []


@pytest.mark.parametrize("name", PARAMETERS)
def test_the_parameters_of_a_call(name: str) -> None:
    known = PARAMETERS[name].split()
    assert parameters(name)[: len(known)] == known


def test_the_parameters_of_all_calls_are_known() -> None:
    """A name of an argument is that of a parameter, whether MindSpore is installed or not."""
    names = set(written_calls()) - {"nn.Cell", "nn.Optimizer"}  # named in scripts, but not called
    assert {name for name in names if len(parameters(name)) > 1} <= PARAMETERS.keys()


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
