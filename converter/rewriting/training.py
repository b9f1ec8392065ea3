"""Training: what computes a loss becomes a function, which is differentiated where the source calls `loss.backward()`.

    output = model(data)                      def forward():
    loss = criterion(output, target)              output = model(data)
    loss.backward()                               loss = criterion(output, target)
                                                  return loss, output
                                              loss, output = compat.backward(forward, model)

The function holds the statements of the block from the first one that a gradient flows through. What an earlier call of
`backward` has in its function already is computed again. Where `loss.backward()` stands in a branch and the loss before
it, the gradients are computed with the loss, and the branch adds them; so they are where a statement between both
changes what the loss was computed of. The rest of a step stays: the optimizer of the
result has `zero_grad` and `step`, and takes the gradients that wait for it.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable

from converter.rewriting.inference import Inference
from converter.rewriting.losses import Backward, Losses
from converter.rewriting.names import Names
from converter.rewriting.outputs import ANEW
from converter.rewriting.state import Options

_LATER = "The gradients are computed with the loss; here they are added."


class Training(Losses):
    """Rewrites calls of `backward`."""

    def __init__(self, names: Names, inference: Inference, options: Options) -> None:
        super().__init__(names, inference, options)
        self._found: dict[ast.stmt, Backward] = {}
        self._trains = b".backward(" in names.file.text

    def block(self, statements: Iterable[ast.stmt]) -> None:
        """Go through statements; then put what computes a loss into a function."""
        if not self._trains:
            super().block(statements)
            self.remove_gone()
            return
        statements = list(statements)
        plans = list(self.plans(statements))
        self._found |= {each.statement: each for each in plans}
        super().block(statements)
        self.remove_gone()
        for plan in plans:
            self._write(plan)

    def expression(self, node: ast.Expr) -> None:
        """Rewrite a statement that is an expression."""
        if node in self.later:
            self.edits.replace(self.file.start(node), self.file.end(node), f"{self.later[node]}()")
            self.record(node.value, "torch.Tensor.backward", became="mindspore.value_and_grad", note=_LATER)
        elif node in self._found:
            self.visit(self._found[node].loss)
        else:
            super().expression(node)  # type: ignore[misc]

    def _write(self, plan: Backward) -> None:
        file, edits = self.file, self.edits
        if not plan.region:
            start, end = file.start(plan.statement), file.end(plan.statement)
            result = edits.absorb(file.start(plan.loss), file.end(plan.loss), 0)
            edits.drop(start, end)
            function = f"lambda: {result}"
            edits.replace(start, end, self.write(f"compat.backward({', '.join([function, *plan.networks])})"))
            self._record(plan)
            return
        first, last = file.start(plan.region[0]), file.end(plan.region[-1])
        line, _ = file.line_span(file.line_of(first))
        indent = file.text[line:first].decode()
        step = "\t" if indent.endswith("\t") else "    "
        name = self.free_name(self.function or file.tree)
        again = [f"self.{self._own_name(each)}()" for each in plan.methods]
        again += [edits.text(file.start(each), file.end(each)) for each in plan.again]
        inner = indent + step
        if again and plan.moved:
            again = [self.write(f"with compat.still({', '.join(plan.moved)}):"), *(f"{step}{each}" for each in again)]
        again = [f"{inner}{each}{file.newline}" for each in again]
        result = edits.text(file.start(plan.loss), file.end(plan.loss))
        result = f"({result})" if "\n" in result else result  # its own brackets, if any, are not part of it
        kept = [each for each in plan.kept if each != result]
        results = [result, *kept]
        targets = results if result in plan.kept or not kept else ["_", *kept]
        targets = targets if result in plan.kept or kept else []
        given = ", ".join(f"{each}={each}" for each in plan.parameters)
        changed = [each for each in edits.ordered() if each.start < each.end]
        edits.indent(first, last, f"{file.newline}{indent}", step)

        def is_gone(start: int, end: int) -> bool:
            return any((each.start <= start and end <= each.end) or each.start < start < each.end for each in changed)

        for number in range(file.line_of(first), file.line_of(last) + 1):
            start, end = file.line_span(number)
            if start > line and file.text[start:end].strip() and not is_gone(start, end):
                edits.insert(start, step, leading=True)
        own = "" if is_gone(*file.line_span(file.line_of(first))) else step
        edits.insert(line, f"{indent}def {name}({given}):{file.newline}{''.join(again)}{own}", leading=True)
        _, after = file.line_span(file.line_of(last))
        edits.insert(after, f"{indent}{step}return {', '.join(results)}{file.newline}")
        inside = ", ".join([name, *plan.networks])
        if plan.add:
            text = f"{', '.join([*(targets or ['_']), plan.add])} = compat.deferred({inside})"
            edits.insert(after, self.write(f"{indent}{text}{file.newline}"))
            if isinstance(plan.statement, ast.Expr):
                edits.drop(file.start(plan.statement), file.end(plan.statement))
                edits.replace(file.start(plan.statement), file.end(plan.statement), f"{plan.add}()")
                self._record(plan, _LATER)
            return
        start, end = file.start(plan.statement), file.end(plan.statement)
        edits.drop(start, end)
        assigned = f"{', '.join(targets)} = " if targets else ""
        edits.replace(start, end, self.write(f"{assigned}compat.backward({inside})"))
        note = ""
        if plan.again:
            lines = ", ".join(str(each.lineno) for each in plan.again)
            note = f"Line {lines} is computed again for this gradient{ANEW}"
        if plan.methods:
            note = f"{plan.methods[0].name} is run again for this gradient{ANEW}"
        self._record(plan, note)

    def _own_name(self, method: ast.FunctionDef) -> str:
        """What a method of this class is called in the result."""
        assert self.class_node is not None
        of_module = self.inference.is_module(self.project.info(self.class_node, self.names).name)
        return "construct" if of_module and method.name == "forward" else method.name

    def _record(self, plan: Backward, note: str = "") -> None:
        assert isinstance(plan.statement, ast.Expr)
        self.record(plan.statement.value, "torch.Tensor.backward", became="mindspore.value_and_grad", note=note)
