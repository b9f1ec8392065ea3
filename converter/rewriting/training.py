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
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from converter.rewriting.flow_calls import OF_MODULES
from converter.rewriting.inference import Inference
from converter.rewriting.names import Names, chain
from converter.rewriting.outputs import Outputs
from converter.rewriting.project import MODULE
from converter.rewriting.state import Options

_KEYWORDS = {"retain_graph", "create_graph"}
_ENDS = (ast.Return, ast.Yield, ast.YieldFrom, ast.Await, ast.Global, ast.Nonlocal)
_LATER = "The gradients are computed with the loss; here they are added."
_LEAVES = ("Parameter", "requires_grad")
_GROWS = {"append", "extend", "insert"}
_NAMED = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
_SCOPES = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda, ast.ClassDef)
_INNER = (*_SCOPES, ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)


@dataclass
class Backward:
    """A call of `backward` that can be converted.

    Attributes:
        statement: the call.
        loss: the expression of the loss.
        region: the statements that compute it.
        again: earlier statements that are computed again, since a gradient flows through them, too.
        kept: the variables of the region that are read outside it.
        parameters: the variables that the region reads before it assigns them.
        networks: the texts of what is called in it and may have parameters.
        add: where the gradients are asked for in a branch, or after what the region reads has changed, the name of the
            function that adds them; else empty.
    """

    statement: ast.stmt
    loss: ast.expr
    region: Sequence[ast.stmt]
    again: list[ast.stmt] = field(default_factory=list)
    kept: list[str] = field(default_factory=list)
    parameters: list[str] = field(default_factory=list)
    networks: list[str] = field(default_factory=list)
    add: str = ""


class Training(Outputs):
    """Rewrites calls of `backward`."""

    def __init__(self, names: Names, inference: Inference, options: Options) -> None:
        super().__init__(names, inference, options)
        self._found: dict[ast.stmt, Backward] = {}
        self._later: dict[ast.stmt, str] = {}
        self._trains = b".backward(" in names.file.text
        self._taken: dict[ast.AST, set[str]] = {}
        self._leaves_of: dict[ast.AST, set[str]] = {}

    def block(self, statements: Iterable[ast.stmt]) -> None:
        """Go through statements; then put what computes a loss into a function."""
        if not self._trains:
            super().block(statements)
            self.remove_gone()
            return
        statements = list(statements)
        plans = list(self._plans(statements))
        self._found |= {each.statement: each for each in plans}
        super().block(statements)
        self.remove_gone()
        for plan in plans:
            self._write(plan)

    def expression(self, node: ast.Expr) -> None:
        """Rewrite a statement that is an expression."""
        if node in self._later:
            self.edits.replace(self.file.start(node), self.file.end(node), f"{self._later[node]}()")
            self.record(node.value, "torch.Tensor.backward", became="mindspore.value_and_grad", note=_LATER)
        elif node in self._found:
            self.visit(self._found[node].loss)
        else:
            super().expression(node)  # type: ignore[misc]

    # What can be converted

    def _plans(self, statements: Sequence[ast.stmt]) -> Iterator[Backward]:
        floor = 0
        for number, statement in enumerate(statements):
            if isinstance(statement, (ast.If, ast.With, ast.Try)):
                plan = self._in_branch(statements, floor, number)
                if plan is None:
                    continue
            elif statement in self._later or (loss := self._loss_of(statement)) is None:
                continue
            else:
                plan = self._plan(statements, floor, number, loss)
            if plan is not None:
                yield plan
            floor = number + 1

    def _in_branch(self, statements: Sequence[ast.stmt], floor: int, number: int) -> Backward | None:
        """Plan for calls of `backward` in a branch whose loss is computed before it."""
        branch = statements[number]
        calls = [each for each in _inside(branch) if isinstance(each, ast.Expr) and each not in self._later]
        losses = {call: found for call in calls if (found := self._name_of_loss(call)) is not None}
        wanted = {each.id: each for each in losses.values() if each.id not in set(_stored(branch))}
        if len(wanted) != 1:
            return None
        name, loss = next(iter(wanted.items()))
        plan = self._plan(statements, floor, number, loss, in_branch=True)
        if plan is None or not plan.region:
            return None
        plan.add = self._free_name(self.function or self.file.tree, "add_gradients")
        self._later |= {call: plan.add for call, each in losses.items() if each.id == name}
        return plan

    def _name_of_loss(self, statement: ast.stmt) -> ast.Name | None:
        """The variable of `loss.backward()` or `scaler.scale(loss).backward()`."""
        loss = self._loss_of(statement)
        if isinstance(loss, ast.Call) and _is_scaled(loss):
            loss = loss.args[0]
        return loss if isinstance(loss, ast.Name) else None

    def _loss_of(self, statement: ast.stmt) -> ast.expr | None:
        """The loss of a statement `loss.backward()`; None if it is none, or says more."""
        call = statement.value if isinstance(statement, ast.Expr) else None
        if not isinstance(call, ast.Call) or not isinstance(call.func, ast.Attribute) or call.func.attr != "backward":
            return None
        receiver = self.inference.kind(call.func.value)
        own = receiver.name == "instance" and any(self.project.class_named(each) is not None for each in receiver.of)
        others = {keyword.arg for keyword in call.keywords} - _KEYWORDS
        return None if own or receiver.name == "super" or call.args or others else call.func.value

    def _plan(
        self, statements: Sequence[ast.stmt], floor: int, number: int, loss: ast.expr, in_branch: bool = False
    ) -> Backward | None:
        needed = set(_loaded(loss))
        used: list[int] = []
        for index in range(number - 1, floor - 1, -1):
            if needed & set(_stored(statements[index])):
                needed |= set(_loaded(statements[index]))
                used.append(index)
        if not used:
            return None if in_branch else self._of_expression(statements[number], loss)
        last = used[0]
        earliest = used[::-1]
        first = next((index for index in earliest if self._is_differentiable(statements[index])), None)
        if first is None:
            if not (in_branch or isinstance(loss, ast.Name)) and self._is_differentiable(ast.Expr(loss)):
                return self._of_expression(statements[number], loss)
            first = last
        first = next((index for index in earliest if index < first and self._reads_leaf(statements[index])), first)
        made = {name for each in statements[first : last + 1] for name in _stored(each)}
        for index in range(last + 1, number):  # what reads the loss before its gradient is computed
            if made & set(_loaded(statements[index])) and not in_branch:
                last = index
        region = statements[first : last + 1]
        if not self._can_move(region, statements[number]):
            return None
        plan = Backward(statements[number], loss, region)
        free = {name for name in _read_first([*region, ast.Expr(loss)]) if not _is_detached(name, region)}
        for index in range(floor - 1, -1, -1):
            each = statements[index]
            if free & set(_stored(each)) and isinstance(each, ast.Assign) and self._is_differentiable(each):
                plan.again.insert(0, each)
                free |= set(_loaded(each))
        between = {name for each in statements[last + 1 : number] for name in _stored(each)}
        if between & {name for each in [*plan.again, *region] for name in _loaded(each)} and not in_branch:
            plan.add = self._free_name(self.function or self.file.tree, "add_gradients")
        stored = list(dict.fromkeys(name for each in region for name in _stored(each)))
        before = self._names_outside(region, region[-1] if in_branch else statements[number])
        plan.kept = [name for name in stored if name in before]
        bound = _bound_before(self.function or self.file.tree, region[0])
        plan.parameters = [name for name in _read_first(region) if name in stored and name in bound]
        whole = [*plan.again, *region, ast.Expr(loss)]
        plan.networks = self._networks(whole, set(stored))
        if not plan.networks and not any(self._has_leaf(each, set(stored)) for each in whole):
            return None  # what it reads was computed elsewhere, and no gradient would reach a parameter
        return plan

    def _has_leaf(self, statement: ast.stmt, stored: set[str]) -> bool:
        """Whether a statement without a network may reach parameters: by a tensor that asks for gradients, or by a
        function of the project.
        """
        for node in ast.walk(statement):
            if isinstance(node, ast.Call):
                full = self._full(node.func)
                receiver = self.inference.kind(node.func.value) if isinstance(node.func, ast.Attribute) else None
                own = receiver is not None and any(self.project.class_named(each) is not None for each in receiver.of)
                if own or (full is not None and self.project.definition(full) is not None):
                    return True
            elif isinstance(node, (ast.Name, ast.Attribute)) and isinstance(node.ctx, ast.Load):
                names = chain(node)
                if names is not None and names[0] not in stored and self._may_be_leaf(node):
                    return True
        return False

    def _may_be_leaf(self, node: ast.Name | ast.Attribute) -> bool:
        """Whether a tensor may ask for gradients itself; not one that a function makes without a word of it."""
        if not self.inference.kind(node).is_tensor:
            return False
        own = isinstance(node, ast.Name) and node.id in set(_stored_in(self.function or self.file.tree))
        return not own or self._asks(node)

    def _reads_leaf(self, statement: ast.stmt) -> bool:
        """Whether a statement reads a tensor that asks for gradients."""
        names = (each for each in ast.walk(statement) if isinstance(each, ast.Name) and isinstance(each.ctx, ast.Load))
        return any(self._asks(each) and self.inference.kind(each).is_tensor for each in names)

    def _asks(self, node: ast.expr) -> bool:
        """Whether a statement around says that a variable asks for gradients."""
        return isinstance(node, ast.Name) and node.id in self._asking(self.function or self.file.tree)

    def _asking(self, around: ast.AST) -> set[str]:
        if around not in self._leaves_of:
            found = self._leaves_of[around] = set[str]()
            for each in ast.walk(around):
                if isinstance(each, ast.Assign) and any(word in self.file.of(each.value) for word in _LEAVES):
                    found |= set(_stored(each))
                elif isinstance(each, ast.Expr) and "requires_grad" in self.file.of(each):
                    found |= set(_loaded(each))
        return self._leaves_of[around]

    def _of_expression(self, statement: ast.stmt, loss: ast.expr) -> Backward | None:
        """`criterion(model(x), y).backward()`: the expression is the function."""
        whole = ast.Expr(loss)
        if loss.lineno != loss.end_lineno or not self._is_differentiable(whole):
            return None
        if isinstance(loss, ast.Call) and _is_scaled(loss):
            return None  # what is scaled is computed elsewhere
        plan = Backward(statement, loss, [])
        plan.networks = self._networks([whole], set())
        return plan

    def _is_differentiable(self, statement: ast.stmt) -> bool:
        """Whether a gradient may flow through a statement: it calls a network, or something that may be one."""
        return any(isinstance(each, ast.Call) and self._may_be_network(each) for each in ast.walk(statement))

    def _may_be_network(self, call: ast.Call) -> bool:
        if self._is_network(call.func):
            return True
        full = self._full(call.func)
        if full is not None and full.startswith("builtins."):
            return False
        if full is not None and self.project.is_torch(full):
            return full.startswith("torch.nn.functional.")
        if isinstance(call.func, ast.Attribute):
            name = call.func.attr
            if f"torch.Tensor.{name}" in self.rows or (f"{MODULE}.{name}" in self.rows and name != "forward"):
                return False
        if isinstance(call.func, ast.Attribute):
            receiver = self.inference.kind(call.func.value).name
            if receiver not in ("unknown", "instance", "super"):
                return False
        found = self.project.definition(full) if full is not None else None
        if found is not None and isinstance(found[0], ast.ClassDef):
            return False  # it makes a network
        if found is not None and isinstance(found[0], _NAMED):
            return any(self._is_network(each) for each in call.args if not isinstance(each, ast.Call))
        own = full is None or found is not None
        return own and chain(call.func) is not None and self.inference.kind(call.func).name != "function"

    def _is_function(self, node: ast.expr) -> bool:
        """Whether it is a function or class of the project's or of another library's."""
        full = self._full(node)
        found = self.project.definition(full) if full is not None else None
        return full is not None and (found is None or isinstance(found[0], _NAMED))

    def _is_network(self, node: ast.expr) -> bool:
        kind = self.inference.kind(node)
        return kind.name == "instance" and any(self.inference.is_module(each) for each in kind.of)

    def _can_move(self, region: Sequence[ast.stmt], backward: ast.stmt) -> bool:
        """Whether statements can stand in a function: each on lines of its own, and none leaves the block."""
        file = self.file
        for each in (*region, backward):
            line, after = file.line_span(file.line_of(file.start(each)))
            ends = file.line_span(file.line_of(file.end(each)))[1]
            rest = file.text[file.end(each) : ends].strip()
            if file.text[line : file.start(each)].strip() or (rest and not rest.startswith(b"#")) or after is None:
                return False
        inside = [node for each in region for node in _inside(each)]
        strings = any(
            isinstance(each, ast.Constant | ast.JoinedStr) and each.lineno != each.end_lineno for each in inside
        )
        binds = any(isinstance(each, (*_NAMED, ast.Import, ast.ImportFrom)) for each in inside)
        return not strings and not binds and not any(_leaves(each) for each in region)

    def _names_outside(self, region: Sequence[ast.stmt], backward: ast.stmt) -> set[str]:
        """The variables that the function around a region reads outside it."""
        inside = {id(node) for each in (*region, backward) for node in ast.walk(each)}
        around = self.function or self.file.tree
        return {
            node.id
            for node in ast.walk(around)
            if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load) and id(node) not in inside
        }

    def _networks(self, statements: Sequence[ast.stmt], stored: set[str]) -> list[str]:
        """What is called in statements and may have parameters, as it is written."""
        found: list[ast.expr] = []
        for call in (node for each in statements for node in ast.walk(each) if isinstance(node, ast.Call)):
            found += [each for each in (call.func, *call.args) if self._is_network(each)]
            if self._may_be_network(call) and not self._is_function(call.func):
                function = call.func
                if isinstance(function, ast.Attribute) and function.attr in OF_MODULES:
                    function = function.value
                found.append(function)
        names = [".".join(names) for each in found if (names := chain(each)) and names[0] not in stored]
        leaves = (each for statement in statements for each in ast.walk(statement) if self._of_leaf(each))
        names += [each.id for each in leaves if isinstance(each, ast.Name)]
        losses = {".".join(chain(each) or ()) for each in found if self._is_loss(each)}
        return [name for name in dict.fromkeys(names) if name not in losses]

    def _is_loss(self, node: ast.expr) -> bool:
        kind = self.inference.kind(node)
        return kind.name == "instance" and all(
            each.startswith("torch.nn.") and each.endswith("Loss") for each in kind.of
        )

    # The text

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
        name = self._free_name(self.function or file.tree)
        again = [f"{indent}{step}{edits.text(file.start(each), file.end(each))}{file.newline}" for each in plan.again]
        result = edits.text(file.start(plan.loss), file.end(plan.loss))
        kept = [each for each in plan.kept if each != result]
        results = [result, *kept]
        targets = results if result in plan.kept or not kept else ["_", *kept]
        targets = targets if result in plan.kept or kept else []
        given = ", ".join(f"{each}={each}" for each in plan.parameters)
        changed = [each for each in edits.ordered() if each.start < each.end]

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
            note = f"Line {lines} is computed again for this gradient."
        self._record(plan, note)

    def _record(self, plan: Backward, note: str = "") -> None:
        assert isinstance(plan.statement, ast.Expr)
        self.record(plan.statement.value, "torch.Tensor.backward", became="mindspore.value_and_grad", note=note)

    def _free_name(self, around: ast.AST, base: str = "forward") -> str:
        """A name for the function that nothing in the scope around it has."""
        if around not in self._taken:
            names = {each.id for each in ast.walk(around) if isinstance(each, ast.Name)}
            self._taken[around] = names | {
                each.name for each in getattr(around, "body", ()) if isinstance(each, _NAMED)
            }
        number = 1
        while (name := base if number == 1 else f"{base}_{number}") in self._taken[around]:
            number += 1
        self._taken[around].add(name)
        return name


def _is_scaled(call: ast.Call) -> bool:
    """Whether a call is `scaler.scale(loss)`."""
    function = call.func
    named = isinstance(function, ast.Attribute) and function.attr == "scale"
    return named and len(call.args) == 1 and isinstance(call.args[0], ast.Name)


def _inside(node: ast.AST) -> Iterator[ast.AST]:
    """The parts of a statement, without those of functions and classes in it."""
    yield node
    for child in ast.iter_child_nodes(node):
        if not isinstance(child, _SCOPES):
            yield from _inside(child)


def _leaves(node: ast.AST, in_loop: bool = False) -> bool:
    """Whether a statement leaves its block, or may: by `return`, or by a `break` of a loop around it."""
    if isinstance(node, _ENDS) or (isinstance(node, (ast.Break, ast.Continue)) and not in_loop):
        return True
    inner = in_loop or isinstance(node, (ast.For, ast.While))
    return any(_leaves(child, inner) for child in ast.iter_child_nodes(node) if not isinstance(child, _SCOPES))


def _stored(node: ast.AST) -> Iterator[str]:
    """The variables that a statement assigns, such as `x` or `self.x`, or changes: `x.fill_(1)`, `x.append(y)`."""
    if isinstance(node, ast.Name) and not isinstance(node.ctx, ast.Load):
        yield node.id
    if isinstance(node, ast.Attribute) and not isinstance(node.ctx, ast.Load) and (names := chain(node)):
        yield ".".join(names)
    if isinstance(node, ast.Expr) and isinstance(node.value, ast.Call) and isinstance(node.value.func, ast.Attribute):
        function = node.value.func
        in_place = function.attr.endswith("_") and not function.attr.endswith(("__", "requires_grad_"))
        if isinstance(function.value, ast.Name) and (in_place or function.attr in _GROWS):
            yield function.value.id
    for child in ast.iter_child_nodes(node):
        if not isinstance(child, _INNER):
            yield from _stored(child)


def _stored_in(around: ast.AST) -> Iterator[str]:
    """The variables that a function assigns."""
    for child in getattr(around, "body", ()):
        yield from _stored(child)


def _loaded(node: ast.AST) -> Iterator[str]:
    """The variables that a statement reads; `x += y` reads x."""
    for each in ast.walk(node):
        if isinstance(each, ast.Name) and isinstance(each.ctx, ast.Load):
            yield each.id
        elif isinstance(each, ast.Attribute) and isinstance(each.ctx, ast.Load) and (names := chain(each)):
            yield ".".join(names)
        elif isinstance(each, ast.AugAssign) and isinstance(each.target, ast.Name):
            yield each.target.id


def _read_first(statements: Iterable[ast.AST]) -> list[str]:
    """The variables that statements read, perhaps before they assign them."""
    found: dict[str, None] = {}
    written: set[str] = set()
    for each in statements:
        found.update(dict.fromkeys(name for name in _loaded(each) if name not in written))
        if isinstance(each, ast.Assign | ast.AnnAssign | ast.AugAssign | ast.With):
            written |= set(_stored(each))
    return list(found)


def _is_detached(name: str, statements: Iterable[ast.AST]) -> bool:
    """Whether statements read a variable as `x.detach()` only, which no gradient flows through."""
    inside = [node for each in statements for node in ast.walk(each)]
    read = {id(each) for each in inside if isinstance(each, ast.Name) and each.id == name}
    apart = {id(each.value) for each in inside if isinstance(each, ast.Attribute) and each.attr in ("detach", "data")}
    return bool(read) and read <= apart


def _bound_before(around: ast.AST, statement: ast.stmt) -> set[str]:
    """The variables that a function has assigned above a statement, and its parameters."""
    found = {each.arg for each in ast.walk(around) if isinstance(each, ast.arg)}
    for each in ast.walk(around):
        if isinstance(each, ast.Name) and not isinstance(each.ctx, ast.Load) and each.lineno < statement.lineno:
            found.add(each.id)
    return found
