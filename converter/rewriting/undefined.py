"""Variables that only some branches assign: graph mode wants each of them to have a value in every branch."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator

from converter.rewriting.names import Function
from converter.rewriting.trees import children, nodes

_INNER = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Lambda)


def undefined(function: Function) -> dict[ast.stmt, list[str]]:
    """The variables to be set to None, by the statement of the function before which that is done.

    A variable is one of them when one branch of an `if` assigns it, the other one does not, and it is read behind it;
    or when the body of a `for` assigns it first, and it is read behind the loop.
    """
    reads: dict[str, int] = {}
    branches = False
    for node in nodes(function):
        if node.__class__ is ast.Name:
            if node.ctx.__class__ is ast.Load:  # type: ignore[attr-defined]
                reads[node.id] = max(reads.get(node.id, 0), node.lineno)  # type: ignore[attr-defined]
        elif node.__class__ in (ast.If, ast.For):
            branches = True
    if not branches:
        return {}
    arguments = function.args
    every = (*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs, arguments.vararg, arguments.kwarg)
    walk = _Walk(reads)
    defined = {each.arg for each in every if each is not None}
    for statement in function.body:
        walk.place = statement
        walk.statement(statement, defined)
    return {statement: sorted(names) for statement, names in walk.found.items() if names}


class _Walk:
    def __init__(self, reads: dict[str, int]) -> None:
        self._reads = reads
        self.place: ast.stmt = ast.Pass()
        self.found: dict[ast.stmt, list[str]] = {}

    def block(self, statements: Iterable[ast.stmt], defined: set[str]) -> bool:
        """Add what statements define; whether they end in a return or the like."""
        for statement in statements:
            self.statement(statement, defined)
            if isinstance(statement, (ast.Return, ast.Raise, ast.Continue, ast.Break)):
                return True
        return False

    def statement(self, node: ast.stmt, defined: set[str]) -> None:
        """Add what a statement defines."""
        if isinstance(node, ast.If):
            self._if(node, defined)
        elif isinstance(node, _INNER):
            defined.add(node.name)
        elif isinstance(node, ast.For):
            self._for(node, defined)
        else:
            defined.update(_stored(node))
            for name in ("body", "orelse", "finalbody"):
                self.block(getattr(node, name, ()), defined)

    def _for(self, node: ast.For, defined: set[str]) -> None:
        defined.update(_stored(node))
        before = set(defined)
        self.block(node.body, defined)
        self._need(sorted(defined - before), node)
        self.block(node.orelse, defined)

    def _need(self, names: Iterable[str], node: ast.stmt) -> list[str]:
        """Note those of the variables that are read behind a statement."""
        found = self.found.setdefault(self.place, [])
        needed = [name for name in names if self._reads.get(name, 0) > (node.end_lineno or 0)]
        found += [name for name in needed if name not in found]
        return needed

    def _if(self, node: ast.If, defined: set[str]) -> None:
        defined.update(_stored(node.test))
        branches = []
        for block in (node.body, node.orelse):
            inside = set(defined)
            if not self.block(block, inside):
                branches.append(inside)
        if not branches:
            return
        always = set.intersection(*branches)
        defined.update(always, self._need(sorted(set.union(*branches) - always), node))


def _stored(node: ast.AST) -> Iterator[str]:
    """The variables that a statement assigns itself, not by a block inside it."""
    waiting = [node]
    while waiting:
        each = waiting.pop()
        if isinstance(each, ast.Name) and isinstance(each.ctx, ast.Store):
            yield each.id
        elif isinstance(each, (ast.Import, ast.ImportFrom)):
            yield from (alias.asname or alias.name for alias in each.names)
        waiting += [
            child
            for child in children(each)
            if not isinstance(child, (ast.stmt, ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp, ast.Lambda))
        ]
