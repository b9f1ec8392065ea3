"""Freeze a graph without running it: variables become constants with the values of a checkpoint."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import TYPE_CHECKING, Protocol

from converter.frontends.tensorflow import graph as graphs
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
    for node, dtype in _users(flow, handles):
        if node.op == "ReadVariableOp":
            node.op = "Identity"
            node.attr.clear()
            node.attr["T"].type = dtype
        elif node.op == "ResourceGather":
            _become_gather(graph, node, dtype)
        elif node.op in _PASSING:
            node.attr["T"].type = dtype


def _users(flow: Flow, handles: Mapping[str, int]) -> Iterator[tuple[NodeDef, int]]:
    """The nodes that use a handle, with the type of its variable."""
    for name, dtype in handles.items():
        waiting, seen = [name], {name}
        while waiting:
            for reader, _ in flow.readers.get(waiting.pop(), ()):
                node = flow.nodes[reader]
                if reader not in seen:
                    seen.add(reader)
                    if node.op in _PASSING:
                        waiting.append(reader)
                    yield node, dtype


def _become_gather(graph: GraphDef, node: NodeDef, dtype: int) -> None:
    from tensorflow.core.framework.types_pb2 import DT_INT32

    axis = graph.node.add(op="Const", name=f"{node.name}/axis")
    axis.attr["dtype"].type = axis.attr["value"].tensor.dtype = DT_INT32
    axis.attr["value"].tensor.tensor_shape.SetInParent()
    axis.attr["value"].tensor.int_val.append(0)
    indices, batch = node.attr["Tindices"].type, node.attr["batch_dims"].i
    controls = [name for name in node.input if name[0] == "^"]
    node.input[:] = [*[name for name in node.input if name[0] != "^"], axis.name, *controls]
    node.op = "GatherV2"
    node.attr.clear()
    node.attr["Tparams"].type, node.attr["Tindices"].type, node.attr["Taxis"].type = dtype, indices, DT_INT32
    node.attr["batch_dims"].i = batch
