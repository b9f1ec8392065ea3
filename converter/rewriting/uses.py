"""Uses: calls, methods, attributes and names of PyTorch, each written as its row says."""

from __future__ import annotations

import ast

from converter.rewriting.branches import CONSTANTS
from converter.rewriting.calls import Rendering, layout_of
from converter.rewriting.flow_calls import is_distinct
from converter.rewriting.inference import Inference
from converter.rewriting.kinds import Kind
from converter.rewriting.names import chain
from converter.rewriting.project import MODULE
from converter.rewriting.rows import Row
from converter.rewriting.signature import Arguments, NotStatic, UnsupportedCall
from converter.rewriting.state import PACKAGES, State, full_name
from converter.rewriting.template import Template, template
from converter.rewriting.tensor_names import TENSOR_NAMES
from converter.rewriting.view import View

OWN_NAMES = frozenset({"weight", "bias", "running_mean", "running_var"})
"""Attributes that MindSpore's layers call otherwise."""

RESERVED = frozenset(
    [
        "phase",
        "cells",
        "to",
        "param_prefix",
        "cls_name",
        "offload",
        "shard",
        "compile",
        "recompute",
        "create_time",
        "apply",
        "check_names",
    ]
)
"""Names that a Cell has for itself; a module's attribute of that name gets an underscore."""


FUNCTION = "torch.autograd.Function"
_OPTION_NAMES = frozenset({"dd", "factory_kwargs", "device_kwargs", "tensor_kwargs"})

OF_MODULES = frozenset({"train", "eval", "parameters", "named_parameters"})
"""Methods that, called without arguments, nothing but a module has."""

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
        "size",
    ]
) - {"size"}


class Uses(State):
    """Rewrites uses."""

    def expression(self, node: ast.Expr) -> None:
        """Rewrite a statement that is an expression."""
        if isinstance(node.value, ast.Call):
            if self._popped(node.value):
                return
            full = self._full(node.value.func)
            row = self.rows.get(full) if full else None
            if row is not None and row.use == "value" and row.becomes == "":
                self._remove_statement(node)
                self.record(node.value, full or "", became="nothing")
                return
            if self._assigned(node, node.value, full, row):
                return
        self.visit(node.value)

    def assign(self, node: ast.Assign) -> None:
        """Remove settings of PyTorch's, such as `torch.backends.cudnn.benchmark = True`."""
        names = [self._full(target) if isinstance(target, ast.Attribute) else None for target in node.targets]
        if not all(name is not None and self.project.is_torch(name) for name in names):
            self.children(node)
            self._mapped(node)
            return
        self._remove_statement(node)
        for target, name in zip(node.targets, names, strict=True):
            self.record(target, name or "", became="nothing", note="A setting of PyTorch; it was removed.", use="value")

    def _mapped(self, node: ast.Assign) -> None:
        """`a, b = map(lambda t: f(t), c)` becomes a list: graph mode maps no function of other names than its own."""
        call = node.value
        if not (isinstance(call, ast.Call) and isinstance(call.func, ast.Name) and len(call.args) == 2):
            return
        function = call.args[0]
        if call.keywords or self._full(call.func) != "builtins.map" or not isinstance(function, ast.Lambda):
            return
        arguments = function.args
        single = len(arguments.args) == 1 and not (arguments.defaults or arguments.vararg or arguments.kwarg)
        whole = len(node.targets) == 1 and isinstance(node.targets[0], ast.Tuple)
        if not (single and whole and self.class_node is not None) or arguments.posonlyargs or arguments.kwonlyargs:
            return
        layout = layout_of(call, self.file)
        start, end = self.file.start(function), self.file.end(function)
        body = self.file.text.index(b":", start, end) + 1
        while self.file.text[body : body + 1] == b" ":
            body += 1
        values = layout.arguments[1]
        self.edits.replace(layout.start, body, "[")
        self.edits.replace(layout.arguments[0].end, values.value, f" for {arguments.args[0].arg} in ")
        self.edits.replace(values.end, layout.end, "]")

    def _popped(self, call: ast.Call) -> bool:
        """`kwargs.pop("name", None)` of what a module was given: graph mode can only make another dict."""
        taken = self.function.args.kwarg if self.function is not None and self.function.name == "forward" else None
        function = call.func
        if taken is None or not isinstance(function, ast.Attribute) or function.attr != "pop" or not call.args:
            return False
        if not (isinstance(function.value, ast.Name) and function.value.id == taken.arg):
            return False
        name = self.file.of(call.args[0])
        text = self.write(f"{taken.arg} = compat.without({taken.arg}, {name})")
        self.edits.replace(self.file.start(call), self.file.end(call), text)
        return True

    def binary(self, node: ast.BinOp) -> None:
        """Rewrite `(a is None) ^ (b is None)`: graph mode has `!=` for truth values, and no `^`."""
        self.children(node)
        if isinstance(node.op, ast.BitXor) and all(_is_test(each) for each in (node.left, node.right)):
            start, end = self.file.end(node.left), self.file.start(node.right)
            at = self.file.text.index(b"^", start, end)
            self.edits.replace(at, at + 1, "!=")

    def _assigned(self, statement: ast.Expr, call: ast.Call, full: str | None, row: Row | None) -> bool:
        """A statement that changes a tensor in place becomes an assignment; false if it is none."""
        target: ast.expr
        if full is not None and self.project.is_torch(full):
            in_place = any(
                each.arg == "inplace" and isinstance(each.value, ast.Constant) and each.value.value is True
                for each in call.keywords
            )
            if row is None or not call.args or not (in_place or row.in_place):
                return False
            target = call.args[0]
        elif isinstance(call.func, ast.Attribute):
            target = call.func.value
            receiver = self.inference.kind(target)
            row = self.rows.get(f"torch.Tensor.{call.func.attr}")
            known = receiver.is_tensor or (receiver.name == "unknown" and is_distinct(call.func.attr))
            if row is None or not row.in_place or not known:
                return False
        else:
            return False
        while (
            isinstance(target, ast.Call) and isinstance(target.func, ast.Attribute) and target.func.attr.endswith("_")
        ):
            target = target.func.value  # `x.mul_(2).add_(1)` changes x
        mark = len(self.records)
        text = self._rewritten(target)
        self.visit(call)
        if any(not record.converted for record in self.records[mark:] if record.start == self.file.start(call)):
            return True
        if isinstance(target, ast.Subscript) or (isinstance(target, ast.Name) and not self._is_shared(target.id)):
            self.edits.insert(self.file.start(statement), f"{text} = ", leading=True)
        else:
            plain = text.removesuffix(".data")
            self.edits.insert(self.file.start(statement), self.write(f"compat.assign({plain}, "), leading=True)
            self.edits.insert(self.file.end(statement), ")")
        return True

    def _rewritten(self, node: ast.expr) -> str:
        """The text of an expression after its edits, which are taken back."""
        edits, records = len(self.edits), len(self.records)
        self.visit(node)
        del self.records[records:]
        return self.edits.absorb(self.file.start(node), self.file.end(node), edits)

    def _is_shared(self, name: str) -> bool:
        """Whether what a variable stands for changes, not the variable: that of a loop around the statement, or what a
        function that initialises was given.
        """
        function = self.function
        if function is not None and (function.name.endswith("_") or "init" in function.name):
            arguments = (*function.args.posonlyargs, *function.args.args, *function.args.kwonlyargs)
            if any(each.arg == name for each in arguments):
                return True
        return any(
            isinstance(each, ast.Name) and each.id == name
            for parent in self.parents
            if isinstance(parent, ast.For)
            for each in ast.walk(parent.target)
        )

    # Expressions

    def call(self, node: ast.Call) -> None:
        """Rewrite a call; where a project trains, a network begins in training mode, as PyTorch's do."""
        self._call(node)
        if self.inference.trains and self._makes_network(node):
            self.edits.insert(self.file.end(node), ".set_train()")

    def _makes_network(self, node: ast.Call) -> bool:
        """Whether a call outside the classes of modules makes a network of a class of the project, or a Sequential."""
        kind = self.inference.kind(node.func)
        around = self.project.info(self.class_node, self.names) if self.class_node is not None else None
        if around is not None and self.inference.is_module(around.name):
            return False
        if self._full(node.func) == "torch.nn.Sequential":
            return not any(isinstance(each, ast.Call) for each in self.parents[:-1])
        own = kind.name == "class" and all(self.project.class_named(each) is not None for each in kind.of)
        return own and all(self.inference.is_module(each) for each in kind.of)

    def _call(self, node: ast.Call) -> None:
        full = self._full(node.func)
        mark = len(self.edits)
        if full is not None and self.project.is_torch(full):
            constant = CONSTANTS.get(full)
            if constant is not None:
                self.edits.replace(self.file.start(node), self.file.end(node), str(constant))
                self.record(node, full, became=str(constant))
                return
            self._arguments(node)
            self._apply(node, full, None, mark)
            return
        if full is not None and not node.args and self.project.is_output(full):
            self._arguments(node)
            start, end = self.file.start(node.func), self.file.end(node.func)
            after = self.file.start(node.keywords[0]) if node.keywords else self.file.end(node) - 1
            self.edits.insert(start, self.write("compat.made("), leading=True)
            gap = self.file.text[end:after].decode().replace("(", ",", 1)
            self.edits.replace(end, after, gap if gap != "," or not node.keywords else ", ")
            return
        if full == "builtins.isinstance" and len(node.args) == 2:
            self.visit(node.args[0])
            self._classes(node.args[1])
            return
        if isinstance(node.func, ast.Attribute) and (full is None or not self.project.is_elsewhere(full)):
            self.visit(node.func.value)
            self._arguments(node)
            self._method(node, node.func, mark)
            return
        self.visit(node.func)
        self._arguments(node)

    def _arguments(self, node: ast.Call) -> None:
        for each in node.args:
            self.visit(each)
        for keyword in node.keywords:
            self.visit(keyword.value)

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

    def _class_of(self, full: str, row: Row) -> str:
        """The class that an instance of a layer belongs to, whether it was made directly or by a helper."""
        if row.instance_of:
            return row.instance_of
        name = full.rpartition(".")[2]
        if isinstance(row.becomes, str):
            return template(row.becomes).callee
        return f"compat.{name}"

    def _method(self, node: ast.Call, function: ast.Attribute, mark: int) -> None:
        receiver = self.inference.kind(function.value)
        name = function.attr
        if name == "apply" and self._is_own_function(receiver):
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
            full = f"torch.nn.Module.{name}"
            if not self._own_method(receiver, name) and full in self.rows:
                self._apply(node, full, function.value, mark)
            else:
                self._attribute_name(function, receiver)
        elif receiver.name == "unknown" and name in OF_MODULES and self._is_plain_call(node):
            self._apply(node, f"{MODULE}.{name}", function.value, mark, note="Its receiver is taken for a module.")
        elif receiver.name == "unknown" and self._may_be_tensors(node, name):
            if self._is_move(node, name):
                note = "A device means nothing here: the call goes, whatever is moved."
                self._tensor_method(node, function, mark, note=note)
            elif is_distinct(name) or self.options.assume_tensors or _is_tensors(node, function):
                self._tensor_method(node, function, mark, note="Its receiver is taken for a tensor.")
            elif name == "forward":
                self._attribute_name(function, receiver)
            elif self.rows[f"torch.Tensor.{name}"].becomes != f"{{self}}.{name}(...)" and self._perhaps(function):
                full = f"torch.Tensor.{name}"
                remedy = "Perhaps a tensor's; if so, --assume_tensors converts it, or an annotation of its receiver."
                self.record(node, full, written=self.file.of(function), converted=False, remedy=remedy, use="perhaps")
        else:
            self._attribute_name(function, receiver)

    def _may_be_tensors(self, node: ast.Call, name: str) -> bool:
        """Whether a tensor has such a method: `x.transpose(2, 0, 1)` is that of an array."""
        row = self.rows.get(f"torch.Tensor.{name}")
        return row is not None and (row.signature is None or row.signature.takes(node))

    def _is_move(self, node: ast.Call, name: str) -> bool:
        """Whether a call moves something to a device and does no more: `x.cuda()`, `x.to(self.device)`."""
        if any(each.arg not in ("device", "non_blocking") for each in node.keywords):
            return False
        if name in ("cuda", "cpu"):
            return len(node.args) <= 1
        if name != "to" or len(node.args) + any(each.arg == "device" for each in node.keywords) != 1:
            return False
        to = node.args[0] if node.args else node.keywords[0].value
        written = self.file.of(to).rpartition(".")[2]
        return not node.args or self.inference.kind(to).name == "other" or written in ("device", "dev")

    def _is_own_function(self, receiver: Kind) -> bool:
        """Whether a receiver is a class of the project that is a torch.autograd.Function."""
        return receiver.name == "class" and all(FUNCTION in self.project.external_bases(name) for name in receiver.of)

    def _own_function(self, node: ast.Call, function: ast.Attribute, receiver: Kind) -> None:
        """Write `Swish.apply(x)` as a call of its forward; graph mode does not know the class in a class method."""
        info = self.project.class_named(receiver.of[0])
        has_context = info is not None and "setup_context" not in info.methods
        end = self.file.end(function)
        self.edits.replace(end - len("apply"), end, "forward")
        if has_context:
            separator = ", " if node.args or node.keywords else ""
            text = self.write(f"compat.Context(){separator}")
            self.edits.insert(layout_of(node, self.file).opening + 1, text, leading=True)
        note = "Its gradient is that of its forward; its backward is not called."
        self.record(node, f"{FUNCTION}.apply", became=f"{receiver.of[0]}.forward", note=note)

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
        if full in self.rows:
            self._apply(node, full, function.value, mark, note)
        elif function.attr in TENSOR_NAMES:
            self._unconverted(node, full, "")

    def _is_module(self, kind: Kind) -> bool:
        return kind.name in ("instance", "super") and any(self.inference.is_module(name) for name in kind.of)

    def _is_output(self, kind: Kind) -> bool:
        return kind.name == "instance" and all(self.project.is_output(name) for name in kind.of)

    def _wrap(self, node: ast.expr, text: str, end: int) -> None:
        """Put a call around an expression, and let it replace all up to an offset."""
        self.edits.insert(self.file.start(node), self.write(text), leading=True)
        self.edits.replace(self.file.end(node), end, ")")

    def subscript(self, node: ast.Subscript) -> None:
        """Rewrite `outputs[0]`: what a network of transformers returns is a dict, whose members have no number."""
        mark = len(self.edits)
        self.children(node)
        receiver = self.inference.kind(node.value)
        if isinstance(node.slice, ast.Slice) and node.slice.step is None and self._is_list_of_modules(receiver):
            self._part(node, node.slice, mark)
            return
        static = isinstance(node.slice, (ast.Slice, ast.UnaryOp)) or (
            isinstance(node.slice, ast.Constant) and isinstance(node.slice.value, int)
        )
        if static and self._is_output(receiver):
            self._wrap(node.value, "compat.to_tuple(", self.file.end(node.value))

    def _is_list_of_modules(self, kind: Kind) -> bool:
        return kind.name == "instance" and all(
            "torch.nn.ModuleList" in self.project.external_bases(name) for name in kind.of
        )

    def _part(self, node: ast.Subscript, where: ast.Slice, mark: int) -> None:
        """Rewrite a slice of modules: that of a CellList is another CellList, which renames their parameters."""
        bounds = [
            "None" if each is None else self.edits.text(self.file.start(each), self.file.end(each), mark)
            for each in (where.lower, where.upper)
        ]
        start, end = self.file.end(node.value), self.file.end(node)
        self.edits.drop(start, end, mark)
        self.edits.insert(self.file.start(node), self.write("compat.part("), leading=True)
        self.edits.replace(start, end, f", {bounds[0]}, {bounds[1]})")

    def _own_method(self, receiver: Kind, name: str) -> bool:
        """Whether a class of the project defines the method itself."""
        for each in receiver.of:
            info = self.project.class_named(each)
            for ancestor in self.project.ancestry(info) if info is not None else ():
                if not isinstance(ancestor, str) and name in ancestor.methods:
                    return True
        return False

    def _apply(self, node: ast.Call, full: str, receiver: ast.expr | None, mark: int, note: str = "") -> None:
        """Write a call as its row says."""
        row = self.rows.get(full)
        if row is None or row.use == "none" or (row.becomes is None and row.use != "value"):
            self._unconverted(node, full, row.remedy if row is not None else "")
            return
        if row.use == "value":
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
        Rendering(plain, self.file, self.edits, mark, bound, receiver, self.write).apply(parsed)
        self.record(node, full, became=self._became(parsed, full), note=note or row.note)

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

    def attribute(self, node: ast.Attribute) -> None:
        """Rewrite an attribute."""
        full = self._full(node)
        if full is not None and self.project.is_torch(full):
            self._value(node, full)
            return
        self.visit(node.value)
        receiver = self.inference.kind(node.value)
        if node.attr == "grad" and isinstance(node.value, ast.Name) and node.value.id in self._inputs():
            remedy = "It is the gradient of an input: call mindspore.grad of a function of it that computes the loss."
            self._unconverted(node, "torch.Tensor.grad", remedy)
        elif receiver.is_tensor:
            self._tensor_attribute(node)
        elif receiver.name == "pair" and node.attr in ("values", "indices"):
            self._pair(node)
        elif self._is_output(receiver) and isinstance(node.ctx, ast.Load):
            end = self.file.end(node)
            at = self.file.text.rindex(b".", 0, end)
            self.edits.replace(at, end, f".get({self._quoted(node.attr)})")
        else:
            self._attribute_name(node, receiver)

    def _quoted(self, name: str) -> str:
        """A name in quotes that may stand here: not in those of an f-string around it."""
        around = next((each for each in reversed(self.parents) if isinstance(each, ast.JoinedStr)), None)
        taken = around is not None and '"' in self.file.of(around).partition("{")[0]
        return f"'{name}'" if taken else f'"{name}"'

    def _inputs(self) -> set[str]:
        """The variables of a function that are no parameters of a network, and of which it asks for the gradient."""
        found = set()
        for each in ast.walk(self.function or self.file.tree):
            if isinstance(each, ast.Assign):
                value = each.value
                asked = isinstance(value, ast.Call) and any(key.arg == "requires_grad" for key in value.keywords)
                found |= {target.id for target in each.targets if isinstance(target, ast.Name) and asked}
                switched = isinstance(value, ast.Constant) and value.value is True
                holders = [target for target in each.targets if isinstance(target, ast.Attribute) and switched]
            elif isinstance(each, ast.Call) and isinstance(each.func, ast.Attribute):
                holders = [each.func] if each.func.attr == "requires_grad_" else []
            else:
                continue
            named = [holder.value for holder in holders if holder.attr in ("requires_grad", "requires_grad_")]
            found |= {name.id for name in named if isinstance(name, ast.Name)}
        return {name for name in found if (place := self.scope.find(name)) and place[1][0].kind != "other"}

    def _pair(self, node: ast.Attribute) -> None:
        at = self.file.text.rindex(b".", 0, self.file.end(node))
        self.edits.replace(at, self.file.end(node), "[0]" if node.attr == "values" else "[1]")

    def _tensor_attribute(self, node: ast.Attribute) -> None:
        row = self.rows.get(f"torch.Tensor.{node.attr}")
        if row is None or row.use != "attribute":
            return
        full = f"torch.Tensor.{node.attr}"
        if row.becomes is None:
            self._unconverted(node, full, row.remedy)
            return
        if row.becomes == f"{{self}}.{node.attr}":
            return
        assert isinstance(row.becomes, str)
        at = self.file.text.rindex(b".", 0, self.file.end(node))
        before, placed, after = row.becomes.partition("{self}")
        if not placed:
            self.edits.drop(self.file.start(node), self.file.end(node))
            self.edits.replace(self.file.start(node), self.file.end(node), self.write(before))
            self.record(node, full, became=before, use="attribute")
            return
        self.edits.insert(self.file.start(node), self.write(before), leading=True)
        self.edits.replace(at, self.file.end(node), self.write(after))
        self.record(node, full, became=full_name(row.becomes.replace("{self}", "x")), use="attribute")

    def _attribute_name(self, node: ast.Attribute, receiver: Kind) -> None:
        """Rename an attribute of a module: a norm's weight is gamma, `forward` is `construct`."""
        if self._is_any_module(receiver) and node.attr in OWN_NAMES and isinstance(node.ctx, ast.Load):
            text = self.write("compat.own(")
            at = self.file.text.rindex(b".", 0, self.file.end(node))
            self.edits.insert(self.file.start(node), text, leading=True)
            self.edits.replace(at, self.file.end(node), f", {self._quoted(node.attr)})")
            return
        new = self._renamed(node.attr, receiver)
        if new != node.attr:
            end = self.file.end(node)
            self.edits.replace(end - len(node.attr.encode()), end, new)

    def _is_any_module(self, receiver: Kind) -> bool:
        """Whether a receiver is a module of which nobody knows the class, outside what graph mode compiles."""
        outside = self.function is not None and self.function.name not in ("forward", "construct")
        return receiver.name == "instance" and receiver.of == (MODULE,) and outside

    def _renamed(self, name: str, receiver: Kind) -> str:
        if name == "forward":
            known_other = receiver.name == "instance" and not self._is_module(receiver)
            return name if known_other or receiver.name == "other" else "construct"
        if receiver.name not in ("instance", "super"):
            return name
        found: set[str] = set()
        for each in receiver.of:
            info = self.project.class_named(each)
            if info is not None and self.inference.is_module(each):
                if name in RESERVED and name in self.inference.attributes(info):
                    return f"{name}_"
                if name in self.inference.attributes(info):
                    return name
            for base in self.project.external_bases(each):
                row = self.rows.get(base)
                if row is not None:
                    found.add(row.parameters.get(name, name))
        return found.pop() if len(found) == 1 else name

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
        inner = [each for each in ast.walk(tree) if isinstance(each, ast.Attribute)]
        covered = {id(each.value) for each in inner}
        for each in ast.walk(tree):
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
        for each in node.values:
            if isinstance(each, ast.FormattedValue) and self._placed(each.value):
                self.visit(each.value)

    def _placed(self, node: ast.expr) -> bool:
        """Whether the parser gives the place of an expression in an f-string rightly; Python 3.11 does not always."""
        try:
            text = self.file.of(node)
            if (names := chain(node)) is not None and text == ".".join(names):
                return True
            return ast.dump(ast.parse(f"({text})", mode="eval").body) == ast.dump(node)
        except (SyntaxError, ValueError, UnicodeDecodeError, IndexError):
            return False


def _with_reduction(text: str, bound: Arguments, view: View) -> str:
    """A template with the reduction that `size_average` and `reduce` of older scripts mean."""
    given = [each for each in ("size_average", "reduce") if each in bound.given]
    if not given:
        return text
    average, reduced = (view.value(each) in (None, True) for each in ("size_average", "reduce"))
    for each in given:
        del bound.given[each]
    reduction = ("mean" if average else "sum") if reduced else "none"
    return text.replace("{reduction!}", f"'{reduction}'").replace("{reduction}", f"'{reduction}'")


def _is_tensors(node: ast.Call, function: ast.Attribute) -> bool:
    """Whether only a tensor can be asked like this: `x.size(0)`, `x.repeat(1, 2, 1)`, `x.cpu().numpy()`."""
    if function.attr in ("repeat", "expand"):
        return len(node.args) > 2 and not node.keywords
    if function.attr == "to":
        return any(each.arg == "dtype" for each in node.keywords)
    if function.attr == "size":
        if not node.args and not node.keywords:
            return True
        given = node.args[0] if len(node.args) == 1 and not node.keywords else None
        given = given.operand if isinstance(given, ast.UnaryOp) else given
        return isinstance(given, ast.Constant) and isinstance(given.value, int)
    before = function.value.func if isinstance(function.value, ast.Call) else None
    return function.attr == "numpy" and isinstance(before, ast.Attribute) and before.attr in ("cpu", "detach")


def _is_test(node: ast.expr) -> bool:
    """Whether an expression is `a is b` or `a is not b`."""
    return isinstance(node, ast.Compare) and all(isinstance(each, (ast.Is, ast.IsNot)) for each in node.ops)


def _is_options(node: ast.expr, inference: Inference) -> bool:
    return inference.kind(node).name == "options" or (isinstance(node, ast.Name) and node.id in _OPTION_NAMES)


def _without_options(node: ast.Call, inference: Inference) -> ast.Call:
    if not any(each.arg is None and _is_options(each.value, inference) for each in node.keywords):
        return node
    kept = [each for each in node.keywords if each.arg is not None or not _is_options(each.value, inference)]
    return ast.copy_location(ast.Call(node.func, node.args, kept), node)
