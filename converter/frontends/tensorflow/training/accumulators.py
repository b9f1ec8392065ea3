"""Take out of the loops of TensorFlow 2 what they store for their gradients.

`tf.gradients` lets a While push the intermediate results of each iteration on tensor lists, whose initial values it
makes beside the gradients. The loop of the network has none of them.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING

from converter.frontends.tensorflow import graph as graphs
from converter.frontends.tensorflow.training.flow import Flow

if TYPE_CHECKING:
    from tensorflow.core.framework.function_pb2 import FunctionDef
    from tensorflow.core.framework.graph_pb2 import GraphDef
    from tensorflow.core.framework.node_def_pb2 import NodeDef


def has_accumulators(graph: GraphDef) -> bool:
    """Whether a graph may have such lists: loops of TensorFlow 2, and gradients."""
    return any(node.op in graphs.LOOPS for node in graph.node) and bool(Flow(graph).derivatives)


def remove_accumulators(graph: GraphDef) -> None:
    """Remove the tensor lists that only gradients read from the loops of a graph, in place.

    A gradient that read such a list reads its initial value afterwards: the graph stays well-formed, but does not
    compute the gradient any more.
    """
    flow = Flow(graph)
    functions = {function.signature.name: function for function in graph.library.function}
    removed: dict[str, dict[int, str]] = {}
    for loop in graph.node:
        if loop.op not in graphs.LOOPS or loop.name in flow.derivatives:
            continue
        body, condition = (functions.get(loop.attr[kind].func.name) for kind in ("body", "cond"))
        if body is None or condition is None:
            continue
        places = [
            k
            for k in range(len(loop.attr["T"].list.type))
            if _is_only_written(body, condition, k) and _read_by(flow, loop, k) <= flow.derivatives
        ]
        if places:
            removed[loop.name] = {k: loop.input[k] for k in places}
            _without_values(loop, places)
            for function in (body, condition):
                _without_arguments(function, places)
    for node in graph.node if removed else ():
        node.input[:] = [_moved(name, removed) for name in node.input]


def _read_by(flow: Flow, loop: NodeDef, place: int) -> set[str]:
    """The nodes that read a value after the loop."""
    return {reader for reader, index in flow.readers.get(loop.name, ()) if index == place}


def _is_only_written(body: FunctionDef, condition: FunctionDef, place: int) -> bool:
    """Whether all that an iteration does with a loop-carried value is to push an element on it."""
    argument = body.signature.input_arg[place].name
    readers = [node for node in body.node_def if argument in node.input]
    result = body.ret[body.signature.output_arg[place].name]
    tested = condition.signature.input_arg[place].name
    return (
        len(readers) == 1
        and readers[0].op == "TensorListPushBack"
        and readers[0].input[0] == argument
        and result.partition(":")[0] == readers[0].name
        and not any(tested in node.input for node in condition.node_def)
    )


def _without_values(loop: NodeDef, places: Collection[int]) -> None:
    """Remove loop-carried values from a While node."""
    kept = [k for k in range(len(loop.attr["T"].list.type)) if k not in places]
    controls = [name for name in loop.input if name.startswith("^")]
    loop.input[:] = [*(loop.input[k] for k in kept), *controls]
    types = loop.attr["T"].list
    types.type[:] = [types.type[k] for k in kept]
    for name in ("output_shapes", "_output_shapes"):
        if name in loop.attr:
            shapes = loop.attr[name].list.shape
            rest = [type(shapes[k]).FromString(shapes[k].SerializeToString()) for k in kept if k < len(shapes)]
            del shapes[:]
            shapes.extend(rest)
    if "_read_only_resource_inputs" in loop.attr:
        indices = loop.attr["_read_only_resource_inputs"].list
        indices.i[:] = [kept.index(k) for k in indices.i if k in kept]


def _without_arguments(function: FunctionDef, places: Collection[int]) -> None:
    """Remove arguments of a function, the results in the same places, and the nodes that only these needed."""
    signature = function.signature
    kept = [k for k in range(len(signature.input_arg)) if k not in places]
    attributes = {kept.index(k): value.SerializeToString() for k, value in function.arg_attr.items() if k in kept}
    function.arg_attr.clear()
    for k, text in attributes.items():
        function.arg_attr[k].ParseFromString(text)
    for k in sorted(places, reverse=True):
        del signature.input_arg[k]
        if len(signature.output_arg) > 1:  # a condition has one result
            function.ret.pop(signature.output_arg[k].name)
            del signature.output_arg[k]
    _prune(function)


def _prune(function: FunctionDef) -> None:
    """Remove the nodes on which no result of a function depends."""
    nodes = {node.name: node for node in function.node_def}
    found: set[str] = set()
    waiting = [*function.ret.values(), *function.control_ret.values()]
    while waiting:
        name = waiting.pop().removeprefix("^").partition(":")[0]
        if name in nodes and name not in found:
            found.add(name)
            waiting += nodes[name].input
    for place in reversed(range(len(function.node_def))):
        if function.node_def[place].name not in found:
            del function.node_def[place]


def _moved(tensor: str, removed: Mapping[str, Mapping[int, str]]) -> str:
    """The name of a tensor after loop-carried values were removed before it."""
    name, index = graphs.split(tensor)
    if name not in removed:
        return tensor
    if index in removed[name]:
        return removed[name][index]
    index -= sum(k < index for k in removed[name])
    return f"{name}:{index}"
