"""A frozen variable and what TensorFlow wrote around it, brought to the form that tf2onnx understands."""

from __future__ import annotations

from typing import TYPE_CHECKING

from converter.frontends.tensorflow import graph as graphs

if TYPE_CHECKING:
    from tensorflow.core.framework.graph_pb2 import GraphDef

_SAME_VALUES = ("Identity", "Reshape", "Squeeze", "ExpandDims", "StopGradient", "Snapshot")
"""Operators that give the elements of their first input, in the same order."""


def bypass(graph: GraphDef) -> None:
    """Let nodes read a constant itself where what stands between changes nothing.

    A frozen variable is a constant behind an Identity. Keras 3 adds a bias of shape `(C,)` behind a Reshape to
    `(1, 1, 1, C)` and a Squeeze back to `(C,)`: a BiasAdd of that is no part of the convolution for tf2onnx.
    """
    import tensorflow as tf

    with tf.Graph().as_default() as imported:
        tf.import_graph_def(graph, name="")
    nodes = {node.name: node for node in graph.node}
    constants: dict[str, str] = {node.name: node.name for node in graph.node if node.op == "Const"}

    def source(name: str) -> str | None:
        """The constant whose elements the node's output holds."""
        chain = []
        while name not in constants and nodes[name].op in _SAME_VALUES:
            chain.append(name)
            name = graphs.split(nodes[name].input[0])[0]
        for link in chain:
            if name in constants:
                constants[link] = constants[name]
        return constants.get(name)

    for node in graph.node:
        for i, name in enumerate(node.input):
            reader = None if name.startswith("^") or graphs.split(name)[1] else source(graphs.split(name)[0])
            if reader is None:
                continue
            was, now = (imported.get_tensor_by_name(f"{n}:0").shape for n in (graphs.split(name)[0], reader))
            if was.is_fully_defined() and was == now:
                node.input[i] = reader
