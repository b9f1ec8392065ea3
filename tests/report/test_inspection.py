"""Inspections: what they say of a model, that they write nothing else, that a conversion keeps what they promise."""

from __future__ import annotations

import json
from itertools import pairwise
from pathlib import Path
from typing import Any

import jsonschema
import onnx
import pytest
from onnx import helper, parser
from paths import ROOT
from report.conversions import BRANCHES, HOSTILE, PLAIN, STUBS

import converter
from converter.commands import mindconverter
from converter.errors import BadParamError

FORM = json.loads((ROOT / "docs" / "inspection.schema.json").read_text(encoding="utf-8"))

# Two modules and a preparation of the image, as torch's older exporter names them.
CLASSIFIER = """
    <ir_version: 8, opset_import: ["" : 17]>
    net (float[N,3,8,8] image) => (float[N,5] scores)
    <float mean = {0.5}, float[4,3,3,3] kernel = {ONES}, float[4,5] w = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 1, 2, 3, 4, 5,
    6, 7, 8, 9, 10}, float[5] b = {1, 2, 3, 4, 5}>
    {
        ["/Sub"] centred = Sub (image, mean)
        ["/body/conv/Conv"] made = Conv (centred, kernel)
        ["/body/relu/Relu"] active = Relu (made)
        ["/body/pool/Pool"] pooled = GlobalAveragePool (active)
        ["/head/Flatten"] flat = Flatten (pooled)
        ["/head/fc/Gemm"] logits = Gemm (flat, w, b)
        ["/head/Softmax"] scores = Softmax <axis = -1> (logits)
    }
""".replace("ONES", ", ".join(["1"] * 108))


def inspected(folder: Path, text: str, **options: Any) -> tuple[Any, dict[str, Any]]:
    model = parser.parse_model(text)
    for node in model.graph.node:
        if node.op_type == "Swish":
            node.name = HOSTILE
    onnx.save(model, folder / "net.onnx")
    result = converter.inspect(folder / "net.onnx", output=folder / "out", **options)
    assert [path.name for path in result.files] == ["inspection_of_net.html", "inspection_of_net.json"]
    assert sorted(path.name for path in (folder / "out").iterdir()) == [path.name for path in result.files]
    data = json.loads(result.files[1].read_text(encoding="utf-8"))
    jsonschema.validate(data, FORM, jsonschema.Draft202012Validator)
    return result, data


def test_the_schema_is_a_schema():
    jsonschema.Draft202012Validator.check_schema(FORM)


def test_ends_operators_and_parameters(tmp_path):
    result, data = inspected(tmp_path, CLASSIFIER, shape=["B,3,8,8"])
    assert [(end["name"], end["shape"]) for end in data["network"]["inputs"]] == [("image", ["B", 3, 8, 8])]
    assert [each["operator"] for each in data["operators"]][:2] == ["onnx::Sub", "onnx::Conv"]
    assert all(each["nodes"] == each["converted"] == 1 for each in data["operators"])
    assert (result.rate, data["summary"]["rate"]) == (1.0, 1.0)
    assert {weight["name"]: weight["elements"] for weight in data["weights"]} == {"kernel": 108, "w": 20, "b": 5}
    assert (data["summary"]["elements"], data["summary"]["bytes"]) == (133, 4 * 133)
    conv = next(node for node in data["nodes"] if node["operator"] == "onnx::Conv")
    assert (conv["became"], conv["weights"], conv["cells"]) == ("nn.Conv2d", ["kernel"], [["body", ""]])


def test_where_it_could_be_cut(tmp_path):
    _, data = inspected(tmp_path, CLASSIFIER)
    assert [(each["side"], each["value"], each["why"]) for each in data["cut_points"]] == [
        ("input", "centred", "'image' behind Sub"),
        ("output", "pooled", "the end of body"),
        ("output", "logits", "'scores' before Softmax"),
        ("output", "flat", "what the last layer of 'scores' reads (Gemm)"),
    ]
    assert data["cut_points"][1]["shape"] == ["N", 4, 1, 1]
    for point in data["cut_points"]:  # every one of them is one
        ends = {f"{point['side']}_nodes": [point["value"]]}
        assert converter.inspect(tmp_path / "net.onnx", output=tmp_path / "cut", **ends).records


def test_the_tree_of_scopes(tmp_path):
    _, data = inspected(tmp_path, CLASSIFIER)
    assert data["scopes"] == [
        {"name": "body", "kind": "", "nodes": 3, "elements": 108, "scopes": []},
        {"name": "head", "kind": "", "nodes": 3, "elements": 25, "scopes": []},
    ]


def test_what_would_be_a_stub_comes_first(tmp_path):
    result, data = inspected(tmp_path, STUBS)
    first = data["operators"][0]
    assert (first["operator"], first["nodes"], first["converted"]) == ("com.example::Swish", 1, 0)
    assert "--operator_map" in first["became"]
    assert result.rate == pytest.approx(2 / 3)
    assert data["unconverted"][0]["name"] == HOSTILE


@pytest.mark.parametrize("text", [PLAIN, STUBS, BRANCHES, CLASSIFIER])
def test_a_conversion_keeps_the_promise(tmp_path, text):
    promised, _ = inspected(tmp_path, text)
    result = converter.convert(tmp_path / "net.onnx", output=tmp_path / "made", verify=False)
    keys = ("operator", "name", "converted", "became", "note")
    assert [[getattr(each, key) for key in keys] for each in promised.records] == [
        [getattr(each, key) for key in keys] for each in result.records
    ]


def test_classes_that_the_source_recorded(tmp_path):
    model = parser.parse_model(PLAIN)
    for node in model.graph.node:
        node.metadata_props.add(key="pkg.torch.onnx.name_scopes", value="['', 'head', 'node']")
        node.metadata_props.add(key="pkg.torch.onnx.class_hierarchy", value="['Net', 'mynet.Head', 'aten.x']")
    onnx.save(model, tmp_path / "net.onnx")
    found = converter.inspect(tmp_path / "net.onnx", output=tmp_path / "out")
    (scope,) = found.scopes.children.values()
    assert (scope.name, scope.kind, scope.nodes) == ("head", "Head", 3)


def test_errors_are_those_of_a_conversion(tmp_path):
    with pytest.raises(BadParamError, match=r"output node 'score' is not in the graph.*'scores'"):
        inspected(tmp_path, CLASSIFIER, output_nodes=["score"])
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("named", [["--inspect"], ["--model_file"]])
def test_the_command(tmp_path, capfd, named):
    onnx.save(parser.parse_model(CLASSIFIER), tmp_path / "net.onnx")
    file = str(tmp_path / "net.onnx")
    last = [] if named == ["--inspect"] else ["--inspect"]
    assert mindconverter.main([*named, file, "--output", str(tmp_path / "out"), *last]) == 0
    out, err = capfd.readouterr()
    assert err == ""
    for text in (
        "image float32 (N, 3, 8, 8)",
        "3, 133 elements, 532 B",
        "7 of 7 nodes (100.00%)",
        "nn.Conv2d",
        "'scores' before Softmax",
        "body",
        "inspection_of_net.html",
    ):
        assert text in " ".join(out.split()) or text in out


def test_two_models_are_wrong_usage(tmp_path, capfd):
    with pytest.raises(SystemExit, match="2"):
        mindconverter.main(["--model_file", "a.onnx", "--inspect", "b.onnx"])
    assert "name two models" in capfd.readouterr().err


def test_many_nodes_without_any_scope(tmp_path):
    """Its time grows with the nodes."""
    names = ["x", *(f"v{i}" for i in range(3000)), "y"]
    nodes = [helper.make_node("Relu", [a], [b], f"{b}_node") for a, b in pairwise(names)]
    ends = [helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, [2]) for name in ("x", "y")]
    graph = helper.make_graph(nodes, "long", ends[:1], ends[1:])
    onnx.save(
        helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), tmp_path / "net.onnx"
    )
    found = converter.inspect(tmp_path / "net.onnx", output=tmp_path / "out")
    assert (len(found.records), found.scopes.children) == (3001, {})
