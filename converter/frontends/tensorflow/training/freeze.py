"""Freeze a graph without running it: variables become constants with the values of a checkpoint."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import TYPE_CHECKING, Protocol

from converter.frontends.tensorflow import graph as graphs
from converter.frontends.tensorflow.training import captured
from converter.frontends.tensorflow.training.flow import Flow

if TYPE_CHECKING:
    import numpy as np
    from tensorflow.core.framework.graph_pb2 import GraphDef
    from tensorflow.core.framework.node_def_pb2 import NodeDef

_PASSING = ("Enter", "Exit", "Identity", "Merge", "NextIteration", "Switch")
"""Operators that pass on the handle of a variable."""


class Values(Protocol):
    """The values of a graph's variables."""

    def get(self, variable: str) -> np.ndarray | None:
        """The value of the variable of this node; None if there is none."""

    def name(self, variable: str) -> str:
        """The name of the variable in its file."""

    def has(self, variable: str) -> bool:
        """Whether the file has a value for a variable."""


def without_references(graph: GraphDef) -> None:
    """Let nodes that pass on a variable itself (RefSwitch, RefEnter) pass on its value."""
    for node in graph.node:
        if node.op.startswith("Ref") and node.op[3:] in _PASSING:
            node.op = node.op[3:]


def freeze(graph: GraphDef, values: Values, needed: Collection[str]) -> None:
    """Replace the variables among the needed nodes by constants with the names in the file, in place.

    A variable without a value stays.
    """
    flow = Flow(graph)
    handles = {}
    names: dict[str, str] = {}
    for name in needed:
        node = flow.nodes[name]
        if node.op in graphs.VARIABLES:
            value = values.get(name)
            if value is not None:
                if node.op == "VarHandleOp":
                    handles[name] = node.attr["dtype"].type
                _become_constant(node, value)
                if values.name(name) not in flow.nodes:
                    names[name] = values.name(name)
    if handles:
        _read_values(graph, flow, handles)
    if names:
        _rename(graph, names)


def _rename(graph: GraphDef, names: Mapping[str, str]) -> None:
    for node in graph.node:
        node.name = names.get(node.name, node.name)
        for i, tensor in enumerate(node.input):
            control, name = ("^", tensor[1:]) if tensor[0] == "^" else ("", graphs.split(tensor)[0])
            if name in names:
                node.input[i] = control + names[name]


def _become_constant(node: NodeDef, value: np.ndarray) -> None:
    import tensorflow as tf

    tensor = tf.make_tensor_proto(value)
    node.op = "Const"
    node.attr.clear()
    node.attr["dtype"].type = tensor.dtype
    node.attr["value"].tensor.CopyFrom(tensor)


def _read_values(graph: GraphDef, flow: Flow, handles: Mapping[str, int]) -> None:
    """Let the readers of handles read constants: ReadVariableOp becomes Identity, ResourceGather a GatherV2."""
    calls: dict[str, dict[str, int]] = {}
    for node, tensor, dtype in _users(flow, handles):
        if node.op == "ReadVariableOp":
            captured.become_identity(node, dtype)
        elif node.op == "ResourceGather":
            captured.become_gather(node, dtype, graph.node.add())
        elif node.op in _PASSING:
            node.attr["T"].type = dtype
            node.attr.pop("_output_shapes", None)  # those of a handle
        else:
            calls.setdefault(node.name, {})[tensor] = dtype
    for name, types in calls.items():
        captured.pass_values(graph, flow.nodes[name], types)


def _users(flow: Flow, handles: Mapping[str, int]) -> Iterator[tuple[NodeDef, str, int]]:
    """The nodes that use a handle, with the node that they have it from, and the type of its variable."""
    for name, dtype in handles.items():
        waiting, seen = [name], {name}
        while waiting:
            source = waiting.pop()
            for reader, _ in flow.readers.get(source, ()):
                node = flow.nodes[reader]
                if reader not in seen:
                    seen.add(reader)
                    if node.op in _PASSING:
                        waiting.append(reader)
                    yield node, source, dtype
