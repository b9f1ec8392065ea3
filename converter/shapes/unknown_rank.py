"""Python values of unknown length: the shape of a tensor of unknown rank, as `x.shape[:-1]` or `*x.shape`.

An operator is a function of the node's attributes and of values, at least one of them of unknown length.
"""

from __future__ import annotations

from collections.abc import Mapping

from converter.script import Arg, Index, expr
from converter.shapes.arithmetic import Attributes, Operator, numbers
from converter.shapes.value import NotEvaluable, PyValue, slice_of


def _whole(value: PyValue) -> Arg:
    if value.whole is None:
        raise NotEvaluable
    return value.whole


def _gather(attributes: Attributes, data: PyValue, indices: PyValue) -> PyValue:
    whole = _whole(data)
    return PyValue(tuple(Index(whole, i) for i in numbers(indices.array)), indices.shape)


def _slice(attributes: Attributes, data: PyValue, *bounds: PyValue | None) -> PyValue:
    starts, stops, _, steps = (None if bound is None else numbers(bound.array) for bound in (*bounds, None, None)[:4])
    if not starts or not stops:
        raise NotEvaluable
    return slice_of(data, starts[0], stops[0], steps[0] if steps else 1)


def _concat(attributes: Attributes, *values: PyValue) -> PyValue:
    items = tuple(item for value in values for item in value.items)
    return PyValue(items, (len(items),))


def _product(attributes: Attributes, data: PyValue, axes: PyValue | None = None) -> PyValue:
    return PyValue((expr("math.prod({0})", _whole(data)),), (1,) if attributes.get("keepdims", 1) else ())


UNKNOWN_RANK: Mapping[str, Operator] = {
    "Concat": _concat,
    "Gather": _gather,
    "Identity": lambda attributes, data: data,
    "ReduceProd": _product,
    "Slice": _slice,
}
"""ONNX operator → the function that computes it when an operand has an unknown number of elements."""
