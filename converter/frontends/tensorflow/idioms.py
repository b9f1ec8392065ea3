"""What TensorFlow writes around a layer, brought to the form that tf2onnx understands.

Every function changes a graph in place and nothing that it computes, but for indices: a gather of negative indices,
which TensorFlow refuses and ONNX defines, stands for one that wraps them first.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from converter.frontends.tensorflow import graph as graphs

if TYPE_CHECKING:
    from tensorflow.core.framework.graph_pb2 import GraphDef
    from tensorflow.core.framework.node_def_pb2 import NodeDef

_SAME_VALUES = ("Identity", "Reshape", "Squeeze", "ExpandDims", "StopGradient", "Snapshot")
"""Operators that give the elements of their first input, in the same order."""


def prepare(graph: GraphDef) -> None:
    """Apply all of them."""
    import tensorflow as tf

    with tf.Graph().as_default() as imported:
        tf.import_graph_def(graph, name="")
    _read_constants(graph, imported)
    _read_indices(graph, imported)


def _read_constants(graph: GraphDef, imported: Any) -> None:
    """Let nodes read a constant itself where what stands between changes nothing.

    A frozen variable is a constant behind an Identity. Keras 3 adds a bias of shape `(C,)` behind a Reshape to
    `(1, 1, 1, C)` and a Squeeze back to `(C,)`: a BiasAdd of that is no part of the convolution for tf2onnx.
    """
    nodes = {node.name: node for node in graph.node}
    constants: dict[str, str | None] = {node.name: node.name for node in graph.node if node.op == "Const"}

    def source(name: str) -> str | None:
        """The constant whose elements the node's output holds."""
        chain = []
        while name not in constants and nodes[name].op in _SAME_VALUES:
            chain.append(name)
            name = graphs.split(nodes[name].input[0])[0]
        constants.update(dict.fromkeys(chain, constants.get(name)))
        return constants.get(name)

    for node in graph.node:
        for i, name in enumerate(node.input):
            reader, index = graphs.split(name)
            constant = None if name.startswith("^") or index else source(reader)
            if constant is not None and _shape(imported, reader) == _shape(imported, constant):
                node.input[i] = constant


def _shape(imported: Any, node: str) -> list[int | None] | None:
    shape = imported.get_tensor_by_name(f"{node}:0").shape
    return None if shape.rank is None else shape.as_list()


def _read_indices(graph: GraphDef, imported: Any) -> None:
    """Let a gather read its indices themselves: Keras 3 writes `where(i < 0, i + size, i)` before an embedding."""
    nodes = {node.name: node for node in graph.node}
    for node in graph.node:
        if node.op != "GatherV2" or node.attr["batch_dims"].i:
            continue
        table, indices, axis = (nodes[graphs.split(name)[0]] for name in node.input[:3])
        shape = _shape(imported, table.name)
        position = _scalar(imported, axis)
        if shape is not None and position is not None:
            wrapped = _wrapped(nodes, indices, imported, shape[position])
            if wrapped is not None:
                node.input[1] = wrapped


def _wrapped(nodes: dict[str, NodeDef], select: NodeDef, imported: Any, size: int | None) -> str | None:
    """The tensor `i` of `where(i < 0, i + size, i)`."""
    if select.op not in ("Select", "SelectV2"):
        return None
    condition, added = (nodes[graphs.split(name)[0]] for name in select.input[:2])
    indices = select.input[2]
    if condition.op != "Less" or added.op not in ("Add", "AddV2"):
        return None
    if condition.input[0] != indices or indices not in added.input:
        return None
    term = added.input[1] if added.input[0] == indices else added.input[0]
    zero, offset = nodes[graphs.split(condition.input[1])[0]], nodes[graphs.split(term)[0]]
    known = _scalar(imported, offset) if offset.op != "StridedSlice" else _element(nodes, offset, imported)
    return indices if _scalar(imported, zero) == 0 and known is not None and known == size else None


def _element(nodes: dict[str, NodeDef], sliced: NodeDef, imported: Any) -> int | None:
    """The number that `vector[i]` is, where TensorFlow knows the vector."""
    vector, begin = (_static(imported, nodes[graphs.split(name)[0]]) for name in sliced.input[:2])
    if vector is None or begin is None or not sliced.attr["shrink_axis_mask"].i:
        return None
    return int(vector[begin[0]])


def _static(imported: Any, node: NodeDef) -> Any:
    """What a node computes, if TensorFlow can tell it without running the graph."""
    import tensorflow as tf

    return tf.get_static_value(imported.get_tensor_by_name(f"{node.name}:0"))


def _scalar(imported: Any, node: NodeDef) -> int | None:
    value = _static(imported, node)
    return int(value) if value is not None and value.ndim == 0 else None
