"""Trace: find the weights of the source whose elements a tensor consists of."""

from __future__ import annotations

import numpy as np
import onnx_ir as ir

from converter.graph.traits import Trait, has_trait


class Trace:
    """Follows elements of weights through data movement operators. Each element of each weight has a unique number."""

    def __init__(self) -> None:
        self._weights: dict[ir.Value, np.ndarray] = {}
        self._count = 0
        self._moved: dict[ir.Node, list[np.ndarray] | None] = {}

    def numbers(self, value: ir.Value) -> np.ndarray | None:
        """The numbers of a tensor's elements, in its shape; None unless they are moved from weights only."""
        producer = value.producer()
        pending = [] if producer is None else [producer]
        while pending:
            node = pending[-1]
            waiting = [] if node in self._moved else [each for each in _producers(node) if each not in self._moved]
            if waiting:
                pending += waiting
            elif pending.pop() not in self._moved:
                self._moved[node] = self._move(node)
        return self._known(value)

    def _known(self, value: ir.Value) -> np.ndarray | None:
        """The numbers of a weight, or of an output of a visited node."""
        if value.const_value is not None:
            if value not in self._weights:
                numbers = np.arange(self._count, self._count + value.const_value.size)
                self._weights[value] = numbers.reshape(value.const_value.shape.numpy())
                self._count += numbers.size
            return self._weights[value]
        node = value.producer()
        moved = None if node is None else self._moved[node]
        return None if node is None or moved is None else moved[node.outputs.index(value)]

    def _move(self, node: ir.Node) -> list[np.ndarray] | None:
        """The numbers of a node's outputs, from those of its inputs."""
        if not has_trait(node, Trait.DATA_MOVEMENT):
            return None
        feeds = {each.name or "": self._input(each) for each in node.inputs if each is not None}
        if any(array is None for array in feeds.values()):
            return None
        from onnx.reference import ReferenceEvaluator

        try:
            return ReferenceEvaluator(ir.to_proto(node)).run(None, feeds)  # type: ignore[return-value]
        except ValueError:  # invalid shapes in the source, which are reported for the node
            return None

    def weight(self, numbers: np.ndarray) -> ir.Value | None:
        """The weight that consists of exactly these elements, in this shape and order."""
        return next((value for value, known in self._weights.items() if np.array_equal(known, numbers)), None)

    def _input(self, value: ir.Value) -> np.ndarray | None:
        if value.dtype is None or not value.dtype.is_integer():
            return self.numbers(value)
        return None if value.const_value is None else value.const_value.numpy()  # axes, bounds, a shape


def _producers(node: ir.Node) -> list[ir.Node]:
    """The producers of the inputs of a node that moves data; none for other nodes."""
    if not has_trait(node, Trait.DATA_MOVEMENT):
        return []
    return [producer for value in node.inputs if value is not None and (producer := value.producer()) is not None]
