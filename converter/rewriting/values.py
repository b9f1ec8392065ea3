"""Names of PyTorch that are not called: values, classes, annotations."""

from __future__ import annotations

import ast
from collections.abc import Iterable

from converter.rewriting.names import chain
from converter.rewriting.project import MODULE
from converter.rewriting.rows import Row
from converter.rewriting.state import PACKAGES, State, full_name
from converter.rewriting.template import template
from converter.rewriting.trees import nodes


class Values(State):
    """Rewrites names that are not called."""

    def name(self, node: ast.Name) -> None:
        """Rewrite a name."""
        if not isinstance(node.ctx, ast.Load):
            return
        full = self.project.resolve(node.id, self.scope)
        if full is not None and self.project.is_torch(full := self.project.follow(full)):
            self._value(node, full)

    def _value(self, node: ast.expr, full: str) -> None:
        """A name of PyTorch that is not called on the spot."""
        row = self.rows.get(full)
        if full == MODULE:
            self.value_text(node, full, "nn.Cell")
        elif row is None:
            if full not in PACKAGES:
                self._unconverted(node, full, "")
            else:
                self._stub(node, full)
        elif row.use == "layer":
            name = full.rpartition(".")[2]
            annotation = self._in_annotation()
            self.value_text(node, full, self._class_of(full, row) if annotation else f"compat.{name}", helper=True)
        elif row.value:
            self.value_text(node, full, (self._in_annotation() and row.instance_of) or row.value)
        elif row.use == "call" and full.rpartition(".")[2] in self.options.helpers:
            self.value_text(node, full, f"compat.{full.rpartition('.')[2]}")
        else:
            self._unconverted(node, full, row.remedy)

    def _class_of(self, full: str, row: Row) -> str:
        """The class that an instance of a layer belongs to, whether it was made directly or by a helper."""
        if row.instance_of:
            return row.instance_of
        name = full.rpartition(".")[2]
        if isinstance(row.becomes, str):
            return template(row.becomes).callee
        return f"compat.{name}"

    def constant(self, node: ast.Constant) -> None:
        """Rewrite the names in an annotation that is written as a string: `x: "torch.Tensor"`."""
        text = self.file.of(node) if isinstance(node.value, str) and self._in_annotation() else ""
        if len(text) < 3 or text[0] not in "'\"" or text[1:-1] != node.value:
            return  # no annotation, or with a prefix, escapes or three quotes
        try:
            tree = ast.parse(node.value, mode="eval")
        except SyntaxError:
            return
        begin = self.file.start(node) + 1
        inner = [each for each in nodes(tree) if isinstance(each, ast.Attribute)]
        covered = {id(each.value) for each in inner}
        for each in nodes(tree):
            if not isinstance(each, ast.Name | ast.Attribute) or id(each) in covered:
                continue
            full = self._full(each)
            if full is None or not self.project.is_torch(full):
                continue
            row = self.rows.get(full)
            new = "nn.Cell" if full == MODULE else row.value if row is not None else ""
            new = self._class_of(full, row) if row is not None and (row.use == "layer" or row.instance_of) else new
            if new:
                assert each.end_col_offset is not None
                self.edits.replace(begin + each.col_offset, begin + each.end_col_offset, self.write(new))
                self.record(node, full, written=ast.unparse(each), became=full_name(new), use="annotation")

    def _in_annotation(self) -> bool:
        inner = self.parents[-1]
        for parent in reversed(self.parents[:-1]):
            if isinstance(parent, ast.AnnAssign):
                return parent.annotation is inner
            if isinstance(parent, (ast.FunctionDef, ast.AsyncFunctionDef)):
                arguments = parent.args
                every = (
                    *arguments.posonlyargs,
                    *arguments.args,
                    *arguments.kwonlyargs,
                    arguments.vararg,
                    arguments.kwarg,
                )
                return parent.returns is inner or any(each is not None and each.annotation is inner for each in every)
            if isinstance(parent, (ast.stmt, ast.Call)):
                return False
            inner = parent
        return False

    def formatted(self, node: ast.JoinedStr) -> None:
        """Rewrite the expressions in an f-string."""
        if any(isinstance(each, ast.FormattedValue) and each.format_spec is not None for each in node.values):
            values = (each for each in node.values if isinstance(each, ast.FormattedValue))
            self.formats(each.value for each in values if each.format_spec is not None)
        for each in node.values:
            if isinstance(each, ast.FormattedValue) and self._placed(each.value):
                self.visit(each.value)

    def formats(self, values: Iterable[ast.expr]) -> None:
        """See that values can be formatted, `f"{loss:.3f}"`, which MindSpore's tensors cannot by themselves."""
        kinds = {self.inference.kind(each).name for each in values}
        perhaps = kinds & {"unknown", "instance", "dict"}  # an attribute or a member may be a tensor
        if "tensor" in kinds or (perhaps and self.inference.trains):
            self.needs.modules.add("compat")
            self.needs.helpers.add("formatted")

    def _has_formats(self, text: ast.expr) -> bool:
        """Whether a text whose `format` is called says how to write a value."""
        if isinstance(text, ast.Constant):
            return isinstance(text.value, str) and ":" in text.value
        return self.inference.kind(text).name in ("string", "unknown")

    def _placed(self, node: ast.expr) -> bool:
        """Whether the parser gives the place of an expression in an f-string rightly; Python 3.11 does not always."""
        try:
            text = self.file.of(node)
            if (names := chain(node)) is not None and text == ".".join(names):
                return True
            return ast.dump(ast.parse(f"({text})", mode="eval").body) == ast.dump(node)
        except (SyntaxError, ValueError, UnicodeDecodeError, IndexError):
            return False
