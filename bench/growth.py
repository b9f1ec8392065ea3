"""Models of any number of nodes, for `run.py growth`, and a clock for the stages of their conversion."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

WIDTH = 8


class Model:
    """A model, built node by node over a tensor (N, WIDTH)."""

    def __init__(self) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.weights: dict[str, onnx.TensorProto] = {}
        self.x = "x"
        self._random = np.random.default_rng(1)

    def add(self, op_type: str, *inputs: str, scope: str = "", **attributes: Any) -> str:
        """Add a node; return its output."""
        number = len(self.nodes)
        made = f"{scope}/v{number}" if scope else f"v{number}"
        self.nodes.append(helper.make_node(op_type, inputs, [made], f"{scope}/{op_type}{number}", **attributes))
        return made

    def weight(self, name: str, *shape: int) -> str:
        """Add a weight."""
        array = self._random.standard_normal(shape).astype(np.float32)
        self.weights[name] = numpy_helper.from_array(array, name)
        return name

    def constant(self, name: str, items: Any) -> str:
        """Add a constant, or find the one of that name."""
        self.weights.setdefault(name, numpy_helper.from_array(np.array(items), name))
        return name

    def save(self, folder: Path) -> Path:
        """Write the model, whose output is that of the last node."""
        x, y = (
            helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)
            for name, shape in (("x", ["N", WIDTH]), (self.nodes[-1].output[0], [None, None]))
        )
        graph = helper.make_graph(self.nodes, "deep", [x], [y], list(self.weights.values()))
        file = folder / "deep.onnx"
        onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10), file)
        return file


def chain(count: int) -> Model:
    """Elementwise operators; every tenth reads one weight that all share."""
    model = Model()
    value, weight = model.x, model.weight("w", WIDTH)
    operators = ("Relu", "Tanh", "Neg", "Abs", "Sigmoid", "Softplus", "Sin", "Cos", "Erf", "Add")
    for i in range(count):
        operator = operators[i % len(operators)]
        value = model.add(operator, value, *[weight] * (operator == "Add"))
    return model


def layers(count: int) -> Model:
    """Dense layers, each with weights of its own, and an activation behind each."""
    model = Model()
    value = model.x
    for i in range(count // 3):
        value = model.add("MatMul", value, model.weight(f"fc{i}.weight", WIDTH, WIDTH))
        value = model.add("Relu", model.add("Add", value, model.weight(f"fc{i}.bias", WIDTH)))
    return model


def blocks(count: int, scoped: bool = True, depth: int = 1) -> Model:
    """Residual blocks as exporters write them: a norm, attention-like products with reshapes, a feed-forward part."""
    model = Model()
    value = model.x
    for i in range(count // 20):
        name = f"layers.{i}" if depth == 1 else f"halves.{i * 40 // count}.stages.{i // 8}.layers.{i}"
        scope = f"/{name}" if scoped else ""
        inner = {part: f"{scope}/{part}" if scoped else "" for part in ("norm", "attention", "mlp")}
        norm = inner["norm"]
        centred = model.add(
            "Sub",
            value,
            model.add("ReduceMean", value, model.constant("last", [-1]), scope=norm),
            scope=norm,
        )
        square = model.add("Pow", centred, model.constant("two", np.float32(2)), scope=norm)
        variance = model.add("ReduceMean", square, "last", scope=norm)
        root = model.add(
            "Sqrt", model.add("Add", variance, model.constant("eps", np.float32(1e-5)), scope=norm), scope=norm
        )
        y = model.add("Div", centred, root, scope=norm)
        y = model.add("Mul", y, model.weight(f"{name}.norm.weight", WIDTH), scope=norm)
        y = model.add("Add", y, model.weight(f"{name}.norm.bias", WIDTH), scope=norm)
        attention = inner["attention"]
        q = model.add("MatMul", y, model.weight(f"{name}.attention.query", WIDTH, WIDTH), scope=attention)
        k = model.add("MatMul", y, model.weight(f"{name}.attention.key", WIDTH, WIDTH), scope=attention)
        k = model.add("Transpose", k, perm=[1, 0], scope=attention)
        scores = model.add("Softmax", model.add("MatMul", q, k, scope=attention), axis=-1, scope=attention)
        y = model.add("MatMul", scores, y, scope=attention)
        value = model.add("Add", value, y, scope=scope)
        mlp = inner["mlp"]
        y = model.add("MatMul", value, model.weight(f"{name}.mlp.fc1.weight", WIDTH, 2 * WIDTH), scope=mlp)
        y = model.add("Relu", y, scope=mlp)
        y = model.add("MatMul", y, model.weight(f"{name}.mlp.fc2.weight", 2 * WIDTH, WIDTH), scope=mlp)
        value = model.add("Add", value, y, scope=scope)
    return model


def flat(count: int) -> Model:
    """The same blocks without the names of their scopes."""
    return blocks(count, scoped=False)


def nested(count: int) -> Model:
    """The same blocks in stages, and these in halves, as the names of their scopes say."""
    return blocks(count, depth=3)


def shapes(count: int) -> Model:
    """Reshapes by the shape of a tensor, computed each time."""
    model = Model()
    value = model.x
    for _ in range(count // 6):
        shape = model.add("Shape", value)
        first = model.add("Gather", shape, model.constant("zero", [0]), axis=0)
        rows = model.add("Mul", first, model.constant("half", [2]))
        target = model.add("Concat", rows, model.constant("width", [WIDTH // 2]), axis=0)
        value = model.add("Reshape", model.add("Reshape", value, target), model.constant("whole", [-1, WIDTH]))
    return model


def folding(count: int) -> Model:
    """Arithmetic on constants, which becomes one constant; every node reads the same number."""
    model = Model()
    value, one = model.constant("start", np.arange(WIDTH)), model.constant("one", [1])
    for _ in range(count - 2):
        value = model.add("Add", value, one)
    model.add("Add", model.x, model.add("Cast", value, to=TensorProto.FLOAT))
    return model


def unrolled(count: int) -> Model:
    """Recurrent layers of three steps, which exporters unroll, one behind the other."""
    model = Model()
    value = model.x
    for i in range(count // 9):
        weight = model.weight(f"cell{i}.weight", WIDTH, WIDTH)
        for _ in range(3):
            value = model.add("Tanh", model.add("Add", model.add("MatMul", value, weight), model.x))
    return model


def shared(count: int) -> Model:
    """Blocks of a network that read one parameter, and call one layer."""
    model = Model()
    value = model.x
    scale, weight = model.weight("scale", WIDTH), model.weight("shared.weight", WIDTH, WIDTH)
    for i in range(count // 5):
        scope = f"/layers.{i}"
        y = model.add("Mul", value, scale, scope=scope)
        y = model.add("MatMul", y, model.weight(f"layers.{i}.fc.weight", WIDTH, WIDTH), scope=f"{scope}/fc")
        y = model.add("MatMul", model.add("Relu", y, scope=scope), weight, scope=f"{scope}/shared")
        value = model.add("Add", value, y, scope=scope)
    return model


def parts(count: int) -> Model:
    """A tensor that is split into many, each of which goes through an operator, and joined again."""
    model = Model()
    number = count - 3
    whole = model.add("Tile", model.x, model.constant("times", [1, number]))
    names = [f"part{i}" for i in range(number)]
    node = helper.make_node("Split", [whole], names, "split", axis=1, num_outputs=number)
    model.nodes.append(node)
    made = [model.add("Relu" if i % 2 else "Tanh", name) for i, name in enumerate(names)]
    model.add("Concat", *made, axis=1)
    return model


def branches(count: int) -> Model:
    """Small Ifs, one behind the other, which read a value of the network around them."""
    model = Model()
    value = model.x
    for i in range(count // 6):
        total = model.add("ReduceSum", value, model.constant("axes", [0, 1]), keepdims=0)
        condition = model.add("Greater", total, model.constant("zero", np.float32(0)))
        bodies = {
            f"{name}_branch": helper.make_graph(
                [helper.make_node(operator, [value], [f"{name}{i}"], f"{name}{i}")],
                f"{name}_{i}",
                [],
                [helper.make_tensor_value_info(f"{name}{i}", TensorProto.FLOAT, None)],
            )
            for name, operator in (("then", "Relu"), ("else", "Neg"))
        }
        value = model.add("Tanh", model.add("If", condition, **bodies))
    return model


def loops(count: int) -> Model:
    """Small loops, one behind the other; each runs an operator three times."""
    model = Model()
    value, trips = model.x, model.constant("trips", 3)
    for i in range(count // 4):
        scalars = [
            helper.make_tensor_value_info(f"{name}{i}", kind, [])
            for name, kind in (("i", TensorProto.INT64), ("go", TensorProto.BOOL), ("on", TensorProto.BOOL))
        ]
        h, y = (helper.make_tensor_value_info(f"{name}{i}", TensorProto.FLOAT, None) for name in ("h", "y"))
        nodes = [
            helper.make_node("Identity", [f"go{i}"], [f"on{i}"], f"go_on{i}"),
            helper.make_node("Tanh", [f"h{i}"], [f"y{i}"], f"step{i}"),
        ]
        body = helper.make_graph(nodes, f"body{i}", [*scalars[:2], h], [scalars[2], y])
        value = model.add("Relu", model.add("Loop", trips, "", value, body=body))
    return model


MODELS: dict[str, Callable[[int], Model]] = {
    function.__name__: function
    for function in (chain, layers, blocks, flat, nested, shared, unrolled, shapes, folding, parts, loops, branches)
}


class Clock:
    """Observes a conversion: the CPU seconds of each stage, those of the formatter's process included."""

    def __init__(self) -> None:
        self.stages: dict[str, float] = {}
        self._began, self._stage = 0.0, "start"

    def begin(self, stage: str) -> None:
        """A stage begins; the one before it is over."""
        now = sum(os.times()[:4])
        self.stages[self._stage] = now - self._began
        self._began, self._stage = now, stage

    def count(self, done: int, total: int) -> None:
        """Nothing is noted within a stage."""
