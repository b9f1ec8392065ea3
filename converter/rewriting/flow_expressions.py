"""Expressions: what the parts of a function are, each by itself and where it stands."""

from __future__ import annotations

import ast
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Protocol, TypeAlias

from converter.rewriting.kinds import (
    ARRAY,
    COMPLEX,
    DEVICE,
    DTYPE,
    GROUP,
    NONE,
    NUMBER,
    OPTIONS,
    OTHER,
    PACKED,
    PAIR,
    SIZE,
    STRING,
    TENSOR,
    UNKNOWN,
    Kind,
    instance,
    items,
    join,
    sequence,
)
from converter.rewriting.names import Function, Names, Scope, chain
from converter.rewriting.project import MODULE, ClassInfo, Project
from converter.rewriting.rows import Row

Environment: TypeAlias = dict[str, Kind]

RETURNS = {
    "tensor": TENSOR,
    "complex": COMPLEX,
    "tensors": sequence(TENSOR),
    "pair": PAIR,
    "number": NUMBER,
    "size": SIZE,
    "string": STRING,
    "array": ARRAY,
    "device": DEVICE,
    "dtype": DTYPE,
    "batches": sequence(sequence(TENSOR)),
    "packed": PACKED,
    "other": OTHER,
    "unknown": UNKNOWN,
}
CONTAINERS = {"torch.nn.Sequential", "torch.nn.ModuleList", "torch.nn.ModuleDict"}


class Known(Protocol):
    """What an inference knows beyond one function."""

    project: Project
    rows: Mapping[str, Row]
    kinds: dict[ast.expr, Kind]
    found: dict[ast.AST, Kind]

    def kind(self, node: ast.expr) -> Kind:
        """The kind that was found for an expression."""

    def is_module(self, full: str) -> bool:
        """Whether a class is a Module."""

    def module_environment(self, names: Names) -> Environment:
        """The kinds of a module's own variables."""

    def attributes(self, info: ClassInfo) -> dict[str, Kind]:
        """The kinds of a class's attributes."""

    def parameters(
        self, function: Function, scope: Scope, info: ClassInfo | None, given: Mapping[str, Kind]
    ) -> Environment:
        """The kinds of a function's parameters."""

    def returned(
        self, function: Function, names: Names, info: ClassInfo | None, arguments: Mapping[str, Kind] | None = None
    ) -> Kind:
        """What a function returns."""


class Expressions:
    """The kinds of expressions within one function or module."""

    def __init__(
        self, inference: Known, names: Names, scope: Scope, info: ClassInfo | None, environment: Environment
    ) -> None:
        self.inference = inference
        self.project = inference.project
        self.names = names
        self.scope = scope
        self.info = info
        self.environment = environment
        self.results: list[Kind] = []

    def bind(self, target: ast.expr, kind: Kind) -> None:
        """Give a variable a kind."""
        raise NotImplementedError

    def narrow(self, test: ast.expr) -> None:
        """Take what a condition says of a variable."""
        raise NotImplementedError

    def kind(self, node: ast.expr) -> Kind:
        """The kind of a kind."""
        handler = _HANDLERS.get(type(node))
        found = handler(self, node) if handler is not None else UNKNOWN
        self.inference.kinds[node] = found
        return found

    def name(self, node: ast.Name) -> Kind:
        """Rewrite a name."""
        if node.id in self.environment:
            return self.environment[node.id]
        return self._named(self.project.resolve(node.id, self.scope), node.id)

    def _named(self, full: str | None, name: str = "") -> Kind:
        """The kind of what a full name stands for."""
        if full is None:
            found = self.scope.find(name) if name else None
            if found is not None and found[0].parent is None and found[0] is not self.scope:
                return self.inference.module_environment(self.names).get(name, UNKNOWN)
            return UNKNOWN
        row = self.inference.rows.get(full)
        if full == MODULE or (row is not None and row.use == "layer"):
            return Kind("class", (full,))
        if row is not None:
            if row.use == "value":
                return RETURNS.get(row.returns, OTHER)
            return Kind("function", (full,))
        if self.project.class_named(full) is not None:
            return Kind("class", (full,))
        definition = self.project.definition(full)
        if definition is not None:
            if isinstance(definition[0], (ast.FunctionDef, ast.AsyncFunctionDef)):
                return Kind("function", (full,))
            return self.inference.module_environment(definition[1]).get(full.rpartition(".")[2], UNKNOWN)
        return Kind("function", (full,))

    def attribute(self, node: ast.Attribute) -> Kind:
        """Rewrite an attribute."""
        names = chain(node)
        if names is not None and names[0] not in self.environment:
            full = self.project.qualified(node, self.scope)
            if full is not None and not self._is_variable(node.value):
                self.kind(node.value)
                return self._named(full)
        receiver = self.kind(node.value)
        if receiver.is_tensor:
            row = self.inference.rows.get(f"torch.Tensor.{node.attr}")
            return RETURNS.get(row.returns, UNKNOWN) if row is not None and row.use == "attribute" else UNKNOWN
        if receiver.name == "pair" or receiver == PACKED:
            return TENSOR
        if receiver == ARRAY:
            return SIZE if node.attr == "shape" else ARRAY
        if node.attr == "param_groups":
            return sequence(GROUP)
        if receiver.name == "unknown" and node.attr in ("values", "indices") and self._is_of_pair(node.value):
            return TENSOR
        if receiver.name in ("instance", "super"):
            found = self._attribute_of(receiver, node.attr)
            wraps = node.attr == "module" and found == UNKNOWN and any(map(self.inference.is_module, receiver.of))
            return receiver if wraps else found  # what DataParallel wraps
        return TENSOR if receiver.name == "unknown" and node.attr == "grad" else UNKNOWN

    def _is_of_pair(self, call: ast.expr) -> bool:
        """Whether a call whose `.values` are read is that of a tensor that gives a pair, such as `x.max(1)`."""
        if not isinstance(call, ast.Call) or not isinstance(call.func, ast.Attribute):
            return False
        if not call.args and not call.keywords:
            return False
        row = self.inference.rows.get(f"torch.Tensor.{call.func.attr}")
        if row is None or row.returns != "pair":
            return False
        self.inference.kinds[call.func.value] = TENSOR
        self.inference.kinds[call] = PAIR
        return True

    def _is_variable(self, node: ast.expr) -> bool:
        """Whether a name is that of a variable of a module, whose attributes have no full names."""
        full = self.project.qualified(node, self.scope)
        found = self.project.definition(full) if full is not None else None
        return found is not None and not isinstance(found[0], (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef))

    def _attribute_of(self, receiver: Kind, attribute: str) -> Kind:
        found: list[Kind] = []
        for name in receiver.of:
            info = self.project.class_named(name)
            if info is None:
                if attribute in ("weight", "bias", "in_proj_weight", "in_proj_bias", "running_mean", "running_var"):
                    found.append(TENSOR)
                elif attribute in ("training", "in_features", "out_features", "in_channels", "out_channels", "eps"):
                    found.append(NUMBER)
                continue
            for each in self.project.ancestry(info):
                if isinstance(each, ClassInfo) and attribute in each.methods:
                    method = each.methods[attribute]
                    if any(isinstance(d, ast.Name) and d.id == "property" for d in method.decorator_list):
                        found.append(self.inference.returned(method, each.names, each))
                    else:
                        found.append(Kind("method", (name, attribute)))
                    break
            else:
                known = self.inference.attributes(info).get(attribute)
                if known is not None:
                    found.append(known)
                elif self.inference.is_module(name) and attribute in ("weight", "bias"):
                    found.append(TENSOR)
                elif attribute == "training":
                    found.append(NUMBER)
        return join(found)

    def subscript(self, node: ast.Subscript) -> Kind:
        """The kind of a subscript."""
        receiver = self.kind(node.value)
        index = self.kind(node.slice)
        plain = isinstance(node.slice, ast.Slice)
        if receiver.is_tensor:
            return receiver
        if receiver == GROUP:
            return (
                sequence(TENSOR) if isinstance(node.slice, ast.Constant) and node.slice.value == "params" else UNKNOWN
            )
        if receiver == ARRAY:
            return ARRAY
        if receiver.name == "size":
            return SIZE if plain else NUMBER
        if receiver.name in ("items", "list") and plain:
            return sequence(receiver.element)
        if receiver.name == "items" and isinstance(node.slice, (ast.Constant, ast.UnaryOp)):
            try:
                return receiver.items[ast.literal_eval(node.slice)]
            except (IndexError, TypeError, ValueError):
                return UNKNOWN
        if receiver.name == "dict":
            return join(receiver.items)
        if receiver.name == "instance" and CONTAINERS & self._external(receiver):
            return instance(MODULE)
        if receiver.name == "string":
            return STRING
        if index.is_tensor and receiver.name == "unknown":
            return TENSOR
        return receiver.element

    def _external(self, kind: Kind) -> set[str]:
        return {base for name in kind.of for base in self.project.external_bases(name)}

    def slice(self, node: ast.Slice) -> Kind:
        """The kind of a slice."""
        for each in (node.lower, node.upper, node.step):
            if each is not None:
                self.kind(each)
        return OTHER

    def call(self, node: ast.Call) -> Kind:
        """What a call returns."""
        raise NotImplementedError

    def binary(self, node: ast.BinOp) -> Kind:
        """The kind of a binary."""
        left, right = self.kind(node.left), self.kind(node.right)
        if left.is_tensor or right.is_tensor:
            return COMPLEX if COMPLEX in (left, right) else TENSOR
        if ARRAY in (left, right):
            return ARRAY
        if left.name in ("items", "list", "size") and right.name in ("items", "list", "size", "unknown"):
            return sequence(join((left.element, right.element)))
        if left.name in ("items", "list") or right.name in ("items", "list"):
            return left if left.name in ("items", "list") else right
        if left.name == "unknown" and isinstance(node.op, (ast.Div, ast.Mult, ast.Add, ast.Sub, ast.Pow)):
            return UNKNOWN  # `(high - low) / 2.0` may be an array
        return left if left.name in ("string", "number") else right if right.name == "number" else UNKNOWN

    def compare(self, node: ast.Compare) -> Kind:
        """The kind of a compare."""
        kinds = [self.kind(each) for each in (node.left, *node.comparators)]
        plain = any(isinstance(each, (ast.Is, ast.IsNot, ast.In, ast.NotIn)) for each in node.ops)
        if not plain and ARRAY in kinds and not any(each.is_tensor for each in kinds):
            return ARRAY
        if plain or not any(each.name in ("tensor", "unknown") for each in kinds):
            return NUMBER
        return TENSOR if any(each.is_tensor for each in kinds) else UNKNOWN

    def boolean(self, node: ast.BoolOp) -> Kind:
        """The kind of a boolean."""
        return join([self.kind(each) for each in node.values])

    def unary(self, node: ast.UnaryOp) -> Kind:
        """The kind of a unary."""
        found = self.kind(node.operand)
        return NUMBER if isinstance(node.op, ast.Not) else found

    def conditional(self, node: ast.IfExp) -> Kind:
        """Rewrite `a if b else c`."""
        self.kind(node.test)
        return join((self.kind(node.body), self.kind(node.orelse)))

    def tuple_(self, node: ast.Tuple) -> Kind:
        """The kind of a tuple."""
        kinds = [self.kind(each.value if isinstance(each, ast.Starred) else each) for each in node.elts]
        if any(isinstance(each, ast.Starred) for each in node.elts):
            return sequence(join(kinds))
        return items(kinds)

    def list_(self, node: ast.List) -> Kind:
        """The kind of a list."""
        return sequence(join([self.kind(each) for each in node.elts]))

    def dict_(self, node: ast.Dict) -> Kind:
        """The kind of a dict."""
        values = [self.kind(each) for each in node.values]
        keys = {key.value for key in node.keys if isinstance(key, ast.Constant)}
        if keys and len(keys) == len(values) and keys <= {"device", "dtype"}:
            return OPTIONS
        return Kind("dict", (), (join(values),) if values else ())

    def comprehension(self, node: ast.ListComp) -> Kind:
        """Rewrite a comprehension, in its own scope."""
        outer, self.environment = self.environment, dict(self.environment)
        for each in node.generators:
            iterated = self.kind(each.iter)
            self.bind(each.target, iterated.element)
            for condition in each.ifs:
                self.kind(condition)
                self.narrow(condition)
        if isinstance(node, ast.DictComp):
            self.kind(node.key)
            held = node.value
            found = Kind("dict", (), (self.kind(held),))
        else:
            held = node.elt
            found = sequence(self.kind(held))
        if iterated.holds_parameters and isinstance(held, ast.Name) and found.items == (TENSOR,):
            found = replace(found, of=iterated.of)
        self.environment = outer
        return found

    def lambda_(self, node: ast.Lambda) -> Kind:
        """Rewrite a lambda."""
        outer, self.environment = self.environment, dict(self.environment)
        for default in (*node.args.defaults, *node.args.kw_defaults):
            if default is not None:
                self.kind(default)
        for each in (*node.args.args, *node.args.kwonlyargs):
            self.environment[each.arg] = UNKNOWN
        self.kind(node.body)
        self.environment = outer
        return UNKNOWN

    def constant(self, node: ast.Constant) -> Kind:
        """The kind of a constant."""
        if node.value is None:
            return NONE
        if isinstance(node.value, str):
            return STRING
        return NUMBER if isinstance(node.value, (int, float, bool)) else OTHER

    def starred(self, node: ast.Starred) -> Kind:
        """The kind of a starred."""
        return self.kind(node.value)

    def formatted(self, node: ast.JoinedStr) -> Kind:
        """Rewrite the expressions in an f-string."""
        for each in node.values:
            if isinstance(each, ast.FormattedValue):
                self.kind(each.value)
        return STRING

    def walrus(self, node: ast.NamedExpr) -> Kind:
        """The kind of a walrus."""
        found = self.kind(node.value)
        self.bind(node.target, found)
        return found

    def inner(self, node: ast.Await | ast.Yield | ast.YieldFrom) -> Kind:
        """The kind of a inner."""
        if node.value is not None:
            self.kind(node.value)
        return UNKNOWN


def is_static(function: Function) -> bool:
    """Whether it is a static method."""
    return any(isinstance(each, ast.Name) and each.id == "staticmethod" for each in function.decorator_list)


def is_class_method(function: Function) -> bool:
    """Whether it is a class method."""
    return any(isinstance(each, ast.Name) and each.id == "classmethod" for each in function.decorator_list)


_HANDLERS: dict[type[ast.expr], Callable[..., Kind]] = {
    ast.Name: Expressions.name,
    ast.Attribute: Expressions.attribute,
    ast.Subscript: Expressions.subscript,
    ast.Slice: Expressions.slice,
    ast.Call: lambda flow, node: flow.call(node),
    ast.BinOp: Expressions.binary,
    ast.Compare: Expressions.compare,
    ast.BoolOp: Expressions.boolean,
    ast.UnaryOp: Expressions.unary,
    ast.IfExp: Expressions.conditional,
    ast.Tuple: Expressions.tuple_,
    ast.List: Expressions.list_,
    ast.Set: Expressions.list_,
    ast.Dict: Expressions.dict_,
    ast.ListComp: Expressions.comprehension,
    ast.SetComp: Expressions.comprehension,
    ast.GeneratorExp: Expressions.comprehension,
    ast.DictComp: Expressions.comprehension,
    ast.Lambda: Expressions.lambda_,
    ast.Constant: Expressions.constant,
    ast.Starred: Expressions.starred,
    ast.JoinedStr: Expressions.formatted,
    ast.NamedExpr: Expressions.walrus,
    ast.Await: Expressions.inner,
    ast.Yield: Expressions.inner,
    ast.YieldFrom: Expressions.inner,
}
