"""Every code is raised by the command, with the message that its page shows."""

from __future__ import annotations

import errno
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import errors_page
import numpy as np
import pytest
from onnx import parser
from paths import ROOT

from converter import api, errors
from converter.commands import mindconverter
from converter.errors import ConverterError
from converter.frontends.onnx import written

TWO_INPUTS = """
    <ir_version: 8, opset_import: ["" : 17]>
    net (float[N,4] features, float[N,4] mask) => (float[N,4] scores)
    { sum = Add (features, mask)   scores = Relu (sum) }
"""
CYCLE = TWO_INPUTS.replace("Add (features, mask)", "Add (features, scores)")
LOST = TWO_INPUTS.replace("Add (features, mask)", "Add (features, lost)")
MAP = """
    <ir_version: 8, opset_import: ["" : 17]>
    net (float[2] x) => (map(int64, float) scores) { scores = Identity(x) }
"""
GATHER = """
    <ir_version: 8, opset_import: ["" : 17]>
    net (float[3] x, int64[2] i) => (float[2] y) { y = Gather(x, i) }
"""
ACROSS_SAMPLES = """
    <ir_version: 8, opset_import: ["" : 17]>
    net (float[1,4] x) => (float[1,4] scores) { scores = Softmax<axis = 0>(x) }
"""
WITH_A_WEIGHT = """
    <ir_version: 8, opset_import: ["" : 17]>
    net (float[2] x) => (float[2] y) <float[2] w = {1, 2}> { y = Mul(x, w) }
"""

Prepare = Callable[[pytest.MonkeyPatch], None]


def missing(package: str) -> Prepare:
    """As if the package were not installed."""

    class Finder:
        def find_spec(self, name: str, *_: object) -> None:
            if name == package:
                raise ModuleNotFoundError(f"No module named '{name}'", name=name)

    def prepare(patch: pytest.MonkeyPatch) -> None:
        patch.delitem(sys.modules, package, raising=False)
        patch.setattr(sys, "meta_path", [Finder(), *sys.meta_path])

    return prepare


def odd(*place: Any) -> Prepare:
    """As if a function of ours had a defect."""

    def fail(*_: object, **__: object) -> None:
        raise ValueError("odd")

    return lambda patch: patch.setattr(*place, fail)


def full(suffix: str) -> Prepare:
    """As if the disk were full when a file is written whose name ends so."""
    original = Path.open

    def open_file(path: Path, *arguments: Any, **options: Any) -> Any:
        if path.name.endswith(suffix):
            raise OSError(errno.ENOSPC, "No space left on device", str(path))
        return original(path, *arguments, **options)

    return lambda patch: patch.setattr(Path, "open", open_file)


def no_space(*place: Any) -> Prepare:
    """As if the disk were full when a function of ours writes."""

    def fail(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    return lambda patch: patch.setattr(*place, fail)


def nothing(_: pytest.MonkeyPatch) -> None:
    """As it is."""


ONNX = ("--model_file", "net.onnx", "--output", "out")
CASES: dict[str, tuple[str, tuple[str, ...], Prepare]] = {
    "BaseConverterError": (TWO_INPUTS, ONNX, odd(api, "convert")),
    "UnknownModelError": (TWO_INPUTS, ("--model_file", "net.mlmodel"), nothing),
    "ParamMissingError": (TWO_INPUTS, (*ONNX, "--input_nodes", "mask"), nothing),
    "BadParamError": (TWO_INPUTS, (*ONNX, "--shape", "1,4"), nothing),
    "FixedAxisError": (ACROSS_SAMPLES, (*ONNX, "--shape", "N,4"), nothing),
    "GraphInitError": (CYCLE, ONNX, nothing),
    "ModelLoadingError": (TWO_INPUTS, ("--model_file", "missing.onnx"), nothing),
    "TfRuntimeError": (TWO_INPUTS, ("--model_file", "net.pb"), missing("tensorflow")),
    "RuntimeIntegrityError": (WITH_A_WEIGHT, ONNX, missing("mindspore")),
    "NodeInputMissingError": (LOST, ONNX, nothing),
    "FileSaveError": (TWO_INPUTS, (*ONNX, "--report", "text.txt"), nothing),
    "NodeInputTypeNotSupportError": (MAP, ONNX, nothing),
    "ScriptGenerationError": (TWO_INPUTS, ONNX, full("net.py")),
    "ReportGenerationError": (TWO_INPUTS, (*ONNX, "--no_verify"), full("report_of_net.txt")),
    "CheckPointGenerationError": (WITH_A_WEIGHT, ONNX, full("net.ckpt")),
    "WeightMapGenerationError": (TWO_INPUTS, ONNX, full("weight_map_of_net.json")),
    "OnnxModelSaveError": (TWO_INPUTS, (*ONNX, "--onnx_only"), no_space(written, "save_model")),
    "GeneratorError": (TWO_INPUTS, ONNX, odd(api, "translate")),
    "OperatorMapError": (TWO_INPUTS, (*ONNX, "--operator_map", "missing.py"), nothing),
    "SubGraphSearchingError": (TWO_INPUTS, ONNX, odd(api, "eliminate_dead_code")),
}
ELSEWHERE = {
    "SourceRunError": "ends no command: see test_a_source_that_does_not_run",
    "TorchExportError": "needs PyTorch: see tests/frontends/pytorch/test_refusals.py",
    "WeightMatchError": "of the other command: see tests/weights_cli/test_command.py",
}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "text.txt").write_text("no folder")
    (tmp_path / "net.pb").write_bytes(b"\n\x03abc")
    (tmp_path / "net.mlmodel").write_bytes(b"\x08\x04")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("name", CASES)
def test_the_command_raises_it(folder: Path, monkeypatch: pytest.MonkeyPatch, capfd: Any, name: str) -> None:
    text, arguments, prepare = CASES[name]
    (folder / "net.onnx").write_bytes(parser.parse_model(text).SerializeToString())
    before = set(folder.rglob("*"))
    kind = getattr(errors, name)
    with monkeypatch.context() as patch:
        prepare(patch)
        status = mindconverter.main(list(arguments))
    assert capfd.readouterr() == ("", f"[{name}] code: {kind.code}, msg: {kind.example}\n")
    assert status == kind.exit_status == 1
    assert set(folder.rglob("*")) == before


def test_every_code_is_tried() -> None:
    assert [kind.__name__ for kind in errors_page.classes()] == [*sorted({*CASES, *ELSEWHERE}, key=code_of)]


def code_of(name: str) -> str:
    code: str = getattr(errors, name).code
    return code


def test_a_source_that_does_not_run(folder: Path, capfd: Any) -> None:
    (folder / "net.onnx").write_bytes(parser.parse_model(GATHER).SerializeToString())
    np.savez(folder / "inputs.npz", x=np.ones(3, np.float32), i=np.array([7, 8]))
    assert mindconverter.main([*ONNX, "--verify_inputs", "inputs.npz"]) == errors.SourceRunError.exit_status
    out, err = capfd.readouterr()
    assert err == ""
    assert errors.SourceRunError.example in out
    assert errors.SourceRunError.example in (folder / "out" / "report_of_net.txt").read_text()


@pytest.mark.parametrize("kind", errors_page.classes())
def test_a_class_has_all_that_its_row_needs(kind: type[ConverterError]) -> None:
    assert len(kind.code) == 7
    assert kind.code.isdecimal()
    assert kind.__doc__ is not None
    for text in (kind.__doc__, kind.remedy):
        assert text.rstrip().endswith(".")
    assert {"code", "example", "remedy", "__doc__"} <= set(vars(kind))  # none is inherited


def test_codes_are_unique() -> None:
    codes = [kind.code for kind in errors_page.classes()]
    assert len(codes) == len(set(codes))


def test_the_page_is_current() -> None:
    page = ROOT / "docs" / "errors.md"
    assert page.read_text(encoding="utf-8") == errors_page.page(), "run: python tests/errors_page.py > docs/errors.md"
