"""Inference: the kinds of the expressions of a project, found by following its functions forward.

Functions are gone through in the order of their statements. What a function of the project returns is found when a call
of it is met, with the kinds of the arguments of that call for parameters that no annotation describes.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable, Mapping

from converter.rewriting.annotations import kind_of_annotation
from converter.rewriting.flow import Flow
from converter.rewriting.flow_expressions import Environment, is_class_method, is_static
from converter.rewriting.kinds import (
    NUMBER,
    STRING,
    TENSOR,
    UNKNOWN,
    Kind,
    instance,
    join,
    sequence,
)
from converter.rewriting.names import Function, Names, Scope
from converter.rewriting.project import MODULE, ClassInfo, Project
from converter.rewriting.rows import Row


class Inference:
    """The kinds of a project's expressions.

    Args:
        project: the project; files that names lead to are loaded.
        rows: the rows by PyTorch's names.

    Attributes:
        trains: whether a file of the project trains a network.
        trains_itself: whether a module of the project has a `train` of its own.
    """

    def __init__(self, project: Project, rows: Mapping[str, Row]) -> None:
        self.project = project
        self.rows = rows
        self.kinds: dict[ast.expr, Kind] = {}
        self._attributes: dict[ast.ClassDef, dict[str, Kind]] = {}
        self.found: dict[ast.AST, Kind] = {}
        self._by_itself: set[ast.AST] = set()
        self._running: set[ast.AST] = set()
        self._modules: dict[str, Environment] = {}
        self._module_class: dict[str, bool] = {}
        self.trains = self.trains_itself = False

    def run(self, modules: Iterable[Names]) -> None:
        """Find the kinds of every expression of some modules."""
        modules = list(modules)
        self.trains = any(b".backward(" in names.file.text for names in modules)
        classes = (self.project.info(node, names) for names in modules for node in names.classes)
        self.trains_itself = any("train" in each.methods and self.is_module(each.name) for each in classes)
        for names in modules:
            self.module_environment(names)
            for node in names.classes:
                self.attributes(self.project.info(node, names))
        for wanted in (True, False):  # what is called from `forward` is better known than by itself
            for names in modules:
                for node in names.classes:
                    info = self.project.info(node, names)
                    for name, function in info.methods.items():
                        if (name == "forward") is wanted:
                            self.returned(function, names, info)
        for names in modules:
            for function in names.functions:
                self.returned(function, names, None)

    def kind(self, node: ast.expr) -> Kind:
        """The kind that was found for an expression."""
        return self.kinds.get(node, UNKNOWN)

    def is_module(self, full: str) -> bool:
        """Whether a class is a Module, by its bases."""
        if full not in self._module_class:
            bases = self.project.external_bases(full)
            layers = (base for base in bases if (row := self.rows.get(base)) is not None and row.use == "layer")
            of_torch = any(base == MODULE or base.startswith("torch.nn.modules.") for base in bases)
            self._module_class[full] = of_torch or any(layers)
        return self._module_class[full]

    def module_environment(self, names: Names) -> Environment:
        """The kinds of a module's own variables."""
        if names.file.module not in self._modules:
            environment: Environment = {}
            self._modules[names.file.module] = environment
            Flow(self, names, names.module, None, environment).block(names.file.tree.body)
        return self._modules[names.file.module]

    def attributes(self, info: ClassInfo) -> dict[str, Kind]:
        """The kinds of what the methods of a class assign to `self`, and of its bases'."""
        if info.node in self._attributes:
            return self._attributes[info.node]
        found: dict[str, Kind] = {}
        self._attributes[info.node] = found
        for base in info.bases:
            parent = self.project.class_named(base) if base else None
            if parent is not None:
                found.update(self.attributes(parent))
        for statement in info.node.body:
            if isinstance(statement, ast.AnnAssign) and isinstance(statement.target, ast.Name):
                scope = info.names.scopes[info.node]
                found[statement.target.id] = kind_of_annotation(statement.annotation, scope, self.project)
        for name in ("__init__", "setup"):
            if name in info.methods:
                self.returned(info.methods[name], info.names, info)
        return found

    def returned(
        self, function: Function, names: Names, info: ClassInfo | None, arguments: Mapping[str, Kind] | None = None
    ) -> Kind:
        """What a function returns; `arguments` are the kinds of parameters without annotation."""
        if function in self.found and not (arguments and info is None and function in self._by_itself):
            return self.found[function]
        self._by_itself.discard(function)
        if not arguments:
            self._by_itself.add(function)  # until a call says what its parameters are
        scope = names.scopes[function]
        declared = kind_of_annotation(function.returns, scope, self.project)
        if function in self._running or len(self._running) > 60:
            return declared
        self._running.add(function)
        info = info or self._class_around(function, names)
        environment = self.parameters(function, scope, info, arguments or {})
        flow = Flow(self, names, scope, info, environment)
        flow.block(function.body)
        self._running.discard(function)
        kind = declared if declared.name != "unknown" else join(flow.results)
        self.found[function] = kind
        return kind

    def _class_around(self, function: Function, names: Names) -> ClassInfo | None:
        scope = names.functions.get(function)
        if scope is not None and isinstance(scope.node, ast.ClassDef):
            return self.project.info(scope.node, names)
        return None

    def parameters(
        self, function: Function, scope: Scope, info: ClassInfo | None, given: Mapping[str, Kind]
    ) -> Environment:
        """The kinds of a function's parameters: by annotation, by the call, by their defaults."""
        arguments = function.args
        positional = [*arguments.posonlyargs, *arguments.args]
        defaults: dict[str, ast.expr] = {}
        if arguments.defaults:
            tail = positional[-len(arguments.defaults) :]
            defaults |= {each.arg: default for each, default in zip(tail, arguments.defaults, strict=True)}
        for each, default in zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True):
            if default is not None:
                defaults[each.arg] = default
        forward = info is not None and function.name == "forward" and self.is_module(info.name)
        found: Environment = {}
        for each in (*positional, *arguments.kwonlyargs):
            kind = kind_of_annotation(each.annotation, scope, self.project)
            if kind.name == "unknown" and each.arg in given:
                kind = given[each.arg]
            if kind.name in ("unknown", "none"):
                kind = self._from_default(defaults.get(each.arg), forward)
            found[each.arg] = kind
        if arguments.vararg:
            found[arguments.vararg.arg] = sequence(TENSOR if forward else UNKNOWN)
        if arguments.kwarg:
            found[arguments.kwarg.arg] = Kind("dict")
        if info is not None and positional and not is_static(function):
            found[positional[0].arg] = (
                instance(info.name) if not is_class_method(function) else Kind("class", (info.name,))
            )
        return found

    @staticmethod
    def _from_default(default: ast.expr | None, forward: bool) -> Kind:
        if isinstance(default, ast.Constant) and default.value is not None:
            return STRING if isinstance(default.value, str) else NUMBER
        if isinstance(default, (ast.UnaryOp, ast.BinOp)):
            return NUMBER
        if default is not None and not isinstance(default, ast.Constant):
            return UNKNOWN
        return TENSOR if forward else UNKNOWN
