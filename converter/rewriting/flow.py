"""Flow: one way through the statements of a function or module."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterable
from typing import TypeGuard

from converter.rewriting.annotations import kind_of_annotation
from converter.rewriting.flow_calls import Calls
from converter.rewriting.flow_expressions import Environment
from converter.rewriting.kinds import (
    NONE,
    NUMBER,
    STRING,
    TENSOR,
    UNKNOWN,
    Kind,
    instance,
    join,
    sequence,
)
from converter.rewriting.names import Function


class Flow(Calls):
    """The kinds of a function or module, statement by statement."""

    def block(self, statements: Iterable[ast.stmt]) -> None:
        """Go through statements."""
        for statement in statements:
            handler = _STATEMENTS.get(type(statement))
            if handler is not None:
                handler(self, statement)

    def assign(self, node: ast.Assign) -> None:
        """An assignment."""
        kind = self.kind(node.value)
        for target in node.targets:
            self.bind(target, kind)

    def annotated(self, node: ast.AnnAssign) -> None:
        """The kind of a annotated."""
        kind = kind_of_annotation(node.annotation, self.scope, self.project)
        if node.value is not None:
            found = self.kind(node.value)
            kind = kind if kind.name != "unknown" else found
        self.bind(node.target, kind)

    def augmented(self, node: ast.AugAssign) -> None:
        """The kind of a augmented."""
        before, value = self.kind(node.target), self.kind(node.value)
        if before.name == "list" or before.name == "items":
            self.bind(node.target, join((before, value)))
        elif not before.is_tensor:
            self.bind(node.target, value if value.is_tensor else before)

    def bind(self, target: ast.expr, kind: Kind) -> None:
        """The kind of a bind."""
        if isinstance(target, ast.Name):
            self.environment[target.id] = kind
            self.inference.kinds[target] = kind
        elif isinstance(target, (ast.Tuple, ast.List)):
            self._unpack(target.elts, kind)
        elif isinstance(target, ast.Starred):
            self.bind(target.value, sequence(kind))
        elif isinstance(target, ast.Attribute):
            receiver = self.kind(target.value)
            self.inference.kinds[target] = kind
            if self.info is not None and receiver.of == (self.info.name,) and receiver.name == "instance":
                known = self.inference.attributes(self.info)
                known[target.attr] = join((known.get(target.attr, UNKNOWN), kind))
        elif isinstance(target, ast.Subscript):
            receiver = self.kind(target.value)
            self.kind(target.slice)
            if receiver.name == "dict" and isinstance(target.value, ast.Name):
                self.environment[target.value.id] = Kind("dict", (), (join((*receiver.items, kind)),))

    def _unpack(self, targets: list[ast.expr], kind: Kind) -> None:
        if kind.name == "items" and len(kind.items) == len(targets):
            for target, each in zip(targets, kind.items, strict=True):
                self.bind(target, each)
        else:
            for target in targets:
                self.bind(target, kind.element)

    def for_(self, node: ast.For) -> None:
        """The kind of a for."""
        self.bind(node.target, self.kind(node.iter).element)
        self.block(node.body)
        self.block(node.orelse)

    def if_(self, node: ast.If) -> None:
        """Rewrite an `if`, of which only one branch may stay."""
        self.kind(node.test)
        before = dict(self.environment)
        self.narrow(node.test)
        self.block(node.body)
        after = dict(self.environment)
        self._set(before)
        self._narrow_else(node.test)
        self.block(node.orelse)
        if _ends(node.body):
            return
        if _ends(node.orelse):
            self._set(after)
            return
        for name, kind in after.items():
            other = self.environment.get(name)
            self.environment[name] = kind if other is None or other == kind else join((kind, other))

    def _set(self, environment: Environment) -> None:
        """Put other kinds in place of those that are known; functions that are called look into the same dict."""
        self.environment.clear()
        self.environment.update(environment)

    def narrow(self, test: ast.expr) -> None:
        """Take what a condition says of a variable, such as `isinstance(m, nn.Conv2d)`."""
        if isinstance(test, ast.BoolOp) and isinstance(test.op, ast.And):
            for each in test.values:
                self.narrow(each)
        elif isinstance(test, ast.BoolOp):
            asked = [each.args for each in test.values if _asks_class(each)]
            variables = {each[0].id for each in asked if isinstance(each[0], ast.Name)}
            if len(asked) == len(test.values) and len(variables) == 1:
                kinds = [self._of_classes(each[1]) for each in asked]
                self.environment[variables.pop()] = join(kinds)
        elif _asks_class(test):
            variable = test.args[0]
            if isinstance(variable, ast.Name):
                self.environment[variable.id] = self._of_classes(test.args[1])
        elif (compared := _type_of(test)) is not None:
            self.environment[compared.id] = self._of_classes(test.comparators[0])  # type: ignore[attr-defined]

    def _narrow_else(self, test: ast.expr) -> None:
        if isinstance(test, ast.UnaryOp) and isinstance(test.op, ast.Not):
            self.narrow(test.operand)

    def _is_tensor_class(self, name: str) -> bool:
        row = self.inference.rows.get(name)
        return row is not None and "ms.Tensor" in (row.value, row.instance_of)

    def _of_classes(self, node: ast.expr) -> Kind:
        classes = node.elts if isinstance(node, ast.Tuple) else [node]
        names = [self.project.qualified(each, self.scope) for each in classes]
        if all(name is not None and self._is_tensor_class(name) for name in names):
            return TENSOR
        if all(name is not None and name.startswith("builtins.") for name in names):
            plain = {f"builtins.{each}" for each in ("int", "float", "bool")}
            return NUMBER if plain.issuperset(names) else STRING if names == ["builtins.str"] else sequence(UNKNOWN)
        return instance(*(name for name in names if name is not None))

    def while_(self, node: ast.While) -> None:
        """The kind of a while."""
        self.kind(node.test)
        self.block(node.body)
        self.block(node.orelse)

    def with_(self, node: ast.With) -> None:
        """The kind of a with."""
        for item in node.items:
            kind = self.kind(item.context_expr)
            if item.optional_vars is not None:
                self.bind(item.optional_vars, kind)
        self.block(node.body)

    def try_(self, node: ast.Try) -> None:
        """The kind of a try."""
        self.block(node.body)
        for handler in node.handlers:
            self.block(handler.body)
        self.block(node.orelse)
        self.block(node.finalbody)

    def expression(self, node: ast.Expr) -> None:
        """Rewrite a statement that is an expression."""
        self.kind(node.value)
        call = node.value
        if isinstance(call, ast.Call) and isinstance(call.func, ast.Attribute) and len(call.args) == 1:
            receiver = call.func.value
            if call.func.attr in ("append", "add", "extend") and isinstance(receiver, ast.Name):
                before = self.environment.get(receiver.id, UNKNOWN)
                if before.name in ("list", "items"):
                    added = self.inference.kind(call.args[0])
                    added = added.element if call.func.attr == "extend" else added
                    self.environment[receiver.id] = sequence(join((*before.items, added)))

    def return_(self, node: ast.Return) -> None:
        """The kind of a return."""
        self.results.append(NONE if node.value is None else self.kind(node.value))

    def assertion(self, node: ast.Assert) -> None:
        """The kind of a assertion."""
        self.kind(node.test)
        self.narrow(node.test)
        if node.msg is not None:
            self.kind(node.msg)

    def raise_(self, node: ast.Raise) -> None:
        """The kind of a raise."""
        for each in (node.exc, node.cause):
            if each is not None:
                self.kind(each)

    def function(self, node: Function) -> None:
        """The kind of a function."""
        for each in (*node.decorator_list, *node.args.defaults, *node.args.kw_defaults):
            if each is not None:
                self.kind(each)
        self.environment[node.name] = Kind("function", (node.name,))
        if self.scope.parent is None or self.scope.is_class:
            return  # methods and functions of a module are gone through by themselves
        scope = self.names.scopes[node]
        inner = {**self.environment, **self.inference.parameters(node, scope, None, {})}
        flow = Flow(self.inference, self.names, scope, self.info, inner)
        flow.block(node.body)
        self.inference.found[node] = join(flow.results)

    def class_(self, node: ast.ClassDef) -> None:
        """Rewrite a class."""
        for each in (*node.decorator_list, *node.bases):
            self.kind(each)
        scope = self.names.scopes[node]
        Flow(self.inference, self.names, scope, None, {}).block(node.body)

    def delete(self, node: ast.Delete) -> None:
        """The kind of a delete."""
        for each in node.targets:
            self.kind(each)


def _asks_class(test: ast.expr) -> TypeGuard[ast.Call]:
    """Whether it is `isinstance(x, classes)`."""
    called = isinstance(test, ast.Call) and isinstance(test.func, ast.Name) and test.func.id == "isinstance"
    return called and len(test.args) == 2  # type: ignore[attr-defined]


def _type_of(test: ast.expr) -> ast.Name | None:
    """The variable of `type(x) == C`, `type(x) is C` or `x.__class__ == C`."""
    if not isinstance(test, ast.Compare) or not isinstance(test.ops[0], (ast.Eq, ast.Is)) or len(test.ops) > 1:
        return None
    call = test.left
    if isinstance(call, ast.Attribute) and call.attr == "__class__" and isinstance(call.value, ast.Name):
        return call.value
    if not isinstance(call, ast.Call) or not isinstance(call.func, ast.Name) or call.func.id != "type":
        return None
    return call.args[0] if len(call.args) == 1 and isinstance(call.args[0], ast.Name) else None


def _ends(statements: list[ast.stmt]) -> bool:
    return bool(statements) and isinstance(statements[-1], (ast.Return, ast.Raise, ast.Continue, ast.Break))


_STATEMENTS: dict[type[ast.stmt], Callable[..., None]] = {
    ast.Assign: Flow.assign,
    ast.AnnAssign: Flow.annotated,
    ast.AugAssign: Flow.augmented,
    ast.For: Flow.for_,
    ast.AsyncFor: Flow.for_,
    ast.If: Flow.if_,
    ast.While: Flow.while_,
    ast.With: Flow.with_,
    ast.AsyncWith: Flow.with_,
    ast.Try: Flow.try_,
    ast.Expr: Flow.expression,
    ast.Return: Flow.return_,
    ast.Assert: Flow.assertion,
    ast.Raise: Flow.raise_,
    ast.FunctionDef: Flow.function,
    ast.AsyncFunctionDef: Flow.function,
    ast.ClassDef: Flow.class_,
    ast.Delete: Flow.delete,
}
