"""Caches: keys and values of earlier tokens, which each layer takes and returns with those of the new ones."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import onnx
import pytest
from harness import check_model
from onnx import TensorProto, helper
from scoped import Graph

LAYERS, WIDTH = 3, 8
CACHES = [f"{i}.{kind}" for i in range(LAYERS) for kind in ("key", "value")]


def decoder(inputs: Sequence[str], shared: bool = False) -> onnx.ModelProto:
    """Layers of attention over past and new tokens; if `shared`, all read the first layer's past."""
    graph, x = Graph(), "x"
    for i in range(LAYERS):
        scope, kinds = f"layers.{i}", ["m.Layer"]
        made = {}
        for kind in ("key", "value"):
            new = graph.node("MatMul", [x, graph.weight(f"{scope}.{kind}", WIDTH, WIDTH)], scope, kinds)
            past = f"past_key_values.{0 if shared else i}.{kind}"
            made[kind] = graph.node("Concat", [past, new], scope, kinds, axis=1)
            graph.nodes.append(helper.make_node("Identity", [made[kind]], [f"present.{i}.{kind}"]))
        scores = graph.node(
            "MatMul", [x, graph.node("Transpose", [made["key"]], scope, kinds, perm=[0, 2, 1])], scope, kinds
        )
        weights = graph.node("Softmax", [graph.node("Add", [scores, "mask"], scope, kinds)], scope, kinds)
        x = graph.node("Add", [x, graph.node("MatMul", [weights, made["value"]], scope, kinds)], scope, kinds)
    graph.nodes.append(helper.make_node("Tanh", [x], ["y"]))
    shapes = {"x": ["N", "new", WIDTH], "mask": ["N", "new", "total"]}
    ends = [helper.make_tensor_value_info(n, TensorProto.FLOAT, shapes.get(n, ["N", "past", WIDTH])) for n in inputs]
    made = [("y", "new"), *((f"present.{name}", "total") for name in CACHES)]
    outputs = [helper.make_tensor_value_info(n, TensorProto.FLOAT, ["N", length, WIDTH]) for n, length in made]
    whole = helper.make_graph(graph.nodes, "net", ends, outputs, graph.weights)
    return helper.make_model(whole, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)


PAST = [f"past_key_values.{name}" for name in CACHES]


def feeds(inputs: Sequence[str], past: int) -> list[np.ndarray]:
    random = np.random.default_rng(0)
    shapes = {"x": (2, 1, WIDTH), "mask": (2, 1, past + 1)}
    return [random.standard_normal(shapes.get(name, (2, past, WIDTH))).astype(np.float32) for name in inputs]


@pytest.mark.parametrize(
    ("inputs", "construct", "before"),
    [
        (["x", "mask", *PAST], "construct(self, x, mask, *past_key_values)", ""),
        (["x", *PAST, "mask"], "mask):", "past_key_values = (\n            past_key_values_0_key,"),
    ],
)
def test_layers_with_caches_are_a_loop_over_two_tuples(inputs: list[str], construct: str, before: str) -> None:
    script = check_model(decoder(inputs), feeds(inputs, past=3)).script
    assert construct in script
    assert before in script
    assert "zip(self.layers, past_key_values[::2], past_key_values[1::2])" in script
    assert "present = present + (present_key, present_value)" in script
    assert ", *present\n" in script


def test_layers_that_share_a_past_stay_calls() -> None:
    inputs = ["x", "mask", *PAST[:2]]
    script = check_model(decoder(inputs, shared=True), feeds(inputs, past=2)).script
    assert "past_key_values[" not in script
