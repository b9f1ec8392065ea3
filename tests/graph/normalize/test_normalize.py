"""Whole models: equal to their source, with the same ends, and with what the source said about its nodes."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import onnx
import onnx_ir as ir
import pytest
from graph.normalize.harness import assert_equals_original, assert_same, feeds_for, parse, run_normalized, run_original
from paths import MODELS

from converter.graph.annotations import OPSET
from converter.graph.normalize import normalize

MODELS = sorted((MODELS).glob("*.onnx"))
SKIPPED = {"candy": "a second of onnxruntime on two cores; its operators are cases of their own"}


@pytest.mark.parametrize("path", MODELS, ids=lambda path: path.stem)
def test_real_models(path: Path) -> None:
    if path.stem in SKIPPED:
        pytest.skip(SKIPPED[path.stem])
    model = onnx.load(path)
    wanted = json.loads(path.with_suffix(".onnx.json").read_text(encoding="utf-8"))
    feeds = feeds_for(model, dict(zip(wanted["inputs"], wanted["shapes"], strict=True)))
    feeds |= {name: np.asarray(value, feeds[name].dtype) for name, value in wanted.get("values", {}).items()}
    graph = normalize(model, path.parent)
    assert graph.opset_imports[""] == OPSET
    assert_same(run_normalized(graph, feeds), run_original(model, feeds), 1e-5)


def test_ends_keep_names_and_order() -> None:
    text = """g (float[2] b, float[2] a, bool c) => (float[2] z, float[2] y, float[2] x) {
        z = Identity(a)
        w = Add(a, b)
        y = Identity(w)
        x = If (c) <
            then_branch = t () => (float[2] d) { d = Identity(w) },
            else_branch = e () => (float[2] f) { f = Neg(a) }
        >
    }"""
    graph = assert_equals_original(parse(text, 20))
    assert [value.name for value in graph.graph.inputs] == ["b", "a", "c"]
    assert [value.name for value in graph.graph.outputs] == ["z", "y", "x"]


def test_an_input_that_nothing_uses_stays() -> None:
    graph = assert_equals_original(parse("g (float[2] a, float[2] b) => (float[2] y) { y = Neg(b) }", 20))
    assert [value.name for value in graph.graph.inputs] == ["a", "b"]


def test_loops_and_scans_that_capture() -> None:
    text = """g (float[3,2] x, float[2] s) => (float[2] y, float[3,2] z, float[2] w) {
        n = Constant <value = int64 {3}> ()
        c = Constant <value = bool {1}> ()
        k = Neg(s)
        y = Loop (n, c, s) <body = l (int64 i, bool d, float[2] p) => (bool e, float[2] q) {
            e = Identity(d)
            r = Softmax <axis = 0> (p)
            q = Add(r, k)
        }>
        w, z = Scan (s, x) <num_scan_inputs = 1, body = m (float[2] a, float[2] b) => (float[2] f, float[2] h) {
            f = Add(a, b)
            h = Mul(f, k)
        }>
    }"""
    assert_equals_original(parse(text, 11))


def test_normalising_twice_changes_nothing() -> None:
    text = """g (float[N,3,4] x) => (float[N,12] y) {
        a = Softmax <axis = 1> (x)
        s = Shape <start = 0, end = 1> (a)
        r = Constant <value_ints = [-1]> ()
        t = Concat <axis = 0> (s, r)
        y = Reshape(a, t)
    }"""
    once = ir.to_proto(normalize(parse(text, 15), Path()))
    twice = ir.to_proto(normalize(once, Path()))
    assert [node.op_type for node in twice.graph.node] == [node.op_type for node in once.graph.node]
    assert [node.name for node in twice.graph.node] == [node.name for node in once.graph.node]


def test_torch_s_scopes_are_on_the_nodes() -> None:
    """An export by modules: every operator says which module it came from, before and after."""
    torch = pytest.importorskip("torch")

    class Block(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.linear = torch.nn.Linear(4, 4)
            self.norm = torch.nn.LayerNorm(4)

        def forward(self, x):
            return torch.nn.functional.gelu(self.norm(self.linear(x))) + x

    network = torch.nn.Sequential(Block(), Block()).eval()
    program = torch.onnx.export(network, (torch.zeros(2, 4),), dynamo=True, optimize=False, verbose=False)
    model = program.model_proto
    key = "pkg.torch.onnx.name_scopes"
    graph = normalize(model, Path())
    nodes = list(graph.graph)
    scoped = [node for node in nodes if key in node.metadata_props]
    assert len(nodes) >= 8
    assert scoped == nodes
    assert {block for block in ("'0'", "'1'") if any(block in node.metadata_props[key] for node in nodes)} == {
        "'0'",
        "'1'",
    }
