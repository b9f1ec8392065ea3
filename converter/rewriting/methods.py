"""Methods: whose they are, as far as that is known, and what they become."""

from __future__ import annotations

import ast

from converter.rewriting.applying import Applying
from converter.rewriting.calls import layout_of
from converter.rewriting.flow_calls import OF_MODULES, is_distinct, of_optimizer
from converter.rewriting.in_place import InPlace
from converter.rewriting.kinds import ARRAY, COMPLEX, TENSOR, Kind
from converter.rewriting.project import MODULE
from converter.rewriting.tensor_names import TENSOR_NAMES

FUNCTION = "torch.autograd.Function"

_COMMON = frozenset(
    [
        "get",
        "items",
        "keys",
        "values",
        "update",
        "pop",
        "append",
        "extend",
        "add",
        "index",
        "split",
        "join",
        "copy",
        "format",
    ]
)
"""Methods that dicts, lists and strings have."""


_OF_SEVERAL = frozenset(
    {"state_dict", "load_state_dict", "zero_grad", "add_module", "register_module", "get_submodule", "get_parameter"}
)
"""Methods of modules with arguments, which optimizers may have too, and MindSpore's optimizers of converted scripts."""


class Methods(Applying, InPlace):
    """Rewrites calls of methods."""

    def _method(self, node: ast.Call, function: ast.Attribute, mark: int) -> None:
        receiver = self.inference.kind(function.value)
        name = function.attr
        if name == "backward" and receiver.name in ("number", "other"):
            receiver = TENSOR  # `0.5 * x` of what nobody knows
        if name == "item" and self.is_compiled() and self._is_whole_number(function.value):
            self._whole_number(node, function)
        elif name == "apply" and self._is_own_function(receiver):
            self._own_function(node, function, receiver)
        elif receiver.is_tensor:
            self._tensor_method(node, function, mark)
        elif receiver.name == "size":
            row = self.rows.get(f"torch.Size.{name}")
            if row is not None:
                self._apply(node, f"torch.Size.{name}", function.value, mark)
        elif self._is_output(receiver):
            if name == "to_tuple":
                self._wrap(function.value, "compat.to_tuple(", self.file.end(node))
        elif self._is_module(receiver):
            if name == "extend" and receiver.of == ("torch.nn.ModuleList",):
                self._extended(node)
            full = f"torch.nn.Module.{name}"
            if not self._own_method(receiver, name) and full in self.rows:
                self._apply(node, full, function.value, mark)
            else:
                self._attribute_name(function, receiver)
        elif receiver.name == "unknown" and name in ("eval", "train") and self._others_have(name):
            self._by_helper("compat.set_mode", node, function, f'"{name}"')
            self.record(node, f"{MODULE}.{name}", became="compat.set_mode", note="The helper asks what it is.")
        elif receiver.name == "unknown" and self._is_of_modules(node, function):
            self._apply(node, f"{MODULE}.{name}", function.value, mark, note="Its receiver is taken for a module.")
        elif receiver.name == "unknown" and self._may_be_tensors(node, name):
            if self._is_move(node, name):
                note = "A device means nothing here: the call goes, whatever is moved."
                self._tensor_method(node, function, mark, note=note)
            elif (
                is_distinct(name)
                or name == "requires_grad_"
                or self.options.assume_tensors
                or _is_tensors(node, function)
                or self._gives_two(node, name)
            ):
                self._tensor_method(node, function, mark, note="Its receiver is taken for a tensor.")
            elif name == "forward":
                self._forward(node, function, receiver)
            elif not self._stays(node, name) and self._perhaps(function):
                full = f"torch.Tensor.{name}"
                remedy = "Perhaps a tensor's; if so, --assume_tensors converts it, or an annotation of its receiver."
                self.record(node, full, written=self.file.of(function), converted=False, remedy=remedy, use="perhaps")
        elif name == "forward" and receiver.name == "unknown":
            self._forward(node, function, receiver)
        else:
            self._attribute_name(function, receiver)

    def _forward(self, node: ast.Call, function: ast.Attribute, receiver: Kind) -> None:
        """Rewrite `x.forward(...)` of what nobody knows: a class of the project that is no module keeps the name."""
        if self._others_have("forward"):
            self._by_helper("compat.run_forward", node, function)
        else:
            self._attribute_name(function, receiver)

    def _others_have(self, method: str) -> bool:
        """Whether a class of the project that is no module has a method of this name."""
        named = (each for each in self.project.classes() if method in each.methods)
        return any(not self.inference.is_module(each.name) for each in named)

    def _by_helper(self, helper: str, node: ast.Call, function: ast.Attribute, *given: str) -> None:
        """Write the call of a method as that of a helper, which asks what the receiver is."""
        opening = layout_of(node, self.file).opening
        self.edits.insert(self.file.start(function.value), self.write(f"{helper}("), leading=True)
        before = "".join(f", {each}" for each in given) + (", " if node.args or node.keywords else "")
        self.edits.replace(self.file.end(function.value), opening + 1, before)

    def _is_of_modules(self, node: ast.Call, function: ast.Attribute) -> bool:
        """Whether a receiver is taken for a module: only one has such a method, or the helper asks what it is."""
        if function.attr in OF_MODULES:
            return self._is_plain_call(node)
        row = self.rows[f"{MODULE}.{function.attr}"] if function.attr in _OF_SEVERAL else None
        if row is None or of_optimizer(node) or self._full(function.value) is not None:
            return False
        return row.signature is not None and row.signature.takes(node)

    def _may_be_tensors(self, node: ast.Call, name: str) -> bool:
        """Whether a tensor has such a method: `x.transpose(2, 0, 1)` is that of an array."""
        row = self.rows.get(f"torch.Tensor.{name}")
        return row is not None and (row.signature is None or row.signature.takes(node))

    def _extended(self, node: ast.Call) -> None:
        """Write `modules.extend(Layer() for i in range(n))` with a list: MindSpore takes nothing else."""
        if len(node.args) != 1 or isinstance(node.args[0], (ast.List, ast.ListComp, ast.Starred)):
            return
        (given,) = node.args
        start, end = self.file.start(given), self.file.end(given)
        shares = self.file.text[end - 1 : end] == b")" and end == self.file.end(node)  # the parentheses of the call
        self.edits.insert(start, "(list" if shares else "list(", leading=True)
        self.edits.insert(end, ")")

    def _gives_two(self, node: ast.Call, name: str) -> bool:
        """Whether a call is asked for two results, which no array has: `_, i = x.max(1)`, `x.max(1)[1].type_as(y)`."""
        if self.rows[f"torch.Tensor.{name}"].returns != "pair" or not (node.args or node.keywords):
            return False
        outer, around = [*reversed(self.parents[:-1]), None, None][:2]
        if isinstance(outer, ast.Assign):
            return isinstance(outer.targets[0], ast.Tuple) and len(outer.targets[0].elts) == 2
        around = around.func if isinstance(around, ast.Call) else around
        indexed = isinstance(outer, ast.Subscript) and isinstance(outer.slice, ast.Constant)
        return indexed and isinstance(around, ast.Attribute) and is_distinct(around.attr)

    def _stays(self, node: ast.Call, name: str) -> bool:
        """Whether a method of a tensor's is MindSpore's as well, such as `x.max()` without an axis."""
        row = self.rows[f"torch.Tensor.{name}"]
        plain = row.returns == "pair" and not node.args and not node.keywords
        return row.becomes == f"{{self}}.{name}(...)" or (plain and name in ("max", "min"))

    def _is_move(self, node: ast.Call, name: str) -> bool:
        """Whether a call moves something to a device, or lays it out anew, and does no more: `x.to(self.device)`."""
        if any(each.arg not in ("device", "non_blocking", "memory_format") for each in node.keywords):
            return False
        if name in ("cuda", "cpu"):
            return len(node.args) <= 1
        said = [each for each in node.keywords if each.arg != "non_blocking"]
        if name != "to" or len(node.args) > 1 or not (node.args or said):
            return False
        to = node.args[0] if node.args else said[0].value
        written = self.file.of(to).rpartition(".")[2]
        return not node.args or self.inference.kind(to).name == "other" or written in ("device", "dev")

    def _is_own_function(self, receiver: Kind) -> bool:
        """Whether a receiver is a class of the project that is a torch.autograd.Function."""
        return receiver.name == "class" and all(FUNCTION in self.project.external_bases(name) for name in receiver.of)

    def _is_whole_number(self, node: ast.expr) -> bool:
        """Whether it is what NumPy computed, as an integer: `np.ceil(np.log(n)).astype('int')`."""
        if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "astype"):
            return False
        of_array = self.inference.kind(node.func.value) == ARRAY
        return of_array and len(node.args) == 1 and self.file.of(node.args[0]).strip("'\"") == "int"

    def _whole_number(self, node: ast.Call, function: ast.Attribute) -> None:
        """Write `….astype('int').item()` as `int(…)`: for graph mode the inner value is a number."""
        assert isinstance(function.value, ast.Call)
        assert isinstance(function.value.func, ast.Attribute)
        self._wrap(function.value.func.value, "int(", self.file.end(node))

    def _own_function(self, node: ast.Call, function: ast.Attribute, receiver: Kind) -> None:
        """Write `Swish.apply(x)` as `compat.applied(Swish, x)`: graph mode knows no classes of class methods."""
        self.edits.insert(self.file.start(function), self.write("compat.applied("), leading=True)
        separator = ", " if node.args or node.keywords else ""
        self.edits.replace(self.file.end(function.value), layout_of(node, self.file).opening + 1, separator)
        note = "In graph mode its gradient is that of its forward; its backward is not called."
        self.record(node, f"{FUNCTION}.apply", became="compat.applied", note=note)

    @staticmethod
    def _is_plain_call(node: ast.Call) -> bool:
        """Whether a call has no arguments but a literal: `model.train(False)`."""
        return not node.keywords and all(isinstance(each, ast.Constant) for each in node.args)

    def _perhaps(self, function: ast.Attribute) -> bool:
        """Whether a receiver that is not known can be a tensor: not a module, and not `self` itself."""
        if function.attr in _COMMON:
            return False
        return self._full(function.value) is None

    def _tensor_method(self, node: ast.Call, function: ast.Attribute, mark: int, note: str = "") -> None:
        full = f"torch.Tensor.{function.attr}"
        if function.attr == "abs" and self.inference.kind(function.value) == COMPLEX:
            self.edits.insert(self.file.start(node), self.write("compat.magnitude("), leading=True)
            self.edits.replace(self.file.text.rindex(b".", 0, self.file.end(function)), self.file.end(node), ")")
            self.record(node, full, became="compat.magnitude")
        elif full in self.rows:
            self._apply(node, full, function.value, mark, note)
            if self.rows[full].in_place and self.changing is not node:
                self._changes_within(node, full)
        elif function.attr in TENSOR_NAMES:
            self._unconverted(node, full, "")

    def _own_method(self, receiver: Kind, name: str) -> bool:
        """Whether a class of the project defines the method itself."""
        for each in receiver.of:
            info = self.project.class_named(each)
            for ancestor in self.project.ancestry(info) if info is not None else ():
                if not isinstance(ancestor, str) and name in ancestor.methods:
                    return True
        return False

    def _wrap(self, node: ast.expr, text: str, end: int) -> None:
        """Put a call around an expression, and let it replace all up to an offset."""
        self.edits.insert(self.file.start(node), self.write(text), leading=True)
        self.edits.replace(self.file.end(node), end, ")")


def _is_tensors(node: ast.Call, function: ast.Attribute) -> bool:
    """Whether only a tensor can be asked like this: `x.size(0)`, `x.relu()`, `x.cpu().numpy()`."""
    if function.attr in ("repeat", "expand"):
        of_shape = [isinstance(each, ast.Attribute) and each.attr == "shape" for each in node.args]
        return (len(node.args) > 2 or of_shape == [True]) and not node.keywords
    if function.attr == "relu":
        return not node.args and not node.keywords
    if function.attr == "to":
        return any(each.arg == "dtype" for each in node.keywords)
    if function.attr == "size":
        if not node.args and not node.keywords:
            return True
        given = node.args[0] if len(node.args) == 1 and not node.keywords else None
        given = given.operand if isinstance(given, ast.UnaryOp) else given
        return isinstance(given, ast.Constant) and isinstance(given.value, int)
    before = function.value.func if isinstance(function.value, ast.Call) else None
    if function.attr == "numpy" and isinstance(function.value, ast.Attribute):
        return function.value.attr == "data"
    return function.attr == "numpy" and isinstance(before, ast.Attribute) and before.attr in ("cpu", "detach")
