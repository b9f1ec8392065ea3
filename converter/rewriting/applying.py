"""Calls of PyTorch, written as their rows say."""

from __future__ import annotations

import ast

from converter.rewriting.calls import layout_of
from converter.rewriting.inference import Inference
from converter.rewriting.project import MODULE
from converter.rewriting.rendering import Rendering
from converter.rewriting.rows import Row
from converter.rewriting.signature import Arguments, NotStatic, UnsupportedCall
from converter.rewriting.state import full_name
from converter.rewriting.template import Template, template
from converter.rewriting.values import Values
from converter.rewriting.view import View

_OPTION_NAMES = frozenset({"dd", "factory_kwargs", "device_kwargs", "tensor_kwargs"})


_PYTHON_TYPES = {"builtins.bool": "ms.bool_", "builtins.int": "ms.int64", "builtins.float": "ms.float64"}


class Applying(Values):
    """Writes calls as their rows say."""

    def _apply(self, node: ast.Call, full: str, receiver: ast.expr | None, mark: int, note: str = "") -> None:
        """Write a call as its row says."""
        row = self.rows.get(full)
        if row is None or row.use == "none" or (row.becomes is None and row.use != "value"):
            self._unconverted(node, full, row.remedy if row is not None else "")
            return
        if row.use == "value":
            if not row.value:  # a decorator, or a statement, that goes
                self._unconverted(node, full, row.remedy)
                return
            self.value_text(node.func, full, row.value, use="call")
            return
        assert row.signature is not None
        self._drop_options(node, mark)
        plain = _without_options(node, self.inference)
        becomes = row.mint if self.options.api == "mint" and row.mint is not None else row.becomes
        try:
            bound = row.signature.bind(plain)
            view = View(self, node, bound, receiver, mark)
            text = becomes if isinstance(becomes, str) else becomes(view) if becomes is not None else ""
            parsed = template(_with_reduction(text, bound, view))
            self._python_type(bound)
            self._check(row, bound, parsed, view)
        except UnsupportedCall as reason:
            self._unconverted(node, full, f"{reason}. {row.remedy}".strip())
            return
        except NotStatic as reason:
            name = full.rpartition(".")[2]
            lost = any(each.arg in row.refused for each in plain.keywords)
            if name not in self.options.helpers or lost:
                self._unconverted(node, full, f"{reason}. {row.remedy}".strip())
                return
            parsed = template(f"compat.{name}({{self}}, ...)" if receiver is not None else f"compat.{name}(...)")
            bound = Arguments(row.signature)
        own = full == f"{MODULE}.reset_parameters"  # its helper does call the method of the class
        if receiver is not None and not parsed.method and not own:
            self._without_super(receiver)
        Rendering(plain, self.file, self.edits, mark, bound, receiver, self.write).apply(parsed)
        self.record(node, full, became=self._became(parsed, full), note=note or row.note)

    def _without_super(self, receiver: ast.expr) -> None:
        """Write `super()` as `self` where it is a value: helpers do not call the class's own methods."""
        if self.inference.kind(receiver).name == "super" and self.function is not None and self.function.args.args:
            name = self.function.args.args[0].arg
            self.edits.replace(self.file.start(receiver), self.file.end(receiver), name)

    def _drop_options(self, node: ast.Call, mark: int) -> None:
        """Remove `**dd`, a dict of device and dtype only."""
        if all(each.arg is not None for each in node.keywords):
            return
        arguments = layout_of(node, self.file).arguments
        for number, each in enumerate(arguments):
            if each.keyword == "" and _is_options(each.node, self.inference):
                self.edits.drop(each.start, each.end, mark)
                if number:
                    self.edits.replace(arguments[number - 1].end, each.end, "")
                else:
                    self.edits.replace(each.start, arguments[1].start if len(arguments) > 1 else each.end, "")

    def _python_type(self, bound: Arguments) -> None:
        """Write `dtype=bool`, a type of Python's, as MindSpore's."""
        given = bound.given.get("dtype")
        found = _PYTHON_TYPES.get(self._full(given) or "") if given is not None else None
        if given is not None and found:
            self.edits.replace(self.file.start(given), self.file.end(given), self.write(found))

    @staticmethod
    def _check(row: Row, bound: Arguments, parsed: Template, view: View) -> None:
        """Refuse arguments that the result would lose."""
        if row.signature is None:
            return
        for name in bound.given:
            if name in row.refused and not (view.is_static(name) and view.value(name) == view.default(name)):
                raise UnsupportedCall(f"MindSpore has no counterpart of its argument '{name}'")

    def _became(self, parsed: Template, full: str) -> str:
        """The full name of what a call became."""
        if parsed.whole:
            return "an expression"
        if parsed.method:
            kind = "mindspore.nn.Cell" if full.startswith(MODULE) else "mindspore.Tensor"
            return kind + parsed.callee
        return full_name(parsed.callee)

    def _classes(self, node: ast.expr) -> None:
        """The classes that `isinstance` asks for."""
        if isinstance(node, ast.Tuple):
            for each in node.elts:
                self._classes(each)
            return
        full = self._full(node)
        row = self.rows.get(full) if full else None
        if full is not None and row is not None and (row.use == "layer" or row.instance_of):
            self.value_text(node, full, self._class_of(full, row))
        else:
            self.visit(node)


def _with_reduction(text: str, bound: Arguments, view: View) -> str:
    """A template with the reduction that `size_average` and `reduce` of older scripts mean."""
    given = [each for each in ("size_average", "reduce") if each in bound.given]
    if not given or "size_average" not in bound.signature.parameters:
        return text
    average, reduced = (view.value(each) in (None, True) for each in ("size_average", "reduce"))
    for each in given:
        del bound.given[each]
    reduction = ("mean" if average else "sum") if reduced else "none"
    return text.replace("{reduction!}", f"'{reduction}'").replace("{reduction}", f"'{reduction}'")


def _is_options(node: ast.expr, inference: Inference) -> bool:
    return inference.kind(node).name == "options" or (isinstance(node, ast.Name) and node.id in _OPTION_NAMES)


def _without_options(node: ast.Call, inference: Inference) -> ast.Call:
    if not any(each.arg is None and _is_options(each.value, inference) for each in node.keywords):
        return node
    kept = [each for each in node.keywords if each.arg is not None or not _is_options(each.value, inference)]
    return ast.copy_location(ast.Call(node.func, node.args, kept), node)
