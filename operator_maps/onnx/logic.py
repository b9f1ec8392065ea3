"""Comparisons, logical and bitwise operators, and selection."""

from __future__ import annotations

from collections.abc import Callable

import onnx_ir as ir

from converter.rows import Arg, Node, Operand, call, expr
from operator_maps.lib.scalars import operands_with_scalar


def comparison(template: str) -> Callable[..., Arg]:
    """Make the row of an operator that compares two tensors; a scalar constant is a Python number."""

    def row(node: Node, a: Operand, b: Operand) -> Arg:
        return expr(template, *operands_with_scalar(a, b))

    return row


def where(node: Node, condition: Operand, x: Operand, y: Operand) -> Arg:
    """Where: `ops.where`; a scalar constant is a Python number, both where `ops.where` makes float32 of them."""
    chosen: tuple[Arg, Arg] = operands_with_scalar(x, y)
    if x.dtype == y.dtype == ir.DataType.FLOAT and condition.rank is not None:
        numbers = [
            value.number_or_tensor() for value in (x, y) if value.rank is not None and value.rank <= condition.rank
        ]
        if len(numbers) == 2 and all(isinstance(number, float) for number in numbers):
            chosen = (numbers[0], numbers[1])
    return expr("ops.where({0}, {1}, {2})", condition, *chosen)


def is_inf(node: Node, x: Operand, *, detect_negative: int = 1, detect_positive: int = 1) -> Arg:
    """IsInf: `ops.isinf`; a comparison if only one sign is detected."""
    if detect_negative and detect_positive:
        return expr("ops.isinf({0})", x)
    if not detect_negative and not detect_positive:
        return expr("ops.zeros_like({0}, dtype=ms.bool_)", x)
    return expr("{0} == {1}", x, float("inf") if detect_positive else float("-inf"))


ROWS = {
    "And": call("ops.logical_and({0}, {1})"),
    "BitwiseAnd": call("ops.bitwise_and({0}, {1})"),
    "BitwiseNot": call("ops.invert({0})"),
    "BitwiseOr": call("ops.bitwise_or({0}, {1})"),
    "BitwiseXor": call("ops.bitwise_xor({0}, {1})"),
    "Equal": comparison("{0} == {1}"),
    "Greater": comparison("{0} > {1}"),
    "GreaterOrEqual": comparison("{0} >= {1}"),
    "IsInf": is_inf,
    "IsNaN": call("ops.isnan({0})"),
    "Less": comparison("{0} < {1}"),
    "LessOrEqual": comparison("{0} <= {1}"),
    "Not": call("ops.logical_not({0})"),
    "Or": call("ops.logical_or({0}, {1})"),
    "Where": where,
    "Xor": call("ops.logical_xor({0}, {1})"),
}
