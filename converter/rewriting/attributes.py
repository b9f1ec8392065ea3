"""Attributes of tensors, of modules and of what networks return."""

from __future__ import annotations

import ast
import re

from converter.rewriting.detached import is_read
from converter.rewriting.kinds import DEVICE, PACKED, Kind
from converter.rewriting.names import chain
from converter.rewriting.project import MODULE, ClassInfo
from converter.rewriting.state import full_name
from converter.rewriting.trees import nodes
from converter.rewriting.values import Values

OWN_NAMES = frozenset({"weight", "bias", "running_mean", "running_var"})
"""Attributes that MindSpore's layers call otherwise."""

_OF_PACKED = frozenset({"data", "batch_sizes", "sorted_indices", "unsorted_indices"})
"""Attributes of packed sequences that a helper computes."""

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

METHODS = frozenset(
    [
        "add_flags",
        "bprop_debug",
        "cast_inputs",
        "cells",
        "check_names",
        "compile",
        "get_flags",
        "get_inputs",
        "get_parameters",
        "get_scope",
        "get_sub_cell",
        "offload",
        "parameters_and_names",
        "parameters_dict",
        "recompute",
        "set_grad",
        "set_inputs",
        "set_train",
        "shard",
        "to_float",
        "trainable_params",
        "untrainable_params",
    ]
)
"""Methods that a Cell has and calls, and PyTorch's module has not; a module's own of that name gets an underscore."""


def requires_grad(call: ast.Call) -> bool:
    """Whether a call has the argument `requires_grad=True`."""
    values = (each.value for each in call.keywords if each.arg == "requires_grad")
    return any(isinstance(each, ast.Constant) and each.value is True for each in values)


_CONVOLUTION = re.compile(r"torch\.nn\.Conv(?:Transpose)?([123])d")
_PER_AXIS = {"kernel_size": "per_axis", "stride": "per_axis", "dilation": "per_axis", "padding": "padding_per_axis"}
"""Settings that PyTorch's convolutions keep as a number for each axis, and what makes them of MindSpore's."""


class Attributes(Values):
    """Rewrites attributes."""

    def attribute(self, node: ast.Attribute) -> None:
        """Rewrite an attribute."""
        if (name := self.carried.reads.get(node)) is not None:
            self.edits.replace(self.file.start(node), self.file.end(node), name)
            return
        full = self._full(node)
        if full is not None and self.project.is_torch(full):
            self._value(node, full)
            return
        self.visit(node.value)
        if (named := self._of_class_name(node)) is not None:
            start, end = self.file.start(node), self.file.end(node)
            text = self.edits.text(self.file.start(named), self.file.end(named))
            self.edits.drop(start, end)
            self.edits.replace(start, end, self.write("compat.class_name(") + f"{text})")
            return
        if node.attr == "__class__" and self.is_compared_type(node):
            self.edits.insert(self.file.start(node), self.write("compat.class_of("), leading=True)
            self.edits.replace(self.file.end(node) - len(".__class__"), self.file.end(node), ")")
            return
        receiver = self.inference.kind(node.value)
        if node.attr == "type" and self._is_device(node.value, receiver):
            self._device_type(node)
            return
        of_input = node.attr == "grad" and isinstance(node.value, ast.Name) and node.value.id in self._inputs()
        if of_input and not self._of_leaf(node.value):
            remedy = "It is the gradient of an input: call mindspore.grad of a function of it that computes the loss."
            self._unconverted(node, "torch.Tensor.grad", remedy)
        elif receiver.is_tensor or (node.attr == "grad" and self._may_hold_gradient(node, receiver)):
            self._tensor_attribute(node)
        elif receiver == PACKED and node.attr in _OF_PACKED:
            self.edits.insert(self.file.start(node), self.write(f"compat.packed_{node.attr}("), leading=True)
            self.edits.replace(self.file.text.rindex(b".", 0, self.file.end(node)), self.file.end(node), ")")
        elif receiver.name == "pair" and node.attr in ("values", "indices"):
            self._pair(node)
        elif self._is_output(receiver) and isinstance(node.ctx, ast.Load):
            end = self.file.end(node)
            at = self.file.text.rindex(b".", 0, end)
            self.edits.replace(at, end, f".get({self._quoted(node.attr)})")
        else:
            self._attribute_name(node, receiver)

    def _is_device(self, node: ast.expr, kind: Kind) -> bool:
        """Whether it is a device, here a string: known as one, or called so."""
        called = (chain(node) or [""])[-1] in ("device", "dev")
        return kind == DEVICE or (called and kind.name in ("unknown", "none", "other", "string"))

    def _device_type(self, node: ast.Attribute) -> None:
        """Write `device.type` as a part of the string that the device is."""
        start, end = self.file.start(node), self.file.end(node)
        at = self.file.text.rindex(b".", 0, end)
        whole = self.edits.text(start, at)[:1] in "\"'"  # that of a tensor
        self.edits.replace(at, end, "" if whole else f".partition({self._quoted(':')})[0]")

    def _may_hold_gradient(self, node: ast.Attribute, receiver: Kind) -> bool:
        """Whether a receiver that is not known may be a parameter; what reads its gradient asks what it is."""
        return receiver.name == "unknown" and isinstance(node.ctx, ast.Load) and self._full(node.value) is None

    def _inputs(self) -> set[str]:
        """The variables of a function that are no parameters of a network, and of which it asks for the gradient."""
        found = set()
        for each in nodes(self.function or self.file.tree):
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
        found -= self._optimized()
        return {name for name in found if (place := self.scope.find(name)) and place[1][0].kind != "other"}

    def _of_leaf(self, node: ast.AST) -> bool:
        """Whether a variable is an input of which a function asks for the gradient, and computes it."""
        if not isinstance(node, ast.Name) or node.id not in self._inputs():
            return False
        inside = [each for each in nodes(self.function or self.file.tree) if isinstance(each, ast.Attribute)]
        asked = (each.value for each in inside if each.attr == "grad")
        named = any(isinstance(each, ast.Name) and each.id == node.id for each in asked)
        return named and any(each.attr == "backward" for each in inside)

    def attribute_leaves(self) -> set[str]:
        """The attributes of a class, which is no module, that are made as tensors that ask for gradients."""
        if self.class_node is None or self.inference.is_module(self.project.info(self.class_node, self.names).name):
            return set()
        if self.class_node not in self._attribute_leaves:
            found = self._attribute_leaves[self.class_node] = set()
            for each in nodes(self.class_node):
                if isinstance(each, ast.Assign) and isinstance(each.value, ast.Call) and requires_grad(each.value):
                    found |= {target.attr for target in each.targets if isinstance(target, ast.Attribute)}
        return self._attribute_leaves[self.class_node]

    def is_compared_type(self, node: ast.expr) -> bool:
        """Whether a class is compared with PyTorch's layers, `type(m) == nn.Linear`, or looked up in a dict."""
        around = self.parents[-2] if len(self.parents) > 1 else None
        if isinstance(around, ast.Compare):
            inside = [each for side in (around.left, *around.comparators) for each in nodes(side)]
            names = (self._full(each) for each in inside if isinstance(each, (ast.Name, ast.Attribute)))
            return any(name is not None and name.startswith("torch.nn.") for name in names)
        looked_up = isinstance(around, ast.Subscript) and around.slice is node
        asked = isinstance(around, ast.Call) and isinstance(around.func, ast.Attribute) and around.func.attr == "get"
        return looked_up or (asked and around.args[:1] == [node])  # type: ignore[union-attr]

    def _of_class_name(self, node: ast.Attribute) -> ast.expr | None:
        """What may be a layer in `m.__class__.__name__`: MindSpore calls some classes otherwise."""
        held = node.value
        if isinstance(held, ast.Call) and self._full(held.func) == "builtins.type":
            of = held.args[0] if len(held.args) == 1 else None
        else:
            of = held.value if isinstance(held, ast.Attribute) and held.attr == "__class__" else None
        if node.attr != "__name__" or of is None:
            return None
        kind = self.inference.kind(of)
        layer = kind.of and all(each.startswith("torch.nn.") for each in kind.of)
        return of if kind.name == "unknown" or (kind.name == "instance" and layer) else None

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
        becomes = row.becomes
        if becomes == f"{{self}}.{node.attr}":
            return
        if becomes == "{self}" and node.attr == "data" and is_read(node, self.parents, self._full):
            becomes = "ops.stop_gradient({self})"
        assert isinstance(becomes, str)
        at = self.file.text.rindex(b".", 0, self.file.end(node))
        before, placed, after = becomes.partition("{self}")
        if not placed:
            self.edits.drop(self.file.start(node), self.file.end(node))
            text = self._quoted(before[1:-1]) if before[:1] == '"' else self.write(before)
            self.edits.replace(self.file.start(node), self.file.end(node), text)
            self.record(node, full, became=before, use="attribute")
            return
        self.edits.insert(self.file.start(node), self.write(before), leading=True)
        self.edits.replace(at, self.file.end(node), self.write(after))
        self.record(node, full, became=full_name(becomes.replace("{self}", "x")), use="attribute")

    def _attribute_name(self, node: ast.Attribute, receiver: Kind) -> None:
        """Rename an attribute of a module: a norm's weight is gamma, `forward` is `construct`."""
        any_module = self._is_any_module(receiver) or (receiver.name == "unknown" and self._asks_class(node.value))
        if any_module and node.attr in OWN_NAMES and isinstance(node.ctx, ast.Load):
            text = self.write("compat.own(")
            at = self.file.text.rindex(b".", 0, self.file.end(node))
            self.edits.insert(self.file.start(node), text, leading=True)
            self.edits.replace(at, self.file.end(node), f", {self._quoted(node.attr)})")
            return
        if (rank := self._convolved_axes(node, receiver)) and node.attr == "groups":
            self.edits.replace(self.file.end(node) - 1, self.file.end(node), "")
            return
        if rank:
            self.edits.insert(self.file.start(node), self.write(f"compat.{_PER_AXIS[node.attr]}("), leading=True)
            self.edits.insert(self.file.end(node), f", {rank})")
            return
        if self._may_be_convolved(node, receiver):
            self.edits.insert(self.file.start(node), self.write("compat.setting("), leading=True)
            at = self.file.text.rindex(b".", 0, self.file.end(node))
            self.edits.replace(at, self.file.end(node), f", {self._quoted(node.attr)})")
            return
        new = self._renamed(node.attr, receiver)
        if new != node.attr:
            end = self.file.end(node)
            self.edits.replace(end - len(node.attr.encode()), end, new)

    def _convolved_axes(self, node: ast.Attribute, receiver: Kind) -> int:
        """How many axes the convolution has of which a setting is read; 0 where it is something else."""
        setting = node.attr in _PER_AXIS or node.attr == "groups"
        if not setting or receiver.name != "instance" or not isinstance(node.ctx, ast.Load):
            return 0
        ranks = set()
        for each in receiver.of:
            info = self.project.class_named(each)
            if info is not None and node.attr in self.inference.attributes(info):
                return 0
            bases = [each] if info is None else self.project.external_bases(each)
            ranks |= {int(found[1]) for base in bases if (found := _CONVOLUTION.fullmatch(base))} or {0}
        return ranks.pop() if len(ranks) == 1 else 0

    def _may_be_convolved(self, node: ast.Attribute, receiver: Kind) -> bool:
        """Whether a member of a setting is read, `m.padding[0]`, of what may be a convolution."""
        around = self.parents[-2] if len(self.parents) > 1 else None
        member = isinstance(around, ast.Subscript) and around.value is node and isinstance(node.ctx, ast.Load)
        of_any = receiver.name == "unknown" or receiver == Kind("instance", (MODULE,))
        plain = (chain(node.value) or ("",))[-1] in ("args", "cfg", "config", "opt", "self")
        return member and node.attr in _PER_AXIS and of_any and not plain and self._full(node.value) is None

    def _is_any_module(self, receiver: Kind) -> bool:
        """Whether a receiver is a module of which nobody knows the class, outside what graph mode compiles."""
        outside = self.function is None or self.function.name not in ("forward", "construct")
        return receiver.name == "instance" and receiver.of == (MODULE,) and outside

    def _asks_class(self, node: ast.expr) -> bool:
        """Whether the function asks for the class of what nobody knows, as functions that initialise layers do."""
        return self.function is not None and f"{self.file.of(node)}.__class__" in self.file.of(self.function)

    def _renamed(self, name: str, receiver: Kind) -> str:
        if name == "_modules" and (receiver.name == "unknown" or self._is_module(receiver)):
            return "_cells"
        if name == "forward":
            known_other = receiver.name == "instance" and not self._is_module(receiver)
            return name if known_other or receiver.name == "other" else "construct"
        if name in METHODS and self._is_method_of_own(name, receiver):
            return f"{name}_"
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

    def _is_method_of_own(self, name: str, receiver: Kind) -> bool:
        """Whether a module of the project has the method; of an unknown receiver, whether only modules have it."""
        if receiver.name not in ("instance", "super", "unknown"):
            return False
        if receiver.name == "unknown":
            having = [each for each in self.project.classes() if name in each.methods]
            return bool(having) and all(self.inference.is_module(each.name) for each in having)
        owners = [info for each in receiver.of if (info := self.project.class_named(each)) is not None]
        lines = (each for info in owners if self.inference.is_module(info.name) for each in self.project.ancestry(info))
        return any(isinstance(each, ClassInfo) and name in each.methods for each in lines)

    def _is_module(self, kind: Kind) -> bool:
        return kind.name in ("instance", "super") and any(self.inference.is_module(name) for name in kind.of)

    def _is_output(self, kind: Kind) -> bool:
        return kind.name == "instance" and all(self.project.is_output(name) for name in kind.of)
