"""`x.data` as a value: PyTorch lets no gradient through it."""

from __future__ import annotations

import ast
from collections.abc import Callable, Sequence

_SAME = frozenset({"cpu", "cuda", "to", "float", "double", "long", "clone", "detach", "view"})
"""Methods whose result is asked for in turn."""

_NO_TENSOR = frozenset(
    {"shape", "size", "dim", "ndim", "dtype", "device", "type", "numel", "item", "numpy", "tolist", "new"}
)
_PLAIN = frozenset({"print", "len", "float", "int", "str", "bool", "format", "round", "id", "isinstance"})


def is_read(data: ast.Attribute, parents: Sequence[ast.AST], name_of: Callable[[ast.expr], str | None]) -> bool:
    """Whether a gradient could flow through what reads `x.data`: not where it is changed in place, or only described.

    Args:
        data: the attribute.
        parents: the nodes around it, the outermost first.
        name_of: the full name that an expression stands for.
    """
    inner: ast.AST = data
    for each in reversed([parent for parent in parents if parent is not data]):
        function = each.func if isinstance(each, ast.Call) else None
        is_receiver = isinstance(function, ast.Attribute) and function.value is inner
        member = function if is_receiver else each
        if isinstance(member, ast.Attribute):
            if member.attr.endswith("_") or member.attr in _NO_TENSOR:
                return False
            if member.attr not in _SAME:
                return True
        elif isinstance(each, ast.Call) and inner is not function:
            return not _keeps_none(each, name_of)
        elif isinstance(each, ast.Subscript) and inner is each.value:
            if not isinstance(each.ctx, ast.Load):
                return False
        elif isinstance(each, (ast.stmt, ast.FormattedValue, ast.Compare)):
            return isinstance(each, ast.stmt) and not isinstance(each, ast.Expr) and not _stores(each)
        elif not isinstance(each, (ast.Call, ast.BinOp, ast.UnaryOp)):
            return True
        inner = each
    return True


def _stores(statement: ast.AST) -> bool:
    """Whether a statement puts values into a tensor or a container: `p.data = x`, `kept[name] = x`."""
    target = statement.targets[0] if isinstance(statement, ast.Assign) else getattr(statement, "target", None)
    return isinstance(target, ast.Subscript) or (isinstance(target, ast.Attribute) and target.attr == "data")


def _keeps_none(call: ast.Call, name_of: Callable[[ast.expr], str | None]) -> bool:
    """Whether a function keeps no gradient of what it is given: it changes it, prints it, makes a parameter of it."""
    if isinstance(call.func, ast.Attribute) and call.func.attr.endswith("_"):
        return True
    if isinstance(call.func, ast.Name) and call.func.id in _PLAIN:
        return True
    full = name_of(call.func) or ""
    return full.endswith((".Parameter", "_")) or full.startswith("torch.nn.init.")
