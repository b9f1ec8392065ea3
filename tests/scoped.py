"""Models with scopes: a graph built node by node, as exporters record it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

SEED = 7


@dataclass
class Graph:
    """Builds a model node by node, each in a scope as torch's exporter records it."""

    channels: int = 4
    nodes: list[onnx.NodeProto] = field(default_factory=list)
    weights: list[onnx.TensorProto] = field(default_factory=list)
    style: str = "torch"

    def __post_init__(self) -> None:
        self.random = np.random.default_rng(SEED)

    def node(self, op_type: str, inputs: Sequence[str], scope: str, kinds: Sequence[str] = (), **options: Any) -> str:
        output = f"{op_type.lower()}_{len(self.nodes)}"
        made = helper.make_node(op_type, inputs, [output], f"node_{output}", **options)
        if self.style == "torch":
            scopes = _prefixes(scope)
            self._metadata(made, "pkg.torch.onnx.name_scopes", ["", *scopes, output])
            self._metadata(made, "pkg.torch.onnx.class_hierarchy", ["Net", *(kinds or ["m.Part"] * len(scopes)), "op"])
        elif self.style == "names":
            made.name = "/" + "/".join([*_prefixes(scope), op_type])
        self.nodes.append(made)
        return output

    @staticmethod
    def _metadata(node: onnx.NodeProto, key: str, value: list[str]) -> None:
        entry = node.metadata_props.add()
        entry.key, entry.value = key, repr(value)

    def weight(self, name: str, *shape: int) -> str:
        """An initializer; the second time, the first one."""
        if any(tensor.name == name for tensor in self.weights):
            return name
        array = self.random.standard_normal(shape).astype(np.float32) / np.sqrt(np.prod(shape[1:]) or 1)
        self.weights.append(numpy_helper.from_array(array.astype(np.float32), name))
        return name

    def dense(self, x: str, scope: str, kinds: Sequence[str], inputs: int, outputs: int) -> str:
        name = scope if self.style != "none" else f"w{len(self.weights)}"
        weight = self.weight(f"{name}.weight", inputs, outputs)
        bias = self.weight(f"{name}.bias", outputs)
        return self.node("Gemm", [x, weight, bias], scope, kinds)

    def model(
        self, output: str, width: int, inputs: Sequence[str] = ("x",), batch: int | str = "batch"
    ) -> onnx.ModelProto:
        """The model of all nodes so far, from inputs of width 8."""
        inputs = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [batch, 8]) for name in inputs]
        outputs = [helper.make_tensor_value_info(output, TensorProto.FLOAT, [batch, width])]
        graph = helper.make_graph(self.nodes, "net", inputs, outputs, self.weights)
        return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)


def _prefixes(scope: str) -> list[str]:
    """`layers.0.fc` is three calls: `layers.0` (a ModuleList is not called) and `layers.0.fc`."""
    parts = scope.split(".")
    return [".".join(parts[: i + 1]) for i, part in enumerate(parts) if not (part == "layers" and i == 0)]
