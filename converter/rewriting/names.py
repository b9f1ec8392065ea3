"""Names: what an identifier means in its scope, and, through imports, in the whole project."""

from __future__ import annotations

import ast
import builtins
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, TypeAlias

from converter.rewriting.trees import children

if TYPE_CHECKING:
    from converter.rewriting.source import SourceFile

Function: TypeAlias = ast.FunctionDef | ast.AsyncFunctionDef

_BUILTINS = frozenset(dir(builtins))


@dataclass(slots=True)
class Binding:
    """One way in which a name gets its value.

    Attributes:
        kind: `import`, `class`, `function`, `parameter`, `value` (an assignment) or `other` (a loop, a with, …).
        node: the statement or parameter.
        target: for an import the full name of what it binds.
        value: for an assignment to the name alone its expression.
    """

    kind: Literal["import", "class", "function", "parameter", "value", "other"]
    node: ast.AST
    target: str = ""
    value: ast.expr | None = None


@dataclass(eq=False)
class Scope:
    """A module, class, function, lambda or comprehension, and the names that it binds."""

    node: ast.AST
    parent: Scope | None
    file: SourceFile
    names: dict[str, list[Binding]] = field(default_factory=dict)
    stars: list[str] = field(default_factory=list)
    outer: set[str] = field(default_factory=set)
    cache: dict[str, str | None] = field(default_factory=dict)

    @property
    def is_class(self) -> bool:
        """Whether it is the body of a class, whose names its methods do not see."""
        return isinstance(self.node, ast.ClassDef)

    def find(self, name: str) -> tuple[Scope, list[Binding]] | None:
        """The scope that binds a name as seen from here, and its bindings."""
        scope: Scope | None = self
        first = True
        while scope is not None:
            if (first or not scope.is_class) and name in scope.names and name not in scope.outer:
                return scope, scope.names[name]
            first = False
            scope = scope.parent
        return None


@dataclass(eq=False)
class Names:
    """The scopes of one file.

    Attributes:
        file: the file.
        module: the scope of the module.
        scopes: the scope that each class, function, lambda and comprehension opens.
        classes: every class, with the scope that it stands in.
        functions: every function, with the scope that it stands in.
        bound: every name that is bound anywhere in the file.
        typing_only: the imports that only a type checker follows.
    """

    file: SourceFile
    module: Scope
    scopes: dict[ast.AST, Scope] = field(default_factory=dict)
    classes: dict[ast.ClassDef, Scope] = field(default_factory=dict)
    functions: dict[Function, Scope] = field(default_factory=dict)
    imports: list[tuple[ast.Import | ast.ImportFrom, Scope]] = field(default_factory=list)
    bound: set[str] = field(default_factory=set)
    typing_only: set[ast.stmt] = field(default_factory=set)


def names_of(file: SourceFile) -> Names:
    """Collect the scopes of a file."""
    names = Names(file, Scope(file.tree, None, file))
    names.scopes[file.tree] = names.module
    _Collector(names).block(file.tree.body, names.module)
    return names


_SCOPES = (ast.Lambda, ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)


class _Collector:
    def __init__(self, names: Names) -> None:
        self._names = names
        self._typing_only = False

    def bind(self, scope: Scope, name: str, binding: Binding) -> None:
        scope.names.setdefault(name, []).append(binding)
        self._names.bound.add(name)

    def open(self, node: ast.AST, scope: Scope) -> Scope:
        made = Scope(node, scope, scope.file)
        self._names.scopes[node] = made
        return made

    def block(self, statements: Iterable[ast.stmt], scope: Scope) -> None:
        for statement in statements:
            self.visit(statement, scope)

    def visit(self, node: ast.AST, scope: Scope) -> None:
        handler = _HANDLERS.get(type(node))
        if handler is not None:
            handler(self, node, scope)
            return
        for child in children(node):
            self.visit(child, scope)

    def function(self, node: Function, scope: Scope) -> None:
        self.bind(scope, node.name, Binding("function", node))
        self._names.functions[node] = scope
        for each in node.decorator_list:
            self.visit(each, scope)
        self.parameters(node.args, self.open(node, scope), scope)
        if node.returns:
            self.visit(node.returns, scope)
        self.block(node.body, self._names.scopes[node])

    def parameters(self, arguments: ast.arguments, inside: Scope, outside: Scope) -> None:
        for each in (*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs, arguments.vararg, arguments.kwarg):
            if each is not None:
                self.bind(inside, each.arg, Binding("parameter", each))
        for default in (*arguments.defaults, *arguments.kw_defaults):
            if default is not None:
                self.visit(default, outside)

    def lambda_(self, node: ast.Lambda, scope: Scope) -> None:
        inside = self.open(node, scope)
        self.parameters(node.args, inside, scope)
        self.visit(node.body, inside)

    def comprehension(self, node: ast.ListComp, scope: Scope) -> None:
        inside = self.open(node, scope)
        for each in node.generators:
            self.target(each.target, inside, Binding("other", each))
            self.visit(each.iter, inside)
            for condition in each.ifs:
                self.visit(condition, inside)
        for child in (getattr(node, "elt", None), getattr(node, "key", None), getattr(node, "value", None)):
            if child is not None:
                self.visit(child, inside)

    def class_(self, node: ast.ClassDef, scope: Scope) -> None:
        self.bind(scope, node.name, Binding("class", node))
        self._names.classes[node] = scope
        for each in (*node.decorator_list, *node.bases, *(keyword.value for keyword in node.keywords)):
            self.visit(each, scope)
        self.block(node.body, self.open(node, scope))

    def if_(self, node: ast.If, scope: Scope) -> None:
        outer = self._typing_only
        self.visit(node.test, scope)
        self._typing_only = outer or "TYPE_CHECKING" in (chain(node.test) or ())
        self.block(node.body, scope)
        self._typing_only = outer
        self.block(node.orelse, scope)

    def imported(self, node: ast.Import | ast.ImportFrom, scope: Scope) -> None:
        self._names.imports.append((node, scope))
        if self._typing_only:
            self._names.typing_only.add(node)

    def import_(self, node: ast.Import, scope: Scope) -> None:
        self.imported(node, scope)
        for alias in node.names:
            name = alias.asname or alias.name.partition(".")[0]
            self.bind(scope, name, Binding("import", node, alias.name if alias.asname else name))

    def import_from(self, node: ast.ImportFrom, scope: Scope) -> None:
        self.imported(node, scope)
        module = absolute(node, scope.file)
        for alias in node.names:
            if alias.name == "*":
                if not self._typing_only:
                    scope.stars.append(module)
            else:
                self.bind(scope, alias.asname or alias.name, Binding("import", node, f"{module}.{alias.name}"))

    def assign(self, node: ast.Assign, scope: Scope) -> None:
        for target in node.targets:
            whole = isinstance(target, ast.Name)
            self.target(target, scope, Binding("value", node, value=node.value if whole else None))
        self.visit(node.value, scope)

    def annotated(self, node: ast.AnnAssign, scope: Scope) -> None:
        self.target(node.target, scope, Binding("value", node, value=node.value))
        if node.value is not None:
            self.visit(node.value, scope)

    def for_(self, node: ast.For, scope: Scope) -> None:
        self.target(node.target, scope, Binding("other", node))
        self.visit(node.iter, scope)
        self.block((*node.body, *node.orelse), scope)

    def with_(self, node: ast.With, scope: Scope) -> None:
        for item in node.items:
            self.visit(item.context_expr, scope)
            if item.optional_vars is not None:
                self.target(item.optional_vars, scope, Binding("other", node))
        self.block(node.body, scope)

    def handler(self, node: ast.ExceptHandler, scope: Scope) -> None:
        if node.name:
            self.bind(scope, node.name, Binding("other", node))
        self.block(node.body, scope)

    def walrus(self, node: ast.NamedExpr, scope: Scope) -> None:
        target: Scope = scope
        while isinstance(target.node, _SCOPES[1:]) and target.parent is not None:
            target = target.parent
        self.target(node.target, target, Binding("value", node, value=node.value))
        self.visit(node.value, scope)

    def outer(self, node: ast.Global, scope: Scope) -> None:
        scope.outer |= set(node.names)

    def name(self, node: ast.Name, scope: Scope) -> None:
        if not isinstance(node.ctx, ast.Load):
            self.bind(scope, node.id, Binding("other", node))

    def target(self, target: ast.expr, scope: Scope, binding: Binding) -> None:
        if isinstance(target, ast.Name):
            self.bind(scope, target.id, binding)
        elif isinstance(target, (ast.Tuple, ast.List)):
            for each in target.elts:
                self.target(each, scope, Binding("other", binding.node))
        elif isinstance(target, ast.Starred):
            self.target(target.value, scope, Binding("other", binding.node))
        else:
            for child in children(target):
                self.visit(child, scope)


_HANDLERS: dict[type[ast.AST], Callable[..., None]] = {
    ast.FunctionDef: _Collector.function,
    ast.AsyncFunctionDef: _Collector.function,
    ast.Lambda: _Collector.lambda_,
    ast.ListComp: _Collector.comprehension,
    ast.SetComp: _Collector.comprehension,
    ast.GeneratorExp: _Collector.comprehension,
    ast.DictComp: _Collector.comprehension,
    ast.ClassDef: _Collector.class_,
    ast.Import: _Collector.import_,
    ast.ImportFrom: _Collector.import_from,
    ast.Assign: _Collector.assign,
    ast.AnnAssign: _Collector.annotated,
    ast.For: _Collector.for_,
    ast.AsyncFor: _Collector.for_,
    ast.With: _Collector.with_,
    ast.AsyncWith: _Collector.with_,
    ast.ExceptHandler: _Collector.handler,
    ast.If: _Collector.if_,
    ast.NamedExpr: _Collector.walrus,
    ast.Global: _Collector.outer,
    ast.Nonlocal: _Collector.outer,
    ast.Name: _Collector.name,
}


def absolute(node: ast.ImportFrom, file: SourceFile) -> str:
    """The module that a `from … import` names, relative ones resolved."""
    if not node.level:
        return node.module or ""
    package = file.package
    for _ in range(node.level - 1):
        package = package.rpartition(".")[0]
    return f"{package}.{node.module}".strip(".") if node.module else package


def chain(node: ast.expr) -> tuple[str, ...] | None:
    """The names of `a.b.c`; None for any other expression."""
    parts: list[str] = []
    while isinstance(node, ast.Attribute):
        parts.append(node.attr)
        node = node.value
    if not isinstance(node, ast.Name):
        return None
    parts.append(node.id)
    return tuple(reversed(parts))


def is_builtin(name: str) -> bool:
    """Whether Python has the name without an import."""
    return name in _BUILTINS
