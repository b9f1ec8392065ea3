"""ONNX files in their other forms: text, JSON, onnxruntime's; old versions; ends that are maps; what is left out."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper, parser

from converter import frontends
from converter.errors import ModelLoadingError
from converter.frontends.onnx.model_file import load, start
from converter.frontends.source import Request, Source


def ran(original: Any, feeds: dict[str, Any]) -> list[np.ndarray]:
    return start(original)(feeds)


NET = """
<ir_version: 8, opset_import: ["" : 17], producer_name: "hand">
net (float[N,4] x) => (float[N,4] y)
<float[4] w = {1, 2.5, -3, 4}>
{ [scale] scaled = Mul (x, w)   [act] y = Relu (scaled) }
"""
SUFFIXES = {
    "textproto": ("net.textproto", "net.prototxt", "net.pbtxt", "net.txtpb"),
    "json": ("net.json", "net.onnxjson"),
    "onnxtxt": ("net.onnxtxt", "net.onnxtext"),
}


def in_form(form: str, model: onnx.ModelProto, folder: Path) -> bytes:
    """A model in one of its forms, as other tools write it."""
    if form == "ort":
        options = onnxruntime.SessionOptions()
        options.add_session_config_entry("session.save_model_format", "ORT")
        options.optimized_model_filepath = str(folder / "made.ort")
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_BASIC
        onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
        return (folder / "made.ort").read_bytes()
    data: bytes = onnx.serialization.registry.get(form).serialize_proto(model)
    return data


def scaled(source: Source) -> list[float]:
    (y,) = ran(source.original, {"x": np.ones((1, 4), np.float32)})
    result: list[float] = y[0].tolist()
    return result


@pytest.mark.parametrize("form", ["protobuf", "textproto", "json", "onnxtxt", "ort"])
def test_a_form_is_recognised_by_its_content(tmp_path, form):
    file = tmp_path / "net.unknown"
    file.write_bytes(in_form(form, parser.parse_model(NET), tmp_path))
    assert frontends.recognise(file).name == "onnx"
    assert scaled(load(Request(file))) == [1, 2.5, 0, 4]


@pytest.mark.parametrize("form", SUFFIXES)
@pytest.mark.parametrize("before", [b"", b"\xef\xbb\xbf", b" \n\t"])
def test_a_form_by_its_suffix_too(tmp_path, form, before):
    for name in SUFFIXES[form]:
        file = tmp_path / name
        file.write_bytes(before + in_form(form, parser.parse_model(NET), tmp_path))
        assert frontends.recognise(file).name == "onnx"
        assert scaled(load(Request(file))) == [1, 2.5, 0, 4]


def test_comments_before_the_text(tmp_path):
    file = tmp_path / "net.pbtxt"
    file.write_bytes(b"# proto-file: onnx.proto\n# by hand\n" + in_form("textproto", parser.parse_model(NET), tmp_path))
    assert scaled(load(Request(file))) == [1, 2.5, 0, 4]


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("net.json", b'{"class_name": "Sequential"}', "is not an ONNX model in JSON: .*class_name"),
        ("net.json", b'{"irVersion": "8"', "is not an ONNX model in JSON"),
        ("net.json", b'{"irVersion": "8"}', "is not an ONNX model in JSON: its graph is missing"),
        ("net.pbtxt", b'node { name: "x" op: "Placeholder" }', "is not an ONNX model in protobuf's text form: .*node"),
        ("net.pbtxt", b"\xff\xfe\x00", "is not an ONNX model in protobuf's text form"),
        ("net.onnxtxt", b"<ir_version: 8, opset_import: []> net (", "is not a model in ONNX's text form"),
        ("net.onnxtxt", b"<ir_version: 8>" + b"(" * 10_000, "more than 500 brackets stand inside each other"),
        ("net.ort", b"\x00\x00\x00\x00ORTM" + bytes(100), "is not a model in onnxruntime's form"),
        ("net.ort", b"no flatbuffer", "is not a model in onnxruntime's form"),
    ],
)
def test_files_that_are_not_what_they_seem(tmp_path, name, content, message):
    file = tmp_path / name
    file.write_bytes(content)
    with pytest.raises(ModelLoadingError, match=message):
        load(Request(file))


def test_deeply_nested_json_is_no_model(tmp_path):
    file = tmp_path / "net.json"
    file.write_bytes(b'{"graph": {"node": [{"attribute": [{"g": ' * 3000)
    with pytest.raises(ModelLoadingError, match="is not an ONNX model in JSON"):
        load(Request(file))


@pytest.mark.parametrize("ir_version", [1, 2, 3, 4, onnx.IR_VERSION])
def test_every_version_of_the_format(tmp_path, ir_version):
    """Before version 3, a model names no operator set and is of the first one; before 4, a constant is an input too."""
    node = helper.make_node("BatchNormalization", ["x", *"sbmv"], ["y"], is_test=1, consumed_inputs=[0, 0, 0, 1, 1])
    ends = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, 2, 3]) for name in "xy"]
    parts = {name: numpy_helper.from_array(np.array([1, 4], np.float32), name) for name in "sbmv"}
    extra = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [2]) for name in parts] if ir_version < 4 else []
    graph = helper.make_graph([node], "old", [ends[0], *extra], ends[1:], list(parts.values()))
    model = onnx.ModelProto(ir_version=ir_version, graph=graph)
    if ir_version > 2:
        model.opset_import.add(domain="", version=1)
    file = tmp_path / "net"
    file.write_bytes(model.SerializeToString())
    assert frontends.recognise(file).name == "onnx"
    source = load(Request(file))
    assert [end.name for end in source.inputs] == ["x"]
    assert source.model.opset_import[0].version == 1


CLASSIFIER = """
<ir_version: 8, opset_import: ["" : 17, "ai.onnx.ml" : 3]>
net (float[N,3] x) => (int64[N] label, seq(map(string, float)) scores)
{
    label, table = ai.onnx.ml.LinearClassifier
        <coefficients = [1.0, 0.0, 0.0, 0.0, 1.0, 0.0], classlabels_ints = [0, 1]> (x)
    named = ai.onnx.ml.ZipMap <classlabels_strings = ["cat\n", "dog"]> (table)
    scores = Identity (named)
}
"""


@pytest.mark.parametrize("outputs", [(), ("label", "scores"), ("label", "named", "table")])
def test_a_zip_map_is_cut_off(tmp_path, outputs):
    file = tmp_path / "net.onnx"
    onnx.save(parser.parse_model(CLASSIFIER), file)
    source = load(Request(file, output_nodes=outputs))
    assert [end.name for end in source.outputs] == ["label", "table"]
    assert [node.op_type for node in source.model.graph.node] == ["LinearClassifier"]
    (note,) = source.notes
    assert note.isprintable()
    assert note.endswith("at the tensor 'table'. Its columns are the classes 'cat ', 'dog'.")


OF_TEXT = """
<ir_version: 8, opset_import: ["" : 17, "ai.onnx.ml" : 3]>
net (float[N,2] x) => (string[N] label, float[N,2] scores)
{
    label, scores = ai.onnx.ml.LinearClassifier
        <coefficients = [1.0, 0.0, 0.0, 1.0], classlabels_strings = ["cat", "dog"]> (x)
}
"""


@pytest.mark.parametrize(
    ("wanted", "found", "notes"),
    [
        ((), ["scores"], ["The output 'label' is text, which MindSpore does not have: it is left out."]),
        (("label", "scores"), ["label", "scores"], []),
    ],
)
def test_an_output_of_text_is_left_out(tmp_path, wanted, found, notes):
    onnx.save(parser.parse_model(OF_TEXT), tmp_path / "net.onnx")
    source = load(Request(tmp_path / "net.onnx", output_nodes=wanted))
    assert [end.name for end in source.outputs] == found
    assert list(source.notes) == [f"{note} It names the classes 'cat', 'dog'." for note in notes]


def test_text_that_is_the_only_output_stays(tmp_path):
    model = parser.parse_model(OF_TEXT)
    del model.graph.output[1]
    onnx.save(model, tmp_path / "net.onnx")
    assert [end.name for end in load(Request(tmp_path / "net.onnx")).outputs] == ["label"]


def test_training_information_is_left_out(tmp_path):
    model = parser.parse_model(NET)
    model.training_info.add().algorithm.CopyFrom(model.graph)
    onnx.save(model, tmp_path / "net.onnx")
    source = load(Request(tmp_path / "net.onnx"))
    assert not source.model.training_info
    assert "training information" in source.notes[0]


def test_a_domain_of_its_own_stays(tmp_path):
    file = tmp_path / "net.onnxtxt"
    file.write_text(
        '<ir_version: 8, opset_import: ["" : 17, "mine" : 1]> net (float[2] x) => (float[2] y) { y = mine.Op (x) }'
    )
    assert [opset.domain for opset in load(Request(file)).model.opset_import] == ["", "mine"]
