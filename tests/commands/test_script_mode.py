"""Script mode of the command: files, reports, exit statuses, bad input."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import jsonschema
import pytest
from paths import ROOT

import converter
from converter.commands import mindconverter

NET = """\
import torch
from torch import nn

class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 8, 3)

    def forward(self, x):
        return torch.odd(self.conv(x))
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working folder with a script, a package, and what is none."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "net.py").write_text(NET)
    (tmp_path / "plain.py").write_text("x = 1\n")
    (tmp_path / "broken.py").write_text("import torch\ndef f(:\n")
    (tmp_path / "text.txt").write_text("no Python")
    (tmp_path / "pkg").mkdir()
    (tmp_path / "pkg/__init__.py").write_text("from .net import Net\n")
    (tmp_path / "pkg/net.py").write_text(NET)
    (tmp_path / "pkg/notes.md").write_text("notes")
    return tmp_path


def files(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


def test_a_file(folder, capfd):
    assert mindconverter.main(["--in_file", "net.py"]) == 0
    made = files(folder / "output")
    assert made == {"net.py", "_torch_compat.py", "report_of_net.txt", "report_of_net.json", "report_of_net.html"}
    text = (folder / "output/report_of_net.txt").read_text()
    assert text.startswith("[Start Convert]\n[Insert] 'from mindspore import nn' is inserted to the converted file.\n")
    assert "line 7:20: [Convert] 'torch.nn.Conv2d' is converted to 'mindspore.nn.Conv2d'.\n" in text
    assert "line 10:15: [UnConvert] 'torch.odd' didn't convert. " in text
    assert "[Convert Over]\nConverted Rate: 66.67%.\n" in text
    data = json.loads((folder / "output/report_of_net.json").read_text())
    form = json.loads((ROOT / "docs/report.schema.json").read_text(encoding="utf-8"))
    jsonschema.validate(data, form, jsonschema.Draft202012Validator)
    assert "calls (66.67%)" in capfd.readouterr().out


def test_a_package(folder):
    result = converter.convert_script("pkg", output="out", report="reports", copy_others=True)
    assert files(folder / "out") == {"pkg/__init__.py", "pkg/net.py", "pkg/_torch_compat.py", "pkg/notes.md"}
    text = (folder / "reports/report_of_pkg.txt").read_text()
    assert "[File] pkg/net.py\n" in text
    assert result.unit == "calls"


def test_a_scan(folder, capfd):
    assert mindconverter.main(["--in_file", "pkg", "--scan", "--output", "out"]) == 0
    assert files(folder / "out") == {"scan_of_pkg.csv"}
    first, *lines = (folder / "out/scan_of_pkg.csv").read_text().splitlines()
    assert first == "file,line,column,name,outcome,becomes,remedy"
    assert "pkg/net.py,7,20,torch.nn.Conv2d,converted,mindspore.nn.Conv2d," in lines
    said = capfd.readouterr().out
    assert "scan_of_pkg.csv" in said
    assert "Hint" not in said


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--in_file", "text.txt"], "[UnknownModelError] code: 0000001"),
        (["--in_file", "plain.py"], "[UnknownModelError] code: 0000001"),
        (["--in_file", "broken.py"], "[ModelLoadingError] code: 1000001"),
        (["--in_file", "missing.py"], "[ModelLoadingError] code: 1000001"),
        (["--in_file", "net.py", "--output", "."], "[BadParamError] code: 0000003"),
        (["--in_file", "pkg", "--output", "pkg/out"], "[BadParamError] code: 0000003"),
        (["--in_file", "net.py", "--project_path", "pkg"], "[BadParamError] code: 0000003"),
    ],
)
def test_bad_input(folder, capfd, arguments, message):
    before = files(folder)
    assert mindconverter.main(arguments) == 1
    err = capfd.readouterr().err
    assert err.startswith(message)
    assert err.count("\n") == 1
    assert files(folder) == before


@pytest.mark.parametrize("times", [300, 3000])
def test_expressions_of_many_levels(folder, capfd, times):
    """Three hundred calls in a row convert; of thousands it is said."""
    (folder / "deep.py").write_text(f"import torch\nx = torch.ones(1){'.abs()' * times}\n")
    assert mindconverter.main(["--in_file", "deep.py", "--output", "out"]) == (times > 1000)
    err = capfd.readouterr().err
    assert err.startswith("[ModelLoadingError] code: 1000001, msg: 'deep.py'" if times > 1000 else "")
    assert "nested too deeply" in err if times > 1000 else not err


def test_a_scan_needs_neither_torch_nor_mindspore(folder):
    program = (
        "import sys; from converter.commands import mindconverter\n"
        "mindconverter.main(['--in_file', 'net.py', '--scan', '--quiet'])\n"
        "print([name for name in ('torch', 'mindspore', 'onnx', 'onnx_ir', 'numpy') if name in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, env={"PYTHONPATH": str(ROOT)}
    )
    assert done.stdout == "[]\n"


def test_in_file_wins(folder):
    assert mindconverter.main(["--in_file", "net.py", "--model_file", "nothing.onnx"]) == 0
