"""A call as its row sees it."""

from __future__ import annotations

import ast
from typing import Any

from converter.rewriting.element_types import mixes_types
from converter.rewriting.kinds import UNKNOWN
from converter.rewriting.rows import Chosen
from converter.rewriting.signature import Arguments, NotStatic
from converter.rewriting.state import State


class View(Chosen):
    """A call as its row sees it."""

    def __init__(self, rewriter: State, node: ast.Call, bound: Arguments, receiver: ast.expr | None, mark: int) -> None:
        self._rewriter = rewriter
        self._bound = bound
        self._receiver = receiver
        self._mark = mark
        parents = rewriter.parents
        above = parents[-2] if len(parents) > 1 else None
        self.statement = isinstance(above, ast.Expr)
        self.compiled = rewriter.is_compiled()
        self.trains_itself = rewriter.inference.trains_itself
        self.subscript = ""
        if isinstance(above, ast.Subscript) and above.value is node:
            self.subscript = ast.unparse(above.slice)
        elif isinstance(above, ast.Attribute):
            self.subscript = above.attr

    def has(self, name: str) -> bool:
        """Has."""
        return name in self._bound.given

    def default(self, name: str) -> object:
        """PyTorch's default."""
        text = self._bound.signature.parameters[name].default
        try:
            return ast.literal_eval(text) if text is not None else None
        except ValueError:
            return text

    def value(self, name: str) -> Any:
        """Value."""
        if name not in self._bound.given:
            return self.default(name)
        try:
            return ast.literal_eval(self._bound.given[name])
        except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError) as error:
            raise NotStatic(f"its argument '{name}' is computed") from error

    def is_static(self, name: str) -> bool:
        """is_static."""
        try:
            self.value(name)
        except NotStatic:
            return False
        return True

    def text(self, name: str) -> str:
        """Text."""
        node = self._receiver if name == "self" else self._bound.given.get(name)
        if node is None:
            return self._bound.signature.parameters[name].default or "None"
        file = self._rewriter.file
        return self._rewriter.edits.text(file.start(node), file.end(node), self._mark)

    def kind(self, name: str) -> str:
        """Kind."""
        node = self._receiver if name == "self" else self._bound.given.get(name)
        return self._rewriter.inference.kind(node).name if node is not None else UNKNOWN.name

    def is_list(self, name: str) -> bool:
        """Whether the argument is written as a list that is not empty."""
        node = self._bound.given.get(name)
        return isinstance(node, ast.ListComp) or (isinstance(node, ast.List) and bool(node.elts))

    def mixes_types(self, name: str) -> bool:
        """Whether a list holds integers beside other numbers."""
        node = self._bound.given.get(name)
        around = self._rewriter.function or self._rewriter.file.tree
        return node is not None and mixes_types(node, around)

    def is_range(self, name: str) -> bool:
        """Whether the argument is written as `range(...)`."""
        return self._is_range(self._bound.given.get(name))

    def rest_is_range(self, number: int) -> bool:
        """Whether an argument that `*parameter` takes is written as `range(...)`."""
        return self._is_range(self._bound.rest[number])

    def rest_is_empty(self) -> bool:
        """Whether what `*parameter` takes is written as `()` or `[]`."""
        node = self._bound.rest[0]
        return isinstance(node, (ast.Tuple, ast.List)) and not node.elts

    def _is_range(self, node: ast.expr | None) -> bool:
        return isinstance(node, ast.Call) and self._name(node.func) == "builtins.range"

    def _name(self, node: ast.expr) -> str | None:
        return self._rewriter.project.qualified(node, self._rewriter.scope)

    def rest(self) -> int:
        """Rest."""
        return len(self._bound.rest)

    def rest_kind(self, number: int) -> str:
        """What an argument that `*parameter` takes is."""
        node = self._bound.rest[number]
        return "starred" if isinstance(node, ast.Starred) else self._rewriter.inference.kind(node).name
