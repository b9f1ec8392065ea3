"""Slices that TensorFlow's vectorisation leaves in a loop: `x[i]` of `tf.vectorized_map` becomes one GatherV2.

Keras 3 maps the layer in a TimeDistributed so where the number of steps is free. The loop stacks `x[begin[i]]` of each
step. https://github.com/tensorflow/tensorflow/blob/master/tensorflow/python/ops/parallel_for/pfor.py
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from converter.frontends.tensorflow import graph as graphs

if TYPE_CHECKING:
    from tensorflow.core.framework.function_pb2 import FunctionDef
    from tensorflow.core.framework.graph_pb2 import GraphDef
    from tensorflow.core.framework.node_def_pb2 import NodeDef

_LOOP = "/pfor/while"
_OTHER_MASKS = ("begin_mask", "end_mask", "ellipsis_mask", "new_axis_mask")


def gather_slices(graph: GraphDef) -> None:
    """Replace the stack of what such a loop slices, in place; the loop stays, and nothing reads it any more."""
    import tensorflow as tf

    nodes = {node.name: node for node in graph.node}
    bodies = {function.signature.name: function for function in graph.library.function}
    for stack in [node for node in graph.node if node.op == "TensorListStack"]:
        name, place = graphs.split(stack.input[0])
        loop = nodes[name]
        if loop.op not in graphs.LOOPS or not loop.name.endswith(_LOOP):
            continue
        found = _sliced(bodies[loop.attr["body"].func.name], place)
        begins = None if found is None else nodes[graphs.split(loop.input[found[1]])[0]]
        if found is None or begins is None or begins.op != "Pack" or len(begins.input) != 1:
            continue
        axis = graph.node.add(op="Const", name=f"{stack.name}/axis")
        axis.attr["dtype"].type = tf.int32.as_datatype_enum
        axis.attr["value"].tensor.CopyFrom(tf.make_tensor_proto(0, tf.int32))
        types = stack.attr["element_dtype"].type, begins.attr["T"].type
        stack.op, stack.input[:] = "GatherV2", [loop.input[found[0]], begins.input[0], axis.name]
        stack.attr.clear()
        stack.attr["Tparams"].type, stack.attr["Tindices"].type = types
        stack.attr["Taxis"].type = tf.int32.as_datatype_enum


def _sliced(body: FunctionDef, place: int) -> tuple[int, int] | None:
    """The places of the arguments `x` and `begins`, if a body writes `x[begins[i]]` into the list at this place."""
    nodes = {node.name: node for node in body.node_def}
    arguments = {argument.name: k for k, argument in enumerate(body.signature.input_arg)}
    written = _maker(nodes, body.ret[body.signature.output_arg[place].name])
    if written is None or written.op != "TensorListSetItem":
        return None
    row = _row(nodes, written.input[2])
    begin = None if row is None else _row(nodes, row.input[1])
    if row is None or begin is None or any(row.attr[mask].i for mask in _OTHER_MASKS):
        return None
    first = _maker(nodes, begin.input[1])
    x, begins = (arguments.get(_source(nodes, name)) for name in (row.input[0], begin.input[0]))
    if first is None or first.op != "Pack" or _source(nodes, first.input[0]) != _source(nodes, written.input[1]):
        return None
    return None if x is None or begins is None else (x, begins)


def _row(nodes: Mapping[str, NodeDef], tensor: str) -> NodeDef | None:
    """The slice that makes a tensor, if it takes one element of the first axis."""
    node = _maker(nodes, tensor)
    sliced = node is not None and node.op == "StridedSlice" and node.attr["shrink_axis_mask"].i == 1
    return node if sliced else None


def _maker(nodes: Mapping[str, NodeDef], tensor: str) -> NodeDef | None:
    """The node that computes a tensor of a function; None for an argument."""
    return nodes.get(_source(nodes, tensor).partition(":")[0])


def _source(nodes: Mapping[str, NodeDef], tensor: str) -> str:
    """The tensor that Identity nodes pass on."""
    while (node := nodes.get(tensor.partition(":")[0])) is not None and node.op == "Identity":
        tensor = node.input[0]
    return tensor
