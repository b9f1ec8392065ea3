"""Branches: conditions that are the same in every run of MindSpore, such as `torch.jit.is_scripting()`."""

from __future__ import annotations

import ast

from converter.rewriting.conditions import fold
from converter.rewriting.state import State

CONSTANTS = {
    "torch.jit.is_scripting": False,
    "torch.jit.is_tracing": False,
    "torch._C._get_tracing_state": False,
    "torch.compiler.is_compiling": False,
    "torch.compiler.is_dynamo_compiling": False,
    "torch.onnx.is_in_onnx_export": False,
    "torch.fx._symbolic_trace.is_fx_tracing": False,
    "torch.overrides.has_torch_function_unary": False,
    "torch.overrides.has_torch_function": False,
    "torch.overrides.has_torch_function_variadic": False,
    "torch.is_grad_enabled": True,
    "torch.cuda.is_available": False,
    "torch.backends.mps.is_available": False,
    "torch.mps.is_available": False,
}


class Branches(State):
    """Leaves of a branch what runs."""

    def if_(self, node: ast.If) -> None:
        """Rewrite an `if`, of which only one branch may stay."""
        known = fold(node.test, self._constant)
        if known is None:
            self.visit(node.test)
            self.block(node.body)
            self.block(node.orelse)
            return
        live, dead = (node.body, node.orelse) if known else (node.orelse, node.body)
        for call in ast.walk(node.test):
            if isinstance(call, ast.Call) and (full := self._full(call.func)):
                self.record(call, full, became=str(self._constant(call)))
        self.block(live)
        self._keep_branch(node, live, dead)

    def _keep_branch(self, node: ast.If, live: list[ast.stmt], dead: list[ast.stmt]) -> None:
        """Leave only the branch that runs in place of an `if` whose condition is known."""
        file = self.file
        start, end = file.start(node), file.end(node)
        elif_ = file.text[start : start + 4] == b"elif"
        first = live[0] if live else None
        if first is None and not elif_:
            self._remove_statement(node)
            return
        if first is None or elif_ or (live is node.orelse and isinstance(first, ast.If) and len(live) == 1):
            if (
                first is not None and not elif_ and file.text[file.start(first) :].startswith(b"elif")
            ):  # if False: … elif x: …
                self.edits.replace(start, file.start(first), "")
                self.edits.replace(file.start(first), file.start(first) + 4, "if")
                return
            self.edits.replace(file.start(node.test), file.end(node.test), str(live is node.body))
            return
        indent = file.line_span(file.line_of(start))[0]
        own = file.text[indent:start]
        line = file.line_span(file.line_of(file.start(first)))[0]
        inner = file.text[line : file.start(first)]
        multi = any(
            isinstance(each, (ast.Constant, ast.JoinedStr)) and each.lineno != each.end_lineno
            for statement in live
            for each in ast.walk(statement)
            if isinstance(each, ast.expr)
        )
        if inner.strip() or own.strip() or multi or not inner.startswith(own):
            self.edits.replace(file.start(node.test), file.end(node.test), str(live is node.body))
            return
        stop = file.end(live[-1])
        extra = inner[len(own) :]
        self.edits.replace(start, file.start(first), "")
        for number in range(file.line_of(file.start(first)) + 1, file.line_of(stop) + 1):
            begin, _ = file.line_span(number)
            if file.text[begin : begin + len(inner)] == inner:
                self.edits.replace(begin, begin + len(extra), "")
        if stop < end:
            self.edits.drop(stop, end)
            self.edits.replace(stop, end, "")

    def _constant(self, node: ast.expr) -> bool | None:
        """The value of a call such as `torch.jit.is_scripting()`, which is always the same in MindSpore."""
        if isinstance(node, ast.Call) and (full := self._full(node.func)) is not None:
            return CONSTANTS.get(full)
        return None

    def conditional(self, node: ast.IfExp) -> None:
        """Rewrite `a if b else c`."""
        known = fold(node.test, self._constant)
        if known is None:
            self.children(node)
            return
        live = node.body if known else node.orelse
        self.visit(live)
        for call in ast.walk(node.test):
            if isinstance(call, ast.Call) and (full := self._full(call.func)):
                self.record(call, full, became=str(self._constant(call)))
        if known:
            self.edits.replace(self.file.end(node.body), self.file.end(node), "")
        else:
            self.edits.replace(self.file.start(node), self.file.start(node.orelse), "")
