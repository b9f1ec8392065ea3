"""Edge inputs: which kinds a graph can meet, what is made of ordinary inputs, and what the comparison says."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnx_ir as ir
import pytest
from onnx import parser

import converter
from converter.api import Result
from converter.commands import mindconverter
from converter.frontends.source import Endpoint
from converter.verification.edges import Role, edge_inputs, roles_of

HEAD = '<ir_version: 8, opset_import: ["" : 18]> '
FLOATS = ["NaN", "infinities", "zeros and minus zero", "ties", "largest values", "smallest values"]
TYPES = {"float": np.float32, "float16": np.float16, "int64": np.int64, "uint8": np.uint8, "bool": np.bool_}


def role(body: str, kind: str = "int64", shape: str = "n,4") -> Role:
    """What a graph does with its only input `i`."""
    text = f"{HEAD} g ({kind}[{shape}] i) => (float[m] y) {body}"
    graph = ir.from_proto(onnx.shape_inference.infer_shapes(parser.parse_model(text))).graph
    for name, value in graph.initializers.items():
        value.name = name
    end = Endpoint("i", "i", np.dtype(TYPES[kind]), tuple(shape.split(",")), (2, 4))
    return roles_of(graph, [end])["i"]


@pytest.mark.parametrize(
    ("body", "kind", "use"),
    [
        ("{ y = Relu (i) }", "float", "number"),
        ("{ y = Neg (i) }", "int64", "number"),
        ("{ y = Cast <to = 1> (i) }", "int64", "mask"),
        ("{ y = Not (i) }", "bool", "mask"),
        ("<float[9,4] table = {" + ", ".join("1" * 36) + "}> { y = Gather (table, i) }", "int64", "index"),
        ("<int64 a = {0}, int64 d = {1}> { m = ReduceMax <keepdims = 0> (i) y = Range (a, m, d) }", "int64", "size"),
        ("<float v = {1.0}> { y = ConstantOfShape (i) }", "int64", "size"),
    ],
)
def test_roles(body: str, kind: str, use: str) -> None:
    assert role(body, kind).use == use


def test_an_input_that_is_added_to_scores() -> None:
    assert role("{ s = Add (i, i) y = Softmax (s) }", "float").hides
    assert not role("{ s = Conv (i, i) y = Softmax (s) }", "float").hides


def kinds(use: Role, array: np.ndarray) -> dict[str, np.ndarray]:
    return {edge.kind: edge.feeds["x"] for edge in edge_inputs({"x": use}, {"x": array})}


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_floats(dtype: type) -> None:
    x = np.random.default_rng(1).standard_normal((4, 5)).astype(dtype)
    made = kinds(Role("number"), x)
    assert list(made) == FLOATS
    assert all(array.dtype == dtype and array.shape == x.shape for array in made.values())
    assert np.isnan(made["NaN"][:2]).any()
    assert np.isfinite(made["NaN"][2:]).all(), "the other half stays ordinary"
    assert {np.inf, -np.inf} <= set(made["infinities"].flat)
    assert np.signbit(made["zeros and minus zero"]).any()
    assert not made["zeros and minus zero"].any()
    assert len(set(made["ties"].flat)) < x.size
    assert np.finfo(dtype).max in made["largest values"]
    assert set(np.abs(made["smallest values"]).flat) == {np.finfo(dtype).tiny}


def test_masks_indices_and_integers() -> None:
    mask = kinds(Role("mask"), np.array([[0, 1], [1, 0]]))
    assert {kind: array.tolist() for kind, array in mask.items()} == {
        "mask hides a row": [[0, 0], [1, 1]],
        "mask hides all": [[0, 0], [0, 0]],
        "mask hides none": [[1, 1], [1, 1]],
    }
    index = kinds(Role("index", bound=7), np.zeros(2, np.int64))
    assert {kind: array[0] for kind, array in index.items()} == {
        "first index": 0,
        "last index": 6,
        "negative indices": -7,
    }
    assert list(kinds(Role("index", bound=7), np.zeros(2, np.uint8))) == ["first index", "last index"]
    assert kinds(Role("size"), np.array(3)) == {}
    large = kinds(Role("number"), np.zeros(5, np.int64))["large integers"]
    assert large.max() > 2**53
    assert large.min() > 2**24
    assert list(kinds(Role("number"), np.zeros(5, np.uint8))) == []


def test_other_extents_of_free_dimensions() -> None:
    roles = {"x": Role("number", shape=("N", "L", 3)), "m": Role("mask", shape=("N", "L"))}
    feeds = {"x": np.zeros((1, 100, 3), np.float32), "m": np.zeros((1, 100), bool)}
    made = [edge for edge in edge_inputs(roles, feeds) if edge.extents]
    assert [(edge.kind, edge.feeds["x"].shape, edge.feeds["m"].shape) for edge in made] == [
        ("extent 1", (1, 1, 3), (1, 1)),
        ("another length", (2, 132, 3), (2, 132)),
        ("extent 0 of N", (0, 100, 3), (0, 100)),
        ("extent 0 of L", (1, 0, 3), (1, 0)),
    ]


def test_an_extent_that_is_a_sum_of_others() -> None:
    roles = {"x": Role("number", shape=("P",)), "y": Role("number", shape=("T",)), "m": Role("mask", shape=("P + T",))}
    feeds = {"x": np.zeros(3, np.float32), "y": np.zeros(2, np.float32), "m": np.zeros(5, bool)}
    made = [edge for edge in edge_inputs(roles, feeds) if edge.extents]
    assert {edge.kind: len(edge.feeds["m"]) for edge in made} == {
        "extent 1": 2,
        "another length": 7,
        "extent 0 of P": 2,
        "extent 0 of T": 3,
    }


# Whole comparisons

NET = HEAD + "net (float[2,3] x) => (float[2,3] y) { s = Sin (x) r = Relu (s) c = Cos (r) y = Neg (c) }"


def convert(folder: Path, rows: str, model: str = NET, **options: Any) -> Result:
    onnx.save(parser.parse_model(model), folder / "net.onnx")
    (folder / "rows.py").write_text(f"import os\nfrom converter.rows import *\n\n{rows}\n", encoding="utf-8")
    return converter.convert(
        folder / "net.onnx", output=folder, operator_map=folder / "rows.py", **{"edges": "report", **options}
    )


DEAF = 'ROWS = {"Sin": call("ops.sin(ops.nan_to_num({0}))")}'
"""A row that is wrong for NaN and infinities."""


def test_a_script_that_is_wrong_on_edge_inputs_is_the_same_with_a_warning(tmp_path: Path) -> None:
    result = convert(tmp_path, DEAF)
    assert result.verdict == "same"
    assert result.verification is not None
    verdicts = {edge.kind: edge.verdict for edge in result.verification.edges}
    assert list(verdicts) == FLOATS
    assert [kind for kind, verdict in verdicts.items() if verdict != "same"] == FLOATS[:2]
    for edge in result.verification.edge_warnings:
        assert edge.modes == ["PyNative", "graph"]
        assert edge.node is not None
        assert (edge.node.operator, edge.node.value) == ("onnx::Sin", "s")
    text = (tmp_path / "report_of_net.txt").read_text(encoding="utf-8")
    assert "[Verification] same.\n" in text
    assert "[Edge inputs] 4 of 6 kinds are the same, 2 differ.\nedge NaN: differs in PyNative and graph mode; " in text
    data = json.loads((tmp_path / "report_of_net.json").read_text(encoding="utf-8"))["verification"]
    assert [edge["first_difference"]["line"] for edge in data["edges"][:2]] == [
        next(node.line for node in result.records if node.operator == "onnx::Sin")
    ] * 2


def test_what_a_kernel_does_is_no_warning(tmp_path: Path) -> None:
    """ReLU of NaN is 0 on a CPU, and NaN by its documentation."""
    result = convert(tmp_path, 'ROWS = {"Relu": call("ops.relu({0})")}')
    assert result.verification is not None
    assert result.verification.edge_warnings == ()
    differing = {edge.kind: edge.kernel for edge in result.verification.edges if edge.verdict == "differs"}
    assert differing == dict.fromkeys(FLOATS[:2], "ops.relu of NaN is 0")


def test_a_process_that_dies_on_edge_inputs_keeps_the_verdict_and_the_other_kinds(tmp_path: Path) -> None:
    """A slice of a tensor without elements is a division by zero in MindSpore's graph mode."""
    text = HEAD + "net (float[n,2] x, float[m] z) => (float[n,2] y, float[m] w) { y = Sin (x) w = Neg (z) }"
    result = convert(tmp_path, 'ROWS = {"Sin": call("ops.cat((ops.sin({0})[:, 0:1], ops.sin({0})[:, 1:2]), 1)")}', text)
    assert result.verdict == "same"
    assert result.verification is not None
    *others, rows, rest = result.verification.edges
    assert [edge.kind for edge in others] == [*FLOATS, "another length"]
    assert {edge.verdict for edge in (*others, rest)} == {"same"}
    assert (rows.kind, rows.verdict, rows.modes) == ("extent 0 of n", "differs", ["graph"])
    assert rows.note.startswith("the script ends the process")
    assert "SIGFPE" in rows.note
    assert rest.kind == "extent 0 of m"


def test_what_the_source_refuses_is_not_counted(tmp_path: Path) -> None:
    text = HEAD + "net (float[n,3] x) => (float[n,3] y) <float[2,3] w = {1, 2, 3, 4, 5, 6}> { y = Add (x, w) }"
    result = convert(tmp_path, "ROWS = {}", text, shape=["2,3"])
    assert result.verification is not None
    assert [edge.kind for edge in result.verification.edges] == [*FLOATS, "extent 1"]
    assert {edge.verdict for edge in result.verification.edges} == {"same"}


def test_edge_inputs_that_fail(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    onnx.save(parser.parse_model(NET), tmp_path / "net.onnx")
    (tmp_path / "rows.py").write_text(f"from converter.rows import *\n\n{DEAF}\n", encoding="utf-8")
    command = ["--model_file", tmp_path / "net.onnx", "--output", tmp_path, "--operator_map", tmp_path / "rows.py"]
    assert mindconverter.main([*map(str, command), "--edges", "fail"]) == 3
    out, _ = capfd.readouterr()
    assert "edge inputs (NaN): the script differs in PyNative and graph mode" in " ".join(out.split())
    assert "4 of 6 kinds are the same" in out


def test_a_mask_of_another_length_hides_no_other_row() -> None:
    mask = np.array([[1, 1, 0], [1, 0, 0]])
    feeds = {"mask": mask, "x": np.zeros((2, 3), np.float32), "trains": np.array(True)}
    shape = ("N", "T")
    roles = {"mask": Role("mask", shape=shape), "x": Role("number", shape=shape), "trains": Role("mask", shape=())}
    longer = next(edge for edge in edge_inputs(roles, feeds) if edge.kind == "another length")
    assert longer.feeds["mask"].tolist() == [[1, 1, 0, 0], [1, 0, 0, 0], [1, 0, 0, 0]]
    assert longer.feeds["trains"]
