"""Closures: functions inside a method that graph mode reads otherwise than Python.

Python looks a variable of the method up when the inner function is called; graph mode takes what it is where the
function is defined. And what the inner function changes stays inside it in graph mode.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Sequence

from converter.rewriting.names import Function, Scope
from converter.rewriting.trees import children, nodes

_INNER = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)
_LOOPS = (ast.For, ast.While, ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)
_KEEPS = {"append", "insert", "setdefault"}
_CHANGES = _KEEPS | {"extend", "update", "pop", "clear", "add"}
LATER = "Graph mode reads {} where this function is defined, Python where it is called: hand it over as an argument."
CHANGED = "Graph mode keeps what this function changes of {} inside it: return the new value instead."
LAMBDA = "Graph mode leaves the method at a lambda in a loop, and returns None: define a function instead."
DEFAULT = "Graph mode takes no default of a function from the loop around it: hand it over as an argument."


def closure_faults(method: Function, scopes: dict[ast.AST, Scope]) -> Iterator[tuple[ast.AST, str]]:
    """The functions inside a method that graph mode reads otherwise, each with what to do."""
    around = dict(_parents(method))
    for inner in [each for each in around if isinstance(each, _INNER)]:
        own = {name for name in _free(inner, scopes[inner]) if _is_local(name, scopes[inner])}
        loops = [each for each in _above(inner, around) if isinstance(each, _LOOPS)]
        if isinstance(inner, ast.Lambda) and any(isinstance(each, ast.For) for each in loops):
            yield inner, LAMBDA
            continue
        changed = sorted(own & set(_changed(inner)))
        if changed:
            yield inner, CHANGED.format(", ".join(changed))
            continue
        uses = list(_uses(inner, method, around))
        late = sorted(name for name in own if _is_late(inner, name, uses, loops, method))
        if late:
            yield inner, LATER.format(", ".join(late))
        elif _reads_loop(inner, loops):
            yield inner, DEFAULT


def _is_local(name: str, scope: Scope) -> bool:
    """Whether a name is a variable of a function around, not of the module."""
    found = scope.find(name)
    return found is not None and isinstance(found[0].node, (*_INNER, *_LOOPS))


def _parents(tree: ast.AST) -> Iterator[tuple[ast.AST, ast.AST]]:
    for each in nodes(tree):
        yield from ((child, each) for child in children(each))


def _above(node: ast.AST, around: dict[ast.AST, ast.AST]) -> Iterator[ast.AST]:
    while node in around:
        node = around[node]
        yield node


def _free(inner: ast.AST, scope: Scope) -> set[str]:
    """The variables that an inner function reads or changes and does not bind itself."""
    body = inner.body if isinstance(inner.body, list) else [inner.body]  # type: ignore[attr-defined]
    inside = [each for statement in body for each in nodes(statement)]
    names = {each.id for each in inside if isinstance(each, ast.Name)}
    return {name for name in names if name not in scope.names or name in scope.outer}


def _changed(inner: ast.AST) -> Iterator[str]:
    """The variables whose value, or whose members, an inner function changes."""
    for each in nodes(inner):
        if isinstance(each, ast.Nonlocal):
            yield from each.names
            continue
        changes = isinstance(each, ast.Call) and isinstance(each.func, ast.Attribute) and each.func.attr in _CHANGES
        held = each.func.value if changes else None  # type: ignore[attr-defined]
        if isinstance(each, ast.Subscript) and not isinstance(each.ctx, ast.Load):
            held = each.value
        if isinstance(held, ast.Name):
            yield held.id


def _uses(inner: ast.AST, method: Function, around: dict[ast.AST, ast.AST]) -> Iterator[ast.expr | None]:
    """Where an inner function is called, or handed to what calls it; None where it is kept for later."""
    above = around[inner]
    if isinstance(inner, ast.Lambda):
        if not (isinstance(above, ast.Assign) and isinstance(above.targets[0], ast.Name)):
            yield _called(inner, above)
            return
        name = above.targets[0].id
    else:
        name = inner.name  # type: ignore[attr-defined]
    for each in nodes(method):
        if isinstance(each, ast.Name) and each.id == name and isinstance(each.ctx, ast.Load):
            yield _called(each, around[each])


def _called(node: ast.expr, above: ast.AST) -> ast.expr | None:
    keeps = isinstance(above, ast.Call) and isinstance(above.func, ast.Attribute) and above.func.attr in _KEEPS
    return node if isinstance(above, (ast.Call, ast.keyword)) and not keeps else None


def _is_late(
    inner: ast.AST, name: str, uses: Sequence[ast.AST | None], loops: Sequence[ast.AST], method: Function
) -> bool:
    """Whether a variable gets another value between the definition of an inner function and a call of it."""
    inside = set(nodes(inner))
    stores = [each for each in nodes(method) if isinstance(each, ast.Name) and each.id == name and each not in inside]
    places = [_place(each) for each in stores if not isinstance(each.ctx, ast.Load)]
    again = [each for loop in loops for each in nodes(loop) if each in stores and not isinstance(each.ctx, ast.Load)]  # type: ignore[attr-defined]
    end = (inner.end_lineno, inner.end_col_offset)  # type: ignore[attr-defined]
    if any(use is None for use in uses) and (again or any(place > end for place in places)):
        return True
    return any(use is not None and end < place < _place(use) for use in uses for place in places)


def _reads_loop(inner: ast.AST, loops: Sequence[ast.AST]) -> bool:
    """Whether a default of an inner function is a variable of the loops around it."""
    arguments: ast.arguments = inner.args  # type: ignore[attr-defined]
    read = {
        each.id
        for default in (*arguments.defaults, *arguments.kw_defaults)
        if default is not None
        for each in nodes(default)
        if isinstance(each, ast.Name)
    }
    stored = (each for loop in loops for each in nodes(loop) if isinstance(each, ast.Name))
    return any(each.id in read and not isinstance(each.ctx, ast.Load) for each in stored)


def _place(node: ast.AST) -> tuple[int, int]:
    return node.lineno, node.col_offset  # type: ignore[attr-defined]
