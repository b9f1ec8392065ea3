"""Uses: calls, methods, attributes and names of PyTorch, each written as its row says."""

from __future__ import annotations

import ast

from converter.rewriting.attributes import OWN_NAMES
from converter.rewriting.branches import CONSTANTS
from converter.rewriting.calls import layout_of
from converter.rewriting.choices import CHOICES
from converter.rewriting.kinds import ARRAY, COMPLEX, PACKED, Kind, sequence
from converter.rewriting.methods import Methods
from converter.rewriting.outputs import GRAD, Outputs
from converter.rewriting.statements import Statements
from converter.rewriting.trees import nodes

_GIVE_BACK = frozenset({"to", "cuda", "cpu", "float", "double", "half", "apply"})
"""Methods of modules that return the module."""


_PLAIN = (ast.Assign, ast.AugAssign, ast.AnnAssign, ast.Expr, ast.Return)
_LATE = (ast.IfExp, ast.BoolOp, ast.Lambda, ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)
"""Expressions whose parts run at another time than the statement, or not at all."""


_PARTS = frozenset({"named_children", "named_modules", "get_submodule", "_modules"})
"""By which code goes through the layers of a network."""


class Uses(Methods, Statements, Outputs):
    """Rewrites uses."""

    def binary(self, node: ast.BinOp) -> None:
        """Rewrite `(a is None) ^ (b is None)`, since graph mode has `!=` for truth values, and complex products."""
        self.children(node)
        if self.inference.kind(node.left) == ARRAY and self.inference.kind(node.right).name in ("tensor", "unknown"):
            self.needs.modules.add("compat")
            self.needs.helpers.add("PRIORITY")
        if isinstance(node.op, ast.Mult) and COMPLEX in map(self.inference.kind, (node.left, node.right)):
            gap, end = self.file.end(node.left), self.file.start(node.right)
            at = self.file.text.index(b"*", gap, end)
            before = len(self.file.text[gap:at]) - len(self.file.text[gap:at].rstrip())
            self.edits.insert(self.file.start(node), self.write("compat.complex_product("), leading=True)
            self.edits.replace(at - before, at + 1, ",")
            self.edits.insert(self.file.end(node), ")")
        if isinstance(node.op, ast.BitXor) and all(_is_test(each) for each in (node.left, node.right)):
            start, end = self.file.end(node.left), self.file.start(node.right)
            at = self.file.text.index(b"^", start, end)
            self.edits.replace(at, at + 1, "!=")

    def call(self, node: ast.Call) -> None:
        """Rewrite a call; where a project trains, a network begins in training mode, as PyTorch's do."""
        if self._hoisted(node):
            return
        self._typed(node)
        self._call(node)
        if node in self.carried.calls:
            self._give(node, self.carried.calls[node])
        if self.inference.trains and self._makes_network(node):
            self.edits.insert(self.file.end(node), ".set_train()")
        elif self.inference.trains and self._runs_itself(node):
            self._train_before()

    def _typed(self, node: ast.Call) -> None:
        """Rewrite `type(m)` where it is compared, and `super()` where graph mode would take that of a subclass."""
        start, end = self.file.start(node.func), self.file.end(node.func)
        full = self._full(node.func)
        if full == "builtins.type" and len(node.args) == 1 and self.is_compared_type(node):
            self.edits.replace(start, end, self.write("compat.class_of"))
        elif full == "builtins.super" and not node.args and self.class_node is not None and self.is_compiled():
            info = self.project.info(self.class_node, self.names)
            if any(info in self.project.ancestry(each) for each in self.project.classes() if each is not info):
                self.edits.insert(self.file.end(node) - 1, f"{self.class_node.name}, self")

    def _hoisted(self, node: ast.Call) -> bool:
        """Take `h.pop()` of a list out of an expression of a network: graph mode has it as a statement only."""
        around = self.statement
        if not isinstance(node.func, ast.Attribute) or node.func.attr != "pop" or not isinstance(around, _PLAIN):
            return False
        taken = node.func.value
        if not isinstance(taken, ast.Name) or node.keywords or len(node.args) > 1 or not self.is_compiled():
            return False
        whole = around.value is node
        inside = self.parents[self.parents.index(around) :]
        others = [each for each in nodes(around) if isinstance(each, ast.Name) and each.id == taken.id]
        start = self.file.start(around)
        indent = self.file.text[self.file.line_span(self.file.line_of(start))[0] : start].decode()
        is_list = self.inference.kind(taken).name in ("list", "items", "unknown")
        if whole or len(others) > 1 or not is_list or indent.strip() or any(isinstance(each, _LATE) for each in inside):
            return False
        name = self._free_name("popped")
        self.edits.insert(start, f"{name} = {self.file.of(node)}{self.file.newline}{indent}", leading=True)
        self.edits.replace(self.file.start(node), self.file.end(node), name)
        return True

    def _free_name(self, name: str) -> str:
        """A name that nothing in this function has, nor has been made for it."""
        inside = nodes(self.function or self.file.tree)
        taken = {each.id for each in inside if isinstance(each, ast.Name)} | self._made_names
        number = 1
        while (found := name if number == 1 else f"{name}_{number}") in taken:
            number += 1
        self._made_names.add(found)
        return found

    def _give(self, node: ast.Call, names: list[str]) -> None:
        """Give a call further arguments."""
        layout = layout_of(node, self.file)
        end = layout.arguments[-1].end if layout.arguments else layout.opening + 1
        text = ", ".join(f"{name}={name}" for name in names)
        self.edits.insert(end, f", {text}" if layout.arguments else text)

    def _makes_network(self, node: ast.Call) -> bool:
        """Whether a call outside the classes of modules makes a network of a class of the project, or a Sequential."""
        kind = self.inference.kind(node.func)
        around = self.project.info(self.class_node, self.names) if self.class_node is not None else None
        if around is not None and self.inference.is_module(around.name):
            return False
        if self._full(node.func) == "torch.nn.Sequential":
            return all(self._hands_on(each) for each in self.parents[:-1] if isinstance(each, ast.Call))
        own = kind.name == "class" and all(self.project.class_named(each) is not None for each in kind.of)
        return own and all(self.inference.is_module(each) for each in kind.of)

    def _hands_on(self, call: ast.Call) -> bool:
        """Whether a call around a Sequential gives it back: a method of it, or a function of the project."""
        full = self._full(call.func)
        if full is None:
            return isinstance(call.func, ast.Attribute) and call.func.attr in _GIVE_BACK
        found = self.project.definition(full)
        return found is not None and isinstance(found[0], ast.FunctionDef)

    def _runs_itself(self, node: ast.Call) -> bool:
        """Whether a constructor runs the network that it makes, which PyTorch's has in training mode by then."""
        if self.function is None or self.function.name != "__init__":
            return False
        called = node.func
        if isinstance(called, ast.Attribute) and called.attr == "forward":
            called = called.value
        own = self.function.args.args[:1]
        return isinstance(called, ast.Name) and [called.id] == [each.arg for each in own]

    def _train_before(self) -> None:
        """Put the network of a constructor into training mode before this statement."""
        assert self.statement is not None
        assert self.function is not None
        start = self.file.start(self.statement)
        line, _ = self.file.line_span(self.file.line_of(start))
        indent = self.file.text[line:start].decode()
        if not indent.strip():
            name = self.function.args.args[0].arg
            self.edits.insert(start, f"{name}.set_train(){self.file.newline}{indent}", leading=True)

    def _call(self, node: ast.Call) -> None:
        full = self._full(node.func)
        mark = len(self.edits)
        if full is not None and self.project.is_torch(full):
            constant = CONSTANTS.get(full)
            if constant is not None:
                self.edits.replace(self.file.start(node), self.file.end(node), str(constant))
                self.record(node, full, became=str(constant))
                return
            if self._of_base(node, full):
                return
            self._arguments(node)
            if full == "torch.abs" and len(node.args) == 1 and self.inference.kind(node.args[0]) == COMPLEX:
                self.edits.replace(self.file.start(node.func), self.file.end(node.func), self.write("compat.magnitude"))
                self.record(node, full, became="compat.magnitude")
                return
            if full.startswith("torch.nn.init.") and node.args:
                self._whole(node.args[0])
            if full != GRAD or not self.gradients(node, mark):
                self._apply(node, full, None, mark)
            return
        if node.args and self.inference.kind(node.args[0]) == PACKED:
            self.visit(node.func)
            self._arguments(node)
            self.edits.insert(self.file.start(node), self.write("compat.run_packed("), leading=True)
            self.edits.replace(self.file.end(node.func), layout_of(node, self.file).opening + 1, ", ")
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
        text = node.func.value if isinstance(node.func, ast.Attribute) and node.func.attr == "format" else None
        if text is not None and self._has_formats(text):
            self.formats([*node.args, *(each.value for each in node.keywords)])
        if full in ("builtins.hasattr", "builtins.getattr", "builtins.setattr") and len(node.args) > 1:
            self._asked(node)
        if full in ("builtins.hasattr", "builtins.getattr") and len(node.args) > 1 and self._chosen(node):
            return
        if full == "builtins.setattr" and self._replaces_layer(node):
            self.edits.replace(self.file.start(node.func), self.file.end(node.func), self.write("compat.set_attribute"))
            self._arguments(node)
            return
        if isinstance(node.func, ast.Attribute) and (full is None or not self.project.is_elsewhere(full)):
            self.visit(node.func.value)
            self._arguments(node)
            self._method(node, node.func, mark)
            return
        self.visit(node.func)
        self._arguments(node)

    def _of_base(self, node: ast.Call, full: str) -> bool:
        """Rewrite `nn.Linear.__init__(self, 4, 8)` in a class with this base; false if it is something else."""
        owner, _, name = full.rpartition(".")
        if self.class_node is None or name not in ("__init__", "train", "forward") or not node.args:
            return False
        function = node.func
        if not isinstance(function, ast.Attribute) or owner not in map(self._full, self.class_node.bases):
            return False
        self._arguments(node)
        start, end = self.file.start(function), self.file.end(function)
        if name == "train":
            self.edits.replace(start, end, self.write("compat.train_parts"))
            self.record(node, full, became="compat.train_parts")
            return True
        self._base(function.value)  # type: ignore[attr-defined]
        if name == "forward":
            self.edits.replace(end - len(name), end, "construct")
        return True

    def _asked(self, node: ast.Call) -> None:
        """Rewrite `hasattr(m, "bias")` of a module of any class: a norm calls it otherwise."""
        module, name = node.args[0], node.args[1]
        named = isinstance(name, ast.Constant) and name.value in OWN_NAMES
        if named and isinstance(module, ast.Name) and self._is_any_module(self.inference.kind(module)):
            self._put_into(name, f"compat.own_name({module.id}, ")

    def _chosen(self, node: ast.Call) -> bool:
        """Rewrite `getattr(nn, name)`: only the helper module's layers have PyTorch's defaults."""
        package = self._full(node.args[0]) or ""
        names = [name for name in CHOICES.get(package, ()) if name in self.options.helpers]
        if not names:
            return False
        named = node.args[1]
        if isinstance(named, ast.Constant) and isinstance(named.value, str):
            names = [name for name in names if name == named.value]
            if not names:
                return False
        self.needs.helpers.update(names)
        self.needs.modules.add("compat")
        start, end = self.file.start(node.args[0]), self.file.end(node.args[0])
        self.edits.replace(start, end, self.aliases["compat"])
        for each in node.args[1:]:
            self.visit(each)
        note = f"It finds {', '.join(names)}." if len(names) == 1 else f"It finds {len(names)} names of {package}."
        self.record(node.args[0], package, became="_torch_compat", use="value", note=note)
        return True

    def _replaces_layer(self, node: ast.Call) -> bool:
        """Whether `setattr(parent, name, layer)` may put a layer into a Sequential, which runs what it was made of."""
        if len(node.args) != 3 or self.file.of(node.args[0]) == "self":
            return False
        target, value = (self.inference.kind(each) for each in (node.args[0], node.args[2]))
        if not self._is_module(target) and target.name != "unknown":
            return False
        inside = nodes(self.function) if self.function is not None else ()
        goes_through = any(isinstance(each, ast.Attribute) and each.attr in _PARTS for each in inside)
        return self._is_module(value) or (goes_through and value.name == "unknown")

    def _whole(self, node: ast.expr) -> None:
        """Write `m.weight` for `m.weight.data` of what nobody knows: MindSpore's `data` of a parameter is a copy."""
        if (
            isinstance(node, ast.Attribute)
            and node.attr == "data"
            and self.inference.kind(node.value).name == "unknown"
        ):
            end = self.file.end(node)
            self.edits.replace(self.file.text.rindex(b".", 0, end), end, "")

    def _arguments(self, node: ast.Call) -> None:
        for each in node.args:
            self.visit(each)
        for keyword in node.keywords:
            self.visit(keyword.value)

    def subscript(self, node: ast.Subscript) -> None:
        """Rewrite `outputs[0]`: what a network of transformers returns is a dict, whose members have no number."""
        mark = len(self.edits)
        self.children(node)
        receiver = self.inference.kind(node.value)
        if isinstance(node.slice, ast.Slice) and node.slice.step is None and self._is_list_of_modules(receiver):
            self._part(node, node.slice, mark)
            return
        if receiver.is_tensor or receiver.name == "unknown":
            self._ranges(node.slice)
        if receiver.is_tensor or (receiver.name == "unknown" and self._takes_tensor(node)):
            self._arrays(node.slice)
        if receiver.is_tensor and self._is_element(node):
            self.edits.insert(self.file.start(node), self.write("compat.element("), leading=True)
            self.edits.replace(self.file.end(node.value), self.file.start(node.slice), ", ")
            self.edits.replace(self.file.end(node.slice), self.file.end(node), ")")
            return
        if receiver == PACKED and self.file.of(node.slice) == "0":
            self._wrap(node.value, "compat.packed_data(", self.file.end(node))
            return
        static = isinstance(node.slice, (ast.Slice, ast.UnaryOp)) or (
            isinstance(node.slice, ast.Constant) and isinstance(node.slice.value, int)
        )
        if static and self._is_output(receiver):
            self._wrap(node.value, "compat.to_tuple(", self.file.end(node.value))

    def _is_element(self, node: ast.Subscript) -> bool:
        """Whether it may be one element of a tensor, by indices that are elements of others: `x[a[i], b[i]]`."""
        index = node.slice
        if not isinstance(node.ctx, ast.Load) or not isinstance(index, ast.Tuple) or len(index.elts) < 2:
            return False
        kinds = [self.inference.kind(each) for each in index.elts]
        elements = (each for each, kind in zip(index.elts, kinds, strict=True) if kind.is_tensor)
        taken = any(isinstance(each, ast.Subscript) and not isinstance(each.slice, ast.Slice) for each in elements)
        plain = not any(isinstance(each, (ast.Slice, ast.List)) or _is_no_place(each) for each in index.elts)
        return taken and plain and all(kind.is_tensor or kind.name in ("number", "unknown") for kind in kinds)

    def _takes_tensor(self, node: ast.Subscript) -> bool:
        """Whether a tensor is assigned to a part of something, which is a tensor then: `x[:, a:b] = y[:, a:b]`."""
        statement = self.parents[-2] if len(self.parents) > 1 else None
        return (
            isinstance(statement, ast.Assign)
            and node in statement.targets
            and self.inference.kind(statement.value).is_tensor
        )

    def _ranges(self, index: ast.expr) -> None:
        """Rewrite `x[range(n), y]`: MindSpore takes a list."""
        for each in index.elts if isinstance(index, ast.Tuple) else [index]:
            if isinstance(each, ast.Call) and self._full(each.func) == "builtins.range":
                self._put_into(each, "list(")

    def _arrays(self, index: ast.expr) -> None:
        """Rewrite indices that NumPy made, `x[np.random.permutation(n)]`: MindSpore takes none."""
        for each in index.elts if isinstance(index, ast.Tuple) else [index]:
            if isinstance(each, ast.Slice):
                bounds = (bound for bound in (each.lower, each.upper, each.step) if bound is not None)
                for bound in bounds:
                    if self.inference.kind(bound) == ARRAY:
                        self._put_into(bound, "int(")
            elif self.inference.kind(each) == ARRAY:
                self._put_into(each, "compat.index(")
            elif self.inference.kind(each) == sequence(ARRAY):
                self._put_into(each, "tuple(map(compat.index, ")

    def _put_into(self, node: ast.expr, call: str) -> None:
        """Put a call around an expression."""
        self.edits.insert(self.file.start(node), self.write(call), leading=True)
        self.edits.insert(self.file.end(node), ")" * call.count("("))

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


def _is_no_place(node: ast.expr) -> bool:
    """Whether an index is None or an ellipsis."""
    return isinstance(node, ast.Constant) and not isinstance(node.value, int)


def _is_test(node: ast.expr) -> bool:
    """Whether an expression is `a is b` or `a is not b`."""
    return isinstance(node, ast.Compare) and all(isinstance(each, (ast.Is, ast.IsNot)) for each in node.ops)
