"""Losses: which statements compute the loss of a call of `backward`, and whether they can become a function."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from converter.rewriting.flow_calls import OF_MODULES
from converter.rewriting.inference import Inference
from converter.rewriting.names import Names, chain
from converter.rewriting.outputs import Outputs
from converter.rewriting.project import MODULE
from converter.rewriting.state import Options
from converter.rewriting.trees import nodes
from converter.rewriting.variables import (
    NAMED,
    assigned,
    assigned_in,
    bound_before,
    is_detached,
    leaves_block,
    parts,
    read,
    read_first,
)

_KEYWORDS = {"retain_graph", "create_graph"}
_TYPES = ("", "Float", "Double", "Long", "Int", "Bool", "Byte")
_OF_DATA = {"tensor", "from_numpy", *(f"{name}Tensor" for name in _TYPES)}
_LEAVES = ("Parameter", "requires_grad")


@dataclass
class Backward:
    """A call of `backward` that can be converted.

    Attributes:
        statement: the call.
        loss: the expression of the loss.
        region: the statements that compute it.
        again: earlier statements that are computed again, since a gradient flows through them, too.
        methods: methods of the class that are run again before, since they compute attributes that the region reads.
        kept: the variables of the region that are read outside it.
        parameters: the variables that the region reads before it assigns them.
        networks: the texts of what is called in it and may have parameters.
        moved: those that run again, whose statistics must not move a second time.
        add: where the gradients are asked for in a branch, or after what the region reads has changed, the name of the
            function that adds them; else empty.
    """

    statement: ast.stmt
    loss: ast.expr
    region: Sequence[ast.stmt]
    again: list[ast.stmt] = field(default_factory=list)
    methods: list[ast.FunctionDef] = field(default_factory=list)
    kept: list[str] = field(default_factory=list)
    parameters: list[str] = field(default_factory=list)
    networks: list[str] = field(default_factory=list)
    moved: list[str] = field(default_factory=list)
    add: str = ""


class Losses(Outputs):
    """Finds the calls of `backward` that can be converted.

    Attributes:
        later: calls in branches whose gradients are computed with the loss → the function that adds them.
    """

    def __init__(self, names: Names, inference: Inference, options: Options) -> None:
        super().__init__(names, inference, options)
        self.later: dict[ast.stmt, str] = {}
        self._leaves_of: dict[ast.AST, set[str]] = {}

    def plans(self, statements: Sequence[ast.stmt]) -> Iterator[Backward]:
        """The calls of `backward` in a block that can be converted, in order."""
        floor = 0
        for number, statement in enumerate(statements):
            if isinstance(statement, (ast.If, ast.With, ast.Try)):
                plan = self._in_branch(statements, floor, number)
                if plan is None:
                    continue
            elif statement in self.later or (loss := self._loss_of(statement)) is None:
                continue
            else:
                plan = self._plan(statements, floor, number, loss)
            if plan is not None:
                yield plan
            floor = number + 1

    def _in_branch(self, statements: Sequence[ast.stmt], floor: int, number: int) -> Backward | None:
        """Plan for calls of `backward` in a branch whose loss is computed before it."""
        branch = statements[number]
        calls = [each for each in parts(branch) if isinstance(each, ast.Expr) and each not in self.later]
        losses = {call: found for call in calls if (found := self._name_of_loss(call)) is not None}
        wanted = {each.id: each for each in losses.values() if each.id not in set(assigned(branch))}
        if len(wanted) != 1:
            return None
        name, loss = next(iter(wanted.items()))
        plan = self._plan(statements, floor, number, loss, in_branch=True)
        if plan is None or not plan.region:
            return None
        plan.add = self.free_name(self.function or self.file.tree, "add_gradients")
        self.later |= {call: plan.add for call, each in losses.items() if each.id == name}
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
        needed = set(read(loss))
        used: list[int] = []
        for index in range(number - 1, floor - 1, -1):
            made = needed & set(assigned(statements[index]))
            below = [*(statements[each] for each in used), ast.Expr(loss)]
            if not made or all(is_detached(name, below) for name in made):
                continue
            if self._makes_tensor(statements[index]):
                needed -= made
            else:
                needed |= set(read(statements[index]))
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
        computed = self._computed().keys()
        begins = (index for index in earliest if index < first)
        first = next(
            (each for each in begins if self._reads_leaf(statements[each]) or computed & set(read(statements[each]))),
            first,
        )
        region = statements[first : last + 1]
        if not self._can_move(region):
            return None
        plan = Backward(statements[number], loss, region)
        free = {name for name in read_first([*region, ast.Expr(loss)]) if not is_detached(name, region)}
        for index in range(floor - 1, -1, -1):
            each = statements[index]
            if self._makes_tensor(each):
                free -= set(assigned(each))
            elif free & set(assigned(each)) and isinstance(each, ast.Assign) and self._is_differentiable(each):
                plan.again.insert(0, each)
                free |= set(read(each))
        between = statements[last + 1 : number]
        changed = {name for each in between for name in assigned(each)}
        changes = changed & {name for each in [*plan.again, *region] for name in read(each)}
        made = {name for each in region for name in assigned(each)}
        reads = made & {name for each in between for name in read(each)}
        if (changes or reads) and not in_branch:
            plan.add = self.free_name(self.function or self.file.tree, "add_gradients")
        stored = list(dict.fromkeys(name for each in region for name in assigned(each)))
        before = self._names_outside(region, region[-1] if in_branch else statements[number])
        plan.kept = [name for name in stored if name in before]
        bound = bound_before(self.function or self.file.tree, region[0])
        plan.parameters = [name for name in read_first(region) if name in stored and name in bound]
        whole = [*plan.again, *region, ast.Expr(loss)]
        plan.networks = self._networks(whole, set(stored))
        plan.methods = self._computing(whole)
        if any(len(each.args.args) > 1 or each.args.vararg or each.args.kwonlyargs for each in plan.methods):
            return None  # with which arguments it was called is not known here
        plan.moved = self._networks([*plan.again, *(part for each in plan.methods for part in each.body)], set())
        for each in plan.methods:
            plan.networks += [name for name in self._networks(each.body, set()) if name not in plan.networks]
        if not plan.networks and not any(self._has_leaf(each, set(stored)) for each in whole):
            return None  # what it reads was computed elsewhere, and no gradient would reach a parameter
        return plan

    def _computing(self, whole: Sequence[ast.stmt]) -> list[ast.FunctionDef]:
        """The other methods of the class that compute, by networks, attributes of which the loss is computed."""
        apart = [each for each in whole if isinstance(each, ast.Assign) and isinstance(each.targets[0], ast.Name)]
        apart = [each for each in apart if is_detached(each.targets[0].id, whole)]  # type: ignore[attr-defined]
        through = [each for each in whole if each not in apart]
        computed = self._computed()
        names = [name for name in read_first(through) if name in computed and not is_detached(name, through)]
        return list(dict.fromkeys(method for name in names for method in computed[name]))

    def _computed(self) -> dict[str, list[ast.FunctionDef]]:
        """The attributes that other methods of the class compute by networks, and these methods."""
        found: dict[str, list[ast.FunctionDef]] = {}
        for method in getattr(self.class_node, "body", ()):
            if not isinstance(method, ast.FunctionDef) or method is self.function or method.name == "__init__":
                continue
            for each in nodes(method):
                if isinstance(each, ast.Assign) and self._is_differentiable(each):
                    for name in assigned(each):
                        if name.startswith("self.") and method not in found.setdefault(name, []):
                            found[name].append(method)
        return found

    def _has_leaf(self, statement: ast.stmt, stored: set[str]) -> bool:
        """Whether a statement without a network may reach parameters: by a tensor that asks for gradients, or by a
        function of the project.
        """
        for node in nodes(statement):
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
        own = isinstance(node, ast.Name) and node.id in set(assigned_in(self.function or self.file.tree))
        return not own or self._asks(node)

    def _reads_leaf(self, statement: ast.stmt) -> bool:
        """Whether a statement reads a tensor that asks for gradients."""
        names = (each for each in nodes(statement) if isinstance(each, ast.Name) and isinstance(each.ctx, ast.Load))
        return any(self._asks(each) and self.inference.kind(each).is_tensor for each in names)

    def _asks(self, node: ast.expr) -> bool:
        """Whether a statement around says that a variable asks for gradients."""
        return isinstance(node, ast.Name) and node.id in self._asking(self.function or self.file.tree)

    def _asking(self, around: ast.AST) -> set[str]:
        if around not in self._leaves_of:
            found = self._leaves_of[around] = set[str]()
            for each in nodes(around):
                if isinstance(each, ast.Assign) and any(word in self.file.of(each.value) for word in _LEAVES):
                    found |= set(assigned(each))
                elif isinstance(each, ast.Expr) and "requires_grad" in self.file.of(each):
                    found |= set(read(each))
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

    def _makes_tensor(self, statement: ast.stmt) -> bool:
        """Whether a statement makes a tensor of data, with no gradient through it: `x = torch.FloatTensor(rows)`."""
        made = statement.value if isinstance(statement, ast.Assign) else None
        while isinstance(made, ast.Call) and isinstance(made.func, ast.Attribute) and self._full(made.func) is None:
            made = made.func.value
        full = self._full(made.func) if isinstance(made, ast.Call) else None
        return (full or "").removeprefix("torch.") in _OF_DATA

    def _is_differentiable(self, statement: ast.stmt) -> bool:
        """Whether a gradient may flow through a statement: it calls a network, or something that may be one."""
        return any(isinstance(each, ast.Call) and self._may_be_network(each) for each in nodes(statement))

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
            if self._is_network(call.func.value):
                return True  # a method of it
        if isinstance(call.func, ast.Attribute):
            receiver = self.inference.kind(call.func.value).name
            if receiver not in ("unknown", "instance", "super"):
                return False
        found = self.project.definition(full) if full is not None else None
        if found is not None and isinstance(found[0], ast.ClassDef):
            return False  # it makes a network
        if found is not None and isinstance(found[0], NAMED):
            given = any(self._is_network(each) for each in call.args if not isinstance(each, ast.Call))
            return given or self._runs_network(found[0])
        own = full is None or found is not None
        return own and chain(call.func) is not None and self.inference.kind(call.func).name != "function"

    def _runs_network(self, function: ast.AST) -> bool:
        """Whether a function calls a network that it is not given, one of its module."""
        own = {each.arg for each in nodes(function) if isinstance(each, ast.arg)} | set(assigned_in(function))
        called = (each.func for each in nodes(function) if isinstance(each, ast.Call))
        return any(isinstance(each, ast.Name) and each.id not in own and self._is_network(each) for each in called)

    def _is_function(self, node: ast.expr) -> bool:
        """Whether it is a function or class of the project's or of another library's."""
        full = self._full(node)
        found = self.project.definition(full) if full is not None else None
        return full is not None and (found is None or isinstance(found[0], NAMED))

    def _is_network(self, node: ast.expr) -> bool:
        kind = self.inference.kind(node)
        return kind.name == "instance" and any(self.inference.is_module(each) for each in kind.of)

    def _can_move(self, region: Sequence[ast.stmt]) -> bool:
        """Whether statements can stand in a function: on lines of their own, and none leaves the block."""
        file = self.file
        first, last = file.start(region[0]), file.end(region[-1])
        rest = file.text[last : file.line_span(file.line_of(last))[1]].strip(b" ;\t\r\n")
        if file.text[file.line_span(file.line_of(first))[0] : first].strip() or (rest and not rest.startswith(b"#")):
            return False
        inside = [node for each in region for node in parts(each)]
        strings = any(
            isinstance(each, ast.Constant | ast.JoinedStr) and each.lineno != each.end_lineno for each in inside
        )
        binds = any(isinstance(each, (*NAMED, ast.Import, ast.ImportFrom)) for each in inside)
        return not strings and not binds and not any(leaves_block(each) for each in region)

    def _names_outside(self, region: Sequence[ast.stmt], backward: ast.stmt) -> set[str]:
        """The variables that the function around a region reads outside it."""
        inside = {id(node) for each in (*region, backward) for node in nodes(each)}
        around = self.function or self.file.tree
        return {
            node.id
            for node in nodes(around)
            if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load) and id(node) not in inside
        }

    def _networks(self, statements: Sequence[ast.stmt], stored: set[str]) -> list[str]:
        """What is called in statements and may have parameters, as it is written."""
        found: list[ast.expr] = []
        for call in (node for each in statements for node in nodes(each) if isinstance(node, ast.Call)):
            found += [each for each in (call.func, *call.args) if self._is_network(each)]
            function = call.func
            if isinstance(function, ast.Attribute) and self._is_network(function.value):
                found.append(function.value)
            elif self._may_be_network(call) and not self._is_function(function):
                if isinstance(function, ast.Attribute) and function.attr in OF_MODULES:
                    function = function.value
                found.append(function)
        names = [".".join(names) for each in found if (names := chain(each)) and names[0] not in stored]
        leaves = (each for statement in statements for each in nodes(statement) if self._of_leaf(each))
        names += [each.id for each in leaves if isinstance(each, ast.Name)]
        optimized = self._optimized()
        trained = (each for statement in statements for each in nodes(statement) if optimized)
        names += [
            each.id
            for each in trained
            if isinstance(each, ast.Name) and each.id in optimized and self.inference.kind(each).is_tensor
        ]
        kept = self.attribute_leaves()
        inside = (each for statement in statements for each in nodes(statement) if kept)
        names += [self.file.of(each) for each in inside if isinstance(each, ast.Attribute) and each.attr in kept]
        losses = {".".join(chain(each) or ()) for each in found if self._is_loss(each)}
        return [name for name in dict.fromkeys(names) if name not in losses]

    def _is_loss(self, node: ast.expr) -> bool:
        kind = self.inference.kind(node)
        return kind.name == "instance" and all(
            each.startswith("torch.nn.") and each.endswith("Loss") for each in kind.of
        )


def _is_scaled(call: ast.Call) -> bool:
    """Whether a call is `scaler.scale(loss)`."""
    function = call.func
    named = isinstance(function, ast.Attribute) and function.attr == "scale"
    return named and len(call.args) == 1 and isinstance(call.args[0], ast.Name)
