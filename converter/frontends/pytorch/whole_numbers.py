"""Whole numbers: `int(x.shape[0] / 4)` in the module's code leaves extents free while the module is exported.

Python's `int` can return nothing but a number. Inside `extents_kept_free` the name stands for something else in the
modules of the code, which may ask for it as a type, too.
"""

from __future__ import annotations

import builtins
import contextlib
import inspect
import sys
from collections.abc import Iterator
from types import ModuleType
from typing import Any

import sympy
import torch
from torch.utils._sympy.functions import FloatTrueDiv, FloorDiv, IntTrueDiv, ToFloat


class _LikeInt(type):
    """The type of `_Int`: what it makes of extents, and of what it says that it is an instance."""

    def __call__(cls, *args: Any, **options: Any) -> Any:
        value = args[0] if len(args) == 1 else None
        if isinstance(value, torch.SymInt):
            return value
        if isinstance(value, torch.SymFloat):
            return _whole(value)
        return builtins.int(*args, **options)

    def __instancecheck__(cls, instance: object) -> bool:
        return isinstance(instance, (builtins.int, torch.SymInt))


class _Int(metaclass=_LikeInt):
    """`int`, which takes the whole part of a number that follows from free extents, and leaves it free."""


def _whole(value: torch.SymFloat) -> Any:
    """The whole part of a quotient of extents, which are not negative, as their quotient in integers."""
    fraction = _fraction(value.node.expr)
    if fraction is None:
        return torch.sym_int(value)
    above, below = fraction
    hint = builtins.int(value.node.hint) if value.node.has_hint() else None
    return value.node.shape_env.create_symintnode(FloorDiv(above, below), hint=hint)


def _fraction(item: sympy.Basic) -> tuple[sympy.Basic, sympy.Basic] | None:
    """Numerator and denominator, in integers."""
    if isinstance(item, sympy.Float):
        return (sympy.Integer(builtins.int(item)), sympy.S.One) if float(item).is_integer() else None
    if isinstance(item, ToFloat):
        return _fraction(item.args[0])
    if isinstance(item, (IntTrueDiv, FloatTrueDiv, sympy.Mul)):
        parts = [_fraction(part) for part in item.args]
        if any(part is None for part in parts):
            return None
        if not isinstance(item, sympy.Mul):
            (a, b), (c, d) = parts  # type: ignore[misc]
            return a * d, b * c
        above, below = zip(*parts, strict=True)  # type: ignore[arg-type]
        return sympy.Mul(*above), sympy.Mul(*below)
    return (item, sympy.S.One) if item.is_integer else None


@contextlib.contextmanager
def extents_kept_free(module: torch.nn.Module) -> Iterator[None]:
    """Inside the block `int` leaves extents free in the code of a module and of the functions that it imports."""
    changed = [each for each in _modules_of(module) if "int" not in vars(each)]
    for each in changed:
        vars(each)["int"] = _Int
    try:
        yield
    finally:
        for each in changed:
            del vars(each)["int"]


def _modules_of(module: torch.nn.Module) -> list[ModuleType]:
    names = dict.fromkeys(type(each).__module__ for each in module.modules())
    own = [sys.modules[name] for name in names if name in sys.modules and not _is_of_torch(name)]
    functions = [value for each in own for value in vars(each).values() if inspect.isfunction(value)]
    names |= dict.fromkeys(function.__module__ for function in functions)
    return [sys.modules[name] for name in names if name in sys.modules and not _is_of_torch(name)]


def _is_of_torch(name: str) -> bool:
    return name.partition(".")[0] in ("torch", "builtins")
