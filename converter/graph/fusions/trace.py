"""Trace: which weights of the source a tensor was concatenated and permuted from."""

from __future__ import annotations

import numpy as np
import onnx_ir as ir
from onnx.reference import ReferenceEvaluator

from converter.graph.traits import Trait, has_trait


class Trace:
    """Follows elements of weights through operators that only move them. Each element has a number of its own."""

    def __init__(self) -> None:
        self._weights: dict[ir.Value, np.ndarray] = {}

    def numbers(self, value: ir.Value) -> np.ndarray | None:
        """The numbers of a tensor's elements; None when something else than weights went into it."""
        if value.const_value is not None:
            if value not in self._weights:
                taken = sum(numbers.size for numbers in self._weights.values())
                self._weights[value] = taken + np.arange(value.const_value.size).reshape(
                    value.const_value.shape.numpy()
                )
            return self._weights[value]
        node = value.producer()
        if node is None or not has_trait(node, Trait.DATA_MOVEMENT):
            return None
        feeds = {each.name or "": self._input(each) for each in node.inputs if each is not None}
        if any(array is None for array in feeds.values()):
            return None
        try:
            moved: list[np.ndarray] = ReferenceEvaluator(ir.to_proto(node)).run(None, feeds)  # type: ignore[assignment]
        except ValueError:  # shapes that do not fit: the exporter's mistake, which is reported where the node is
            return None
        return moved[node.outputs.index(value)]

    def weight(self, numbers: np.ndarray) -> ir.Value | None:
        """The weight that has these elements, in their order and no others."""
        return next((value for value, known in self._weights.items() if np.array_equal(known, numbers)), None)

    def _input(self, value: ir.Value) -> np.ndarray | None:
        if value.dtype is None or not value.dtype.is_integer():
            return self.numbers(value)
        return None if value.const_value is None else value.const_value.numpy()  # axes, bounds, a shape
