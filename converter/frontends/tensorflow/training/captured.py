"""Give functions the values of the variables that they capture, in place of handles: loops, branches, calls."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from converter.frontends.tensorflow import graph as graphs

if TYPE_CHECKING:
    from tensorflow.core.framework.function_pb2 import FunctionDef
    from tensorflow.core.framework.graph_pb2 import GraphDef
    from tensorflow.core.framework.node_def_pb2 import NodeDef

_CALLS: Mapping[str, tuple[int, str, tuple[str, ...]]] = {
    **dict.fromkeys(graphs.LOOPS, (0, "T", ("cond", "body"))),
    **dict.fromkeys(("If", "StatelessIf"), (1, "Tin", ("then_branch", "else_branch"))),
    **dict.fromkeys(("PartitionedCall", "StatefulPartitionedCall"), (0, "Tin", ("f",))),
}
"""Operators that call functions: where the arguments begin among their inputs, the attribute with the arguments' types,
the attributes with the functions."""


def pass_values(graph: GraphDef, call: NodeDef, handles: Mapping[str, int]) -> None:
    """Let a node that calls functions pass on values where it read handles, and its functions use them, in place.

    Args:
        graph: has the functions in its library.
        call: a node of the graph, or of one of its functions.
        handles: input of the node that was a handle → the type of its variable.
    """
    if call.op not in _CALLS:
        return
    first, attribute, kinds = _CALLS[call.op]
    inputs = [name for name in call.input if not name.startswith("^")][first:]
    types = {k: handles[name] for k, name in enumerate(inputs) if name in handles}
    if not types:
        return
    functions = {function.signature.name: function for function in graph.library.function}
    for k, dtype in types.items():
        call.attr[attribute].list.type[k] = dtype
        if call.op in graphs.LOOPS and len(call.attr["output_shapes"].list.shape) > k:
            shape = call.attr["output_shapes"].list.shape[k]
            shape.Clear()
            shape.unknown_rank = True
    call.attr.pop("_read_only_resource_inputs", None)
    for kind in kinds:
        function = functions.get(call.attr[kind].func.name)
        if function is not None:
            _take_values(graph, function, types)


def _take_values(graph: GraphDef, function: FunctionDef, types: Mapping[int, int]) -> None:
    """Let arguments of a function that were handles be values of these types."""
    values: dict[str, int] = {}
    for k, kind in types.items():
        argument = function.signature.input_arg[k]
        argument.type = kind
        argument.ClearField("handle_data")
        function.arg_attr.pop(k, None)
        values[argument.name] = kind
    renamed: dict[str, str] = {}
    for node in list(function.node_def):  # a function's nodes are in topological order
        dtype = values.get(node.input[0]) if node.input else None
        if dtype is not None and node.op == "ReadVariableOp":
            become_identity(node, dtype)
            renamed[f"{node.name}:value:0"] = f"{node.name}:output:0"
        elif dtype is not None and node.op == "ResourceGather":
            become_gather(node, dtype, function.node_def.add(), "{}:output:0")
        elif dtype is not None and node.op == "Identity":
            node.attr["T"].type = dtype
            values[f"{node.name}:output:0"] = dtype
        pass_values(graph, node, values)
    for node in function.node_def:
        node.input[:] = [renamed.get(name, name) for name in node.input]
    for output in function.signature.output_arg:
        source = renamed.get(function.ret[output.name], function.ret[output.name])
        function.ret[output.name] = source
        output.type = values.get(source, output.type)


def become_identity(node: NodeDef, dtype: int) -> None:
    """Let a ReadVariableOp, whose input is a value now, pass it on."""
    node.op = "Identity"
    node.attr.clear()
    node.attr["T"].type = dtype


def become_gather(node: NodeDef, dtype: int, axis: NodeDef, tensor: str = "{}") -> None:
    """Let a ResourceGather, whose first input is a value now, gather from it.

    Args:
        node: the ResourceGather.
        dtype: the type of the variable.
        axis: a new node, which becomes the constant axis.
        tensor: how an input names the first output of a node.
    """
    from tensorflow.core.framework.types_pb2 import DT_INT32

    axis.name, axis.op = f"{node.name}/axis", "Const"
    axis.attr["dtype"].type = axis.attr["value"].tensor.dtype = DT_INT32
    axis.attr["value"].tensor.tensor_shape.SetInParent()
    axis.attr["value"].tensor.int_val.append(0)
    indices, batch = node.attr["Tindices"].type, node.attr["batch_dims"].i
    controls = [name for name in node.input if name[0] == "^"]
    node.input[:] = [*[name for name in node.input if name[0] != "^"], tensor.format(axis.name), *controls]
    node.op = "GatherV2"
    node.attr.clear()
    node.attr["Tparams"].type, node.attr["Tindices"].type, node.attr["Taxis"].type = dtype, indices, DT_INT32
    node.attr["batch_dims"].i = batch
