"""Definitions: classes, functions, their bases and decorators."""

from __future__ import annotations

import ast

from converter.rewriting.attributes import METHODS, RESERVED
from converter.rewriting.branches import Branches
from converter.rewriting.carried import Carried, plan_of
from converter.rewriting.closures import closure_faults
from converter.rewriting.libraries import OUTPUT
from converter.rewriting.names import Function, Scope
from converter.rewriting.project import MODULE
from converter.rewriting.records import Record
from converter.rewriting.state import PYTHON
from converter.rewriting.tuple_attributes import tuple_attributes
from converter.rewriting.undefined import undefined


class Definitions(Branches):
    """Rewrites definitions."""

    def function_(self, node: Function) -> None:
        """Rewrite a function or method."""
        inside = self.class_node if isinstance(self.scope.node, ast.ClassDef) else None
        info = self.project.info(inside, self.names) if inside is not None else None
        in_module = info is not None and self.inference.is_module(info.name)
        if in_module and any(self._full(each) == "torch.jit._overload_method" for each in node.decorator_list):
            self._remove_statement(node)
            return
        self._decorators(node)
        if in_module and node.name not in PYTHON:
            self._names_self(node)
            self._closures(node)
            self._hold_tuples(node)
        if in_module and node.name == "__getattr__":
            indent = " " * node.col_offset
            text = self.write(f"@compat.asked_once{self.file.newline}{indent}")
            self.edits.insert(self.file.start(node), text, leading=True)
        if in_module and node.name == "forward":
            self._rename_definition(node, "construct")
        elif in_module and node.name in METHODS:
            self._rename_definition(node, f"{node.name}_")
        self.parameters(node.args, self.scope)
        if node.returns is not None:
            self.visit(node.returns)
        outer, self.without_gradient = self.without_gradient, self._is_quiet(node)
        self._inside(node, node.body)
        self.without_gradient = outer
        if node in self.carried.methods:
            self._hand_on(node)
        if in_module and node.name not in PYTHON:
            self._define(node)

    def _names_self(self, node: Function) -> None:
        """List a method whose first parameter has another name: graph mode takes that for an input."""
        static = {self._full(each) for each in node.decorator_list} & {"builtins.staticmethod", "builtins.classmethod"}
        first = [*node.args.posonlyargs, *node.args.args][:1]
        if static or not first or first[0].arg == "self":
            return
        start, end = self.file.start(first[0]), self.file.end(first[0])  # type: ignore[arg-type]
        name = f"{MODULE}.{node.name}"
        remedy = "Graph mode wants the first parameter of a method to be called self: rename it."
        found = Record(start=start, end=end, name=name, written=first[0].arg, converted=False, remedy=remedy)
        self.records.append(found)

    def _closures(self, node: Function) -> None:
        """List inner functions that graph mode reads otherwise than Python."""
        for inner, remedy in closure_faults(node, self.names.scopes):
            name, width = ("lambda", 6) if isinstance(inner, ast.Lambda) else (f"{node.name}.{inner.name}", 3)  # type: ignore[attr-defined]
            start = self.file.start(inner)  # type: ignore[arg-type]
            written = name.rpartition(".")[2]
            found = Record(start=start, end=start + width, name=name, written=written, converted=False, remedy=remedy)
            self.records.append(found)

    def _hold_tuples(self, node: Function) -> None:
        """Hold in a variable what graph mode cannot read from an attribute again."""
        file = self.file
        taken = {*self.carried.reads, *self.carried.assigned}
        for name, (places, last) in tuple_attributes(
            node, lambda each: self.inference.kind(each).name == "items"
        ).items():
            if taken & set(places) or last in taken or name in RESERVED:
                continue
            variable = self.free_name(node, name)
            self.carried.reads.update((each, variable) for each in places)
            line, _ = file.line_span(file.line_of(file.start(last)))
            indent = file.text[line : file.start(last)].decode()
            self.edits.insert(file.end(last), f"{file.newline}{indent}self.{name} = {variable}")

    def _define(self, node: Function) -> None:
        """Set to None what only one branch assigns though it is read later."""
        for statement, names in undefined(node).items():
            line, _ = self.file.line_span(self.file.line_of(self.file.start(statement)))
            indent = self.file.text[line : self.file.start(statement)]
            if not indent.strip():
                text = "".join(f"{name} = None{self.file.newline}{indent.decode()}" for name in names)
                self.edits.insert(self.file.start(statement), text, leading=True)

    def _is_method(self, node: Function) -> bool:
        return self.class_node is not None and isinstance(self.scope.node, ast.ClassDef)

    def _inside(self, node: Function, body: list[ast.stmt]) -> None:
        outer = self.scope, self.function
        self.scope, self.function = self.names.scopes[node], node
        self.block(body)
        self.scope, self.function = outer

    def parameters(self, arguments: ast.arguments, outside: Scope) -> None:
        """Rewrite annotations and defaults of parameters."""
        for each in (*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs, arguments.vararg, arguments.kwarg):
            if each is not None and each.annotation is not None:
                self.visit(each.annotation)
        for default in (*arguments.defaults, *arguments.kw_defaults):
            if default is not None:
                self.visit(default)

    def lambda_(self, node: ast.Lambda) -> None:
        """Rewrite a lambda."""
        self.parameters(node.args, self.scope)
        outer, self.scope = self.scope, self.names.scopes[node]
        self.visit(node.body)
        self.scope = outer

    def comprehension(self, node: ast.ListComp) -> None:
        """Rewrite a comprehension, in its own scope; list one of several loops, which graph mode has not."""
        if len(node.generators) > 1 and self.is_compiled():
            start, end = self.file.start(node), self.file.end(node)
            remedy = "Graph mode knows comprehensions of one loop: write a loop, or one comprehension in another."
            found = Record(start, end, "comprehension", self.file.of(node), converted=False, remedy=remedy)
            self.records.append(found)
        outer, self.scope = self.scope, self.names.scopes[node]
        self.children(node)
        self.scope = outer

    def class_(self, node: ast.ClassDef) -> None:
        """Rewrite a class."""
        self._decorators(node)
        for base in node.bases:
            self._base(base)
        for keyword in node.keywords:
            self.visit(keyword.value)
        outer = self.scope, self.class_node, self.carried
        self.scope, self.class_node, self.carried = self.names.scopes[node], node, self._plan_of(node)
        self.block(node.body)
        self.scope, self.class_node, self.carried = outer

    def _plan_of(self, node: ast.ClassDef) -> Carried:
        """Which values the methods of a module hand on."""
        info = self.project.info(node, self.names)
        if not self.inference.is_module(info.name):
            return Carried()

        def overridden() -> frozenset[str]:
            derived = (each for each in self.project.classes() if info in self.project.ancestry(each))
            return frozenset(name for each in derived if each is not info for name in each.methods)

        return plan_of(node, RESERVED, overridden)

    def _hand_on(self, node: Function) -> None:
        """Give a method the parameters by which it is handed values of `forward`."""
        file, names = self.file, self.carried.methods[node]
        arguments = node.args
        text = ", ".join(f"{name}=None" for name in names)
        if arguments.kwarg is not None:
            self.edits.insert(file.text.rindex(b"**", 0, file.start(arguments.kwarg)), f"{text}, ")
        else:
            every = [*arguments.args, *arguments.kwonlyargs, *arguments.defaults, *arguments.kw_defaults]
            self.edits.insert(max(file.end(each) for each in every if each is not None), f", {text}")
        documented = ast.get_docstring(node, clean=False) is not None and len(node.body) > 1
        start = file.start(node.body[1 if documented else 0])
        line, _ = file.line_span(file.line_of(start))
        indent = file.text[line:start].decode()
        step = "\t" if indent.endswith("\t") else "    "
        for name in names:
            lines = (f"if {name} is None:", f"{step}{name} = self.{name}", "")
            self.edits.insert(start, f"{file.newline}{indent}".join(lines), leading=True)

    def _base(self, node: ast.expr) -> None:
        full = self._full(node)
        if full is None or not self.project.is_torch(full):
            self.visit(node)
            return
        row = self.rows.get(full)
        if full == MODULE:
            self.value_text(node, full, "nn.Cell", use="class")
        elif row is not None and row.use == "layer":
            self.value_text(node, full, f"compat.{full.rpartition('.')[2]}", use="class", helper=True)
        elif row is not None and row.value:
            self.value_text(node, full, row.value, use="class", note=row.note)
        else:
            self._unconverted(node, full, "the base class", stub=True)

    def _decorators(self, node: Function | ast.ClassDef) -> None:
        for each in node.decorator_list:
            full = self._full(each.func if isinstance(each, ast.Call) else each)
            if full == "dataclasses.dataclass" and isinstance(node, ast.ClassDef) and self._makes_output(node):
                full = OUTPUT  # its fields are keys of a dict
            if full is None or not self.project.is_torch(full):
                self.visit(each)
                continue
            at = self.file.text.rindex(b"@", 0, self.file.start(each))
            self._remove_span(at, self.file.end(each))
            row = self.rows.get(full)
            note = row.note if row is not None else "The decorator was removed: no row says what it does."
            self.record(each, full, became="nothing", note=note, use="decorator")

    def _makes_output(self, node: ast.ClassDef) -> bool:
        return self.project.is_output(self.project.info(node, self.names).name)

    def _rename_definition(self, node: Function, new: str) -> None:
        start = self.file.start(node)  # behind the decorators
        at = self.file.text.index(node.name.encode(), self.file.text.index(b"def", start) + 3)
        self.edits.replace(at, at + len(node.name.encode()), new)
