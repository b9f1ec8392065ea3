"""The registry of frontends: what it recognises, and that a frontend takes one module and one line."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from frontends import stub_frontend
from onnx import parser

import converter
from converter import frontends
from converter.commands import mindconverter
from converter.errors import BadParamError, GraphInitError, SubGraphSearchingError, UnknownModelError

ONNX = parser.parse_model(
    '<ir_version: 8, opset_import: ["" : 17]> g (float[2] x) => (float[2] y) { y = Relu(x) }'
).SerializeToString()
FROZEN = b"\n\x1a\n\x01x\x12\x0bPlaceholder*\x08\n\x05dtype\x12\x02"
SAVED_MODEL = b"\x08\x01\x12\x02\n\x00"
HDF = b"\x89HDF\r\n\x1a\n"


@pytest.mark.parametrize(
    ("name", "content", "frontend"),
    [
        ("net.onnx", ONNX, "onnx"),
        ("NET.ONNX", ONNX, "onnx"),
        ("net.onnx", b"damaged", "onnx"),
        ("net.onnx", None, "onnx"),
        ("net.pb", FROZEN, "tensorflow"),
        ("net.pb", None, "tensorflow"),
        ("net.pb", SAVED_MODEL, "tensorflow"),
        ("net.pb", ONNX, "onnx"),
        ("model", ONNX, "onnx"),
        ("net.pth", b"damaged", "pytorch"),
        ("net.pt2", None, "pytorch"),
        ("net.safetensors", b"damaged", "pytorch"),
        ("saved_model.pb", SAVED_MODEL, "saved_model"),
        ("net.keras", None, "keras"),
        ("net.h5", None, "keras"),
        ("net", HDF, "keras"),
        ("net", b"\x1c\x00\x00\x00TFL3", "tflite"),
        ("net.tflite", None, "tflite"),
    ],
)
def test_a_source_is_recognised_by_content_else_by_suffix(tmp_path, name, content, frontend):
    if content is not None:
        (tmp_path / name).write_bytes(content)
    assert frontends.recognise(tmp_path / name).module == f"converter.frontends.{frontend}"


def test_a_folder_is_recognised_by_what_is_in_it(tmp_path):
    (tmp_path / "saved_model.pb").write_bytes(SAVED_MODEL)
    assert frontends.recognise(tmp_path).kind == "a SavedModel folder"


@pytest.mark.parametrize("name", ["net.txt", "net", "."])
def test_what_no_frontend_knows(tmp_path, name):
    (tmp_path / "net").write_bytes(SAVED_MODEL)
    with pytest.raises(UnknownModelError, match=r"is neither an \.onnx model, .* nor .*\. Export"):
        frontends.recognise(tmp_path / name)


@pytest.mark.parametrize("frontend", frontends.FRONTENDS, ids=lambda frontend: frontend.name)
def test_a_process_finds_a_frontend_by_its_module(frontend):
    assert frontends.frontend_in(frontend.module) is frontend


@pytest.fixture
def stub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The stub frontend in the registry, and a file for it."""
    monkeypatch.setattr(frontends, "FRONTENDS", (*frontends.FRONTENDS, stub_frontend.FRONTEND))
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parents[1]))  # for the process of verification
    monkeypatch.chdir(tmp_path)
    file = tmp_path / "net.stub"
    file.write_bytes(b"stub\n1 -2 3")
    return file


def report() -> Any:
    return json.loads(Path("out/report_of_net.json").read_text(encoding="utf-8"))


@pytest.mark.parametrize("name", ["net.stub", "net"])
def test_a_frontend_takes_one_module_and_one_line(stub, name):
    stub.rename(name)
    result = converter.convert(name, output="out", export_to="exported")
    assert result.verdict == "same"
    source = report()["source"]
    assert source["description"] == f"{name} (a stub)"
    assert (source["runtime"], source["runs_on"]) == ("stub", "NumPy")
    assert [each["file"] for each in source["files"]] == [name, "exported/net.data"]
    assert "pytest" in report()["environment"]["packages"]
    assert report()["weights"][0]["source"]["name"] == "scale"


def test_its_notes_reach_the_user(stub, capfd):
    assert mindconverter.main(["--model_file", "net.stub", "--output", "out", "--export_to", "exported"]) == 0
    note = stub_frontend.NOTE
    assert note in capfd.readouterr().out
    assert report()["notes"] == [note]
    assert f"[Note] {note}" in Path("out/report_of_net.txt").read_text(encoding="utf-8")
    assert f"Notes\n    {note}" in Path("out/net.py").read_text(encoding="utf-8")


def test_its_options_are_those_of_the_command(stub, capfd):
    command = ["--model_file", "net.stub", "--output", "out", "--export_to", "exported"]
    assert mindconverter.main([*command, "--lie"]) == 3
    assert "suspect the stub's export" in capfd.readouterr().out
    assert report()["options"]["export_to"] == "exported"
    assert report()["options"]["lie"] is True
    assert mindconverter.main([*command, "--no_verify"]) == 0
    assert "lie" not in report()["options"]


@pytest.mark.parametrize("options", [{"lie": True}, {"no_such_option": 1}])
def test_an_option_of_another_frontend(stub, options):
    Path("net.onnx").write_bytes(ONNX)
    with pytest.raises(BadParamError, match=r"does not apply to 'net\.onnx', an \.onnx model"):
        converter.convert("net.onnx", output="out", **options)
    assert not Path("out").exists()


def test_its_suffix_is_known_to_the_message(stub):
    with pytest.raises(UnknownModelError, match=r"model, a frozen TensorFlow \.pb, .* nor a \.stub\."):
        frontends.recognise(Path("net.txt"))


def test_its_diagnosis_is_asked_for(stub):
    message = r"the model is invalid: net\.stub is a stub\. Export"
    with pytest.raises(GraphInitError, match=message), frontends.diagnose_invalid_model(stub):
        raise SubGraphSearchingError("odd", expected=False)
