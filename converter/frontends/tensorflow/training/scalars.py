"""Numbers that a training graph computes from constants, switches and the step: rates, decays, probabilities."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from converter.frontends.tensorflow import graph as graphs
from converter.frontends.tensorflow.training.flow import SAME, Flow

_STEPS = 100
"""The most nodes between a number and its constants."""

_FUNCTIONS: Mapping[str, Callable[..., Any]] = {
    "Add": np.add,
    "AddV2": np.add,
    "Sub": np.subtract,
    "Mul": np.multiply,
    "Div": np.divide,
    "RealDiv": np.divide,
    "FloorDiv": np.floor_divide,
    "Pow": np.power,
    "Neg": np.negative,
    "Reciprocal": np.reciprocal,
    "FloorMod": np.mod,
    "Floor": np.floor,
    "Ceil": np.ceil,
    "Round": np.round,
    "Abs": np.abs,
    "Exp": np.exp,
    "Log": np.log,
    "Sin": np.sin,
    "Cos": np.cos,
    "Tanh": np.tanh,
    "Sqrt": np.sqrt,
    "Rsqrt": lambda x: 1 / np.sqrt(x),
    "Square": np.square,
    "Minimum": np.minimum,
    "Maximum": np.maximum,
    "LogicalNot": np.logical_not,
    "LogicalAnd": np.logical_and,
    "LogicalOr": np.logical_or,
    "Equal": np.equal,
    "NotEqual": np.not_equal,
    "Less": np.less,
    "LessEqual": np.less_equal,
    "Greater": np.greater,
    "GreaterEqual": np.greater_equal,
    "Select": np.where,
    "SelectV2": np.where,
    "Reshape": lambda x, shape: np.reshape(x, shape),
    "Squeeze": np.squeeze,
}

Numbers = Mapping[str, Any]
"""Known values of nodes by name: switches, and variables that are read from the checkpoint."""


class Scalars:
    """Evaluates the numbers of a graph, with given values of some nodes.

    Attributes:
        known: these values.
    """

    def __init__(self, flow: Flow, known: Numbers) -> None:
        self._flow = flow
        self.known = known
        self._found: dict[str, Any] = {}
        self._running: dict[str, bool | None] = {}

    def value(self, tensor: str, steps: int = _STEPS) -> Any:
        """The value of a tensor as an array; None if it depends on something that is not known."""
        import tensorflow as tf

        name, _ = graphs.split(tensor)
        node = self._flow.nodes.get(name)
        if name in self.known:
            return np.asarray(self.known[name])
        if node is None or not steps:
            return None
        if name not in self._found:
            self._found[name] = None
            if node.op == "Const":
                self._found[name] = tf.make_ndarray(node.attr["value"].tensor)
            elif node.op == "Merge":
                self._found[name] = self._merged([source for source in node.input if source[0] != "^"], steps)
            elif node.op in (*SAME, "PlaceholderWithDefault", "Switch"):
                self._found[name] = self.value(node.input[0], steps - 1)
            elif node.op == "Cast":
                value = self.value(node.input[0], steps - 1)
                dtype = tf.dtypes.as_dtype(node.attr["DstT"].type).as_numpy_dtype
                self._found[name] = None if value is None else value.astype(dtype)
            elif node.op == "StridedSlice":
                place, value = self._flow.element(node), self.value(node.input[0], steps - 1)
                self._found[name] = None if place is None or value is None or not value.ndim else value[place]
            elif node.op in _FUNCTIONS:
                values = [self.value(source, steps - 1) for source in node.input if source[0] != "^"]
                known = all(value is not None for value in values)
                self._found[name] = np.asarray(_FUNCTIONS[node.op](*values)) if known else None
        return self._found[name]

    def number(self, tensor: str) -> float | None:
        """The value of a tensor of one element; None if it is not known, or has more."""
        value = self.value(tensor)
        return float(value.reshape(-1)[0]) if value is not None and value.size == 1 else None

    def _merged(self, sources: list[str], steps: int) -> Any:
        """The value of the branch that runs; of both, if these are equal."""
        for source in sources:
            if self.runs(source):
                return self.value(source, steps - 1)
        return None

    def runs(self, tensor: str, steps: int = _STEPS) -> bool | None:
        """Whether a value in a branch of a condition is computed; None if the condition is not known."""
        name, index = graphs.split(tensor.removeprefix("^"))
        node = self._flow.nodes.get(name)
        if node is None or not steps:
            return None
        if node.op == "Switch":
            condition = self.value(node.input[1], steps - 1)
            if condition is not None and not condition.ndim and bool(condition) != bool(index):
                return False
            known: bool | None = condition is not None or None
        else:
            known = None
        if name not in self._running:
            self._running[name] = None
            answers = [self.runs(source, steps - 1) for source in node.input]
            dead = all(answer is False for answer in answers) if node.op == "Merge" else False in answers
            self._running[name] = False if dead and answers else True if True in answers else None
        return known if self._running[name] is None else self._running[name]
