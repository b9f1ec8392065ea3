"""No part that raises ends a conversion: it is left out, or its node becomes a stub, and the report names it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from graph.normalize.harness import parse
from harness import check_model
from onnx_backend import MindSporeBackend

from converter import convert
from converter.graph.edit import Edit
from converter.graph.normalize import normalization
from converter.graph.normalize.rewrites import REWRITES

MODEL = """g (float[n,4] x) => (float[n,4] y) <float[4,4] w = {1,2,3,4,5,6,7,8,9,1,2,3,4,5,6,7}, float two = {2.0}> {
    three = Constant <value = int64 {3}> () yes = Constant <value = bool {1}> ()
    s = Shape (x) r = Reshape (x, s) e = Exp (two) a = Mul (r, e)
    t = Transpose <perm = [1, 0]> (a) u = Transpose <perm = [1, 0]> (t) i = Identity (u) g = Sigmoid (i) b = Mul (i, g)
    f, last = Loop (three, yes, b, w) <body = l (int64 k, bool c, float[n,4] p, float[4,4] v)
        => (bool d, float[n,4] q, float[4,4] v) { d = Identity (c) m = MatMul (p, v) q = Tanh (m) }>
    y = Add (f, b)
}"""
X = np.random.default_rng(0).normal(size=(2, 4)).astype(np.float32)


def fail(*arguments: Any, **options: Any) -> None:
    raise TypeError("odd")


OPTIONAL = [each.name for each in normalization().passes if not each.needed]
FUNCTIONS = {
    "set declared shapes aside": "set_declared_shapes_aside",
    "infer shapes": "infer_shapes",
    "fold constants": "fold_constants",
    "infer trip counts": "infer_trip_counts",
    "infer loop shapes": "infer_loop_shapes",
    "remove identities": "remove_identities",
    "cancel inverses": "cancel_inverses",
    "remove dead code": "remove_dead_code",
}


@pytest.fixture(autouse=True)
def parts_may_fail(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(MindSporeBackend, "parts_may_fail", True)


def test_what_is_left_out_exists() -> None:
    assert set(FUNCTIONS) <= set(OPTIONAL)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_pass_of_normalisation(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(f"converter.graph.normalize.{FUNCTIONS[name]}", fail)
    rep = check_model(parse(MODEL, 20), [X])
    (note,) = rep.translation.notes
    assert f"'{name}' failed (TypeError: odd)" in note


@pytest.mark.parametrize("place", ["refine_shapes", "_run"])
def test_a_phase_of_fusions(place: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(f"converter.graph.fusions.{place}", fail)
    rep = check_model(parse(MODEL, 20), [X])
    assert all("failed (TypeError: odd)" in note for note in rep.translation.notes)
    assert "ops.silu" not in rep.script


def test_the_search_for_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("converter.api.structure", fail)
    (note,) = check_model(parse(MODEL, 20), [X]).translation.notes
    assert "repeated blocks" in note


def test_the_report_names_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("converter.graph.normalize.fold_constants", fail)
    onnx.save(parse(MODEL, 20), tmp_path / "net.onnx")
    result = convert(tmp_path / "net.onnx", output=tmp_path / "out", verify=False)
    assert "fold constants" in result.notes[0]
    assert "[Note] The pass 'fold constants' failed" in (tmp_path / "out/report_of_net.txt").read_text(encoding="utf-8")
    assert json.loads((tmp_path / "out/report_of_net.json").read_bytes())["notes"] == list(result.notes)


def test_a_rewrite_of_one_node_makes_a_stub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def break_off(edit: Edit) -> None:
        edit.set(axis=7)
        fail()

    monkeypatch.setitem(REWRITES, ("Softmax", 13), break_off)
    onnx.save(parse("g (float[n,4] x) => (float[n,4] y) { a = Relu (x) y = Softmax (a) }", 11), tmp_path / "net.onnx")
    result = convert(tmp_path / "net.onnx", output=tmp_path / "out", verify=False)
    (stub,) = result.unconverted
    assert stub.operator == "onnx::Softmax"
    assert "Its rewrite failed (TypeError: odd)" in stub.became


def test_an_output_that_a_row_forgot_makes_a_stub(tmp_path: Path) -> None:
    rows = "def top(node, x, k, *, axis=-1, largest=1, sorted=1):\n    return (x,)\nROWS = {'TopK': top}\n"
    (tmp_path / "rows.py").write_text(rows, encoding="utf-8")
    text = "g (float[4] x) => (float[2] y, int64[2] i) { k = Constant <value_ints = [2]> () y, i = TopK (x, k) }"
    onnx.save(parse(text, 20), tmp_path / "net.onnx")
    result = convert(tmp_path / "net.onnx", output=tmp_path, operator_map=tmp_path / "rows.py", verify=False)
    assert [record.operator for record in result.unconverted] == ["onnx::TopK"]
