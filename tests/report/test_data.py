"""The report as data, against its schema and against the conversion that it tells of."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import jsonschema
import onnx
import pytest
from onnx import numpy_helper, parser
from paths import ROOT
from report.conversions import BARE, BRANCHES, HOSTILE, PLAIN, STUBS, WRONG_RELU, convert
from report.large import report_of

from converter.report.data import SCHEMA, json_report, sha256, source_data
from converter.report.findings import SourceFiles

FORM = json.loads((ROOT / "docs" / "report.schema.json").read_text(encoding="utf-8"))


def data_of(folder: Path, *args: Any, **options: Any) -> dict[str, Any]:
    """Convert a model and read its report, which must have the form that is published."""
    result = convert(folder, *args, **options)
    (file,) = (path for path in result.files if path.name == f"report_of_{result.name}.json")
    data = json.loads(file.read_text(encoding="utf-8"))
    jsonschema.validate(data, FORM, jsonschema.Draft202012Validator)
    assert data["files"] == [str(path) for path in result.files]
    assert all(path.exists() for path in result.files)
    summary = data["summary"]
    statuses = ("converted", "composed", "approximate", "unconverted")
    assert summary["nodes"] == len(data["nodes"]) == result.nodes_total == sum(summary[key] for key in statuses)
    assert summary["verdict"] == data["verification"]["verdict"] == result.verdict
    assert [node["id"] for node in data["nodes"]] == list(range(len(data["nodes"])))
    for node in data["nodes"]:
        assert {*node["inputs"], *node["outputs"]} - {""} <= set(data["values"])
        assert set(node["weights"]) <= {weight["name"] for weight in data["weights"]}
    return data


def test_the_schema_is_a_schema_of_this_version():
    jsonschema.Draft202012Validator.check_schema(FORM)
    assert FORM["properties"]["schema"]["const"] == SCHEMA


def test_same(tmp_path):
    data = data_of(tmp_path, PLAIN, shape=["N,4"])
    assert data["summary"]["verdict"] == "same"
    assert 0 <= data["summary"]["worst_error"] < 1e-4
    assert data["source"]["sha256"] == hashlib.sha256((tmp_path / "net.onnx").read_bytes()).hexdigest()
    assert data["options"]["shape"] == ["N,4"]
    assert set(data["timings"]) >= {"load", "normalize", "translate", "emit", "verify"}
    assert data["peak_memory"] > 0
    gemm, relu, _ = data["nodes"]
    assert gemm["operator"] == "onnx::Gemm"
    assert gemm["weights"] == [weight["name"] for weight in data["weights"]]
    assert gemm["inputs"][1:] == ["w", "b"]
    assert data["values"]["w"] == {"dtype": "float32", "shape": [4, 3], "constant": True}
    assert data["values"]["x"] == {"dtype": "float32", "shape": ["N", 4], "constant": False}
    assert relu["inputs"] == gemm["outputs"] == ["h"]
    script = (tmp_path / "out" / "net.py").read_text().splitlines()
    assert script[relu["line"] - 1][relu["column"] - 1 :].startswith("ops.")
    assert [weight["trainable"] for weight in data["weights"]] == [True, True]


def test_every_file_of_the_source_has_its_hash(tmp_path):
    model = parser.parse_model(PLAIN)
    (tmp_path / "weights").mkdir()
    for tensor in model.graph.initializer:
        tensor.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(tensor), tensor.name))
        onnx.external_data_helper.set_external_data(tensor, f"weights/{tensor.name}.data")
        (tmp_path / "weights" / f"{tensor.name}.data").write_bytes(tensor.raw_data)
        tensor.ClearField("raw_data")
    data = data_of(tmp_path, model, verify=False)
    source = data["source"]
    assert [each["file"] for each in source["files"]] == ["net.onnx", "weights/w.data", "weights/b.data"]
    for each in source["files"]:
        content = (tmp_path / each["file"]).read_bytes()
        assert (each["bytes"], each["sha256"]) == (len(content), hashlib.sha256(content).hexdigest())
    assert {key: source[key] for key in ("file", "bytes", "sha256")} == source["files"][0]


def test_a_folder_has_the_hash_of_its_list(tmp_path):
    model = tmp_path / "model"
    for name in ("b.txt", "a/c.txt", "a/b.txt"):
        (model / name).parent.mkdir(parents=True, exist_ok=True)
        (model / name).write_text(name)
    hashes = {name: hashlib.sha256(name.encode()).hexdigest() for name in ("a/b.txt", "a/c.txt", "b.txt")}
    listing = "".join(f"{digest}  {name}\n" for name, digest in hashes.items())
    source = SourceFiles(path=model, files=(model,), description="a model", kind="folder", runs_on="nothing")
    found = source_data(source)
    assert {each["file"]: each["sha256"] for each in found["files"]} == hashes
    assert (found["file"], found["bytes"]) == ("model", 19)
    assert found["sha256"] == hashlib.sha256(listing.encode()).hexdigest()


def test_without_parameters(tmp_path):
    data = data_of(tmp_path, BARE, verify=False)
    assert data["weights"] == []
    assert data["summary"]["verdict"] == "not verified"
    assert data["summary"]["worst_error"] is None
    assert data["verification"]["outputs"] == []
    assert not [file for file in data["files"] if file.endswith(".ckpt")]


def test_unconverted_nodes_have_their_remedies(tmp_path):
    data = data_of(tmp_path, STUBS, verify=False)
    (left,) = data["unconverted"]
    assert (left["operator"], left["name"]) == ("com.example::Swish", HOSTILE)
    assert "--operator_map" in left["remedy"]
    assert data["nodes"][left["node"]]["status"] == "unconverted"
    assert data["nodes"][left["node"]]["attributes"] == {"beta": "1.5"}
    assert data["summary"]["rate"] == pytest.approx(2 / 3)


def test_the_first_node_that_differs_is_named_with_its_line(tmp_path):
    data = data_of(tmp_path, BARE, rows=WRONG_RELU)
    assert data["summary"]["verdict"] == "differs"
    first = data["verification"]["first_difference"]
    assert first["operator"] == "onnx::Relu"
    node = data["nodes"][first["node"]]
    assert (node["line"], node["column"]) == (first["line"], first["column"])
    assert node["error"]["verdict"] == "differs"
    assert node["error"]["max_abs"] == pytest.approx(1.0)
    text = (tmp_path / "out" / "report_of_net.txt").read_text()
    assert text.rstrip().endswith(f"line {node['line']}:{node['column']}")


def test_nodes_of_a_branch_say_whose_it_is(tmp_path):
    data = data_of(tmp_path, BRANCHES, verify=False)
    holder, *inner = data["nodes"]
    assert holder["operator"] == "onnx::If"
    assert holder["within"] is None
    assert {node["within"] for node in inner} == {holder["id"]}
    assert holder["attributes"] == {"then_branch": "a graph", "else_branch": "a graph"}


def test_nodes_know_the_cells_around_them(tmp_path):
    pytest.importorskip("torch")
    from models_torch import export

    import converter

    export("encoder", tmp_path / "encoder.onnx", dynamo=True)
    converter.convert(tmp_path / "encoder.onnx", output=tmp_path, verify=False)
    data = json.loads((tmp_path / "report_of_encoder.json").read_text(encoding="utf-8"))
    paths = {
        ".".join(name for name, _ in node["cells"]): node["cells"][-1][1] for node in data["nodes"] if node["cells"]
    }
    for i in range(3):
        assert paths[f"layers.{i}"] == "EncoderLayer"
        assert paths[f"layers.{i}.attention"] == "Attention"
        assert paths[f"layers.{i}.mlp"] == "Mlp"
    used = {name for node in data["nodes"] for name in node["weights"]}
    assert used == {weight["name"] for weight in data["weights"]}
    for node in data["nodes"]:
        path = ".".join(name for name, _ in node["cells"])
        assert all(name.startswith(path) for name in node["weights"])


def test_a_large_report_has_the_form_too():
    jsonschema.validate(report_of(100), FORM, jsonschema.Draft202012Validator)


def test_one_node_stands_on_one_line():
    data = report_of(50)
    text = "".join(json_report(data))
    assert json.loads(text) == data
    assert sum(line.startswith('    {"id"') for line in text.splitlines()) == 50


def test_sha256_of_a_file(tmp_path):
    (tmp_path / "a").write_bytes(b"abc" * 10**6)
    assert sha256(tmp_path / "a") == hashlib.sha256(b"abc" * 10**6).hexdigest()
