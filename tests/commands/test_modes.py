"""A mode takes one module and one line, and reports as graph mode does, without a graph."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from commands import stub_mode
from onnx import parser
from paths import ROOT

from converter.commands import graph_mode, mindconverter

SCRIPT = """\
import torch
conv = torch.nn.Conv2d(3, 8, 3)
x = torch.odd(conv)
y = torch.relu(x)
"""
GRAPH = '<ir_version: 8, opset_import: ["" : 17]> g (float[2] x) => (float[2] y) { y = Relu(x) }'
COMMAND = ["--in_file", "net.py", "--output", "out"]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The stub mode in the registry, and files for both modes."""
    monkeypatch.setattr(mindconverter, "MODES", (stub_mode.MODE, graph_mode.MODE))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "net.py").write_text(SCRIPT)
    (tmp_path / "net.onnx").write_bytes(parser.parse_model(GRAPH).SerializeToString())
    return tmp_path


def written(folder: Path) -> set[str]:
    return {path.name for path in folder.rglob("*") if path.is_file()} - {"net.py", "net.onnx"}


REPORTS = {"report_of_net.txt", "report_of_net.json", "report_of_net.html"}


def test_the_three_reports(folder: Path, capfd: Any) -> None:
    assert mindconverter.main([*COMMAND, "--report", "reports"]) == 0
    assert written(folder / "reports") == REPORTS
    assert (folder / "out" / "net.py").read_text() == SCRIPT
    out, err = capfd.readouterr()
    assert err == ""
    assert "2 of 3 calls (66.67%)" in out
    assert "Write it by hand." in out
    text = (folder / "reports" / "report_of_net.txt").read_text()
    assert text == (
        "[Start Convert]\n"
        "line 2:7: [Convert] 'torch.nn.Conv2d' is converted to mindspore.nn.Conv2d.\n"
        "line 3:4: [UnConvert] 'torch.odd' didn't convert. Write it by hand.\n"
        "line 4:4: [Convert] 'torch.relu' is converted to mindspore.relu.\n"
        "[Convert Over]\nConverted Rate: 66.67%.\n\n[Verification] not verified.\n"
    )
    data = json.loads((folder / "reports" / "report_of_net.json").read_text())
    form = json.loads((ROOT / "docs" / "report.schema.json").read_text(encoding="utf-8"))
    jsonschema.validate(data, form, jsonschema.Draft202012Validator)
    assert data["source"]["runs_on"] == "PyTorch"
    assert [call["status"] for call in data["nodes"]] == ["converted", "unconverted", "converted"]
    assert list(data["timings"]) == ["parse", "rewrite"]
    page = (folder / "reports" / "report_of_net.html").read_text()
    assert '"remedy": "Write it by hand."' in page


@pytest.mark.parametrize(("error", "status", "verdict"), [("1e-6", 0, "same"), ("0.5", 3, "differs")])
def test_the_exit_status(folder: Path, capfd: Any, error: str, status: int, verdict: str) -> None:
    assert mindconverter.main([*COMMAND, "--error", error]) == status
    assert f"worst error {float(error):.1e}" in capfd.readouterr().out
    data = json.loads((folder / "out" / "report_of_net.json").read_text())
    assert data["verification"]["verdict"] == data["summary"]["verdict"] == verdict
    assert f"[Verification] {verdict}.\ninput x, float32 (1, 2)" in (folder / "out/report_of_net.txt").read_text()


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("fail()", "[GeneratorError] code: 3000000, msg: ValueError: odd, at the stage 'rewrite'. Nothing was written"),
        ("def", "[ModelLoadingError] code: 1000001, msg: SyntaxError: "),
    ],
)
def test_the_error_codes(folder: Path, capfd: Any, text: str, line: str) -> None:
    (folder / "net.py").write_text(text)
    assert mindconverter.main(COMMAND) == 1
    assert capfd.readouterr().err.startswith(line)
    assert written(folder) == set()


def test_the_first_of_the_modes_wins(folder: Path) -> None:
    assert mindconverter.main([*COMMAND, "--model_file", "net.onnx"]) == 0
    assert written(folder / "out") == REPORTS
    assert mindconverter.main(["--model_file", "net.onnx", "--output", "out", "--no_verify"]) == 0
    assert written(folder / "out") == {*REPORTS, "weight_map_of_net.json"}


def test_a_source_is_required(folder: Path, capfd: Any) -> None:
    with pytest.raises(SystemExit):
        mindconverter.main(["--output", "out"])
    assert "the following arguments are required: --in_file or --model_file" in capfd.readouterr().err


def test_reports_need_no_onnx() -> None:
    program = (
        "import sys; from commands import stub_mode\n"
        "print([name for name in ('onnx', 'onnx_ir', 'mindspore', 'converter.script') if name in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        check=True,
        env={"PYTHONPATH": f"{ROOT}:{Path(__file__).parents[1]}"},
    )
    assert done.stdout == "[]\n"
