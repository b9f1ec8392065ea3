"""Symbolic dimensions: onnx_ir's `SymbolicDim` with one canonical form for equal formulas, and cached arithmetic.

`SymbolicDim` computes with SymPy, which takes about 0.1 ms for a sum and several ms for a rounded quotient, and the
layers of a network need the same formulas again and again.
"""

from __future__ import annotations

import functools
import operator
import re
from collections.abc import Callable, Iterable
from typing import Any, TypeAlias, TypeGuard

import onnx_ir as ir

from converter.shapes.value import NotEvaluable

Dim: TypeAlias = int | ir.SymbolicDim | None
"""An extent: a number, a symbolic dimension, or None if unknown. Two equal symbolic dimensions have the same size."""
Dims: TypeAlias = tuple[Dim, ...]

LONGEST = 120
"""Maximum characters of an operand or result: longer formulas are not useful, and take more and more time."""
_POWER = re.compile(r"(?<![\w.])[A-Za-z_][\w.]*\*\*\d(?!\d|\*\*)")
"""A power of a name, such as `n**2`. SymPy multiplies others in exponential time, and computes `9**9**9`."""


def dims_of(shape: ir.Shape | None) -> Dims | None:
    """The extents of a shape, in canonical form; None when the rank is unknown."""
    return None if shape is None else tuple(map(_dim, shape))


def _dim(dim: int | ir.SymbolicDim) -> Dim:
    if isinstance(dim, int):
        return dim
    return None if dim.value is None else canonical(dim)


@functools.lru_cache(maxsize=1 << 14)
def canonical(dim: ir.SymbolicDim) -> ir.SymbolicDim:
    """The canonical form of a formula: `a + b` for `(b + a)`. A name that is not a formula is returned unchanged."""
    if not _is_simple(dim):
        return dim
    try:
        formula = dim + 0
    except ValueError:
        return dim
    return formula if formula.free_symbols() else dim


def _is_simple(item: Any) -> bool:
    """Whether SymPy can compute with an operand in short time."""
    text = item.value or "" if is_symbolic(item) else ""
    return len(text) <= LONGEST and ("**" not in text or "**" not in _POWER.sub("n", text))


def is_limited(dim: Dim, other: Dim) -> bool:
    """Whether an extent is another one or, if that is smaller, a number above 1: `Min(64, S)` of `S`."""
    if not is_symbolic(dim) or not is_symbolic(other):
        return False
    least = re.fullmatch(r"Min\((\d+), ([^()]*)\)", dim.value or "")
    return least is not None and int(least[1]) > 1 and least[2] == other.value


def is_symbolic(item: Any) -> TypeGuard[ir.SymbolicDim]:
    """Whether an element of shape arithmetic is a symbolic dimension."""
    return isinstance(item, ir.SymbolicDim)


@functools.lru_cache(maxsize=1 << 14)
def compute(function: Callable[..., Any], *items: float | ir.SymbolicDim) -> int | ir.SymbolicDim:
    """Compute a function such as `operator.add` on symbolic dimensions; a constant result is a number.

    Raises:
        NotEvaluable: onnx_ir cannot compute it in short time, a name is not a formula, or the result is a fraction.
    """
    if not all(map(_is_simple, items)):
        raise NotEvaluable
    whole = [int(item) if isinstance(item, float) and item.is_integer() else item for item in items]
    try:
        result: int | ir.SymbolicDim = function(*whole)
    except (ArithmeticError, TypeError, ValueError) as error:
        raise NotEvaluable from error
    if is_symbolic(result) and not result.free_symbols():
        result = result.evaluate({})
        if is_symbolic(result):
            raise NotEvaluable
    if not _is_simple(result):
        raise NotEvaluable
    return result


def not_negative(dim: ir.SymbolicDim) -> bool:
    """Whether a dimension is certainly at least 0: its formula has no subtraction."""
    return "-" not in str(dim)


def plus(dim: Dim, other: Dim) -> Dim:
    """The sum of two extents; None if it is unknown."""
    return _known(operator.add, dim, other)


def times(dim: Dim, factor: Dim) -> Dim:
    """The product of two extents; None if it is unknown."""
    return _known(operator.mul, dim, factor)


def product(dims: Iterable[Dim]) -> Dim:
    """The number of elements of a shape; None if it is unknown."""
    size: Dim = 1
    for dim in dims:
        size = times(size, dim)
    return size


def quotient(dim: Dim, divisor: Dim) -> Dim:
    """The quotient of two extents; None if the division is not certainly exact."""
    if divisor == 0:
        return None
    result = _known(operator.floordiv, dim, divisor)
    return result if times(result, divisor) == dim else None


def _known(function: Callable[[Any, Any], Any], one: Dim, other: Dim) -> Dim:
    if isinstance(one, int) and isinstance(other, int):
        return int(function(one, other))
    try:
        return None if one is None or other is None else compute(function, one, other)
    except NotEvaluable:
        return None
