"""Arithmetic on Python values, element by element, and reductions of vectors.

An operator is a function of the node's attributes and of arrays of objects: numbers, and expressions of the script or
symbolic dimensions, never both.
"""

from __future__ import annotations

import functools
import math
import operator
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from converter.script import Arg, Attribute, Binary, Call, Expression, Name, Unary, dimension_read, expr, parts_of
from converter.shapes import dimensions
from converter.shapes.dimensions import is_symbolic
from converter.shapes.value import NotEvaluable, is_number

_LARGEST_POWER = 1024
"""Maximum bits of a power; a tensor's element has 64."""

Attributes: TypeAlias = Mapping[str, Any]
Operator: TypeAlias = Callable[..., Any]


def numbers(array: NDArray[Any]) -> list[Any]:
    """The elements of an operand, which must all be numbers.

    Raises:
        NotEvaluable: one is not a number.
    """
    items: list[Any] = array.reshape(-1).tolist()
    if not all(map(is_number, items)):
        raise NotEvaluable
    return items


def elementwise(compute: Callable[..., Arg]) -> Operator:
    """An operator that applies `compute` to each element, after broadcasting the operands."""
    return lambda attributes, *arrays: np.frompyfunc(compute, len(arrays), 1)(*arrays)


def _formula(template: str, compute: Callable[..., Any] | None, *items: Arg) -> Arg:
    """The result for operands with free extents: an expression of the script, or a symbolic dimension.

    Raises:
        NotEvaluable: an operand is a symbolic dimension, and `compute` is None or cannot compute it.
    """
    if not any(map(is_symbolic, items)):
        return expr(template, *items)
    if compute is None:
        raise NotEvaluable
    return dimensions.compute(compute, *items)


def _unary(
    template: str, compute: Callable[[Any], Any], symbolic: Callable[[Any], Any] | None = None
) -> Callable[[Arg], Arg]:
    """A function of one element; `symbolic` computes it on symbolic dimensions."""
    return lambda item: compute(item) if is_number(item) else _formula(template, symbolic, item)


def _binary(
    template: str,
    compute: Callable[[Any, Any], Any],
    neutral: Any = None,
    symbolic: Callable[[Any, Any], Any] | None = None,
) -> Callable[[Arg, Arg], Arg]:
    """A function of two elements; `neutral` is the neutral element on the right, `symbolic` as in `_unary`."""

    def evaluated(left: Arg, right: Arg) -> Arg:
        if is_number(left) and is_number(right):
            return compute(left, right)
        if neutral is not None and is_number(right) and right == neutral:
            return left
        return _formula(template, symbolic, left, right)

    return evaluated


def _commutative(template: str, compute: Callable[[Any, Any], Any], neutral: Any) -> Callable[[Arg, Arg], Arg]:
    evaluated = _binary(template, compute, neutral, compute)
    return lambda left, right: right if is_number(left) and left == neutral else evaluated(left, right)


def _connective(template: str, neutral: bool) -> Callable[[Arg, Arg], Arg]:
    """A connective of truth values: a known one decides, or is left out because it is `neutral`."""

    def connected(left: Arg, right: Arg) -> Arg:
        if is_number(left):
            return right if bool(left) == neutral else not neutral
        if is_number(right):
            return left if bool(right) == neutral else not neutral
        return _formula(template, None, left, right)

    return connected


def _extreme(template: str, compute: Callable[[Any, Any], Any]) -> Callable[[Arg, Arg], Arg]:
    evaluated = _binary(template, compute)

    def of_one_type(left: Arg, right: Arg) -> Arg:
        """Graph mode wants numbers of one type, and an integer that was cast to float is still written as one."""
        if is_number(left) and not is_number(right) and _is_integer(right) and float(left).is_integer():
            left = int(left)
        return left

    def extreme(left: Arg, right: Arg) -> Arg:
        for one, other in ((left, right), (right, left)):
            if one == other or one in _among_which(other):
                return _absorbed(template, one, other)
        return evaluated(of_one_type(left, right), of_one_type(right, left))

    return extreme


def _among_which(item: Arg) -> tuple[Arg, ...]:
    """The operands of a minimum or maximum: `max((a, b))` → a, b."""
    match item:
        case Call(Name("min" | "max"), ((left, right),)):
            return left, right
    return ()


def _absorbed(template: str, one: Arg, other: Arg) -> Arg:
    """The extreme of a value and an extreme of it: min(a, max(a, b)) is a, min(a, min(a, b)) is min(a, b)."""
    same = isinstance(other, Call) and other.function == Name(template.partition("(")[0])
    return other if same else one


def _is_integer(item: Arg) -> bool:
    """Whether an expression of the script is an integer: nothing in it divides, or is a float."""
    pending = [item]
    while pending:
        part = pending.pop()
        if isinstance(part, float) or (isinstance(part, Binary) and part.operator == "/"):
            return False
        pending += parts_of(part)
    return not is_symbolic(item)


def add(left: Arg, right: Arg) -> Arg:
    """A sum, with all numbers combined into one, written last: `n // 2 + 1`, `n - 1`."""
    if is_number(left):
        left, right = right, left
    if isinstance(right, Unary) and right.operator == "-" and not is_symbolic(left):
        return expr("{0} - {1}", left, right.operand)
    if not is_number(right) or is_symbolic(left):
        return _formula("{0} + {1}", operator.add, left, right)
    if is_number(left):
        return left + right
    base, offset = _taken_apart(left)
    if (total := offset + right) == 0:
        return base
    return expr("{0} - {1}", base, -total) if total < 0 else expr("{0} + {1}", base, total)


def _taken_apart(item: Arg) -> tuple[Arg, Any]:
    """Split a sum into its first operand and the number that is added: `n - 1` → n, -1; `n` → n, 0."""
    match item:
        case Binary("+", base, offset) if is_number(offset):
            return base, offset
        case Binary("-", base, offset) if is_number(offset):
            return base, -offset
    return item, 0


def _subtract(left: Arg, right: Arg) -> Arg:
    return add(left, -right) if is_number(right) else _formula("{0} - {1}", operator.sub, left, right)


_product = _commutative("{0} * {1}", operator.mul, 1)
# of a tuple: graph mode does not know the type of `max(a, b)` for extents that are known at run time
_minimum = _extreme("min(({0}, {1}))", min)
_maximum = _extreme("max(({0}, {1}))", max)
_quotient = _binary("{0} / {1}", operator.truediv, 1, operator.truediv)


def _multiply(left: Arg, right: Arg) -> Arg:
    for one, other in ((left, right), (right, left)):
        if is_number(one) and one == -1 and isinstance(other, Expression):
            return expr("-{0}", other)
    return _product(left, right)


def _integer_quotient(a: Arg, b: Arg) -> Arg:
    """Division rounded towards zero; it is written `//` where the operands are not negative."""
    if is_number(a) and is_number(b):
        return abs(a) // abs(b) * (1 if (a < 0) == (b < 0) else -1)
    if is_number(b) and b == 1:
        return a
    if is_symbolic(a) or is_symbolic(b):
        if not (not_negative(b) and (not_negative(a) or not_negative(add(a, 1)))):  # extents are >= 1
            raise NotEvaluable
        return dimensions.compute(operator.floordiv, a, b)
    if isinstance(a, Binary) and a.operator == "*" and b in (a.left, a.right):
        return a.right if b == a.left else a.left
    match a:
        case Binary("+", whole, Binary("%", Unary("-", part), int(divisor))) if whole == part and divisor == b:
            a = add(whole, divisor - 1)  # rounded up
    base, offset = _taken_apart(a)
    rounds_down = not_negative(b) and (not_negative(a) or (not_negative(base) and offset == -1))  # extents are >= 1
    return expr("{0} // {1}" if rounds_down else "int({0} / {1})", a, b)


def _divide(attributes: Attributes, *arrays: NDArray[Any]) -> Any:
    return elementwise(_integer_quotient if attributes["kind"] in "iu" else _quotient)(attributes, *arrays)


def _modulo(attributes: Attributes, *arrays: NDArray[Any]) -> Any:
    """Mod: Python's result has the sign of the divisor; with `fmod`, ONNX's has the sign of the dividend."""
    if attributes.get("fmod") and not all(not_negative(item) for array in arrays for item in array.reshape(-1)):
        raise NotEvaluable
    return elementwise(_remainder)(attributes, *arrays)


_plain_remainder = _binary("{0} % {1}", operator.mod, symbolic=operator.mod)


def _remainder(left: Arg, right: Arg) -> Arg:
    return _plain_remainder(_reduced(left, right) if isinstance(right, int) and right > 0 else left, right)


def _reduced(item: Arg, divisor: int) -> Arg:
    """An expression with the same remainder, without multiples of the divisor and remainders of it within."""
    match item:
        case Binary("+" | "-", base, int(offset)) if offset % divisor == 0:
            return _reduced(base, divisor)
        case Binary("%", base, int(other)) if other == divisor:
            return base
        case Unary("-", operand):
            return expr("-{0}", _reduced(operand, divisor))
    return item


def _absolute(item: Arg) -> Arg:
    if is_number(item):
        return abs(item)
    return item if not_negative(item) else _formula("max(({0}, -{0}))", None, item)


def _compare(template: str, compute: Callable[[Any, Any], bool]) -> Operator:
    """A comparison; its result is known for a negative number and a value that cannot be negative."""

    def evaluated(left: Arg, right: Arg) -> Arg:
        if is_number(left) and is_number(right):
            return compute(left, right)
        if is_number(right) and right < 0 and not_negative(left):
            return compute(0, right)
        if is_number(left) and left < 0 and not_negative(right):
            return compute(left, 0)
        return compute(0, 0) if left == right else _formula(template, None, left, right)

    return elementwise(evaluated)


def not_negative(item: Arg) -> bool:
    """Whether a value is certainly at least 0: an extent, or computed from extents without subtraction."""
    if is_number(item):
        return bool(item >= 0)
    if is_symbolic(item):
        return dimensions.not_negative(item)
    if dimension_read(item) is not None:
        return True
    match item:
        case Attribute(name="size") | Call(Name("math.prod")):
            return True
        case Binary("**", base, _):
            return not_negative(base)
        case Call(Name("max"), (items,)):
            return any(map(not_negative, items))
        case Call(Name("min"), (items,)):
            return all(map(not_negative, items))
        case Binary("%", _, divisor):
            return not_negative(divisor)
        case Binary("+" | "*" | "/" | "//"):
            return all(map(not_negative, parts_of(item)[-2:]))
        case Call(Name("int" | "math.floor" | "math.ceil"), (number,)):
            return not_negative(number)
    return False


# Graph mode does not know the type of a result of `math` for extents that are known at run time.


def _floor(item: Arg) -> Arg:
    if not is_number(item) and not is_symbolic(item) and not_negative(item):
        return expr("int({0})", item)
    return _unary("math.floor({0})", math.floor, math.floor)(item)


def _ceil(item: Arg) -> Arg:
    match item:
        case Binary("/", extent, divisor) if _is_whole(extent) and is_number(divisor) and divisor > 0:
            if float(divisor).is_integer():
                return expr("{0} // {1}", add(extent, int(divisor) - 1), int(divisor))
    return _unary("math.ceil({0})", math.ceil, math.ceil)(item)


def _is_whole(item: Arg) -> bool:
    """Whether a value is certainly an integer: an extent, or computed from integers without division."""
    match item:
        case Binary("+" | "-" | "*" | "//"):
            return all(map(_is_whole, parts_of(item)[-2:]))
        case Call(Name("int")):
            return True
    return dimension_read(item) is not None or (is_number(item) and float(item).is_integer())


def _power(base: Any, exponent: Any) -> Any:
    if isinstance(base, int) and isinstance(exponent, int) and base.bit_length() * exponent > _LARGEST_POWER:
        raise NotEvaluable
    return base**exponent


def _integer(item: Arg) -> Arg:
    return item if isinstance(item, Expression) and _is_whole(item) else _unary("int({0})", int, math.trunc)(item)


def _cast(attributes: Attributes, array: NDArray[Any]) -> Any:
    """Cast: an integer expression cast to float stays as it is; the tensor that is built from it has the float type."""
    kind, was = attributes["to_kind"], attributes["kind"]
    if kind == was or (kind in "iu" and was in "iu"):
        return array
    if kind in "iu":
        return elementwise(_integer)(attributes, array)
    if kind == "f" and was in "iu":
        return elementwise(lambda item: float(item) if is_number(item) else item)(attributes, array)
    if kind == "b":
        return elementwise(_unary("bool({0})", bool))(attributes, array)
    raise NotEvaluable


def _where(attributes: Attributes, condition: NDArray[Any], a: NDArray[Any], b: NDArray[Any]) -> Any:
    """Where, if the condition is known: graph mode computes wrong results for conditional expressions on extents."""

    def choose(chosen: Arg, left: Arg, right: Arg) -> Arg:
        if not is_number(chosen) and left != right:
            raise NotEvaluable
        return left if chosen else right

    return elementwise(choose)(attributes, condition, a, b)


def _clip(attributes: Attributes, array: NDArray[Any], *bounds: NDArray[Any] | None) -> Any:
    for bound, limit in zip(bounds, (_maximum, _minimum), strict=False):
        if bound is not None:
            array = np.asarray(elementwise(limit)(attributes, array, bound), object)
    return array


def _among(function: Callable[[Arg, Arg], Arg]) -> Operator:
    """An operator with any number of operands, computed by a function of two."""
    return lambda attributes, *arrays: functools.reduce(np.frompyfunc(function, 2, 1), arrays)


def _reduction(function: Callable[[Sequence[Arg]], Arg]) -> Operator:
    """A reduction of a vector to one number."""

    def evaluated(attributes: Attributes, array: NDArray[Any], axes: NDArray[Any] | None = None) -> Any:
        if array.ndim != 1 or (axes is not None and numbers(axes) not in ([0], [-1], [])):
            raise NotEvaluable
        if attributes.get("noop_with_empty_axes") and (axes is None or not axes.size):
            return array
        result = np.asarray(function(array.tolist()), object)
        return result.reshape((1,) if attributes.get("keepdims", 1) else ())

    return evaluated


def product(items: Sequence[Arg]) -> Arg:
    """The product of numbers and free extents; the numbers become one factor, written last."""
    factor = math.prod(item for item in items if is_number(item))
    free = [item for item in items if not is_number(item)]
    return functools.reduce(_multiply, [*free, factor]) if factor else 0


ARITHMETIC: Mapping[str, Operator] = {
    "Abs": elementwise(_absolute),
    "Add": elementwise(add),
    "And": elementwise(_connective("{0} and {1}", True)),
    "Cast": _cast,
    "Ceil": elementwise(_ceil),
    "Clip": _clip,
    "Div": _divide,
    "Equal": _compare("{0} == {1}", operator.eq),
    "Floor": elementwise(_floor),
    "Greater": _compare("{0} > {1}", operator.gt),
    "GreaterOrEqual": _compare("{0} >= {1}", operator.ge),
    "Less": _compare("{0} < {1}", operator.lt),
    "LessOrEqual": _compare("{0} <= {1}", operator.le),
    "Max": _among(_maximum),
    "Min": _among(_minimum),
    "Mod": _modulo,
    "Mul": elementwise(_multiply),
    "Neg": elementwise(_unary("-{0}", operator.neg, operator.neg)),
    "Not": elementwise(_unary("not {0}", operator.not_)),
    "Or": elementwise(_connective("{0} or {1}", False)),
    "Pow": elementwise(_binary("{0} ** {1}", _power, 1)),
    "ReduceMax": _reduction(lambda items: functools.reduce(_maximum, items)),
    "ReduceMin": _reduction(lambda items: functools.reduce(_minimum, items)),
    "ReduceProd": _reduction(product),
    "ReduceSum": _reduction(lambda items: functools.reduce(add, items, 0)),
    "Sqrt": elementwise(_unary("{0} ** 0.5", math.sqrt)),
    "Sub": elementwise(_subtract),
    "Where": _where,
}
"""ONNX operator → the function that computes it on arrays of Python values."""
