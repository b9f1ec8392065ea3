"""Shape evaluation: compute shape arithmetic on Python values, not on tensors.

`Shape → Gather → Mul → Concat → Reshape` is five tensor operators in a graph and `x.reshape((x.shape[0] * 2, -1))` in
a script. A tensor whose elements are all literals or Python expressions over shapes is a `PyValue`; `evaluate` computes
on such values what an ONNX operator computes on tensors. Nothing here emits a statement: a row asks for a Python value
when it wants one.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from converter.script.expressions import Arg
from converter.script.templates import expr
from converter.shapes.arithmetic import ARITHMETIC, Attributes, product
from converter.shapes.data_movement import DATA_MOVEMENT, MAX_ITEMS
from converter.shapes.unknown_rank import UNKNOWN_RANK
from converter.shapes.value import FAR, NotEvaluable, PyValue, of_array, read, shape_of, shortest, slice_of

__all__ = ["FAR", "MAX_ITEMS", "PyValue", "lift", "of_array", "read", "shape_of", "shortest", "size_of", "slice_of"]


def evaluate(op_type: str, inputs: Sequence[PyValue | None], attributes: Attributes) -> tuple[PyValue, ...] | None:
    """Compute an operator on Python values: a value for each output, or None when it has to stay with tensors.

    Args:
        op_type: an operator of ONNX's own domain.
        inputs: the operands; None for one that is left out.
        attributes: the node's; `kind` and `to_kind`, NumPy's letters for the types of the first operand and of a
            Cast's result; `outputs`, how many outputs the node has.
    """
    try:
        if any(value is not None and value.unknown_length for value in inputs):
            return (UNKNOWN_RANK[op_type](attributes, *inputs),) if op_type in UNKNOWN_RANK else None
        function = ARITHMETIC.get(op_type) or DATA_MOVEMENT.get(op_type)
        if function is None:
            return None
        result = function(attributes, *(None if value is None else value.array for value in inputs))
    except (NotEvaluable, ArithmeticError, IndexError, ValueError):  # what NumPy refuses, the source refuses as well
        return None
    values = [of_array(np.asarray(item, object)) for item in (result if isinstance(result, list) else [result])]
    return None if any(len(value.items) > MAX_ITEMS for value in values) else tuple(_short(v, inputs) for v in values)


def _short(value: PyValue, inputs: Sequence[PyValue | None]) -> PyValue:
    """Keep the short form of an operand that went through unchanged."""
    alike = (known for known in inputs if known and known.whole is not None and known.shape == value.shape)
    return next((known for known in alike if known.items == value.items), value)


def size_of(tensor: Arg, shape: Sequence[int | None] | None) -> PyValue:
    """The number of a tensor's elements: `x.shape[0] * 12`, or `x.size` when more than one extent is free."""
    if shape is None or sum(dim is None for dim in shape) > 1:
        return PyValue((expr("{0}.size", tensor),), ())
    return PyValue((product(shape_of(tensor, shape).items),), ())
