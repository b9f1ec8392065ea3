"""A lint of the result: imports of what no file of the result defines, and names whose import has gone."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Iterator, Mapping
from symtable import SymbolTable, symtable

from converter.rewriting.names import Names, absolute, chain
from converter.rewriting.project import Project
from converter.rewriting.trees import nodes

_STAR = re.compile(r"^\s*from\s+[\w.]+\s+import\s+\*", re.MULTILINE)


def symbols_of(text: str) -> SymbolTable:
    """The names of a result by scope, which Python finds in half the time that a syntax tree takes.

    Raises:
        SyntaxError: it is no Python.
    """
    return symtable(text, "result", "exec")


def defined(table: SymbolTable, text: str) -> set[str]:
    """The names that the statements of a module bind; `*` for an import of all names."""
    found = {
        each.get_name()
        for each in table.get_symbols()
        if each.is_assigned() or each.is_imported() or each.is_namespace()
    }
    return found | {"*"} if _STAR.search(text) else found


def absent_modules(names: Names, project: Project, results: Mapping[str, set[str]]) -> Iterator[str]:
    """The modules of relative imports that neither the project nor the result has."""
    for node, _ in names.imports:
        if not isinstance(node, ast.ImportFrom) or not node.level or node in names.typing_only:
            continue
        module = absolute(node, names.file)
        inside = [project.module(f"{module}.{alias.name}") for alias in node.names]  # of a folder without __init__.py
        if module and module not in results and project.module(module) is None and not any(inside):
            yield module


def may_lose_imports(names: Names, results: Mapping[str, set[str]]) -> bool:
    """Whether a file of the source imports a name that the result of that module does not define."""
    return any(isinstance(node, ast.ImportFrom) and any(_lost(node, names, results)) for node, _ in names.imports)


def lost_imports(names: Names, tree: ast.Module, results: Mapping[str, set[str]]) -> Iterator[tuple[str, str, int]]:
    """Module, name and line of what a file of the result imports though the module of the result does not define it.

    Args:
        names: the file.
        tree: its result.
        results: the names that each module of the result defines.
    """
    for node in _imports(tree.body):
        for name in _lost(node, names, results):
            yield absolute(node, names.file), name, node.lineno


def _lost(node: ast.ImportFrom, names: Names, results: Mapping[str, set[str]]) -> Iterator[str]:
    """The names of an import that the result of its module does not define, and that are no modules."""
    module = absolute(node, names.file)
    known = results.get(module, {"*"})
    if "*" not in known:
        for alias in node.names:
            if alias.name != "*" and alias.name not in known and f"{module}.{alias.name}" not in results:
                yield alias.name


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


def unbound(table: SymbolTable, gone: set[str]) -> set[str]:
    """Which names that an import of PyTorch bound are used in a result in which nothing binds them."""
    left = {name for name in gone if name not in table.get_identifiers() or not _is_bound(table, name)}
    return {name for name in left if _is_used(table, name)}


def _is_bound(table: SymbolTable, name: str) -> bool:
    found = table.lookup(name)
    return found.is_assigned() or found.is_imported() or found.is_namespace()


def _is_used(table: SymbolTable, name: str) -> bool:
    """Whether a scope reads a name that neither it nor one around it binds."""
    if name in table.get_identifiers():
        found = table.lookup(name)
        if found.is_referenced() and (found.is_global() or table.get_type() == "module"):
            return True
    return any(_is_used(child, name) for child in table.get_children())


def place(name: str, names: Names) -> ast.AST:
    """Where a file uses or imports a name; its first statement if that cannot be said."""
    for node in nodes(names.file.tree):
        if isinstance(node, ast.Name) and node.id == name and isinstance(node.ctx, ast.Load):
            return node
        if isinstance(node, ast.ImportFrom) and any(alias.name == name for alias in node.names):
            return node
    return names.file.tree.body[0]
