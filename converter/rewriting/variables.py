"""Variables: what statements read and assign, by name (`x`, `self.x`)."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator

from converter.rewriting.names import chain
from converter.rewriting.trees import children, nodes

NAMED = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
"""Statements that define a name with a block of its own."""
_ENDS = (ast.Return, ast.Yield, ast.YieldFrom, ast.Await, ast.Global, ast.Nonlocal)
_GROWS = {"append", "extend", "insert"}
_SCOPES = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda, ast.ClassDef)
_INNER = (*_SCOPES, ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)


def parts(node: ast.AST) -> Iterator[ast.AST]:
    """The parts of a statement, without those of functions and classes in it."""
    yield node
    for child in children(node):
        if not isinstance(child, _SCOPES):
            yield from parts(child)


def leaves_block(node: ast.AST, in_loop: bool = False) -> bool:
    """Whether a statement leaves its block, or may: by `return`, or by a `break` of a loop around it."""
    if isinstance(node, _ENDS) or (isinstance(node, (ast.Break, ast.Continue)) and not in_loop):
        return True
    inner = in_loop or isinstance(node, (ast.For, ast.While))
    return any(leaves_block(child, inner) for child in children(node) if not isinstance(child, _SCOPES))


def assigned(node: ast.AST) -> Iterator[str]:
    """The variables that a statement assigns, such as `x` or `self.x`, or changes: `x.fill_(1)`, `x.append(y)`."""
    if isinstance(node, ast.Name) and not isinstance(node.ctx, ast.Load):
        yield node.id
    if isinstance(node, ast.Attribute) and not isinstance(node.ctx, ast.Load) and (names := chain(node)):
        yield ".".join(names)
    if isinstance(node, ast.Expr) and isinstance(node.value, ast.Call) and isinstance(node.value.func, ast.Attribute):
        function = node.value.func
        in_place = function.attr.endswith("_") and not function.attr.endswith(("__", "requires_grad_"))
        if isinstance(function.value, ast.Name) and (in_place or function.attr in _GROWS):
            yield function.value.id
    for child in children(node):
        if not isinstance(child, _INNER):
            yield from assigned(child)


def assigned_in(around: ast.AST) -> Iterator[str]:
    """The variables that a function assigns."""
    for child in getattr(around, "body", ()):
        yield from assigned(child)


def read(node: ast.AST) -> Iterator[str]:
    """The variables that a statement reads; `x += y` reads x."""
    for each in nodes(node):
        if isinstance(each, ast.Name) and isinstance(each.ctx, ast.Load):
            yield each.id
        elif isinstance(each, ast.Attribute) and isinstance(each.ctx, ast.Load) and (names := chain(each)):
            yield ".".join(names)
        elif isinstance(each, ast.AugAssign) and isinstance(each.target, ast.Name):
            yield each.target.id


def read_first(statements: Iterable[ast.AST]) -> list[str]:
    """The variables that statements read, perhaps before they assign them."""
    return list(dict.fromkeys(_read_first(statements, set())))


def _read_first(statements: Iterable[ast.AST], written: set[str]) -> Iterator[str]:
    """See `read_first`; what the statements assign in any case is added to what is written."""
    for each in statements:
        if isinstance(each, ast.With):
            for item in each.items:
                yield from (name for name in read(item) if name not in written)
                written |= set(assigned(item))
            yield from _read_first(each.body, written)
        elif isinstance(each, (ast.If, ast.For, ast.While)):
            head = each.iter if isinstance(each, ast.For) else each.test
            yield from (name for name in read(head) if name not in written)
            own = set(assigned(each.target)) if isinstance(each, ast.For) else set()
            bodies = [written | own, set(written)]
            yield from _read_first(each.body, bodies[0])
            yield from _read_first(each.orelse, bodies[1])
            if isinstance(each, ast.If):
                written |= bodies[0] & bodies[1]
        else:
            yield from (name for name in read(each) if name not in written)
            if isinstance(each, ast.Assign | ast.AnnAssign | ast.AugAssign):
                written |= set(assigned(each))


def is_detached(name: str, statements: Iterable[ast.AST]) -> bool:
    """Whether statements read a variable within `(…).detach()` only, which no gradient flows through.

    What a loop takes out of it may be detached as well: `for x, y in zip(xs, ys)` with `y.detach()` for ys.
    """
    inside = [node for each in statements for node in nodes(each)]
    names = (each for each in inside if isinstance(each, (ast.Name, ast.Attribute)) and isinstance(each.ctx, ast.Load))
    read = {id(each) for each in names if ".".join(chain(each) or ()) == name}
    detached = (each for each in inside if isinstance(each, ast.Attribute) and each.attr in ("detach", "data"))
    apart = {id(part) for each in detached for part in nodes(each.value)}
    for taken, member, body in _members(inside):
        if id(taken) in read and is_detached(member, body):
            apart.add(id(taken))
    return bool(read) and read <= apart


def _members(inside: Iterable[ast.AST]) -> Iterator[tuple[ast.expr, str, list[ast.AST]]]:
    """What loops go through, the variable for its members, and where that is read."""
    for each in inside:
        if isinstance(each, (ast.ListComp, ast.GeneratorExp)):
            loops: list[ast.comprehension | ast.For] = [*each.generators]
            body: list[ast.AST] = [each.elt]
        elif isinstance(each, ast.For):
            loops, body = [each], [*each.body]
        else:
            continue
        for loop in loops:
            zipped = isinstance(loop.iter, ast.Call) and isinstance(loop.iter.func, ast.Name)
            if zipped and loop.iter.func.id == "zip" and isinstance(loop.target, ast.Tuple):  # type: ignore[attr-defined]
                pairs = list(zip(loop.iter.args, loop.target.elts, strict=False))  # type: ignore[attr-defined]
            else:
                pairs = [(loop.iter, loop.target)]
            yield from ((taken, member.id, body) for taken, member in pairs if isinstance(member, ast.Name))


def bound_before(around: ast.AST, statement: ast.stmt) -> set[str]:
    """The variables that a function has assigned above a statement, and its parameters."""
    found = {each.arg for each in nodes(around) if isinstance(each, ast.arg)}
    for each in nodes(around):
        if isinstance(each, ast.Name) and not isinstance(each.ctx, ast.Load) and each.lineno < statement.lineno:
            found.add(each.id)
    return found
