"""Elementwise arithmetic.

Source: https://onnx.ai/onnx/operators/. If the first operand of `ops.maximum` or `ops.minimum` is NaN, MindSpore's CPU
kernel returns the other one, though their documentation says otherwise; `ops.clamp` returns a bound. Its kernels divide
64-bit integers as floats. Where the graph may meet such numbers (`may_be_nan`, `may_be_large`), a form stands that is
right everywhere.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import onnx_ir as ir

from converter.graph import may_be_empty, may_be_large, may_be_nan
from converter.rows import Arg, Node, Operand, Variable, call, expr, invoke
from operator_maps.lib.bits import bit_cast
from operator_maps.lib.head_scale import as_root
from operator_maps.lib.scalars import operands_with_scalar, scalar_or_tensor

if TYPE_CHECKING:
    import mindspore as ms
    from mindspore import ops

_UNSIGNED = (ir.DataType.UINT16, ir.DataType.UINT32, ir.DataType.UINT64)


def binary(template: str, *wide: ir.DataType) -> Callable[..., Arg]:
    """Make the row of an elementwise operator on two tensors; a scalar constant is a Python number: `x * 0.5`.

    Args:
        template: the expression, with {0} and {1} for the operands.
        wide: element types that MindSpore's function does not support; they are computed in int64.
    """

    def row(node: Node, a: Operand, b: Operand) -> Arg:
        return _in_int64(node, template, a, b) if a.dtype in wide else expr(template, *operands_with_scalar(a, b))

    return row


def _in_int64(node: Node, template: str, *xs: Operand) -> Arg:
    return expr("{0}.astype({1})", _left_fold(template, [_wide(x) for x in xs]), node.dtype())


def _wide(x: Operand) -> Arg:
    return expr("{0}.astype(ms.int64)", x)


def _left_fold(template: str, xs: Sequence[Arg]) -> Arg:
    result, *others = xs
    for x in others:
        result = expr(template, result, x)
    return result


def div(node: Node, a: Operand, b: Operand) -> Arg:
    """Div: `/` for floats; for integers `ops.truncate_div`, which rounds towards zero, exactly up to 2**53.

    Integers of 64 bits may be larger.
    """
    if may_be_large(a.value):
        return expr("{0}({1}, {2})", quotient_to_zero, a, b)
    if a.dtype == ir.DataType.UINT64:
        return expr("{0}({1}, {2})", unsigned_quotient, a, b)
    if a.kind in "iu":
        return expr("ops.truncate_div({0}, {1})", *operands_with_scalar(a, b))
    dividend, divisor = operands_with_scalar(a, b)
    return expr("{0} / {1}", dividend, as_root(node, a, divisor))


def mul(node: Node, a: Operand, b: Operand) -> Arg:
    """Mul: `*`."""
    left, right = operands_with_scalar(a, b)
    return expr("{0} * {1}", as_root(node, b, left), as_root(node, a, right))


def mod(node: Node, a: Operand, b: Operand, *, fmod: int = 0) -> Arg:
    """Mod: `%`, where the sign of the result is the divisor's; with `fmod` it is the dividend's, as in C."""
    # the kernel of ops.fmod rounds large quotients, and makes infinity of them in float16
    if a.kind == "f" and (b.constant is None or (fmod and (a.dtype == ir.DataType.FLOAT16 or may_be_nan(a.value)))):
        return expr("{0}({1}, {2})", fmod_of_any if fmod else mod_of_any, a, b)
    if a.kind == "f":
        return expr("ops.fmod({0}, {1})" if fmod else "{0} % {1}", *((a, b) if fmod else operands_with_scalar(a, b)))
    if may_be_large(a.value) and fmod:
        return expr("{0} - {1}({0}, {2}) * {2}", a, quotient_to_zero, b)
    if may_be_large(a.value):
        divide, divisor = rounding_down(a, b)
        if divide is quotient_by:
            return expr("{0}({1}, {2})", remainder, a, divisor)
        return expr("{0} - {1}({0}, {2}) * {2}", a, divide, b)
    if a.dtype == ir.DataType.UINT64:
        return expr("{0}({1}, {2})", unsigned_rest, a, b)
    if a.dtype in _UNSIGNED:
        return _in_int64(node, "{0} % {1}", a, b)
    return (
        expr("{0} - ops.truncate_div({0}, {1}) * {1}", a, b) if fmod else expr("{0} % {1}", *operands_with_scalar(a, b))
    )


def rounding_down(dividend: Operand, divisor: Operand) -> tuple[Callable[..., Any], Arg]:
    """The helper that divides large 64-bit integers and rounds down, and the divisor that it takes."""
    number = scalar_or_tensor(divisor, dividend)
    return (quotient_by, number) if isinstance(number, int) and 0 < number <= 2**40 else (floor_quotient, divisor)


def quotient_by(x, y):
    """Divide 64-bit integers by a number and round down; MindSpore's CPU kernels divide them as floats."""
    quotient = x // y
    return quotient + (x - quotient * y) // y


def remainder(x, y):
    """The remainder of 64-bit integers divided by a number; the first division may be off, as floats are."""
    rest = x - x // y * y
    return rest - rest // y * y


def floor_quotient(x, y):
    """Divide 64-bit integers and round down; MindSpore's CPU kernels divide them as floats."""
    quotient = x // y
    quotient = quotient + (x - quotient * y) // y
    rest = x - quotient * y
    above = ops.where(y > 0, rest >= y, rest <= y)
    below = ops.where(y > 0, rest < 0, rest > 0)
    return quotient + above.astype(x.dtype) - below.astype(x.dtype)


def quotient_to_zero(x, y):
    """Divide 64-bit integers and round towards zero."""
    quotient = floor_quotient(x, y)
    up = ops.logical_and(x != quotient * y, (x < 0) != (y < 0))
    return quotient + up.astype(x.dtype)


def unsigned_quotient(x, y):
    """Divide unsigned integers of 64 bits, the divisor below 2**63, which MindSpore's CPU kernels divide as floats."""
    half, divisor = ops.bitwise_right_shift(x, ops.full_like(x, 1)).astype(ms.int64), y.astype(ms.int64)
    quotient = floor_quotient(half, divisor) * 2
    rest = (x.astype(ms.int64) - quotient * divisor).astype(x.dtype)
    return (quotient + (rest >= y).astype(ms.int64)).astype(x.dtype)


def unsigned_rest(x, y):
    """What is left of unsigned integers of 64 bits when they are divided."""
    whole = unsigned_quotient(x, y).astype(ms.int64) * y.astype(ms.int64)
    return (x.astype(ms.int64) - whole).astype(x.dtype)


def mod_of_any(x, y):
    """The rest of x / y with the sign of y; also for an infinite y, of which MindSpore makes NaN."""
    nearest = ops.where(ops.logical_or(x == 0, (x < 0) == (y < 0)), x, y)
    return ops.where(ops.logical_and(ops.isinf(y), ops.isfinite(x)), nearest, x % y)


def fmod_of_any(x, y):
    """The rest of x / y with the sign of x, by a long division, as MindSpore rounds large quotients."""
    rest, part = ops.abs(x).astype(ms.float64), ops.abs(y).astype(ms.float64)
    for _ in range(10):
        part = part * 2.0**27
    for _ in range(11):
        rest = rest - ops.floor(rest / part) * part
        rest = ops.where(rest < 0, rest + part, rest)
        part = part / 2.0**27
    rest = ops.where(x < 0, -rest, rest).astype(x.dtype)
    return ops.where(ops.logical_and(ops.isinf(y), ops.isfinite(x)), x, rest)


def power(node: Node, x: Operand, exponent: Operand) -> Arg:
    """Pow: `x ** 2`. The result has the element type of the base, whichever the exponent has."""
    fixed = exponent.number_or_tensor() if (exponent.rank or 0) <= (x.rank or 0) else exponent
    if isinstance(fixed, float) and fixed.is_integer():
        fixed = int(fixed)
    if x.kind == "f" and isinstance(fixed, (int, float)):
        root = fixed == 0.5 and not may_be_nan(x.value)  # the power of -inf is inf, its root NaN
        return expr("ops.sqrt({0})", x) if root else expr("{0} ** {1}", x, fixed)
    if exponent.dtype == x.dtype:
        return expr("ops.pow({0}, {1})", *operands_with_scalar(x, exponent))
    if x.kind in "iu" and exponent.kind == "f":
        return expr("ops.pow({0}.astype(ms.float64), {1}).astype({2})", x, exponent, node.dtype())
    return expr("ops.pow({0}, {1}.astype({2}))", x, exponent, node.dtype())


def variadic(template: str, *wide: ir.DataType) -> Callable[..., Arg]:
    """Make the row of a variadic operator: a left fold of a binary expression. Arguments as in `binary`."""

    def row(node: Node, *xs: Operand) -> Arg:
        if xs[0].dtype in wide and len(xs) > 1:
            return _in_int64(node, template, *xs)
        return _left_fold(template, [xs[0], *(scalar_or_tensor(x, xs[0]) for x in xs[1:])])

    return row


def extreme(function: str, comparison: str) -> Callable[..., Arg]:
    """Make the row of Max or Min: `ops.maximum(0.1, x)`, a constant first, as the second operand may be NaN.

    A selection where both may be NaN, or where one without elements is broadcast, which the function refuses.
    """

    def of_two(node: Node, a: Operand | Variable, b: Operand, first: Operand) -> Arg:
        number = scalar_or_tensor(b, first)
        if number is not b:
            return expr(f"{function}({{0}}, {{1}})", number, a)
        if not _are_alike(a, b) and (may_be_empty(first.value) or may_be_empty(b.value)):
            chosen = expr(f"{{0}} {comparison} {{1}}", b, a)
            asked = chosen if b.is_constant else expr("ops.logical_or({0}, ops.isnan({1}))", chosen, b)
            return expr("ops.where({0}, {1}, {2})", asked if b.kind == "f" else chosen, b, a)
        if b.is_constant or not may_be_nan(b.value):
            return expr(f"{function}({{0}}, {{1}})", b, a)
        return expr(f"ops.where(ops.isnan({{0}}), {{0}}, {function}({{0}}, {{1}}))", b, a)

    def row(node: Node, *xs: Operand) -> Arg:
        if xs[0].dtype == ir.DataType.UINT16 and len(xs) > 1:
            return _in_int64(node, f"{function}({{0}}, {{1}})", *xs)
        constants = [x for x in xs if x.is_constant]
        first, *others = [x for x in xs if not x.is_constant] + constants
        result: Arg = first
        for x in others:
            result = of_two(node, result if isinstance(result, Operand) else node.let("extreme", result), x, first)
        return result

    return row


def _are_alike(a: Operand | Variable, b: Operand) -> bool:
    """Whether two tensors have one shape, so that neither is broadcast."""
    shape = a.value.shape if isinstance(a, Operand) else None
    known = shape is not None and all(isinstance(dim, int) or dim.value is not None for dim in shape)
    return known and shape == b.value.shape


def mean(node: Node, *xs: Operand) -> Arg:
    """Mean of any number of tensors."""
    return expr("{0} / {1}", variadic("{0} + {1}")(node, *xs), len(xs)) if len(xs) > 1 else xs[0]


def clip(node: Node, x: Operand, low: Operand | None, high: Operand | None) -> Arg:
    """Clip: `ops.clamp` with two numbers or two tensors, not one of each; `ops.relu6` for the bounds 0 and 6.

    `ops.minimum(1.0, ops.maximum(0.0, x))` where there may be NaN.
    """
    given = {"min": low, "max": high}
    bounds = {name: bound and scalar_or_tensor(bound, x) for name, bound in given.items()}
    options = {name: bound for name, bound in bounds.items() if bound is not None}
    if any(isinstance(bound, Operand) for bound in options.values()):
        options = {name: bound for name, bound in given.items() if bound is not None}
    if not options:
        return x
    if x.dtype == ir.DataType.UINT16:  # of which MindSpore's CPU has no maximum
        wide = {name: _wide(bound) if isinstance(bound, Operand) else bound for name, bound in options.items()}
        return expr("{0}.astype({1})", invoke("ops.clamp", _wide(x), **wide), node.dtype())
    if may_be_nan(x.value):
        y: Arg = x
        for name, function in (("min", "ops.maximum"), ("max", "ops.minimum")):
            bound = options.get(name, _finite(x, name))
            y = y if bound is None else expr(f"{function}({{0}}, {{1}})", bound, y)
        return y
    if bounds == {"min": 0.0, "max": 6.0} and x.kind == "f":
        return expr("ops.relu6({0})", x)
    if len(options) == 2:
        return invoke("ops.clamp", x, *options.values())
    return invoke("ops.clamp", x, **options)


def _finite(x: Operand, name: str) -> float | None:
    """The bound of a Clip that has none: a float's least or largest number, which matters to infinity only."""
    if x.dtype not in (ir.DataType.FLOAT, ir.DataType.FLOAT16):  # a float64 number is rounded to float32: infinity
        return None
    limits = np.finfo(x.dtype.numpy())
    return float(limits.min if name == "min" else limits.max)


def absolute(node: Node, x: Operand) -> Arg:
    """Abs: `ops.abs`, which has no kernel for unsigned integers, that are their own absolute values."""
    return x if x.kind == "u" else expr("ops.abs({0})", x)


def sign(node: Node, x: Operand) -> Arg:
    """Sign: `ops.sign`, which has no kernel for small and unsigned integers; NaN stays where there may be one."""
    if x.kind == "u":
        return expr("{0}.astype(ms.bool_).astype({1})", x, node.dtype())
    if x.dtype in (ir.DataType.INT8, ir.DataType.INT16):
        return expr("ops.sign({0}.astype(ms.int32)).astype({1})", x, node.dtype())
    return expr("ops.where(ops.isnan({0}), {0}, ops.sign({0}))" if may_be_nan(x.value) else "ops.sign({0})", x)


def cast(node: Node, x: Operand, *, to: int, round_mode: str = "up", saturate: int = 1) -> Arg:
    """Cast: `x.astype`. `round_mode` and `saturate` concern the 8-bit floats, which MindSpore does not have."""
    return x if x.dtype == to else expr("{0}.astype({1})", x, node.mindspore_dtype(to))


def cast_like(node: Node, x: Operand, like: Operand, *, round_mode: str = "up", saturate: int = 1) -> Arg:
    """CastLike: to the element type of another tensor."""
    return x if x.dtype == like.dtype else expr("{0}.astype({1})", x, node.mindspore_dtype(like.dtype))


def bit_shift(node: Node, x: Operand, bits: Operand, *, direction: str) -> Arg:
    """BitShift: `ops.bitwise_left_shift` or `ops.bitwise_right_shift`, which shift by less than the width only."""
    if x.dtype is None:
        raise node.decline("the element type is unknown")
    width = 8 * x.dtype.itemsize
    if bits.constant is not None and (bits.constant >= 0).all() and (bits.constant < width).all():
        return expr(f"ops.bitwise_{direction.lower()}_shift({{0}}, {{1}})", *operands_with_scalar(x, bits))
    return expr("{0}({1}, {2}, {3})", shift_left if direction == "LEFT" else shift_right, x, bits, width)


def shift_left(x, bits, width):
    """Shift the bits of an integer to the left; all go when there are more than its width."""
    count = bits.astype(ms.int32)
    inside = ops.logical_and(count >= 0, count < width)
    return ops.where(inside, ops.bitwise_left_shift(x, bits), ops.zeros_like(x))


def shift_right(x, bits, width):
    """Shift the bits of an integer to the right; only its sign stays when there are more than its width."""
    count = bits.astype(ms.int32)
    inside = ops.logical_and(count >= 0, count < width)
    half = ops.bitwise_right_shift(x, ops.full_like(x, width // 2))
    return ops.where(
        inside, ops.bitwise_right_shift(x, bits), ops.bitwise_right_shift(half, ops.full_like(x, width // 2))
    )


ROWS = {
    "Abs": absolute,
    "Acos": call("ops.acos({0})"),
    "Acosh": call("ops.acosh({0})"),
    "Add": binary("{0} + {1}"),
    "Asin": call("ops.asin({0})"),
    "Asinh": call("ops.asinh({0})"),
    "Atan": call("ops.atan({0})"),
    "Atanh": call("ops.atanh({0})"),
    "BitCast": bit_cast,
    "BitShift": bit_shift,
    "Cast": cast,
    "CastLike": cast_like,
    "Ceil": call("ops.ceil({0})"),
    "Clip": clip,
    "Cos": call("ops.cos({0})"),
    "Cosh": call("ops.cosh({0})"),
    "Div": div,
    "Erf": call("ops.erf({0})"),
    "Exp": call("ops.exp({0})"),
    "Floor": call("ops.floor({0})"),
    "Log": call("ops.log({0})"),
    "Max": extreme("ops.maximum", ">"),
    "Mean": mean,
    "Min": extreme("ops.minimum", "<"),
    "Mod": mod,
    "Mul": mul,
    "Neg": call("-{0}"),
    "Pow": power,
    "Reciprocal": call("ops.reciprocal({0})"),
    "Round": call("ops.round({0})"),
    "Sign": sign,
    "Sin": call("ops.sin({0})"),
    "Sinh": call("ops.sinh({0})"),
    "Sqrt": call("ops.sqrt({0})"),
    "Sub": binary("{0} - {1}", ir.DataType.UINT32, ir.DataType.UINT64),
    "Sum": variadic("{0} + {1}"),
    "Tan": call("ops.tan({0})"),
}
