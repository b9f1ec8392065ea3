"""Nodes of tf2onnx's graph, as its handlers make them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from onnx import TensorProto

NUMBER = "number"
"""The end of the name of a constant that a handler adds: a number or a table of a formula, which is not trained."""
ABSENT = "absent"
"""The end of the name of the ones or zeros of a norm that has no scale or no bias, which are not trained."""

_OF_BOOLEANS = frozenset({"And", "Equal", "Greater", "GreaterOrEqual", "Less", "LessOrEqual", "Not", "Or"})
_OF_EXTENTS = frozenset({"Shape", "Size"})


class NodeBuilder:
    """Translates a node: adds nodes before it, and makes it the last of them.

    Attributes:
        graph: tf2onnx's graph.
        node: the node of it that is translated.
    """

    def __init__(self, graph: Any, node: Any, **options: Any) -> None:
        """`options` are what tf2onnx passes to its own handlers."""
        self.graph, self.node, self._options = graph, node, options

    @property
    def inputs(self) -> list[str]:
        """The names of the node's inputs."""
        return list(self.node.input)

    @property
    def sources(self) -> list[Any]:
        """The nodes that compute the node's inputs."""
        return list(self.node.inputs)

    def shape(self, value: str) -> list[int]:
        """The shape of a value, -1 for a free extent; empty if its rank is unknown."""
        return list(self.graph.get_shape(value) or ())

    def dtype(self, value: str) -> int:
        """ONNX's number of the type of a value."""
        return int(self.graph.get_dtype(value))

    def numpy_dtype(self, value: str) -> np.dtype:
        """The type of a value."""
        from tf2onnx import utils

        return np.dtype(utils.map_onnx_to_numpy_type(self.dtype(value)))

    def attribute(self, name: str, default: Any = None) -> Any:
        """A number, a string or a list that is an attribute of the node."""
        value = self.node.get_attr_value(name, default)
        return value.decode() if isinstance(value, bytes) else value

    def add(self, operator: str, *inputs: str | float, **attributes: Any) -> str:
        """Add a node; an input that is a number is a constant of float32. Returns its output."""
        return self.add_split(operator, *inputs, outputs=1, **attributes)[0]

    def add_split(self, operator: str, *inputs: str | float, outputs: int, **attributes: Any) -> list[str]:
        """Add a node with several outputs; returns them."""
        from tf2onnx import utils

        names = [value if isinstance(value, str) else self.constant(value) for value in inputs]
        dtypes = [self._dtype_of(operator, names, attributes)] * outputs
        name = utils.make_name(f"{self.node.name}/{operator}")
        made = self.graph.make_node(operator, names, attr=attributes, name=name, dtypes=dtypes, output_count=outputs)
        for output, dtype in zip(made.output, dtypes, strict=True):
            self.graph.set_dtype(output, dtype)
        return list(made.output)

    def _dtype_of(self, operator: str, inputs: list[str], attributes: dict[str, Any]) -> int:
        if operator in _OF_BOOLEANS:
            return int(TensorProto.BOOL)
        if operator in _OF_EXTENTS:
            return int(TensorProto.INT64)
        if operator == "Cast":
            return int(attributes["to"])
        if operator == "ConstantOfShape":
            value = attributes.get("value")
            return int(TensorProto.FLOAT if value is None else value.data_type)
        return self.dtype(inputs[operator == "Where"])

    def cast(self, value: str, dtype: int) -> str:
        """Add a Cast."""
        return self.add("Cast", value, to=dtype)

    def constant(self, value: Any, dtype: Any = np.float32) -> str:
        """Add a constant; returns its name."""
        from tf2onnx import utils

        name = utils.make_name(f"{self.node.name}/{NUMBER}")
        return str(self.graph.make_const(name, np.asarray(value, dtype)).output[0])

    def int64(self, value: Any) -> str:
        """Add a constant of int64: an extent, an axis, an index or a list of them."""
        return self.constant(value, np.int64)

    def number(self, value: float) -> str:
        """Add a constant of the type of the node's result."""
        return self.constant(value, self.numpy_dtype(self.node.output[0]))

    def finish(self, operator: str, *inputs: str, **attributes: Any) -> None:
        """Make the node the last one of its translation."""
        self.node.type = operator
        for name in list(self.node.attr):
            del self.node.attr[name]
        for name, value in attributes.items():
            self.node.set_attr(name, value)
        self.graph.replace_inputs(self.node, list(inputs))

    def replace(self, *values: str) -> None:
        """Remove the node; the values take the places of its outputs, of which the last ones may be unread."""
        outputs = list(self.node.output)
        self.graph.remove_node(self.node.name)
        for old, new in zip(outputs, values, strict=False):
            self.graph.make_node("Identity", [new], outputs=[old], dtypes=[self.dtype(new)])

    def leave_to(self, handler: Callable[..., Any]) -> None:
        """Translate the node by a handler of tf2onnx's own."""
        handler(self.graph, self.node, **self._options)


Handler = Callable[[NodeBuilder], None]
"""Translates one node.

Raises:
    NotImplementedError: it cannot; the message says what of the node.
"""
