"""A small tensor as Python values: the class, and the functions that create such values."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx_ir as ir
from numpy.typing import NDArray

from converter.script import Arg, Expression, Starred, expr, parts_of

FAR = 2**31 - 1
"""ONNX writes "to the end" as any large number; exporters take the largest of int32 or int64."""
MOST_OPERATIONS = 32
"""Maximum operations in one element: a longer element is assigned to a variable, to keep expressions readable."""


class NotEvaluable(Exception):  # noqa: N818 - it is an answer, not an error
    """Raised for a case that cannot be computed on Python values; it is computed on tensors."""


@dataclass(frozen=True)
class PyValue:
    """A small tensor as Python values.

    Attributes:
        items: its elements in order, each a number or an expression; `*x.shape` is one item with several elements.
        shape: its extents; () for a scalar.
        whole: one expression for all elements (`x.shape`), if that is shorter than the tuple.
    """

    items: tuple[Arg, ...]
    shape: tuple[int, ...]
    whole: Arg = None

    @property
    def rank(self) -> int:
        """The number of axes."""
        return len(self.shape)

    @property
    def array(self) -> NDArray[Any]:
        """The elements as an array of objects."""
        return np.array(self.items, object).reshape(self.shape)

    @property
    def arg(self) -> Arg:
        """The value as an argument of an expression: a scalar, a tuple, nested tuples, or `whole`."""
        return _nested(self.array) if self.whole is None else self.whole

    @property
    def literal(self) -> bool:
        """Whether every element is a number."""
        return all(is_number(item) for item in self.items)

    @property
    def unknown_length(self) -> bool:
        """Whether the number of elements is unknown, because an item is starred (`*x.shape`)."""
        return any(isinstance(item, Starred) for item in self.items)


def is_number(item: Arg) -> bool:
    """Whether an element is a number, not an expression or a symbolic dimension."""
    return isinstance(item, (bool, int, float))


def is_long(item: Arg) -> bool:
    """Whether an element has more operations than `MOST_OPERATIONS`."""
    pending, operations = [item], 0
    while pending and operations <= MOST_OPERATIONS:
        part = pending.pop()
        operations += isinstance(part, Expression)
        pending += parts_of(part)  # of a tuple too: `max((n, m))`
    return operations > MOST_OPERATIONS


def shortest(number: np.floating[Any]) -> float:
    """The shortest decimal that is the same number in its own type: float32 0.1 is 0.1, not 0.10000000149."""
    return float(str(number)) if np.isfinite(number) else float(number)


def of_array(array: NDArray[Any]) -> PyValue:
    """A small array as a Python value: numbers, or objects unchanged."""
    if array.dtype.name == "bfloat16":
        array = array.astype(np.float32)
    if array.dtype.kind == "f":
        return PyValue(tuple(shortest(item) for item in array.reshape(-1)), array.shape)
    return PyValue(tuple(array.reshape(-1).tolist()), array.shape)


def shape_of(tensor: Arg, shape: Sequence[int | None] | None) -> PyValue:
    """The shape of a tensor: numbers where the model fixes them, `x.shape[i]` elsewhere, `*x.shape` of unknown rank."""
    whole = expr("{0}.shape", tensor)
    if shape is None:
        return of_unknown_length(whole)
    items = tuple(expr("{0}.shape[{1}]", tensor, i) if dim is None else dim for i, dim in enumerate(shape))
    return PyValue(items, (len(items),), whole if items and not any(map(is_number, items)) else None)


def read(tensor: Arg, kind: str, shape: Sequence[int | None] | None) -> PyValue | None:
    """Read a tensor's elements as Python values when the network runs: `int(y[0])`.

    It works in both modes, and it waits until the tensor is computed. MindSpore's view operators (`reshape`,
    `broadcast_to`) do not wait for a shape that is a tensor in PyNative mode.
    """
    number = {"i": "int", "u": "int", "f": "float", "b": "bool"}.get(kind)
    if number is None or shape is None or len(shape) > 1:
        return None
    if not shape:
        return PyValue((expr(f"{number}({{0}})", tensor),), ())
    if shape[0] is None:
        return of_unknown_length(expr(f"tuple([{number}(item) for item in {{0}}])", tensor))
    return PyValue(tuple(expr(f"{number}({{0}}[{{1}}])", tensor, i) for i in range(shape[0])), (shape[0],))


def of_unknown_length(whole: Arg) -> PyValue:
    """A value with all elements of a tuple whose length is unknown."""
    return PyValue((Starred(whole),), (1,), whole)


def slice_of(data: PyValue, start: int, stop: int, step: int = 1) -> PyValue:
    """A part of a vector: `x.shape[1:]`.

    Raises:
        NotEvaluable: the vector has unknown length, and has no short form or the step is not 1.
    """
    bounds = python_slice(start, stop, step)
    if not data.unknown_length:
        part = data.array[bounds]
        return data if part.size == len(data.items) and step == 1 else of_array(part)
    if data.whole is None or step != 1:
        raise NotEvaluable
    if not bounds.start:
        return data if bounds.stop is None else of_unknown_length(expr("{0}[:{1}]", data.whole, bounds.stop))
    if bounds.stop is None:
        return of_unknown_length(expr("{0}[{1}:]", data.whole, bounds.start))
    return of_unknown_length(expr("{0}[{1}:{2}]", data.whole, bounds.start, bounds.stop))


def python_slice(start: int, stop: int, step: int) -> slice:
    """A Python slice: a bound that ONNX writes as a very large number (`FAR` or more) becomes None."""
    return slice(start if abs(start) < FAR else None, stop if abs(stop) < FAR else None, step)


def _nested(array: NDArray[Any]) -> Any:
    return array.item() if array.ndim == 0 else tuple(_nested(np.asarray(part, object)) for part in array)


def kind_of(dtype: ir.DataType | None) -> str:
    """NumPy's letter for an element type f, i, u, b, c; "f" for bfloat16 and unknown ones, "O" for strings."""
    if dtype is None or dtype == ir.DataType.BFLOAT16:
        return "f"
    try:
        return dtype.numpy().kind
    except TypeError:
        return "O"
