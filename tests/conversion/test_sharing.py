"""Sharing: a module that the source calls several times is one member of one class."""

from __future__ import annotations

import re

import numpy as np
import pytest
from harness import check_model
from onnx import numpy_helper
from scoped import Graph

X = np.random.default_rng(0).standard_normal((3, 8)).astype(np.float32)
KINDS = ["m.Encoder"]


def encoder(graph: Graph, x: str, scope: str = "encoder", copy: str = "") -> str:
    """Two layers and a norm, with a residual; `copy` gives this call a copy of its matrices, as exporters do."""
    kinds = [*KINDS, "torch.Linear"]
    hidden = graph.dense(x, f"{scope}.fc1", kinds, 8, 16)
    hidden = graph.dense(graph.node("Relu", [hidden], scope, KINDS), f"{scope}.fc2", kinds, 16, 8)
    total = graph.node("Add", [hidden, x], scope, KINDS)
    vectors = [graph.weight(f"{scope}.norm.{name}", 8) for name in ("weight", "bias")]
    normed = graph.node("LayerNormalization", [total, *vectors], f"{scope}.norm", [*KINDS, "torch.LayerNorm"])
    if copy:
        for node in graph.nodes[-5:]:
            for i, name in enumerate(node.input):
                if name.endswith("fc1.weight"):
                    node.input[i] = f"val_{copy}"
                    original = next(tensor for tensor in graph.weights if tensor.name == name)
                    graph.weights.append(numpy_helper.from_array(numpy_helper.to_array(original), f"val_{copy}"))
    return normed


@pytest.mark.parametrize("copies", [False, True], ids=["one matrix", "copies"])
def test_calls_in_a_row_are_a_loop(copies: bool) -> None:
    graph, x = Graph(), "x"
    for i in range(4):
        x = encoder(graph, x, copy=str(i) if copies and i else "")
    rep = check_model(graph.model(x, 8), [X])
    assert rep.script.count("class ") == 2, rep.script
    assert re.search(r"for step in range\(4\):\n +(\w+) = self\.encoder\(\1\)", rep.script), rep.script
    names = [name for name, _ in rep.translation.program.parameters()]
    assert len(names) == 6
    assert all(name.startswith("encoder.") for name in names)


def test_a_module_may_be_called_on_several_inputs() -> None:
    graph = Graph()
    made = [encoder(graph, name) for name in ("a", "b")]
    rep = check_model(graph.model(graph.node("Mul", made, ""), 8, inputs=("a", "b")), [X, X[::-1].copy()])
    assert "self.encoder(a) * self.encoder(b)" in rep.script, rep.script


def test_a_number_that_calls_differ_in_is_passed() -> None:
    graph, made = Graph(), []
    graph.weights += [numpy_helper.from_array(np.array([3, n]), f"shape{n}") for n in (2, 4)]
    graph.weights += [numpy_helper.from_array(np.array([3, -1]), "whole")]
    for n in (2, 4):
        hidden = graph.dense("x", "head.fc1", ["m.Head", "torch.Linear"], 8, 8)
        scaled = graph.node("Relu", [hidden], "head", ["m.Head"])
        hidden = graph.dense(scaled, "head.fc2", ["m.Head", "torch.Linear"], 8, 8)
        hidden = graph.node("Elu", [hidden], "head", ["m.Head"], alpha=float(n))
        made.append(hidden)
    rep = check_model(graph.model(graph.node("Add", made, ""), 8), [X])
    assert "self.head(x, 2.0)" in rep.script, rep.script
    assert "self.head(x, 4.0)" in rep.script
    assert len(list(rep.translation.program.parameters())) == 4


def test_a_layer_that_two_modules_begin_with_is_called_before_them() -> None:
    graph, made = Graph(), []
    for scope in ("left", "right"):
        x = graph.node(
            "MatMul", ["x", graph.weight("shared.weight", 8, 8)], f"{scope}.shared", ["m.Side", "torch.Linear"]
        )
        for i in range(4 if scope == "left" else 7):
            x = graph.dense(x, f"{scope}.fc{i}", ["m.Side", "torch.Linear"], 8, 8)
            x = graph.node("Tanh", [x], scope, ["m.Side"])
            x = graph.node("Relu" if i % 3 else "Neg", [x], scope, ["m.Side"])
        made.append(x)
    rep = check_model(graph.model(graph.node("Sub", made, ""), 8), [X])
    assert rep.script.count("class ") == 3, rep.script
    assert "self.left(self.left_shared(x)) - self.right(self.left_shared(x))" in rep.script, rep.script


def test_blocks_without_names_may_share_a_parameter() -> None:
    graph, x = Graph(style="none"), "x"
    scale = graph.weight("shared", 8)
    for _ in range(6):
        hidden = graph.node("Relu", [graph.dense(x, "", (), 8, 8)], "")
        x = graph.node("Add", [x, graph.node("Mul", [graph.node("Tanh", [hidden], ""), scale], "")], "")
    rep = check_model(graph.model(x, 8), [X])
    assert "class Block" in rep.script, rep.script
    assert len(list(rep.translation.program.parameters())) == 13


def test_a_layer_in_the_middle_of_several_blocks_is_passed_to_them() -> None:
    graph, x, kinds = Graph(), "x", ["m.Block", "torch.Linear"]
    shared = [graph.weight("shared.weight", 8, 8), graph.weight("shared.bias", 8)]
    for i in range(3):
        hidden = graph.dense(x, f"layers.{i}.fc", kinds, 8, 8)
        hidden = graph.node("Gemm", [hidden, *shared], f"layers.{i}.shared", kinds)
        hidden = graph.dense(graph.node("Relu", [hidden], f"layers.{i}", kinds[:1]), f"layers.{i}.out", kinds, 8, 8)
        x = graph.node("Add", [hidden, x], f"layers.{i}", kinds[:1])
    rep = check_model(graph.model(x, 8), [X])
    assert "def construct(self, x, shared):" in rep.script, rep.script
    assert "x = layer(x, self.layers_0_shared)" in rep.script, rep.script
    assert len(list(rep.translation.program.parameters())) == 14
