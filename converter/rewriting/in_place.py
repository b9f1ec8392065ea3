"""Changes in place: what a statement or an expression changes becomes an assignment, also through a view of it.

MindSpore's methods give a new tensor, and what PyTorch calls a view is a copy: `w.view(-1).fill_(0)` would change
nothing.
"""

from __future__ import annotations

import ast
import sys
from typing import NamedTuple

from converter.rewriting.attributes import Attributes
from converter.rewriting.flow_calls import is_distinct
from converter.rewriting.rows import Row
from converter.rewriting.trees import nodes
from converter.rewriting.variables import assigned

_SAME = frozenset({"detach", "contiguous", "requires_grad_"})
"""Methods that give the tensor itself, as far as a change of its values goes."""

_SAME_ORDER = frozenset(
    {"view", "reshape", "view_as", "reshape_as", "flatten", "ravel", "squeeze", "unsqueeze", "unflatten"}
)
"""Methods that give a view with the elements in the same order."""

_SWAPS = {"t": ".t()", "transpose": ".swapaxes({})", "swapaxes": ".swapaxes({})", "swapdims": ".swapaxes({})"}
"""Methods that give a view which the same change brings back."""

_SEVERAL = frozenset({"unbind", "chunk", "split", "tensor_split"})
_OTHER_VIEWS = _SEVERAL | {
    "diagonal",
    "narrow",
    "select",
    "permute",
    "movedim",
    "moveaxis",
    "expand",
    "expand_as",
    "unfold",
}
_VIEWS = _SAME | _SAME_ORDER | _SWAPS.keys() | _OTHER_VIEWS
_VALUES = "It changes a view, which is a copy in MindSpore: assign to the tensor itself."
_WITHIN = "Its receiver keeps its value in MindSpore, and is read again: write the change as a statement of its own."


class Place(NamedTuple):
    """Where a change in place goes.

    Attributes:
        node: what the change can be assigned to.
        back: what brings a new value into the form of `node`; in the source's terms.
    """

    node: ast.expr
    back: str


class InPlace(Attributes):
    """Rewrites what changes tensors in place."""

    def _place(self, target: ast.expr) -> Place | None:
        """Where a change in place of `target` goes; None if it is a view from which no way leads back."""
        back = ""
        while True:
            if isinstance(target, ast.Attribute) and target.attr == "data":
                if not self._may_be_tensor(target.value):
                    break
                target = target.value
                continue
            name, inner = _called(target)
            if inner is None or self._full(target.func) is not None:  # type: ignore[attr-defined]
                break
            if name in _VIEWS and not self._may_be_tensor(inner, name):
                break
            if name in _OTHER_VIEWS:
                return None
            if name in _SAME_ORDER:
                back += f".reshape({self._rewritten(inner)}.shape)"
            elif name in _SWAPS:
                arguments = ", ".join(self.file.of(each) for each in target.args)  # type: ignore[attr-defined]
                back += _SWAPS[name].format(arguments)
            elif name not in _SAME and not (name.endswith("_") and not name.startswith("_")):
                break
            target = inner
        return Place(target, back)

    def _may_be_tensor(self, node: ast.expr, method: str = "") -> bool:
        kind = self.inference.kind(node)
        return kind.is_tensor or (kind.name == "unknown" and (not method or is_distinct(method)))

    def _assigned(self, statement: ast.Expr, call: ast.Call, full: str | None, row: Row | None) -> bool:
        """A statement that changes a tensor in place becomes an assignment; false if it is none."""
        target: ast.expr
        initialises = False
        if full is not None and self.project.is_torch(full):
            in_place = any(
                each.arg == "inplace" and isinstance(each.value, ast.Constant) and each.value.value is True
                for each in call.keywords
            )
            initialises = full.startswith("torch.nn.init.")
            if row is None or not call.args or not (in_place or row.in_place or initialises):
                return False
            target = call.args[0]
        elif isinstance(call.func, ast.Attribute):
            target = call.func.value
            receiver = self.inference.kind(target)
            row = self.rows.get(f"torch.Tensor.{call.func.attr}")
            initialises = call.func.attr in ("normal_", "uniform_")
            known = receiver.is_tensor or (receiver.name == "unknown" and is_distinct(call.func.attr))
            if row is None or not (row.in_place or initialises) or not known:
                return False
        else:
            return False
        if full is None and self._narrowed(statement, call):
            return True
        place = self._place(target)
        if place is None:
            self._unconverted(call, full or f"torch.Tensor.{call.func.attr}", _VALUES)  # type: ignore[attr-defined]
            return True
        if initialises and not place.back and not isinstance(place.node, ast.Subscript):
            return False  # the helper changes the tensor itself
        self._changed_copy(statement, place.node)
        mark = len(self.records)
        self.changing = call
        self.visit(call)
        self.changing = None
        if any(not record.converted for record in self.records[mark:] if record.start == self.file.start(call)):
            return True
        self._write_to(place, statement)
        return True

    def _narrowed(self, statement: ast.Expr, call: ast.Call) -> bool:
        """`x.narrow(1, a, n).copy_(y)` is written as `x[:, a : a + n] = y`; false if it is something else."""
        assert isinstance(call.func, ast.Attribute)
        view, name = call.func.value, call.func.attr
        method, held = _called(view)
        arguments = view.args if isinstance(view, ast.Call) else []
        plain = held is not None and isinstance(held, (ast.Name, ast.Attribute, ast.Subscript))
        if method != "narrow" or not plain or len(arguments) != 3 or not self._may_be_tensor(held, method):  # type: ignore[arg-type]
            return False
        axis = arguments[0].value if isinstance(arguments[0], ast.Constant) else None
        values = {"copy_": call.args[:1], "fill_": call.args[:1], "zero_": []}.get(name)
        if not isinstance(axis, int) or values is None:
            return False
        start, length = (self._rewritten(each) for each in arguments[1:])
        value = self._rewritten(values[0]) if values else "0"
        end = length if start == "0" else f"{start} + {length}"
        index = ", ".join([*[":"] * axis, f"{start}:{end}"])
        text = f"{self._rewritten(held)}[{index}] = {value}"  # type: ignore[arg-type]
        at, stop = self.file.start(statement), self.file.end(statement)
        self.edits.drop(at, stop)
        self.edits.replace(at, stop, text)
        self.record(call, f"torch.Tensor.{name}", became="mindspore.Tensor")
        return True

    def _write_to(self, place: Place, statement: ast.stmt) -> None:
        """Write that the value of a statement goes to a place."""
        start, end = self.file.start(statement), self.file.end(statement)
        if self._of_view(place.node):
            assert isinstance(place.node, ast.Subscript)
            before, after = self._through_view(place.node)
            index = self.file.of(place.node)[len(self.file.of(place.node.value)) :]
            self.edits.insert(start, f"{before}changed{index} = ", leading=True)
            self.edits.insert(end, f"{place.back}{after}")
            return
        text, node = self._rewritten(place.node), place.node
        elements = isinstance(node, ast.Subscript) and not self._is_of_state(node)
        if elements or (isinstance(node, ast.Name) and not self._is_shared(node.id)):
            self.edits.insert(start, f"{text} = ", leading=True)
            self.edits.insert(end, place.back)
        else:
            self.edits.insert(start, self.write(f"compat.assign({text}, "), leading=True)
            self.edits.insert(end, f"{place.back})")

    def _is_of_state(self, node: ast.expr) -> bool:
        """Whether it is one of the parameters that a network gave: `state[name]` of `state = net.state_dict()`."""
        return isinstance(node, ast.Subscript) and self.inference.kind(node.value).holds_parameters

    def _of_view(self, node: ast.expr) -> bool:
        """Whether elements are those of a view: `w.view(-1)[0]`."""
        if not isinstance(node, ast.Subscript):
            return False
        base = node.value
        while isinstance(base, ast.Attribute) and base.attr == "data":
            base = base.value
        name, inner = _called(base)
        return inner is not None and name in (_SAME_ORDER | _SWAPS.keys()) and self._may_be_tensor(inner, name)

    def _through_view(self, node: ast.Subscript) -> tuple[str, str]:
        """What stands before and behind an assignment to elements of a view: `changed` is the view meanwhile."""
        place = self._place(node.value)
        assert place is not None
        value = f"changed{place.back}"
        text = self._rewritten(place.node)
        kept = isinstance(place.node, ast.Subscript) or (
            isinstance(place.node, ast.Name) and not self._is_shared(place.node.id)
        )
        after = f"{text} = {value}" if kept else self.write(f"compat.assign({text}, {value})")
        return f"changed = {self._rewritten(node.value)}; ", f"; {after}"

    def _viewed(self, node: ast.Assign | ast.AugAssign) -> bool:
        """`w.view(-1)[0] = 1`; false if it is something else."""
        targets = node.targets if isinstance(node, ast.Assign) else [node.target]
        target = targets[0]
        if len(targets) > 1 or not isinstance(target, ast.Subscript) or not self._of_view(target):
            return False
        before, after = self._through_view(target)
        self.visit(target.slice)
        self.visit(node.value)
        self.edits.insert(self.file.start(node), before, leading=True)
        self.edits.replace(self.file.start(target.value), self.file.end(target.value), "changed")
        self.edits.insert(self.file.end(node), after)
        self.record(target, "torch.Tensor.__setitem__", became="mindspore.Tensor", use="attribute")
        return True

    def _changes_within(self, node: ast.Call, full: str) -> None:
        """See that a change in place within an expression, `y = x.mul_(2)`, reaches what it changes."""
        assert isinstance(node.func, ast.Attribute)
        place = self._place(node.func.value)
        if place is None or not isinstance(place.node, (ast.Name, ast.Attribute, ast.Subscript)):
            return
        held = place.node
        if isinstance(held, ast.Attribute) and not self.inference.kind(held).is_tensor:
            return
        if isinstance(held, ast.Name) and not self._is_read_again(held.id, node):
            return
        parent = self.parents[-2] if len(self.parents) > 1 else None
        around = parent.func if isinstance(parent, ast.Call) else parent
        if isinstance(around, ast.Attribute) and around.value is node and around.attr.endswith("_"):
            return  # `x.mul_(2).add_(1)`: the last change brings the value
        alone = isinstance(parent, ast.Assign) and parent.value is node
        if isinstance(held, ast.Attribute):
            text = self._rewritten(held)
            self.edits.insert(self.file.start(node), self.write(f"compat.assign({text}, "), leading=True)
            self.edits.insert(self.file.end(node), f"{place.back})")
        elif alone and not place.back and not (isinstance(held, ast.Name) and self._is_shared(held.id)):
            self.edits.insert(self.file.start(node), f"{self._rewritten(held)} = ", leading=True)
        else:
            self.record(node, full, converted=False, remedy=_WITHIN)

    def _is_read_again(self, name: str, node: ast.Call) -> bool:
        """Whether a variable is read behind an expression, or before it in a loop that gives it no value."""
        statement = next((each for each in reversed(self.parents) if isinstance(each, ast.stmt)), node)
        if isinstance(statement, ast.Assign) and any(name in set(assigned(each)) for each in statement.targets):
            return False
        own = {id(each) for each in nodes(node)}
        for each in self.parents:
            if isinstance(each, ast.IfExp):  # only one branch runs, and behind the condition
                other = each.orelse if any(part is node for part in nodes(each.body)) else each.body
                own |= {id(part) for whole in (other, each.test) for part in nodes(whole)}
        ends = isinstance(statement, ast.Return)
        last = statement.end_lineno if ends else None  # type: ignore[attr-defined]
        if any(id(each) not in own and each.lineno <= (last or each.lineno) for each in self._reads_behind(name, node)):
            return True
        if ends:
            return False
        loops = [each for each in self.parents if isinstance(each, (ast.For, ast.While))]
        inside = [each for loop in loops for each in nodes(loop) if isinstance(each, ast.Name) and each.id == name]
        stored = any(not isinstance(each.ctx, ast.Load) for each in inside)
        return not stored and any(id(each) not in own for each in inside)

    def _reads_behind(self, name: str, node: ast.AST) -> list[ast.Name]:
        """Where a variable is read behind a node, before it gets another value."""
        end = (node.end_lineno, node.end_col_offset)  # type: ignore[attr-defined]
        uses = [
            each
            for each in nodes(self.function or self.file.tree)
            if isinstance(each, ast.Name) and each.id == name and (each.lineno, each.col_offset) >= end
        ]
        until = min((each.lineno for each in uses if isinstance(each.ctx, ast.Store)), default=sys.maxsize)
        return [each for each in uses if isinstance(each.ctx, ast.Load) and each.lineno <= until]

    def _changed_copy(self, node: ast.stmt, target: ast.expr) -> None:
        """List a change of a variable that is a view of what is read again, `z = x[1]; z *= 2`."""
        while isinstance(target, ast.Subscript) or (isinstance(target, ast.Attribute) and target.attr == "data"):
            target = target.value
        if not isinstance(target, ast.Name) or not self.inference.kind(target).is_tensor:
            return
        view = self._view_held_by(target.id, node)
        if view is None:
            return
        base, index = view
        if isinstance(base, ast.Name):
            reads = self._reads_behind(base.id, node)
            inside = nodes(self.function or self.file.tree)
            others = {id(each.value) for each in inside if isinstance(each, ast.Subscript) and _is_other(each, index)}
            if all(id(each) in others for each in reads):
                return
        text = self.file.of(base)
        remedy = f"PyTorch changes {text} with it, of which it is a view; here it is a copy: assign to that."
        self.record(target, "torch.Tensor.__setitem__", converted=False, remedy=remedy, use="attribute")

    def _view_held_by(self, name: str, before: ast.stmt) -> tuple[ast.expr, object] | None:
        """The tensor of which a variable holds a view, and the number of the part; None where it holds no view."""
        found: ast.expr | None = None
        several = False
        for each, names in self._bindings():
            if name not in names:
                continue
            if isinstance(each, ast.Assign) and each.lineno <= before.lineno and each is not before:
                found, several = each.value, not any(isinstance(target, ast.Name) for target in each.targets)
            elif isinstance(each, ast.For) and each in self.parents:
                found, several = each.iter, True
                if isinstance(found, ast.Call) and self._full(found.func) == "builtins.enumerate" and found.args:
                    found = found.args[0]
        if found is None:
            return None
        index: object = None
        if several and not self.inference.kind(found).is_tensor:
            method, inner = _called(found)
            if inner is None or method not in _SEVERAL:
                return None
            found = inner
        elif not several:
            if isinstance(found, ast.Subscript) and self._is_basic(found.slice):
                index, found = getattr(found.slice, "value", None), found.value
            else:
                method, inner = _called(found)
                if inner is None or method not in (_SAME_ORDER | _SWAPS.keys() | _OTHER_VIEWS):
                    return None
                found = inner
        tensor = isinstance(found, (ast.Name, ast.Attribute)) and self.inference.kind(found).is_tensor
        return (found, index) if tensor and self._full(found) is None and self.file.of(found) != name else None

    def _bindings(self) -> list[tuple[ast.Assign | ast.For, set[str]]]:
        """The assignments and loops of the function, and the variables that they bind."""
        around = self.function or self.file.tree
        if around not in self.bindings:
            self.bindings[around] = [
                (each, {name for target in _targets(each) for name in assigned(target)})
                for each in nodes(around)
                if isinstance(each, (ast.Assign, ast.For))
            ]
        return self.bindings[around]

    def _is_basic(self, index: ast.expr) -> bool:
        """Whether an index gives a view: it has numbers and slices only."""
        parts = index.elts if isinstance(index, ast.Tuple) else [index]
        numbers = (each for each in parts if not isinstance(each, (ast.Slice, ast.Constant)))
        return all(self.inference.kind(each).name == "number" for each in numbers)

    def _rewritten(self, node: ast.expr) -> str:
        """The text of an expression after its edits, which are taken back."""
        edits, records = len(self.edits), len(self.records)
        outer, self.changing = self.changing, node if isinstance(node, ast.Call) else None
        self.visit(node)
        self.changing = outer
        del self.records[records:]
        return self.edits.absorb(self.file.start(node), self.file.end(node), edits)

    def _is_held(self, name: str) -> bool:
        """Whether what a variable stands for is a member of something, `p = getattr(net, name)`, or was given to a
        function that returns nothing of it.
        """
        function = self.function
        if function is None or (function.name == "forward" and self.class_node is not None):
            return False
        inside = list(nodes(function))
        values = [
            each.value
            for each in inside
            if isinstance(each, ast.Assign) and any(isinstance(to, ast.Name) and to.id == name for to in each.targets)
        ]
        if values:
            held = values[-1]
            getter = isinstance(held, ast.Call) and self._full(held.func) == "builtins.getattr"
            return getter or (isinstance(held, ast.Attribute) and held.attr != "data")
        given = any(each.arg == name for each in nodes(function.args) if isinstance(each, ast.arg))
        returned = (part for each in inside if isinstance(each, ast.Return) for part in nodes(each))
        return given and not any(isinstance(each, ast.Name) and each.id == name for each in returned)

    def _is_shared(self, name: str) -> bool:
        """Whether what a variable stands for changes, not the variable: that of a loop around the statement, what a
        function that initialises was given, or what an optimizer trains.
        """
        function = self.function
        if function is not None and (function.name.endswith("_") or "init" in function.name):
            arguments = (*function.args.posonlyargs, *function.args.args, *function.args.kwonlyargs)
            if any(each.arg == name for each in arguments):
                return True
        if self._is_held(name) or name in self._optimized():
            return True
        return any(
            isinstance(each, ast.Name) and each.id == name
            for parent in self.parents
            if isinstance(parent, ast.For)
            for each in nodes(parent.target)
        )


def _targets(node: ast.Assign | ast.For) -> list[ast.expr]:
    return node.targets if isinstance(node, ast.Assign) else [node.target]


def _is_other(node: ast.Subscript, index: object) -> bool:
    """Whether a node reads another part than that of a number: `qkv[1]` where `qkv[0]` was changed."""
    return isinstance(index, int) and isinstance(node.slice, ast.Constant) and node.slice.value != index


def _called(node: ast.expr) -> tuple[str, ast.expr | None]:
    """The name of the method of a call, and its receiver; None if it is no call of a method."""
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
        return node.func.attr, node.func.value
    return "", None
