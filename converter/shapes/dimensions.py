"""Symbolic dimensions: onnx_ir's `SymbolicDim`, with equal formulas in one form, and arithmetic that is cached.

SymPy, on which `SymbolicDim` computes, takes some 0.1 ms for a sum and several ms for a quotient that is rounded, and
the layers of a network ask for the same ones again and again.
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
"""An extent: a number, a symbolic dimension, None where unknown. Two that are equal are the same size."""
Dims: TypeAlias = tuple[Dim, ...]

LONGEST = 120
"""Characters of a formula that is computed with: a longer one is of no use to anybody, and takes ever more time."""
_POWER = re.compile(r"(?<![\w.])[A-Za-z_][\w.]*\*\*\d(?!\d|\*\*)")
"""A power of a name, such as `n**2`. SymPy takes exponential time to multiply others, and computes `9**9**9`."""


def dims_of(shape: ir.Shape | None) -> Dims | None:
    """The extents of a shape in the form in which equal ones are equal; None when the rank is unknown."""
    return None if shape is None else tuple(map(_dim, shape))


def _dim(dim: int | ir.SymbolicDim) -> Dim:
    if isinstance(dim, int):
        return dim
    return None if dim.value is None else canonical(dim)


@functools.lru_cache(maxsize=1 << 14)
def canonical(dim: ir.SymbolicDim) -> ir.SymbolicDim:
    """The form that equal formulas have in common: `a + b` for `(b + a)`. A name that is no formula stays as it is."""
    if not _is_simple(dim):
        return dim
    try:
        formula = dim + 0
    except ValueError:
        return dim
    return formula if formula.free_symbols() else dim


def _is_simple(item: Any) -> bool:
    """Whether SymPy computes with an operand in no time."""
    text = item.value or "" if is_symbolic(item) else ""
    return len(text) <= LONGEST and ("**" not in text or "**" not in _POWER.sub("n", text))


def is_symbolic(item: Any) -> TypeGuard[ir.SymbolicDim]:
    """Whether an element of shape arithmetic is a symbolic dimension."""
    return isinstance(item, ir.SymbolicDim)


@functools.lru_cache(maxsize=1 << 14)
def compute(function: Callable[..., Any], *items: float | ir.SymbolicDim) -> int | ir.SymbolicDim:
    """Compute a function of Python's numbers, such as `operator.add`, on symbolic dimensions; a number where it is one.

    Raises:
        NotEvaluable: onnx_ir cannot compute it, not soon, or a name is no formula, or the result is a fraction.
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
    """Whether a dimension is certainly at least 0: nothing is subtracted from any extent in it."""
    return "-" not in str(dim)


def plus(dim: Dim, other: Dim) -> Dim:
    """A sum of extents; None where that is unknown."""
    return _known(operator.add, dim, other)


def times(dim: Dim, factor: Dim) -> Dim:
    """A product of extents; None where that is unknown."""
    return _known(operator.mul, dim, factor)


def product(dims: Iterable[Dim]) -> Dim:
    """How many elements a shape has; None where that is unknown."""
    size: Dim = 1
    for dim in dims:
        size = times(size, dim)
    return size


def quotient(dim: Dim, divisor: Dim) -> Dim:
    """An extent by another one; None where there is a rest, or may be one."""
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
