"""torch.autograd.grad: what computes the outputs becomes a function of the inputs.

    d = critic(x)
    g = torch.autograd.grad(d, x, torch.ones_like(d), create_graph=True)[0]

becomes `g = compat.gradients(lambda x: critic(x), x)[0]`. Statements that make a variable of the outputs are written in
its place; one that nothing else reads goes.
"""

from __future__ import annotations

import ast
from collections.abc import Sequence
from dataclasses import dataclass

from converter.rewriting.attributes import Attributes
from converter.rewriting.signature import NotStatic, UnsupportedCall
from converter.rewriting.trees import nodes

_SECOND = "MindSpore may lose gradients of second order through a reshape behind an activation: compare them."
ANEW = ", with random numbers of its own."
GRAD = "torch.autograd.grad"
_ONES = frozenset({"torch.ones_like", "torch.ones"})
_MOVES = frozenset({"to", "cuda", "cpu", "type_as", "float", "requires_grad_"})


@dataclass
class Function:
    """What computes the outputs, as it is written.

    Attributes:
        text: the expression.
        reads: the variables in it.
        lines: the statements that are computed again.
        moved: those that nothing else needs.
    """

    text: str
    reads: set[str]
    lines: list[int]
    moved: list[ast.Assign]


class Outputs(Attributes):
    """Rewrites calls of torch.autograd.grad."""

    def gradients(self, node: ast.Call, mark: int) -> bool:
        """Rewrite a call; false where the outputs are computed elsewhere."""
        signature = self.rows[GRAD].signature
        assert signature is not None
        try:
            given = signature.bind(node).given
        except (NotStatic, UnsupportedCall):
            return False
        if not {"outputs", "inputs"} <= given.keys() or "is_grads_batched" in given:
            return False
        inputs, outputs = given["inputs"], _only(given["outputs"])
        names = [each.id for each in _members(inputs) if isinstance(each, ast.Name)]
        function = self._function(outputs, set(names), node)
        if function is None:
            return False
        if not set(names) & function.reads and self._is_given(function):
            return False
        named = names if len(names) == len(_members(inputs)) and set(names) <= function.reads else []
        arguments = [f"lambda {', '.join(named)}: {function.text}" if named else f"lambda: {function.text}"]
        arguments.append(self._text(inputs))
        weights = given.get("grad_outputs")
        if weights is not None and not self._is_ones(weights) and self.file.of(weights) != "None":
            arguments.append(self._text(weights))
        self.gone += function.moved
        start, end = self.file.start(node), self.file.end(node)
        self.edits.drop(start, end, mark)
        self.edits.replace(start, end, self.write(f"compat.gradients({', '.join(arguments)})"))
        lines = ", ".join(str(each) for each in sorted(function.lines))
        note = f"Line {lines} is computed again for this gradient{ANEW}" if lines else ""
        if any(each.arg == "create_graph" and self.file.of(each.value) == "True" for each in node.keywords):
            note = f"{note} {_SECOND}".strip()
        self.record(node, GRAD, became="mindspore.grad", note=note)
        return True

    def _is_given(self, function: Function) -> bool:
        """Whether the outputs came in as an argument: nothing in their expression calls a network."""
        if self.function is None:
            return False
        arguments = {each.arg for each in nodes(self.function.args) if isinstance(each, ast.arg)}
        calls = [each.func for each in nodes(ast.parse(function.text, mode="eval")) if isinstance(each, ast.Call)]
        methods = [
            each for each in calls if isinstance(each, ast.Attribute) and f"torch.Tensor.{each.attr}" in self.rows
        ]
        return bool(function.reads & arguments) and calls == methods

    def remove_gone(self) -> None:
        """Remove the statements that have come to stand elsewhere."""
        for each in self.gone:
            self.edits.drop(self.file.start(each), self.file.end(each))
            self._remove_span(self.file.start(each), self.file.end(each))
        self.gone.clear()

    def _text(self, node: ast.expr) -> str:
        return self.edits.text(self.file.start(node), self.file.end(node))

    def _is_ones(self, node: ast.expr) -> bool:
        """Whether every output counts once: `torch.ones(y.size()).cuda()`."""
        node = _only(node)
        while isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in _MOVES:
            node = node.func.value
        return isinstance(node, ast.Call) and self._full(node.func) in _ONES

    def _function(self, outputs: ast.expr, inputs: set[str], call: ast.Call) -> Function | None:
        """The outputs as an expression of the inputs, through the statements before; None if that is not seen."""
        if not isinstance(outputs, ast.Name):
            found = Function(self._text(outputs), _names(outputs), [], [])
            inner = [each for each in nodes(outputs) if isinstance(each, ast.Name) and each.id not in inputs]
            made = [each for each in inner if self._maker(each.id, inputs) is not None]
            if not made:
                return found
            if len(made) > 1:
                return None
            whole = self._function(made[0], inputs, call)
            if whole is None:
                return None
            at = self.file.start(made[0]) - self.file.start(outputs)
            if self._text(outputs) != self.file.of(outputs) and self._text(outputs).count(made[0].id) != 1:
                return None
            before, _, after = (
                (found.text[:at], "", found.text[at + len(made[0].id) :])
                if self._text(outputs) == self.file.of(outputs)
                else found.text.partition(made[0].id)
            )
            whole.text, whole.reads = f"{before}{whole.text}{after}", whole.reads | (found.reads - {made[0].id})
            return whole
        maker = self._maker(outputs.id, inputs)
        if maker is None:
            return None
        found = Function(self._text(maker.value), _names(maker.value), [maker.lineno], [])
        if isinstance(maker.value, (ast.BinOp, ast.UnaryOp, ast.IfExp, ast.BoolOp, ast.Compare, ast.Lambda)):
            found.text = f"({found.text})"
        inside = {id(each) for each in (*nodes(call), *nodes(maker))}
        others = (each for each in nodes(self.function or self.file.tree) if id(each) not in inside)
        if not any(isinstance(each, ast.Name) and each.id == outputs.id for each in others):
            found.moved, found.lines = [maker], []
        return found

    def _maker(self, name: str, inputs: set[str]) -> ast.Assign | None:
        """The statement before this one that makes a variable, if all that it reads is as it was."""
        before = self._before()
        place = next((at for at in reversed(range(len(before))) if name in _stores(before[at])), None)
        if place is None:
            return None
        maker = before[place]
        plain = isinstance(maker, ast.Assign) and len(maker.targets) == 1 and isinstance(maker.targets[0], ast.Name)
        changed = {each for statement in before[place + 1 :] for each in _stores(statement)}
        if not isinstance(maker, ast.Assign) or not plain or changed & (_names(maker.value) | inputs):
            return None
        return maker

    def _before(self) -> Sequence[ast.stmt]:
        """The statements of this block before this one."""
        for parent in reversed(self.parents):
            for part in ("body", "orelse", "finalbody"):
                block = getattr(parent, part, None)
                if isinstance(block, list) and self.statement in block:
                    return block[: block.index(self.statement)]
        block = (self.function or self.file.tree).body
        return block[: block.index(self.statement)] if self.statement in block else []


def _members(node: ast.expr) -> list[ast.expr]:
    return list(node.elts) if isinstance(node, (ast.Tuple, ast.List)) else [node]


def _only(node: ast.expr) -> ast.expr:
    """The member of a list of one."""
    members = _members(node)
    return members[0] if len(members) == 1 else node


def _names(node: ast.AST) -> set[str]:
    return {each.id for each in nodes(node) if isinstance(each, ast.Name)}


def _stores(node: ast.AST) -> set[str]:
    return {each.id for each in nodes(node) if isinstance(each, ast.Name) and not isinstance(each.ctx, ast.Load)}
