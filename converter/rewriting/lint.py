"""A lint of the result: imports of what no file of the result defines, and names whose import has gone."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator, Mapping

from converter.rewriting.names import Names, absolute, chain
from converter.rewriting.trees import nodes


def defined(block: Iterable[ast.stmt]) -> Iterator[str]:
    """The names that the statements of a module bind; `*` for an import of all names."""
    for node in block:
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            yield node.name
        elif isinstance(node, (ast.Import, ast.ImportFrom)):
            for alias in node.names:
                yield alias.asname or (alias.name if isinstance(node, ast.ImportFrom) else alias.name.partition(".")[0])
        elif isinstance(node, (ast.Assign, ast.AnnAssign, ast.AugAssign, ast.For, ast.With)):
            yield from _stored(node)
        for name in ("body", "orelse", "finalbody", "handlers"):
            inner = getattr(node, name, None)
            if isinstance(inner, list) and not isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
                yield from defined(inner)


def _stored(node: ast.stmt) -> Iterator[str]:
    targets: list[ast.expr] = []
    if isinstance(node, ast.Assign):
        targets = node.targets
    elif isinstance(node, (ast.AnnAssign, ast.AugAssign, ast.For)):
        targets = [node.target]
    elif isinstance(node, ast.With):
        targets = [item.optional_vars for item in node.items if item.optional_vars is not None]
    for target in targets:
        yield from (each.id for each in ast.walk(target) if isinstance(each, ast.Name))


def lost_imports(names: Names, tree: ast.Module, results: Mapping[str, set[str]]) -> Iterator[tuple[str, str, int]]:
    """Module, name and line of what a file of the result imports though the module of the result does not define it.

    Args:
        names: the file.
        tree: its result.
        results: the names that each module of the result defines.
    """
    for node in _imports(tree.body):
        module = absolute(node, names.file)
        if module not in results or "*" in results[module]:
            continue
        for alias in node.names:
            if alias.name != "*" and alias.name not in results[module] and f"{module}.{alias.name}" not in results:
                yield module, alias.name, node.lineno


def _imports(block: Iterable[ast.stmt]) -> Iterator[ast.ImportFrom]:
    for node in block:
        if isinstance(node, ast.ImportFrom):
            yield node
        elif isinstance(node, (ast.If, ast.Try, ast.With)):
            if isinstance(node, ast.If) and "TYPE_CHECKING" in (chain(node.test) or ()):
                yield from _imports(node.orelse)
                continue
            for name in ("body", "orelse", "finalbody"):
                yield from _imports(getattr(node, name, ()))


def unbound(tree: ast.Module, gone: set[str]) -> set[str]:
    """Which names that an import of PyTorch bound are used in a result in which nothing binds them."""
    left = gone.difference(defined(tree.body))
    if not left:
        return set()
    bound: set[str] = set()
    used: set[str] = set()
    for each in nodes(tree):
        if isinstance(each, ast.Name):
            if each.id in left:
                (used if isinstance(each.ctx, ast.Load) else bound).add(each.id)
        elif isinstance(each, ast.arg):
            bound.add(each.arg)
        elif isinstance(each, ast.alias):
            bound.add(each.asname or each.name.partition(".")[0])
    return used - bound


def place(name: str, names: Names) -> ast.AST:
    """Where a file uses or imports a name; its first statement if that cannot be said."""
    for node in ast.walk(names.file.tree):
        if isinstance(node, ast.Name) and node.id == name and isinstance(node.ctx, ast.Load):
            return node
        if isinstance(node, ast.ImportFrom) and any(alias.name == name for alias in node.names):
            return node
    return names.file.tree.body[0]
