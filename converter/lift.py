"""Python values: shape arithmetic lifted out of the tensor world.

`Shape → Gather → Mul → Concat → Reshape` is five tensor operators in a graph and `x.reshape((x.shape[0] * 2, -1))` in
a script. A value of rank 0 or 1 whose elements are all literals or Python expressions over shapes is a `PyValue`; the
functions here compute on such values what the ONNX operator of the same name computes on tensors. Nothing here emits
a statement: a row asks for a Python value when it wants one.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np

from converter.program import Arg, Expr, expr

MAX_ITEMS = 64
"""A longer constant is a table, not shape arithmetic."""


@dataclass(frozen=True)
class PyValue:
    """A tensor of rank 0 or 1 as Python values.

    Attributes:
        items: its elements, each a number or an expression.
        rank: 0 or 1.
        whole: an expression for all of them (`x.shape`), when there is a shorter one than the tuple.
    """

    items: tuple[Arg, ...]
    rank: int
    whole: Arg = None

    @property
    def arg(self) -> Arg:
        """What to write: a scalar, or a tuple."""
        if self.rank == 0:
            return self.items[0]
        return self.items if self.whole is None else self.whole

    @property
    def literal(self) -> bool:
        """Whether every element is known now."""
        return all(_known(item) for item in self.items)


Attributes: TypeAlias = Mapping[str, Any]
Lift: TypeAlias = Callable[[Sequence[PyValue | None], Attributes], PyValue | None]


def shape_of(tensor: Arg, shape: Sequence[int | None]) -> PyValue:
    """The shape of a tensor: numbers where the model fixes them, `x.shape[i]` elsewhere."""
    items = tuple(expr("{0}.shape[{1}]", tensor, i) if dim is None else dim for i, dim in enumerate(shape))
    whole = expr("{0}.shape", tensor) if items and not any(_known(item) for item in items) else None
    return PyValue(items, 1, whole)


def of_array(array: np.ndarray) -> PyValue | None:
    """A constant as a Python value, when it is small and of rank 0 or 1."""
    if array.ndim > 1 or array.size > MAX_ITEMS or array.dtype.kind not in "iufb":
        return None
    if array.dtype.kind == "f":
        return PyValue(tuple(shortest(item) for item in array.reshape(-1)), array.ndim)
    return PyValue(tuple(array.reshape(-1).tolist()), array.ndim)


def shortest(number: np.floating) -> float:
    """The shortest decimal that is the same number in its own type: float32 0.1 is 0.1, not 0.10000000149."""
    return float(str(number)) if np.isfinite(number) else float(number)


def _known(item: Arg) -> bool:
    return isinstance(item, (bool, int, float))


def _same_shape(a: PyValue, b: PyValue) -> tuple[Sequence[Arg], Sequence[Arg], int] | None:
    """Broadcast two values against each other."""
    size, rank = max(len(a.items), len(b.items)), max(a.rank, b.rank)
    if min(len(a.items), len(b.items)) not in (1, size):
        return None
    return a.items * (size // len(a.items) or 1), b.items * (size // len(b.items) or 1), rank


def _binary(template: str, compute: Callable[[Any, Any], Any], neutral: float | None = None) -> Lift:
    """An element-wise operator of two values; `neutral` is the right operand that changes nothing."""

    def lifted(inputs: Sequence[PyValue | None], attributes: Attributes) -> PyValue | None:
        a, b = inputs
        pair = a and b and _same_shape(a, b)
        if not pair:
            return None
        items = []
        for left, right in zip(pair[0], pair[1], strict=True):
            if _known(left) and _known(right):
                if template in ("{0} // {1}", "{0} % {1}") and right == 0:
                    return None
                items.append(compute(left, right))
            elif neutral is not None and _known(right) and right == neutral:
                items.append(left)
            else:
                items.append(expr(template, left, right))
        return PyValue(tuple(items), pair[2])

    return lifted


def _divide(inputs: Sequence[PyValue | None], attributes: Attributes) -> PyValue | None:
    """Div: `//` for integers (extents are not negative), `/` for floats."""
    if attributes["integer"]:
        return _binary("{0} // {1}", lambda x, y: int(math.trunc(x / y)) if y else 0, 1)(inputs, attributes)
    return _binary("{0} / {1}", lambda x, y: x / y if y else math.inf, 1)(inputs, attributes)


def _unary(template: str, compute: Callable[[Any], Any]) -> Lift:
    def lifted(inputs: Sequence[PyValue | None], attributes: Attributes) -> PyValue | None:
        (a,) = inputs
        if a is None:
            return None
        return PyValue(tuple(compute(i) if _known(i) else expr(template, i) for i in a.items), a.rank)

    return lifted


def _cast(inputs: Sequence[PyValue | None], attributes: Attributes) -> PyValue | None:
    """Cast: to int, float or bool; between integer types it changes nothing."""
    kind, was = attributes["to_kind"], attributes["kind"]
    if kind == was or (kind in "iu" and was in "iu"):
        return inputs[0]
    if kind in "iu":
        return _unary("int({0})", int)(inputs, attributes)
    if kind == "f":
        return _unary("float({0})", float)(inputs, attributes)
    return _unary("bool({0})", bool)(inputs, attributes) if kind == "b" else None


def _gather(inputs: Sequence[PyValue | None], attributes: Attributes) -> PyValue | None:
    data, indices = inputs
    if data is None or indices is None or data.rank != 1 or not indices.literal:
        return None
    try:
        items = tuple(data.items[index] for index in indices.items)  # type: ignore[index]
    except IndexError:
        return None
    return PyValue(items, indices.rank)


def _slice(inputs: Sequence[PyValue | None], attributes: Attributes) -> PyValue | None:
    data, *bounds = inputs
    if data is None or data.rank != 1 or any(bound is None or not bound.literal for bound in bounds):
        return None
    start, stop = bounds[0].items[0], bounds[1].items[0]  # type: ignore[union-attr]
    step = bounds[3].items[0] if len(bounds) > 3 and bounds[3] else 1
    return PyValue(data.items[slice(start, _stop(stop, step), step)], 1)


def _stop(stop: Any, step: Any) -> int | None:
    """ONNX writes "to the very start" of a backward slice as a large negative number."""
    return None if step < 0 and stop < -MAX_ITEMS else stop


def _concat(inputs: Sequence[PyValue | None], attributes: Attributes) -> PyValue | None:
    if any(value is None or value.rank != 1 for value in inputs):
        return None
    return PyValue(tuple(item for value in inputs for item in value.items), 1)  # type: ignore[union-attr]


def _to_vector(inputs: Sequence[PyValue | None], attributes: Attributes) -> PyValue | None:
    """Unsqueeze of a scalar: a vector of one."""
    data = inputs[0]
    return PyValue(data.items, 1) if data is not None and data.rank == 0 else None


def _to_scalar(inputs: Sequence[PyValue | None], attributes: Attributes) -> PyValue | None:
    """Squeeze of a vector of one: a scalar."""
    data = inputs[0]
    return PyValue(data.items, 0) if data is not None and len(data.items) == 1 else None


def _reshape(inputs: Sequence[PyValue | None], attributes: Attributes) -> PyValue | None:
    data, shape = inputs
    if data is None or shape is None or not shape.literal or len(shape.items) > 1:
        return None
    return PyValue(data.items, len(shape.items), data.whole if shape.items else None)


def _where(inputs: Sequence[PyValue | None], attributes: Attributes) -> PyValue | None:
    """Where, when the condition is known: a conditional expression on extents is not safe in graph mode."""
    condition, a, b = inputs
    if condition is None or a is None or b is None or not condition.literal:
        return None
    size = max(len(condition.items), len(a.items), len(b.items))
    if any(len(value.items) not in (1, size) for value in (condition, a, b)):
        return None
    chosen = [value.items * (size // len(value.items)) for value in (condition, a, b)]
    return PyValue(tuple(x if c else y for c, x, y in zip(*chosen, strict=True)), max(condition.rank, a.rank, b.rank))


def _equal(inputs: Sequence[PyValue | None], attributes: Attributes) -> PyValue | None:
    """Equal: known where an extent is compared with a negative number, which it never is."""
    a, b = inputs
    pair = a and b and _same_shape(a, b)
    if not pair:
        return None
    items: list[Arg] = []
    for left, right in zip(pair[0], pair[1], strict=True):
        if _known(left) and _known(right):
            items.append(left == right)
        elif (_extent(left) and _known(right) and right < 0) or (_extent(right) and _known(left) and left < 0):  # type: ignore[operator]
            items.append(False)
        else:
            items.append(expr("{0} == {1}", left, right))
    return PyValue(tuple(items), pair[2])


def _extent(item: Arg) -> bool:
    return isinstance(item, Expr) and item.template == "{0}.shape[{1}]"


def _filled(inputs: Sequence[PyValue | None], attributes: Attributes) -> PyValue | None:
    """ConstantOfShape with a vector's length."""
    (shape,) = inputs
    if shape is None or not shape.literal or len(shape.items) > 1:
        return None
    size = shape.items[0] if shape.items else 1
    if not isinstance(size, int) or size > MAX_ITEMS:
        return None
    value = attributes.get("value")
    number = 0.0 if value is None else np.asarray(value.numpy()).reshape(-1)[0].item()
    return PyValue((number,) * size, len(shape.items))


def _expand(inputs: Sequence[PyValue | None], attributes: Attributes) -> PyValue | None:
    data, shape = inputs
    if data is None or shape is None or not shape.literal or len(shape.items) > 1 or len(data.items) != 1:
        return None
    size = shape.items[0] if shape.items else 1
    return PyValue(data.items * size, max(len(shape.items), data.rank)) if isinstance(size, int) else None


def _product(inputs: Sequence[PyValue | None], attributes: Attributes) -> PyValue | None:
    data = inputs[0]
    if data is None or data.rank != 1:
        return None
    known = math.prod(item for item in data.items if _known(item))  # type: ignore[misc]
    result: Arg = known
    for item in data.items:
        if not _known(item):
            result = item if result == 1 and _known(result) else expr("{0} * {1}", result, item)
    return PyValue((result,), 1 if attributes.get("keepdims", 1) else 0)


LIFTS: Mapping[str, Lift] = {
    "Abs": _unary("abs({0})", abs),
    "Add": _binary("{0} + {1}", operator.add, 0),
    "And": _binary("{0} and {1}", lambda x, y: x and y),
    "Cast": _cast,
    "Ceil": _unary("math.ceil({0})", math.ceil),
    "Concat": _concat,
    "ConstantOfShape": _filled,
    "Div": _divide,
    "Equal": _equal,
    "Expand": _expand,
    "Floor": _unary("math.floor({0})", math.floor),
    "Gather": _gather,
    "Greater": _binary("{0} > {1}", operator.gt),
    "GreaterOrEqual": _binary("{0} >= {1}", operator.ge),
    "Identity": lambda inputs, attributes: inputs[0],
    "Less": _binary("{0} < {1}", operator.lt),
    "LessOrEqual": _binary("{0} <= {1}", operator.le),
    "Max": _binary("max({0}, {1})", max),
    "Min": _binary("min({0}, {1})", min),
    "Mod": _binary("{0} % {1}", lambda x, y: x % y if y else 0),
    "Mul": _binary("{0} * {1}", operator.mul, 1),
    "Neg": _unary("-{0}", operator.neg),
    "Not": _unary("not {0}", operator.not_),
    "Or": _binary("{0} or {1}", lambda x, y: x or y),
    "ReduceProd": _product,
    "Reshape": _reshape,
    "Slice": _slice,
    "Sqrt": _unary("math.sqrt({0})", math.sqrt),
    "Squeeze": _to_scalar,
    "Sub": _binary("{0} - {1}", operator.sub, 0),
    "Unsqueeze": _to_vector,
    "Where": _where,
}
"""ONNX operator → how it computes on Python values. Shape and Size, which start a chain, are the translator's."""
