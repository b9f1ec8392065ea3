"""Conditions that are the same in every run of MindSpore, such as `torch.jit.is_scripting()`."""

from __future__ import annotations

import ast
from collections.abc import Callable


def fold(test: ast.expr, constant: Callable[[ast.expr], bool | None]) -> bool | None:
    """The value of a condition; None when it is not known. `constant` knows that of a call."""
    known = constant(test)
    if known is not None:
        return known
    if isinstance(test, ast.UnaryOp) and isinstance(test.op, ast.Not):
        inner = fold(test.operand, constant)
        return None if inner is None else not inner
    if isinstance(test, ast.BoolOp):
        values = [fold(each, constant) for each in test.values]
        decisive = isinstance(test.op, ast.Or)  # `or` is decided by a True, `and` by a False
        if decisive in values:
            return decisive
        return None if None in values else not decisive
    return None
