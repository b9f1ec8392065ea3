"""A small network of many operators: a block that repeats, a head, a loop and a branch; and its nodes compared."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from converter import frontends
from converter.api import translate_source
from converter.frontends.source import Request
from converter.lowering.tables import RowFunction, Tables
from converter.lowering.translation import Translation
from converter.verification import NodeComparison
from converter.verification.inputs import verification_inputs
from converter.verification.instrument import instrument
from converter.verification.nodes import Nodes
from operator_maps import registry

BLOCKS = 3
CHANNELS = 8


class _Builder:
    """Nodes one after the other, each named after its place; constants as they are needed."""

    def __init__(self) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.constants: list[onnx.TensorProto] = []
        self._random = np.random.default_rng(0)

    def weight(self, *shape: int) -> str:
        scale = np.sqrt(np.prod(shape[1:], dtype=np.float64)) if len(shape) > 1 else 1.0
        return self.constant((self._random.uniform(0.5, 1.5, shape) * self._signs(shape) / scale).astype(np.float32))

    def positive(self, *shape: int) -> str:
        return self.constant(self._random.uniform(0.5, 1.5, shape).astype(np.float32))

    def constant(self, value: Any) -> str:
        name = f"constant{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(np.asarray(value), name))
        return name

    def node(self, op_type: str, *inputs: str, name: str = "", outputs: int = 1, **attributes: Any) -> str:
        name = name or f"/head/{op_type}"
        made = [f"{name}_output_{i}" for i in range(outputs)]
        self.nodes.append(helper.make_node(op_type, inputs, made, name, **attributes))
        return made[0]

    def _signs(self, shape: tuple[int, ...]) -> np.ndarray:
        return self._random.choice([-1.0, 1.0], shape)


def network() -> onnx.ModelProto:
    """The network: an image (2, 3, 8, 8) to features (2, 8), indices and a sorted part."""
    make = _Builder()
    x = make.node("Conv", "image", make.weight(CHANNELS, 3, 3, 3), name="/stem/Conv", pads=[1] * 4)
    for index in range(BLOCKS):
        x = _block(make, x, f"/blocks/blocks.{index}")
    x = make.node("AveragePool", x, kernel_shape=[3, 3], pads=[1] * 4, strides=[1, 1])
    x = make.node("MaxPool", x, kernel_shape=[2, 2], strides=[2, 2])
    x = make.node("InstanceNormalization", x, make.positive(CHANNELS), make.weight(CHANNELS), epsilon=1e-3)
    x = make.node("Pad", x, make.constant([0, 0, 0, 0, 0, 0, 1, 1]), make.constant(np.float32(0.5)))
    x = make.node("Transpose", x, perm=[0, 2, 3, 1])
    x = make.node("LayerNormalization", x, make.positive(CHANNELS), make.weight(CHANNELS), epsilon=1e-2)
    x = make.node("RMSNormalization", x, make.positive(CHANNELS), epsilon=1e-2)
    x = make.node("Reshape", x, make.constant([2, 25, CHANNELS]))
    x = make.node("Softmax", x, axis=1)
    x = make.node("CumSum", x, make.constant(1), exclusive=1)
    x = make.node("Sqrt", x)
    x = make.node("Sub", make.constant(np.float32(0.25)), x)
    x = make.node("Gather", x, make.constant([3, 0, 7, 2, 1, 5, 4, 6]), axis=2)
    x = make.node("ReduceMean", x, make.constant([1]), keepdims=0)
    x = make.node("HardSigmoid", x, alpha=0.3)
    x = make.node("Div", x, make.positive(CHANNELS))
    x = make.node("Pow", x, make.constant(np.float32(3.0)))
    x = make.node("Gemm", x, make.weight(CHANNELS, CHANNELS), make.weight(CHANNELS), alpha=0.5, transB=1)
    x = make.node("Elu", x, alpha=0.5)
    x = make.node("Clip", x, make.constant(np.float32(-1.0)), make.constant(np.float32(1.0)))
    positive = make.node("Greater", x, make.constant(np.float32(0.0)))
    x = make.node("Where", positive, x, make.constant(np.float32(-0.125)))
    y = make.node("Slice", x, make.constant([2]), make.constant([6]), make.constant([1]))
    x = make.node("Concat", y, x, axis=1)
    x = make.node("Cos", x)
    x = _loop(make, x)
    x = _branch(make, x)
    best = make.node("ArgMax", x, axis=1, keepdims=0)
    top = make.node("TopK", x, make.constant([3]), outputs=2, axis=1)
    outputs = [
        helper.make_tensor_value_info(x, TensorProto.FLOAT, None),
        helper.make_tensor_value_info(best, TensorProto.INT64, None),
        helper.make_tensor_value_info(top, TensorProto.FLOAT, None),
    ]
    image = helper.make_tensor_value_info("image", TensorProto.FLOAT, [2, 3, 8, 8])
    graph = helper.make_graph(make.nodes, "network", [image], outputs, make.constants)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 23)], ir_version=11)


def _block(make: _Builder, x: str, scope: str) -> str:
    y = make.node("Conv", x, make.weight(CHANNELS, CHANNELS, 3, 3), name=f"{scope}/conv/Conv", pads=[1] * 4)
    statistics = make.positive(CHANNELS), make.weight(CHANNELS), make.weight(CHANNELS), make.positive(CHANNELS)
    y = make.node("BatchNormalization", y, *statistics, name=f"{scope}/norm/BatchNormalization", epsilon=1e-3)
    y = make.node("LeakyRelu", y, name=f"{scope}/act/LeakyRelu", alpha=0.1)
    return make.node("Add", x, y, name=f"{scope}/Add")


def _loop(make: _Builder, x: str) -> str:
    """Three rounds of `x = sin(tanh(x) * scale) + i`, the scales a parameter of the body."""
    body = helper.make_graph(
        [
            helper.make_node("Tanh", ["h"], ["t"], "/loop/Tanh"),
            helper.make_node("Mul", ["t", "scale"], ["s"], "/loop/Mul"),
            helper.make_node("Cast", ["i"], ["f"], "/loop/Cast", to=TensorProto.FLOAT),
            helper.make_node("Sin", ["s"], ["u"], "/loop/Sin"),
            helper.make_node("Add", ["u", "f"], ["next"], "/loop/Add"),
            helper.make_node("Identity", ["go"], ["going"], "/loop/Identity"),
        ],
        "body",
        [
            helper.make_tensor_value_info("i", TensorProto.INT64, []),
            helper.make_tensor_value_info("go", TensorProto.BOOL, []),
            helper.make_tensor_value_info("h", TensorProto.FLOAT, [2, 12]),
        ],
        [
            helper.make_tensor_value_info("going", TensorProto.BOOL, []),
            helper.make_tensor_value_info("next", TensorProto.FLOAT, [2, 12]),
        ],
        [numpy_helper.from_array(np.linspace(1.0, 2.0, 24, dtype=np.float32).reshape(2, 12), "scale")],
    )
    return make.node("Loop", make.constant(3), "", x, body=body)


def _branch(make: _Builder, x: str) -> str:
    """`exp(x)` when the mean is small, else `abs(x)`."""
    mean = make.node("ReduceMean", x, make.constant([0, 1]), name="/branch/ReduceMean", keepdims=0)
    condition = make.node("Less", mean, make.constant(np.float32(100.0)), name="/branch/Less")
    branches = {
        key: helper.make_graph(
            [helper.make_node(op_type, [x], [f"{key}_y"], f"/branch/{op_type}")],
            key,
            [],
            [helper.make_tensor_value_info(f"{key}_y", TensorProto.FLOAT, None)],
        )
        for key, op_type in (("then_branch", "Exp"), ("else_branch", "Abs"))
    }
    return make.node("If", condition, **branches)


@dataclass(frozen=True)
class Compared:
    """A network, its script, and its nodes compared."""

    made: Translation
    nodes: Mapping[tuple[str, str], NodeComparison]

    @property
    def wrong(self) -> list[NodeComparison]:
        """The nodes that differ, in order."""
        return [node for node in self.nodes.values() if node.verdict == "differs"]

    def line(self, node: NodeComparison) -> str:
        """The line of the script that a node stands at."""
        record = next(r for r in self.made.program.records if (r.name, r.operator) == (node.node, node.operator))
        position = self.made.script.position(record.anchor)
        assert position is not None
        return self.made.script.text.splitlines()[position[0] - 1].strip()


def compared(model: onnx.ModelProto, rows: Tables, folder: Path, graph_mode: bool = False) -> Compared:
    """Convert a model with these rows and compare its nodes, in this process."""
    path = folder / "network.onnx"
    onnx.save(model, path)
    source = frontends.load(Request(path))
    made = translate_source(source, rows, "network")
    plan = instrument(made.graph, rows).write(folder, folder)
    feeds = verification_inputs(made.graph.graph, source.inputs, None)
    nodes: dict[tuple[str, str], NodeComparison] = {}

    def note(**fact: Any) -> None:
        if "node" in fact:
            found = NodeComparison(**fact["node"])
            nodes[found.node, found.value] = found

    Nodes(folder, plan, rows.fused, graph_mode).compare(list(feeds.values()), note)
    return Compared(made, nodes)


def with_row(operator: str, function: RowFunction) -> Tables:
    """The project's tables with one operator translated otherwise."""
    rows = registry.load()
    return Tables({**rows, operator: replace(rows[operator], function=function)}, fused=rows.fused)
