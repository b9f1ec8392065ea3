"""Statements: what changes a tensor in place, settings of PyTorch, and what graph mode wants in another form."""

from __future__ import annotations

import ast

from converter.rewriting.attributes import OWN_NAMES, requires_grad
from converter.rewriting.calls import layout_of
from converter.rewriting.in_place import InPlace
from converter.rewriting.leading_axes import may_lead_with_one
from converter.rewriting.project import MODULE

_PARAMETERS = {"torch.nn.Parameter", "torch.nn.parameter.Parameter"}

_SETTINGS = frozenset({"stride", "padding", "dilation", "momentum", "eps", "p"})
"""Attributes of layers that MindSpore's read only when they are made."""


class Statements(InPlace):
    """Rewrites statements."""

    def expression(self, node: ast.Expr) -> None:
        """Rewrite a statement that is an expression."""
        if isinstance(node.value, ast.Call):
            if self._popped(node.value) or self._made_leaf(node, node.value.func):
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
            if len(node.targets) == 1 and (held := self._data_of(node.targets[0])) is not None:
                self._put(node, node.targets[0], held)
                return
            if len(node.targets) == 1 and (held := self._perhaps_data_of(node.targets[0])) is not None:
                self._put(node, node.targets[0], held, "compat.set_data")
                return
            if (
                self._viewed(node)
                or self._registered(node)
                or self._gradient(node)
                or self._made_leaf(node, node.targets[0])
                or self._set(node)
                or self._masked(node)
            ):
                return
            if self._replaced(node):
                return
            if isinstance(node.targets[0], ast.Subscript):
                self._changed_copy(node, node.targets[0])
            self.children(node)
            self._fitted(node)
            self._carried(node)
            self._bound(node)
            self._mapped(node)
            self._kept(node)
            self._shared(node)
            self._trained(node)
            return
        self._remove_statement(node)
        for target, name in zip(node.targets, names, strict=True):
            self.record(target, name or "", became="nothing", note="A setting of PyTorch; it was removed.", use="value")

    def augmented(self, node: ast.AugAssign) -> None:
        """`p.data -= x`, or `p -= x` of each p of a loop: MindSpore would only give the variable another value."""
        if self._viewed(node) or self._gradient(node):
            return
        self._changed_copy(node, node.target)
        held = self._data_of(node.target)
        if held is None and isinstance(node.target, ast.Name) and self.inference.kind(node.target).is_tensor:
            held = node.target if self._is_shared(node.target.id) else None
        if self._is_of_state(node.target):
            held = node.target
        if held is None:
            self.children(node)
        else:
            self._put(node, node.target, held)

    def _data_of(self, target: ast.expr) -> ast.expr | None:
        """The tensor of `x.data`; None if it is something else."""
        if not isinstance(target, ast.Attribute) or target.attr != "data":
            return None
        return target.value if self.inference.kind(target.value).is_tensor else None

    def _perhaps_data_of(self, target: ast.expr) -> ast.expr | None:
        """What `x.data` is assigned to, where nobody knows it; the helper asks."""
        if not isinstance(target, ast.Attribute) or target.attr != "data":
            return None
        unknown = self.inference.kind(target.value).name == "unknown" and self._full(target.value) is None
        return target.value if unknown else None

    def _put(
        self,
        node: ast.Assign | ast.AugAssign,
        target: ast.expr,
        held: ast.expr,
        function: str = "compat.assign",
        own: str = "{}",
    ) -> None:
        """Write the call that gives a tensor another value: what is written, or its own, an operator and that."""
        file, text = self.file, self._rewritten(held)
        start, end = file.start(target), file.text.index(b"=", file.end(target)) + 1
        operator = file.text[file.end(target) : end - 1].decode().strip()
        before = f"{own.format(text)} {operator} (" if operator else ""
        gap = len(file.text[end:]) - len(file.text[end:].lstrip(b" \t"))
        self.edits.replace(start, end + gap, self.write(f"{function}({text}, {before}"))
        self.visit(node.value)
        self.edits.insert(file.end(node), "))" if operator else ")")
        if isinstance(target, ast.Attribute):
            self.record(target, f"torch.Tensor.{target.attr}", became=function, use="attribute")

    def _bound(self, node: ast.Assign) -> None:
        """`self.act = functools.partial(F.gelu, approximate="tanh")`: graph mode calls no partial, but a cell."""
        target, call = node.targets[0], node.value
        if len(node.targets) > 1 or not isinstance(target, ast.Attribute) or not isinstance(call, ast.Call):
            return
        kind = self.inference.kind(target.value)
        own = kind.name == "instance" and all(self.inference.is_module(each) for each in kind.of)
        if not own or self._full(call.func) != "functools.partial" or not call.args:
            return
        full = self._full(call.args[0]) or ""
        row, found = self.rows.get(full), self.project.definition(full)
        function = found is not None and isinstance(found[0], ast.FunctionDef)
        if function or (row is not None and row.use == "call" and row.becomes is not None):
            start, end = self.file.start(call.func), self.file.end(call.func)
            self.edits.drop(start, end)
            self.edits.replace(start, end, self.write("compat.Partial"))

    def _replaced(self, node: ast.Assign) -> bool:
        """`parent._modules[name] = layer` puts a layer in the place of another; false if it is something else."""
        target = node.targets[0]
        if (
            len(node.targets) > 1
            or not isinstance(target, ast.Subscript)
            or not isinstance(target.value, ast.Attribute)
        ):
            return False
        held = target.value.value
        if target.value.attr != "_modules" or not self._may_hold_layers(held):
            return False
        self.visit(held)
        self.visit(target.slice)
        self.visit(node.value)
        start, end = self.file.end(held), self.file.start(target.slice)
        self.edits.insert(self.file.start(node), self.write("compat.set_attribute("), leading=True)
        self.edits.replace(start, end, ", ")
        self.edits.replace(self.file.end(target.slice), self.file.start(node.value), ", ")
        self.edits.insert(self.file.end(node), ")")
        return True

    def _set(self, node: ast.Assign) -> bool:
        """`layer.stride = 1` of a layer that has been made; false if it is something else."""
        target = node.targets[0]
        if len(node.targets) > 1 or not isinstance(target, ast.Attribute) or target.attr not in _SETTINGS:
            return False
        kind = self.inference.kind(target.value)
        layer = kind.name == "instance" and all(each.startswith("torch.nn.") for each in kind.of)
        if not layer and (target.attr == "p" or kind.name != "unknown" or not isinstance(target.value, ast.Name)):
            return False
        self.visit(target.value)
        self.visit(node.value)
        self.edits.insert(self.file.start(target), self.write("compat.set_setting("), leading=True)
        name = self._quoted(target.attr)
        self.edits.replace(self.file.end(target.value), self.file.start(node.value), f", {name}, ")
        self.edits.insert(self.file.end(node.value), ")")
        note = "In graph mode it counts only before the network runs for the first time."
        name = f"torch.nn.Module.{target.attr}"
        self.record(target, name, became="compat.set_setting", use="attribute", note=note)
        return True

    def _may_hold_layers(self, node: ast.expr) -> bool:
        kind = self.inference.kind(node)
        return kind.name == "unknown" or self._is_module(kind)

    def _registered(self, node: ast.Assign) -> bool:
        """`self.scale = nn.Buffer(x)` is written as `register_buffer`; false if it is something else."""
        target, call = node.targets[0], node.value
        if len(node.targets) > 1 or not isinstance(target, ast.Attribute) or not isinstance(call, ast.Call):
            return False
        if self._full(call.func) != "torch.nn.Buffer":
            return False
        self.visit(target.value)
        for each in (*call.args, *call.keywords):
            self.visit(each)
        self.edits.insert(self.file.start(target), self.write("compat.register_buffer("), leading=True)
        name = f', "{target.attr}"{", " if call.args or call.keywords else ", None"}'
        self.edits.replace(self.file.end(target.value), layout_of(call, self.file).opening + 1, name)
        self.record(call, "torch.nn.Buffer", became="compat.register_buffer")
        return True

    def _gradient(self, node: ast.Assign | ast.AugAssign) -> bool:
        """`p.grad = x` and `p.grad *= x` are written as calls; false if it is something else."""
        target = node.targets[0] if isinstance(node, ast.Assign) else node.target
        if isinstance(node, ast.Assign) and len(node.targets) > 1:
            return False
        whole = target
        if isinstance(target, ast.Attribute) and target.attr == "data":
            target = target.value
        if not isinstance(target, ast.Attribute) or target.attr != "grad":
            return False
        kind = self.inference.kind(target.value)
        if not kind.is_tensor and (kind.name != "unknown" or self._full(target.value) is not None):
            return False
        self._put(node, whole, target.value, "compat.set_gradient", "compat.gradient_of({})")
        return True

    def _kept(self, node: ast.Assign) -> None:
        """`kept[name] = p.data`: PyTorch's keeps its values when `p.data` is replaced, which here changes p itself."""
        if isinstance(node.targets[0], ast.Subscript) and self._data_of(node.value) is not None:
            self.edits.insert(self.file.start(node.value), self.write("compat.clone("), leading=True)
            self.edits.insert(self.file.end(node.value), ")")

    def _carried(self, node: ast.Assign) -> None:
        """Hand what `forward` assigns to an attribute on to the methods that read it; graph mode shows it to none."""
        if reader := self.carried.left.get(node):
            remedy = f"In graph mode {reader} reads what it was before: give it the value as an argument."
            self.record(node.targets[0], f"{MODULE}.__setattr__", converted=False, remedy=remedy, use="attribute")
        if node not in self.carried.assigned:
            return
        target, (name, cached) = node.targets[0], self.carried.assigned[node]
        start, end = self.file.start(target), self.file.end(target)
        if cached:
            self.edits.drop(start, end)
            self.edits.replace(start, end, name)
            self.edits.insert(self.file.start(node.value), self.write(f'compat.keep(self, "{name}", '), leading=True)
            self.edits.insert(self.file.end(node.value), ")")
        else:
            self.edits.insert(end, f" = {name}")
        note = f"It is handed to {self.carried.readers[node]}, which in graph mode reads what the attribute was before."
        self.record(target, f"{MODULE}.__setattr__", became="mindspore.nn.Cell", note=note, use="attribute")

    def _fitted(self, node: ast.Assign) -> None:
        """`x[i] = y` where y may have leading axes of length 1 that `x[i]` lacks: they are dropped."""
        places = [each for each in node.targets if isinstance(each, ast.Subscript)]
        if len(places) != 1 or not self.inference.kind(places[0].value).is_tensor:
            return
        index = places[0].slice
        indices = index.elts if isinstance(index, ast.Tuple) else [index]
        if not any(self.inference.kind(each).name == "number" for each in indices):
            return
        if self.inference.kind(node.value).name == "number":
            return
        if not may_lead_with_one(node.value, self.function or self.file.tree, self.file.tree):
            return
        others = [each for each in node.targets if each is not places[0]]
        start, value = self.file.start(node), self.file.start(node.value)
        if not others:
            self.edits.insert(value, self.write("compat.without_leading("), leading=True)
            self.edits.insert(self.file.end(node.value), ")")
        elif len(others) == 1 and isinstance(others[0], ast.Name):
            place = self._rewritten(places[0])
            self.edits.drop(start, value)
            self.edits.replace(start, value, f"{others[0].id} = ")
            text = f"; {place} = compat.without_leading({others[0].id})"
            self.edits.insert(self.file.end(node), self.write(text))

    def _masked(self, node: ast.Assign) -> bool:
        """`x[mask] = y[mask]`, whose right side has no shape in graph mode; false if it is something else."""
        target, value = node.targets[0], node.value
        if len(node.targets) > 1 or not isinstance(target, ast.Subscript) or not isinstance(value, ast.Subscript):
            return False
        held, mask = target.value, target.slice
        same = isinstance(held, ast.Name) and self.file.of(mask) == self.file.of(value.slice)
        tensors = all(self.inference.kind(each).is_tensor for each in (held, mask, value.value))
        if not same or not tensors or self._is_shared(held.id):  # type: ignore[attr-defined]
            return False
        self._changed_copy(node, target)
        texts = (self._rewritten(each) for each in (held, mask, value.value))
        text = self.write(f"{self.file.of(held)} = compat.where_masked({', '.join(texts)})")
        self.edits.replace(self.file.start(node), self.file.end(node), text)
        self.record(target, "torch.Tensor.__setitem__", became="compat.where_masked", use="attribute")
        return True

    def _trained(self, node: ast.Assign) -> None:
        """`w = torch.zeros(3, requires_grad=True)` that an optimizer is given: a parameter.

        So is `self.w` of an object that is no module.
        """
        target, value = node.targets[0], node.value
        if not isinstance(value, ast.Call) or not self._asks_for_gradients(value):
            return
        if isinstance(target, ast.Attribute):
            leaf = target.attr in self.attribute_leaves() and isinstance(target.value, ast.Name)
        else:
            leaf = isinstance(target, ast.Name) and (target.id in self._optimized() or self._of_leaf(target))
        if leaf:
            self.edits.insert(self.file.start(value), self.write("ms.Parameter("), leading=True)
            self.edits.insert(self.file.end(value), ")")

    def _made_leaf(self, node: ast.Assign | ast.Expr, target: ast.expr) -> bool:
        """`x.requires_grad = True` of an input, of which the gradient is computed: a parameter takes its place."""
        if not isinstance(target, ast.Attribute) or target.attr not in ("requires_grad", "requires_grad_"):
            return False
        if not self._of_leaf(target.value) or (isinstance(node, ast.Assign) and self.file.of(node.value) != "True"):
            return False
        name = self.file.of(target.value)
        text = self.write(f'{name} = ms.Parameter({name}, name="{name}")')
        self.edits.replace(self.file.start(node), self.file.end(node), text)
        self.record(target, "torch.Tensor.requires_grad", became="mindspore.Parameter", use="attribute")
        return True

    def _asks_for_gradients(self, call: ast.Call) -> bool:
        if isinstance(call.func, ast.Attribute) and call.func.attr == "requires_grad_":
            return self.inference.kind(call.func.value).is_tensor
        full = self._full(call.func)
        created = full is not None and self.project.is_torch(full) and not full.startswith("torch.nn.")
        return created and requires_grad(call)

    def _shared(self, node: ast.Assign) -> None:
        """`x.weight = y.weight`, or a new parameter, of a module that nobody knows: its weight may have another name.

        So is a new parameter of an inner module, which takes the name of the old one.
        """
        target = node.targets[0]
        if len(node.targets) > 1 or not isinstance(target, ast.Attribute) or target.attr not in OWN_NAMES:
            return
        receiver = self.inference.kind(target.value)
        unknown = receiver.name == "unknown" or receiver.of == (MODULE,)
        value = node.value
        shared = isinstance(value, ast.Attribute) and value.attr == target.attr
        made = isinstance(value, ast.Call) and self._full(value.func) in _PARAMETERS
        inner = made and self._is_module(receiver) and not isinstance(target.value, ast.Name)
        if not (unknown and (shared or made)) and not inner:
            return
        self.edits.drop(self.file.end(target.value), self.file.end(target))
        self.edits.insert(self.file.start(target), self.write("compat.share("), leading=True)
        self.edits.replace(self.file.end(target.value), self.file.start(node.value), f', "{target.attr}", ')
        self.edits.insert(self.file.end(node.value), ")")

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
