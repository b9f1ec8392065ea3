"""Shape evaluation: compute shape arithmetic on Python values, not on tensors.

`Shape → Gather → Mul → Concat → Reshape` is five tensor operators in a graph and `x.reshape((x.shape[0] * 2, -1))` in
a script. A tensor whose elements are all numbers or computed from free extents is a `PyValue`. `evaluate` computes one
ONNX operator on such values, and `ShapeArithmetic` the nodes of a graph. A free extent is an expression when the script
is written, and a symbolic dimension (`Dim`) when shapes of the graph are refined. Nothing here emits a statement: a row
reads a Python value when it needs one.
"""

from __future__ import annotations

from converter.shapes.data_movement import MAX_ITEMS
from converter.shapes.dimensions import Dim, Dims, dims_of, is_limited, plus, product, quotient, times
from converter.shapes.evaluation import ShapeArithmetic, evaluate, size_of
from converter.shapes.value import (
    FAR,
    PyValue,
    is_long,
    is_number,
    kind_of,
    of_array,
    of_unknown_length,
    read,
    shape_of,
    shortest,
    slice_of,
)

__all__ = [
    "FAR",
    "MAX_ITEMS",
    "Dim",
    "Dims",
    "PyValue",
    "ShapeArithmetic",
    "dims_of",
    "evaluate",
    "is_limited",
    "is_long",
    "is_number",
    "kind_of",
    "of_array",
    "of_unknown_length",
    "plus",
    "product",
    "quotient",
    "read",
    "shape_of",
    "shortest",
    "size_of",
    "slice_of",
    "times",
]
