"""Structure: blocks that the source repeats become classes, and the network stays what it was."""

from __future__ import annotations

import ast

import numpy as np
import onnx
import pytest
from harness import check_model
from onnx import TensorProto, helper, numpy_helper
from scoped import Graph


def mlp_net(style: str, blocks: int = 3) -> onnx.ModelProto:
    """`x + fc2(relu(fc1(x)))`, several times; the first block widens its input by a projection."""
    graph = Graph(style=style)
    x, width = "x", 8
    for i in range(blocks):
        scope, kinds = f"layers.{i}", ["m.Block"]
        hidden = graph.dense(x, f"{scope}.fc1", [*kinds, "torch.Linear"], width, 32)
        hidden = graph.node("Relu", [hidden], scope, kinds)
        hidden = graph.dense(hidden, f"{scope}.fc2", [*kinds, "torch.Linear"], 32, 16)
        if width != 16:
            x = graph.dense(x, f"{scope}.proj", [*kinds, "torch.Linear"], width, 16)
        x, width = graph.node("Add", [hidden, x], scope, kinds), 16
    return graph.model(graph.dense(x, "head", ["torch.Linear"], 16, 5), 5)


def shared_mask_net() -> onnx.ModelProto:
    """Blocks that all read one value, which the exporter wrote into the first block's scope."""
    graph = Graph()
    x, width = "x", 8
    mask = ""
    for i in range(3):
        scope, kinds = f"layers.{i}", ["m.Block"]
        mask = mask or graph.node("Sigmoid", [graph.node("ReduceMean", ["x"], scope, kinds, keepdims=1)], scope, kinds)
        hidden = graph.dense(x, f"{scope}.fc1", [*kinds, "torch.Linear"], width, 8)
        hidden = graph.node("Mul", [hidden, mask], scope, kinds)
        x = graph.node("Add", [graph.node("Tanh", [hidden], scope, kinds), x], scope, kinds)
    return graph.model(x, 8)


def optional_mask_net(blocks: int, given: int = 1) -> onnx.ModelProto:
    """Blocks of which every second one adds a value that it is given; of two values, all take one of these in turn."""
    graph = Graph()
    masks = [graph.node(operator, ["x"], "", []) for operator in ("Tanh", "Abs")[:given]]
    x = "x"
    for i in range(blocks):
        scope, kinds = f"layers.{i}", ["m.Block"]
        for j, activation in enumerate(("Relu", "Tanh", "Sigmoid", "Relu")):
            x = graph.dense(x, f"{scope}.fc{j}", [*kinds, "torch.Linear"], 8, 8)
            if j == 2 and (i % 2 or given > 1):
                x = graph.node("Add", [x, masks[i % given]], scope, kinds)
            x = graph.node(activation, [x], scope, kinds)
    return graph.model(x, 8)


FEED = np.random.default_rng(0).standard_normal((3, 8)).astype(np.float32)


def classes_in(script: str) -> dict[str, ast.ClassDef]:
    return {node.name: node for node in ast.parse(script).body if isinstance(node, ast.ClassDef)}


@pytest.mark.parametrize("style", ["torch", "names"])
def test_repeated_blocks_become_one_class(style: str) -> None:
    rep = check_model(mlp_net(style), [FEED])
    classes = classes_in(rep.script)
    assert len(classes) == 2, rep.script
    if style == "torch":
        assert list(classes) == ["Block", "MindSporeModel"]


def test_what_differs_is_an_argument_and_a_missing_statement_a_flag() -> None:
    rep = check_model(mlp_net("torch", blocks=4), [FEED])
    assert "Block(8, proj=True), *[Block(16) for _ in range(3)]" in rep.script
    assert "self.proj(x) if self.proj is not None else x" in rep.script


def test_parameters_are_named_by_their_owner() -> None:
    rep = check_model(mlp_net("torch"), [FEED])
    names = [name for name, _ in rep.translation.program.parameters()]
    assert {"layers.0.fc1.weight", "layers.0.proj.bias", "layers.2.fc2.weight", "head.bias"} <= set(names)
    assert set(names) == set(rep.net.parameters_dict())


def test_every_node_points_into_the_script() -> None:
    rep = check_model(mlp_net("torch"), [FEED])
    made = rep.translation
    lines = made.script.text.splitlines()
    for record in made.program.records:
        position = made.script.position(record.anchor)
        assert position is not None, record
        line, column = position
        assert lines[line - 1][column - 1 :].strip(), record


def test_a_value_that_blocks_share_is_computed_once_outside() -> None:
    rep = check_model(shared_mask_net(), [FEED])
    classes = classes_in(rep.script)
    assert len(classes) == 2, rep.script
    assert rep.script.count("ops.sigmoid") == 1
    assert "for layer in self.layers:" in rep.script


@pytest.mark.parametrize(
    ("blocks", "given", "values"),
    [
        (4, 1, "(None, activation, None, activation)"),
        (7, 1, "(None, activation) * 3 + (None,)"),
        (3, 2, "(activation, magnitude, activation)"),
        (6, 2, "(activation, magnitude) * 3"),
    ],
)
def test_values_that_blocks_take_in_turn_are_a_loop(blocks: int, given: int, values: str) -> None:
    rep = check_model(optional_mask_net(blocks, given), [FEED])
    assert len(classes_in(rep.script)) == 2, rep.script
    assert f"for layer, value in zip(self.layers, {values}):" in rep.script, rep.script


def test_the_same_model_gives_the_same_script() -> None:
    scripts = {check_model(mlp_net("torch"), [FEED]).script for _ in range(2)}
    assert len(scripts) == 1


def random_net(seed: int) -> tuple[onnx.ModelProto, int]:
    """A net of stages of equal blocks, its shape drawn at random; returns it and the number of different blocks."""
    random = np.random.default_rng(seed)
    graph = Graph()
    x, width = "x", 8
    kinds_of_block = int(random.integers(1, 4))
    for stage in range(kinds_of_block):
        depth = int(random.integers(1, 4))
        activations = [str(random.choice(["Relu", "Tanh", "Sigmoid", "Softplus"])) for _ in range(depth)]
        residual = bool(random.integers(0, 2))
        for i in range(int(random.integers(2, 4))):
            scope, kinds = f"stage{stage}.{i}", ["torch.Sequential", f"m.Block{stage}"]
            hidden = x
            for j, activation in enumerate(activations):
                hidden = graph.dense(hidden, f"{scope}.fc{j}", [*kinds, "torch.Linear"], width, width)
                hidden = graph.node(activation, [hidden], scope, kinds)
            x = graph.node("Add" if residual else "Mul", [hidden, x], scope, kinds)
    return graph.model(x, width), kinds_of_block


@pytest.mark.parametrize("seed", range(6))
def test_random_architectures(seed: int) -> None:
    model, kinds = random_net(seed)
    rep = check_model(model, [FEED])
    assert len(classes_in(rep.script)) <= kinds + 1, rep.script


@pytest.mark.parametrize("seed", range(6))
def test_random_architectures_without_names(seed: int) -> None:
    model, kinds = random_net(seed)
    for node in model.graph.node:
        node.name = ""
        del node.metadata_props[:]
    for i, initializer in enumerate(model.graph.initializer):
        for node in model.graph.node:
            for position, name in enumerate(node.input):
                if name == initializer.name:
                    node.input[position] = f"w{i}"
        initializer.name = f"w{i}"
    statements = len(model.graph.node)
    rep = check_model(model, [FEED])
    classes = classes_in(rep.script)
    if statements >= 20:
        assert 2 <= len(classes) <= kinds + 3, rep.script


def shared_by_blocks(layers: int, what: str) -> onnx.ModelProto:
    """A network without names whose repeated blocks share a layer, or a literal."""
    graph = Graph(style="none")
    x = "x"
    shared = graph.weight("shared", 8, 8)
    vector = np.arange(6, dtype=np.float32).reshape(1, 6)[:, :1] * np.ones((1, 8), np.float32) + 0.5
    graph.weights.append(numpy_helper.from_array(vector.astype(np.int32), "numbers"))
    numbers = graph.node("Cast", ["numbers"], "", to=TensorProto.FLOAT)
    for _ in range(layers):
        y = graph.node("Relu", [graph.dense(x, "", (), 8, 8)], "")
        y = graph.node("MatMul", [y, shared], "") if what == "layer" else graph.node("Mul", [y, numbers], "")
        x = graph.node("Add", [x, graph.node("Tanh", [y], "")], "")
    return graph.model(x, 8)


@pytest.mark.parametrize("what", ["layer", "literal"])
def test_blocks_without_names_may_share(what: str) -> None:
    x = np.random.default_rng(0).normal(size=(2, 8)).astype(np.float32)
    rep = check_model(shared_by_blocks(8, what), [x])
    assert "class Block" in rep.script, rep.script
    assert ("x = layer(x, self." in rep.script) == (what == "layer"), rep.script


def looping(graph: Graph, scope: str, function: str, layers: int) -> str:
    """`h = function(h + x)`, three times from a shared parameter, and dense layers."""
    kinds = [f"m.{scope.capitalize()}"]
    body = helper.make_graph(
        [
            helper.make_node("Identity", ["going"], ["goes_on"]),
            helper.make_node("Add", ["h", "x"], ["sum"]),
            helper.make_node(function, ["sum"], ["new"]),
        ],
        "body",
        [
            helper.make_tensor_value_info("i", TensorProto.INT64, []),
            helper.make_tensor_value_info("going", TensorProto.BOOL, []),
            helper.make_tensor_value_info("h", TensorProto.FLOAT, [3, 8]),
        ],
        [
            helper.make_tensor_value_info("goes_on", TensorProto.BOOL, []),
            helper.make_tensor_value_info("new", TensorProto.FLOAT, [3, 8]),
        ],
    )
    x = graph.node("Loop", ["three", "", graph.weight("shared.state", 3, 8)], scope, kinds, body=body)
    for i in range(layers):
        x = graph.dense(x, f"{scope}.fc{i}", [*kinds, "torch.Linear"], 8, 8)
        x = graph.node("Elu" if i % 2 else "Sigmoid", [x], scope, kinds)
    return x


def test_loops_of_two_modules_may_start_from_one_parameter() -> None:
    graph = Graph()
    graph.weights.append(numpy_helper.from_array(np.array(3), "three"))
    made = [looping(graph, "left", "Tanh", 2), looping(graph, "right", "Relu", 3)]
    rep = check_model(graph.model(graph.node("Add", made, ""), 8, batch=3), [FEED])
    assert rep.script.count("for ") == 2, rep.script
    assert rep.script.count("self.shared_state = ms.Parameter(") == 1, rep.script
