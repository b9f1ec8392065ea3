"""Tensor arrays of TensorFlow 1, which are resources, as the lists of TensorFlow 2, which are values.

tf2onnx takes a loop of TensorFlow 1 for one over arrays only where each step reads and writes its own place. As lists
they go through `loops` and `written_lists` like any other value. Gathered and concatenated lists become stacked ones.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from converter.frontends.tensorflow import graph as graphs

if TYPE_CHECKING:
    from tensorflow.core.framework.graph_pb2 import GraphDef
    from tensorflow.core.framework.node_def_pb2 import NodeDef

_HAND_ON = ("Enter", "Merge", "Switch", "NextIteration", "Exit", "Identity")


def has_arrays(graph: GraphDef) -> bool:
    """Whether the graph has arrays of TensorFlow 1."""
    return any(node.op == "TensorArrayV3" for node in graph.node)


def as_lists(graph: GraphDef, ends: Sequence[str]) -> GraphDef:
    """The graph with lists for arrays, as far as the tensors `ends` need it. It is changed."""
    from tensorflow.core.framework.types_pb2 import DT_VARIANT

    flows = [f"{node.name}:1" for node in graph.node if node.op == "TensorArrayV3"]
    flows += [f"{node.name}:0" for node in graph.node if node.op in ("TensorArrayScatterV3", "TensorArrayWriteV3")]
    items = _items(graph)
    for node in _carriers(graph, flows):
        node.attr["T"].type = DT_VARIANT
    for node in [node for node in graph.node if node.op.startswith("TensorArray")]:
        _replace(graph, node, items.get(node.name, -1))
    for node in graph.node:
        for i, source in enumerate(node.input):
            if source in flows and source.endswith(":1"):
                node.input[i] = source.removesuffix(":1")
    return graphs.part(graph, graphs.needed(graph, ends))


def _items(graph: GraphDef) -> dict[str, list[int]]:
    """The extents of the items of arrays, -1 where free, by the nodes that have their handle; none of unknown rank."""
    import tensorflow as tf
    from tf2onnx.shape_inference import infer_shape

    with tf.Graph().as_default() as imported:
        tf.import_graph_def(graph, name="")
    imported = infer_shape(imported, {})  # also after a Merge, where TensorFlow infers no shape

    def shape_of(tensor: str) -> list[int | None] | None:
        shape = imported.get_tensor_by_name("{}:{}".format(*graphs.split(tensor))).shape
        return None if shape.rank is None else shape.as_list()

    nodes = {node.name: node for node in graph.node}
    arrays = {node.name: node for node in graph.node if node.op.startswith("TensorArray")}
    makers = {name: _maker(nodes, node) for name, node in arrays.items()}
    shapes: dict[str, list[int | None] | None] = {}
    for name, node in arrays.items():
        declared = node.attr["element_shape"].shape
        if node.op == "TensorArrayV3" and not declared.unknown_rank:
            shapes[name] = [dim.size for dim in declared.dim]
        elif node.op == "TensorArrayWriteV3":
            shapes.setdefault(makers[name], shape_of(node.input[2]))
        elif node.op == "TensorArrayScatterV3" and (whole := shape_of(node.input[2])):
            shapes.setdefault(makers[name], whole[1:])
    found = {name: shapes.get(maker) for name, maker in makers.items()}
    return {name: [-1 if dim is None else dim for dim in shape] for name, shape in found.items() if shape is not None}


def _maker(nodes: Mapping[str, NodeDef], node: NodeDef) -> str:
    """The array that an operator on arrays is given."""
    while node.op != "TensorArrayV3":
        node = nodes[graphs.split(node.input[0])[0]]
    return node.name


def _carriers(graph: GraphDef, flows: Sequence[str]) -> Iterator[NodeDef]:
    """The nodes that hand an array on as it is."""
    readers: dict[str, list[NodeDef]] = {}
    for node in graph.node:
        for source in node.input:
            readers.setdefault("{}:{}".format(*graphs.split(source)), []).append(node)
    waiting, seen = list(flows), set(flows)
    while waiting:
        for node in readers.get(waiting.pop(), ()):
            outputs = {f"{node.name}:0", f"{node.name}:1"} if node.op in _HAND_ON else set()
            if outputs - seen:
                yield node
                waiting += outputs - seen
                seen |= outputs


def _replace(graph: GraphDef, node: NodeDef, item: list[int] | int) -> None:
    """Make an operator on lists of one on arrays, whose inputs are handle, …, flow.

    `item` is the shape of the items; -1 if its rank is unknown.
    """
    from tensorflow.core.framework.types_pb2 import DT_INT32

    dtype, inputs, operator = node.attr["dtype" if "dtype" in node.attr else "T"].type, list(node.input), node.op
    extents = constant(graph, f"{node.name}/item", item)
    node.attr.clear()
    node.attr["element_dtype"].type = dtype
    if operator == "TensorArrayV3":
        node.op, node.input[:] = "TensorListReserve", [extents, inputs[0]]
        node.attr["shape_type"].type = DT_INT32
    elif operator == "TensorArrayScatterV3" and _are_in_order(graph, inputs[1]):
        node.op, node.input[:] = "TensorListFromTensor", [inputs[2], extents]
        node.attr["shape_type"].type = DT_INT32
    elif operator == "TensorArrayScatterV3":
        node.op, node.input[:] = "TensorListScatterIntoExistingList", [inputs[3], inputs[2], inputs[1]]
    elif operator == "TensorArrayWriteV3":
        node.op, node.input[:] = "TensorListSetItem", [inputs[3], inputs[1], inputs[2]]
    elif operator == "TensorArrayReadV3":
        node.op, node.input[:] = "TensorListGetItem", [inputs[2], inputs[1], extents]
    elif operator == "TensorArrayGatherV3":
        node.op, node.input[:] = "TensorListGather", [inputs[2], inputs[1], extents]
    elif operator == "TensorArrayConcatV3":
        node.op = "TensorListConcatV2"
        leading = constant(graph, f"{node.name}/leading", [])
        node.input[:] = [inputs[1], extents, leading]
    elif operator == "TensorArraySizeV3":
        node.op, node.input[:] = "TensorListLength", [inputs[1]]
        node.attr.clear()


def _are_in_order(graph: GraphDef, indices: str) -> bool:
    """Whether indices are 0, 1, 2, …, as `unstack` has them."""
    import tensorflow as tf

    nodes = {node.name: node for node in graph.node}
    node = nodes[graphs.split(indices)[0]]
    if node.op == "Const":
        indices_known = tf.make_ndarray(node.attr["value"].tensor).tolist()
        return bool(indices_known == list(range(len(indices_known))))
    if node.op != "Range":
        return False
    start, _, step = (nodes[graphs.split(source)[0]] for source in node.input)
    return all(
        part.op == "Const" and tf.make_ndarray(part.attr["value"].tensor) == number
        for part, number in ((start, 0), (step, 1))
    )


def stack_lists(graph: GraphDef) -> None:
    """Read a list as one tensor where several items are gathered or all are concatenated."""
    from tensorflow.core.framework.types_pb2 import DT_INT32

    nodes = {node.name: node for node in graph.node}
    for node in [node for node in graph.node if node.op in ("TensorListGather", "TensorListConcatV2")]:
        dtype, (handle, second, third) = node.attr["element_dtype"].type, node.input
        gathers = node.op == "TensorListGather"
        if gathers and _counts_all(nodes, second, handle):
            node.op, node.input[:] = "TensorListStack", [handle, third]
            node.attr["num_elements"].i = -1
            continue
        stack = graph.node.add(
            op="TensorListStack", name=f"{node.name}/stack", input=[handle, third if gathers else second]
        )
        stack.attr["element_dtype"].type = dtype
        stack.attr["num_elements"].i = -1
        node.attr.clear()
        if gathers:
            node.op, node.input[:] = "GatherV2", [stack.name, second, constant(graph, f"{node.name}/axis", 0)]
            node.attr["Tparams"].type, node.attr["Tindices"].type = dtype, DT_INT32
            node.attr["Taxis"].type = DT_INT32
        else:
            node.op, node.input[:] = "Reshape", [stack.name, _joined(graph, node.name, stack.name, dtype)]
            node.attr["T"].type, node.attr["Tshape"].type = dtype, DT_INT32


def _counts_all(nodes: dict[str, NodeDef], indices: str, handle: str) -> bool:
    """Whether indices are those of all items of a list: `range(0, length(list), 1)`."""
    node = nodes[graphs.split(indices)[0]]
    if node.op != "Range":
        return False
    limit = nodes[graphs.split(node.input[1])[0]]
    return limit.op == "TensorListLength" and graphs.split(limit.input[0]) == graphs.split(handle)


def _joined(graph: GraphDef, name: str, stack: str, dtype: int) -> str:
    """The shape of stacked items whose first axis is joined with that of the list."""
    from tensorflow.core.framework.types_pb2 import DT_INT32

    shape = graph.node.add(op="Shape", name=f"{name}/shape", input=[stack])
    shape.attr["T"].type, shape.attr["out_type"].type = dtype, DT_INT32
    bounds = [constant(graph, f"{name}/{word}", value) for word, value in (("begin", [2]), ("end", [0]), ("by", [1]))]
    rest = graph.node.add(op="StridedSlice", name=f"{name}/rest", input=[shape.name, *bounds])
    rest.attr["T"].type = rest.attr["Index"].type = DT_INT32
    rest.attr["end_mask"].i = 1
    parts = [constant(graph, f"{name}/first", [-1]), rest.name, constant(graph, f"{name}/along", 0)]
    joined = graph.node.add(op="ConcatV2", name=f"{name}/joined", input=parts)
    joined.attr["T"].type = joined.attr["Tidx"].type = DT_INT32
    joined.attr["N"].i = 2
    return joined.name


def constant(graph: GraphDef, name: str, value: int | list[int]) -> str:
    """Add a constant of type int32; return its name."""
    import numpy as np
    import tensorflow as tf

    node = graph.node.add(op="Const", name=name)
    node.attr["dtype"].type = tf.int32.as_datatype_enum
    node.attr["value"].tensor.CopyFrom(tf.make_tensor_proto(np.array(value, np.int32)))
    return node.name
