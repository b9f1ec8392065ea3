"""Shape evaluation: compute shape arithmetic, one operator on Python values, or a graph node by node."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import onnx_ir as ir

from converter.script import Arg, expr
from converter.shapes.arithmetic import ARITHMETIC, Attributes, product
from converter.shapes.data_movement import DATA_MOVEMENT, MAX_ITEMS
from converter.shapes.unknown_rank import UNKNOWN_RANK
from converter.shapes.value import FAR, NotEvaluable, PyValue, kind_of, of_array, shape_of, slice_of

_INTEGERS = range(-(2**63), 2**64)
"""The range of int64 and uint64: outside it, the source's arithmetic overflows and Python's does not."""


def evaluate(op_type: str, inputs: Sequence[PyValue | None], attributes: Attributes) -> tuple[PyValue, ...] | None:
    """Compute an operator on Python values: a value for each output, or None if it needs tensors.

    Args:
        op_type: an operator of ONNX's own domain.
        inputs: the operands; None for an omitted one.
        attributes: the node's; `kind` and `to_kind`, NumPy's letters for the types of the first operand and of a
            Cast's result; `outputs`, the number of outputs of the node.
    """
    try:
        if any(value is not None and value.unknown_length for value in inputs):
            made = UNKNOWN_RANK[op_type](attributes, *inputs) if op_type in UNKNOWN_RANK else None
            return None if made is None or len(made.items) > MAX_ITEMS else (made,)
        function = ARITHMETIC.get(op_type) or DATA_MOVEMENT.get(op_type)
        if function is None:
            return None
        result = function(attributes, *(None if value is None else value.array for value in inputs))
    except (NotEvaluable, ArithmeticError, IndexError, ValueError):  # what NumPy rejects is invalid in ONNX too
        return None
    values = [of_array(np.asarray(item, object)) for item in (result if isinstance(result, list) else [result])]
    return tuple(_short(value, inputs) for value in values) if all(map(_is_storable, values)) else None


def _is_storable(value: PyValue) -> bool:
    """Whether a value is small, and a tensor of integers can hold its integers."""
    numbers = (item for item in value.items if isinstance(item, int))
    return len(value.items) <= MAX_ITEMS and all(number in _INTEGERS for number in numbers)


def _short(value: PyValue, inputs: Sequence[PyValue | None]) -> PyValue:
    """Return the equal operand that has a short form (`whole`), if there is one; else the value itself."""
    alike = (known for known in inputs if known and known.whole is not None and known.shape == value.shape)
    return next((known for known in alike if known.items == value.items), value)


def size_of(tensor: Arg, shape: Sequence[int | None] | None) -> PyValue:
    """The number of a tensor's elements: `x.shape[0] * 12`, or `x.size` when more than one extent is free."""
    if shape is None or sum(dim is None for dim in shape) > 1:
        return PyValue((expr("{0}.size", tensor),), ())
    return PyValue((product(shape_of(tensor, shape).items),), ())


class ShapeArithmetic:
    """The values of a graph that are shape arithmetic or small constants, as Python values.

    `shape_of` and `size_of` decide how a free extent is represented: as `x.shape[0]` for a script, or as a symbolic
    dimension for a graph.

    Args:
        shape_of: the shape of a tensor as a Python value; None if it cannot be given.
        size_of: the number of its elements, likewise.
    """

    def __init__(
        self, shape_of: Callable[[ir.Value], PyValue | None], size_of: Callable[[ir.Value], PyValue | None]
    ) -> None:
        self.computed: dict[ir.Value, PyValue] = {}
        """The outputs of all nodes that were evaluated as shape arithmetic so far."""
        self._shape_of = shape_of
        self._size_of = size_of

    def get(self, value: ir.Value | None) -> PyValue | None:
        """A value as a Python value, if it is evaluated shape arithmetic or a small constant; else None."""
        tensor = None if value is None or value in self.computed else value.const_value
        if value is None or tensor is None:
            return None if value is None else self.computed.get(value)
        if tensor.size > MAX_ITEMS or kind_of(tensor.dtype) not in "iufb":
            return None
        return of_array(tensor.numpy())

    def evaluate(self, node: ir.Node) -> bool:
        """Evaluate a node, after the producers of its inputs; return whether it is shape arithmetic."""
        results = None if node.domain else self._results(node)
        self.computed.update(zip(node.outputs, results or (), strict=False))
        return results is not None

    def _results(self, node: ir.Node) -> tuple[PyValue, ...] | None:
        source = node.inputs[0] if node.inputs else None
        if node.op_type == "Shape" and source is not None:
            start, end = node.attributes.get_int("start", 0), node.attributes.get_int("end", FAR)
            shape = self._shape_of(source)
            return None if shape is None else (slice_of(shape, start, end),)
        if node.op_type == "Size" and source is not None:
            size = self._size_of(source)
            return None if size is None else (size,)
        if not any(value in self.computed for value in node.inputs if value is not None):
            return None
        inputs = [self.get(value) for value in node.inputs]
        if any(value is not None and item is None for value, item in zip(node.inputs, inputs, strict=True)):
            return None
        return evaluate(node.op_type, inputs, _attributes(node))


def _attributes(node: ir.Node) -> Attributes:
    """A node's attributes, with the additional ones that `evaluate` needs: `kind`, `to_kind` and `outputs`."""
    source = node.inputs[0] if node.inputs else None
    attributes: dict[str, Any] = {name: value.value for name, value in node.attributes.items()}
    attributes["kind"] = kind_of(source.dtype if source is not None else None)
    attributes["outputs"] = len(node.outputs)
    if node.op_type == "Cast":
        attributes["to_kind"] = kind_of(ir.DataType(attributes["to"]))
    return attributes
