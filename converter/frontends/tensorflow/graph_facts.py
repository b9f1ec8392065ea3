"""Static facts about a TensorFlow graph: nodes, shapes and constant values, found without running it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from converter.frontends.tensorflow import graph as graphs

if TYPE_CHECKING:
    from tensorflow.core.framework.graph_pb2 import GraphDef
    from tensorflow.core.framework.node_def_pb2 import NodeDef

_MOST_STEPS = 20
"""The most nodes between a constant and its use; shape arithmetic needs few."""


class GraphFacts:
    """Nodes by name, static shapes and constant values of a graph; later changes of the graph are not seen.

    Tensors are named as in a node's inputs: `split:1`, or `relu` for a first output.
    """

    def __init__(self, graph: GraphDef) -> None:
        import tensorflow as tf

        self.graph = graph
        self.nodes: dict[str, NodeDef] = {node.name: node for node in graph.node}
        with tf.Graph().as_default() as self._imported:
            tf.import_graph_def(graph, name="")

    def producer(self, tensor: str) -> NodeDef:
        """The node that computes a tensor."""
        return self.nodes[graphs.split(tensor)[0]]

    def shape(self, tensor: str) -> list[int | None] | None:
        """The extents of a tensor, None where dynamic; None if the rank is unknown."""
        shape = self._tensor(tensor).shape
        return None if shape.rank is None else shape.as_list()

    def value(self, tensor: str, steps: int = _MOST_STEPS) -> Any:
        """The elements of a tensor as an array; None if not constant, or computed by more than `steps` nodes."""
        import tensorflow as tf

        node = self.producer(tensor)
        if not steps:
            return None
        if node.op in ("Identity", "Cast", "Reshape"):  # in shape arithmetic
            value, shape = self.value(node.input[0], steps - 1), self.shape(tensor)
            return None if value is None or shape is None or None in shape else value.reshape(shape)
        if node.op == "Pack" and not node.attr["axis"].i:
            values = [self.value(name, steps - 1) for name in node.input if not name.startswith("^")]
            return None if any(value is None for value in values) else np.stack(values)
        if node.op == "RealDiv":
            one, other = (self.value(name, steps - 1) for name in node.input[:2])
            return None if one is None or other is None else one / other
        if node.op == "StridedSlice" and self.producer(node.input[0]).op == "Shape":
            return self._part_of_shape(node)
        if node.op == "StridedSlice" and node.attr["shrink_axis_mask"].i == 1:
            vector, begin = (self.value(name, steps - 1) for name in node.input[:2])
            return None if vector is None or begin is None or vector.ndim != 1 else vector[begin[0]]
        return tf.get_static_value(self._tensor(tensor))

    def _part_of_shape(self, node: NodeDef) -> Any:
        """Some extents of a tensor, by one slice of its shape; None if one of them is dynamic."""
        shape = self.shape(self.producer(node.input[0]).input[0])
        bounds = [self.value(name) for name in node.input[1:]]
        if shape is None or any(bound is None or bound.shape != (1,) for bound in bounds):
            return None
        begin, end, step = (int(bound[0]) for bound in bounds)
        if node.attr["shrink_axis_mask"].i:
            chosen = shape[begin]
            return None if chosen is None else np.array(chosen, np.int32)
        first = None if node.attr["begin_mask"].i else begin
        part = shape[first : None if node.attr["end_mask"].i else end : step]
        return None if None in part else np.array(part, np.int32)

    def number(self, tensor: str) -> int | None:
        """The element of a constant scalar tensor, or None."""
        value = self.value(tensor)
        return int(value) if value is not None and value.ndim == 0 else None

    def readers(self) -> dict[str, list[NodeDef]]:
        """The nodes that read an output of each node, by the name of that node."""
        readers: dict[str, list[NodeDef]] = {}
        for node in self.graph.node:
            for source, _ in graphs.data_inputs(node):
                readers.setdefault(source, []).append(node)
        return readers

    def _tensor(self, tensor: str) -> Any:
        return self._imported.get_tensor_by_name("{}:{}".format(*graphs.split(tensor)))
