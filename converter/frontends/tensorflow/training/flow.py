"""What a training graph consists of, and what depends on what in it: walks over a GraphDef without running it."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Iterator
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from converter.frontends.tensorflow import graph as graphs

if TYPE_CHECKING:
    from tensorflow.core.framework.graph_pb2 import GraphDef
    from tensorflow.core.framework.node_def_pb2 import NodeDef

Tensor = tuple[str, int]
"""A node and the index of one of its outputs."""

SAME = ("Identity", "ReadVariableOp", "Enter", "StopGradient", "Snapshot", "PreventGradient", "CheckNumerics")
"""Operators whose result is their first input."""

PLACEHOLDERS = ("Placeholder", "PlaceholderV2", "PlaceholderWithDefault")

_EFFECTS = re.compile(
    r"(Resource|Sparse|ResourceSparse)*Apply[A-Z]\w*|Assign\w*|Scatter(Add|Sub|Update|NdUpdate)|ResourceScatter\w+"
    r"|Save\w*|Restore\w*|\w*Summary(V2)?|Write\w+|Queue(Enqueue|Close)\w*|NoOp|Assert|Print\w*|Merge\w+Checkpoints\w*"
)
"""Operators that are there for their effect: optimizer, saver, summaries, queues."""

_GRADIENTS = re.compile(r"(?:.*/)?gradients(?:_\d+)?/")
_SEED = re.compile(r"(.*/|)grad_ys_\d+")

_MOST_CONSTANTS = 50
"""The most nodes that compute a constant beside a weight."""

_SHAPES = ("Shape", "ShapeN", "Size", "Rank")


class Flow:
    """The nodes of a graph by name, and the edges between them.

    Attributes:
        graph: the graph; later changes of it are not seen.
        nodes: its nodes by name.
    """

    def __init__(self, graph: GraphDef) -> None:
        self.graph = graph
        self.nodes: dict[str, NodeDef] = {node.name: node for node in graph.node}
        self._place = {name: i for i, name in enumerate(self.nodes)}

    @cached_property
    def readers(self) -> dict[str, list[tuple[str, int]]]:
        """A node → the nodes that read it, and the index of the output that they read."""
        found: dict[str, list[tuple[str, int]]] = {}
        for node in self.graph.node:
            for source, index in graphs.data_inputs(node):
                found.setdefault(source, []).append((node.name, index))
        return found

    @cached_property
    def derivatives(self) -> frozenset[str]:
        """The nodes that compute gradients."""
        scopes = {match[1] for name in self.nodes if (match := _SEED.fullmatch(name)) and match[1]}
        return frozenset(
            name
            for name in self.nodes
            if _GRADIENTS.match(name) or _SEED.fullmatch(name) or any(name.startswith(scope) for scope in scopes)
        )

    @cached_property
    def backward(self) -> frozenset[str]:
        """The nodes that compute gradients, and those that depend on them."""
        return self.derivatives | self.descendants(self.derivatives, lambda name: True)

    @cached_property
    def forward(self) -> frozenset[str]:
        """The nodes that may belong to the network or its loss."""
        return frozenset(
            node.name for node in self.graph.node if node.name not in self.backward and not _EFFECTS.fullmatch(node.op)
        )

    @cached_property
    def sources(self) -> tuple[Tensor, ...]:
        """The tensors that bring data into the graph, in the graph's order."""
        return tuple(
            (node.name, k)
            for node in self.graph.node
            if node.op in graphs.FEEDS and node.name in self.forward
            for k in range(graphs.output_count(self.graph, node))
        )

    @cached_property
    def weights(self) -> frozenset[str]:
        """The nodes that hold a weight, or what is computed from weights alone and is no sum over all of them."""
        roots = [node.name for node in self.graph.node if _is_weight(node)] or [
            node.name for node in self.graph.node if _is_frozen_weight(node)
        ]
        mixed = self.reached(self.sources)
        found: set[str] = set(roots)
        waiting = list(roots)
        while waiting:
            for reader, _ in self.readers.get(waiting.pop(), ()):
                node = self.nodes[reader]
                if reader in found or reader in mixed or reader not in self.forward or _reduces(node):
                    continue
                if all(source in found or self._is_constant(source) for source, _ in graphs.data_inputs(node)):
                    found.add(reader)
                    waiting.append(reader)
        return frozenset(found)

    def _is_constant(self, name: str) -> bool:
        """Whether a node is computed from constants by few others."""
        found: set[str] = set()
        waiting = [name]
        while waiting:
            node = self.nodes.get(waiting.pop())
            if node is None or node.op in graphs.VARIABLES or node.op in graphs.FEEDS or len(found) > _MOST_CONSTANTS:
                return False
            if node.name not in found:
                found.add(node.name)
                waiting += [source for source, _ in graphs.data_inputs(node)]
        return True

    def reached(self, tensors: Iterable[Tensor], within: Collection[str] | None = None) -> set[str]:
        """The forward nodes that depend on the values of these tensors; a tensor's shape is not its value."""
        allowed = self.forward if within is None else within
        first = {
            reader
            for name, index in tensors
            for reader, read in self.readers.get(name, ())
            if read == index and self._passes(reader, allowed)
        }
        return first | self.descendants(first, lambda name: self._passes(name, allowed))

    def _passes(self, name: str, allowed: Collection[str]) -> bool:
        return name in allowed and self.nodes[name].op not in _SHAPES

    def descendants(self, names: Iterable[str], passes: Callable[[str], bool]) -> set[str]:
        """The nodes behind these, as far as `passes` holds."""
        found: set[str] = set()
        waiting = list(names)
        while waiting:
            for reader, _ in self.readers.get(waiting.pop(), ()):
                if reader not in found and passes(reader):
                    found.add(reader)
                    waiting.append(reader)
        return found

    def ancestors(self, names: Iterable[str]) -> set[str]:
        """These nodes, and all that they depend on."""
        found: set[str] = set()
        waiting = [name for name in names if name in self.nodes]
        while waiting:
            name = waiting.pop()
            if name not in found:
                found.add(name)
                waiting += [source for source, _ in graphs.data_inputs(self.nodes[name]) if source in self.nodes]
        return found

    def origin(self, tensor: str) -> NodeDef:
        """The node that computes a tensor, looking through operators that only pass it on."""
        node = self.nodes[graphs.split(tensor)[0]]
        for _ in range(len(self.nodes)):
            if node.op not in SAME or not node.input:
                break
            node = self.nodes[graphs.split(node.input[0])[0]]
        return node

    def element(self, node: NodeDef) -> int | None:
        """The place of the element that a StridedSlice takes of a vector, `keep[1]`; None of another node."""
        import tensorflow as tf

        if node.op != "StridedSlice" or node.attr["shrink_axis_mask"].i != 1:
            return None
        begin = self.origin(node.input[1])
        place = tf.make_ndarray(begin.attr["value"].tensor) if begin.op == "Const" else np.empty(0)
        return int(place[0]) if place.size == 1 and place[0] >= 0 else None

    def ordered(self, names: Iterable[str]) -> list[str]:
        """Names in the graph's order."""
        return sorted(names, key=lambda name: self._place[name])

    def written_to(self, variable: str) -> Iterator[NodeDef]:
        """The nodes that update a variable, whose first input it is."""
        for reader, _ in self.readers.get(variable, ()):
            node = self.nodes[reader]
            if graphs.split(node.input[0])[0] == variable:
                yield node


def _is_weight(node: NodeDef) -> bool:
    from tensorflow.core.framework.types_pb2 import DT_BFLOAT16, DT_DOUBLE, DT_FLOAT, DT_HALF

    shape = node.attr["shape"].shape if node.op in graphs.VARIABLES else None
    floats = (DT_FLOAT, DT_HALF, DT_BFLOAT16, DT_DOUBLE)
    return shape is not None and node.attr["dtype"].type in floats and (shape.unknown_rank or len(shape.dim) > 0)


def _is_frozen_weight(node: NodeDef) -> bool:
    from tensorflow.core.framework.types_pb2 import DT_FLOAT, DT_HALF

    tensor = node.attr["value"].tensor if node.op == "Const" else None
    return tensor is not None and tensor.dtype in (DT_FLOAT, DT_HALF) and len(tensor.tensor_shape.dim) > 0


def _reduces(node: NodeDef) -> bool:
    return node.op in ("L2Loss", "Sum", "Mean", "Max", "Min", "Prod", "EuclideanNorm", *_SHAPES)
