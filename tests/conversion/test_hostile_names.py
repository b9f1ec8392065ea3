"""Names and comments of a model, which anybody may have written, become checked identifiers and quoted literals."""

from __future__ import annotations

import ast
import json
import re
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from converter.commands import mindconverter

TEXTS = {
    "code": 'a\nimport os\nos.system("id")',
    "quotes": "'''\"\"\"\\",
    "terminal": "\x1b[31mred\x07\x9b2J\r\b\x00",
    "direction": "\u202egnp.exe\u2066\u200b\u2028",
    "page": "</script><script>alert(1)</script><!--",
    "template": "{{ 7 * 7 }}{% raw %}%s{0}$x",
    "keyword": "__import__",
    "letters": "ﬁ𝐨𝐬ｏｓ",
}
ALLOWED = {"mindspore", "numpy", "math"}
"""Modules that a script imports."""
DANGEROUS = {"exec", "eval", "compile", "open", "__import__", "globals", "getattr", "setattr", "system", "os", "alert"}


def hostile_model(text: str) -> onnx.ModelProto:
    """A model that has a text wherever a text may stand."""
    x, y = (helper.make_tensor_value_info(text + end, TensorProto.FLOAT, [f"{text}N", 4]) for end in ("in", "out"))
    weights = numpy_helper.from_array(np.eye(4, dtype=np.float32), f"{text}w")
    nodes = [
        helper.make_node("MatMul", [f"{text}in", f"{text}w"], [f"{text}a"], f"/{text}/{text}/MatMul"),
        helper.make_node("Relu", [f"{text}a"], [f"{text}b"], f"{text}relu"),
        helper.make_node("Unheard", [f"{text}b"], [f"{text}c"], text, domain=text, s=text, ss=[text] * 2, **{text: 1}),
        helper.make_node(f"Nothing{text}", [f"{text}c"], [f"{text}d"], f"{text}3"),
        helper.make_node("Add", [f"{text}d", f"{text}b"], [f"{text}out"], f"{text}4"),
    ]
    traces = {
        "pkg.torch.onnx.name_scopes": repr(["", text, f"{text}.{text}"]),
        "pkg.torch.onnx.class_hierarchy": repr([text, f"torch.nn.{text}", text]),
        "pkg.torch.onnx.stack_trace": f'File "{text}.py", line 3, in forward\n    {text} = self.{text}(x)',
        "namespace": text,
    }
    for node in nodes:
        node.doc_string = text
        for key, value in traces.items():
            node.metadata_props.add(key=key, value=value)
    graph = helper.make_graph(nodes, text, [x], [y], [weights], doc_string=text)
    opsets = [helper.make_opsetid("", 18), helper.make_opsetid(text, 1)]
    model = helper.make_model(graph, opset_imports=opsets, producer_name=text, producer_version=text, doc_string=text)
    model.metadata_props.add(key=text, value=text)
    return model


@pytest.fixture(scope="module", params=TEXTS.values(), ids=TEXTS)
def hostile(request, tmp_path_factory):
    """A folder with the result, and the text."""
    folder = tmp_path_factory.mktemp("hostile")
    onnx.save(hostile_model(request.param), folder / "net.onnx")
    return folder, request.param


@pytest.fixture
def result(hostile, capfd):
    folder, _ = hostile
    if not (folder / "out").exists():
        arguments = ["--model_file", str(folder / "net.onnx"), "--output", str(folder / "out"), "--no_verify"]
        assert mindconverter.main(arguments) == 0
        said = capfd.readouterr()
        (folder / "said").write_text(said.out + said.err, encoding="utf-8")
    return folder


def test_the_script_holds_what_tables_and_templates_write(result):
    text = (result / "out" / "net.py").read_text(encoding="utf-8")
    assert all(line.isprintable() for line in text.split("\n"))
    for node in ast.walk(ast.parse(text)):
        match node:
            case ast.Import(names=names):
                assert {alias.name for alias in names} <= ALLOWED
            case ast.ImportFrom(module=module):
                assert module in ALLOWED
            case ast.Name(id=name) | ast.Attribute(attr=name) | ast.arg(arg=name) | ast.keyword(arg=str(name)):
                assert re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", name)
                assert name not in DANGEROUS
            case ast.ClassDef(name=name) | ast.FunctionDef(name=name):
                assert re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", name)
            case ast.JoinedStr():
                pytest.fail("a text that is computed")


def test_a_line_of_the_report_is_one_line(result):
    text = (result / "out" / "report_of_net.txt").read_text(encoding="utf-8")
    lines = text.removesuffix("\n").split("\n")
    assert all(line.isprintable() for line in lines)
    assert sum(line.startswith("line ") for line in lines) == 5
    assert all(re.match(r"line \d+:\d+: \[(Un)?Convert\] '|\[|Converted Rate: |$", line) for line in lines)


def test_the_terminal_is_not_controlled(result):
    lines = (result / "said").read_text(encoding="utf-8").split("\n")
    assert all(line.isprintable() for line in lines)


def test_the_page_has_no_element_of_the_model(result):
    page = (result / "out" / "report_of_net.html").read_text(encoding="utf-8")
    assert not re.search("[\u200b-\u200f\u2028-\u202e\u2060-\u206f\x80-\x9f]", page)
    assert "<script>alert" not in page
    assert "<!--" not in page.partition("<body")[2].partition('type="application/json"')[2].partition("</script>")[0]


def test_the_json_has_the_names_as_they_are(result, hostile):
    data = json.loads((result / "out" / "report_of_net.json").read_text(encoding="utf-8"))
    assert f"{hostile[1]}relu" in {node["name"] for node in data["nodes"]}


def test_an_error_is_one_line(tmp_path: Path, capfd):
    model = hostile_model(TEXTS["code"] + TEXTS["terminal"] + TEXTS["direction"])
    model.graph.node[0].input[0] = TEXTS["direction"] + "nowhere"
    onnx.save(model, tmp_path / "net.onnx")
    assert mindconverter.main(["--model_file", str(tmp_path / "net.onnx"), "--output", str(tmp_path / "out")]) == 1
    said = capfd.readouterr()
    assert said.err.count("\n") == 1
    assert said.err.strip().isprintable()
