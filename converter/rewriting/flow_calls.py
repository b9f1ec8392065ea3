"""Calls: what they return, followed into the functions of the project."""

from __future__ import annotations

import ast

from converter.rewriting.flow_expressions import RETURNS, Expressions, is_static
from converter.rewriting.kinds import (
    ARRAY,
    COMPLEX,
    DEQUE,
    NAMED_PARAMETERS,
    NUMBER,
    OPTIONS,
    PACKED,
    PARAMETERS,
    STATE,
    STRING,
    TENSOR,
    UNKNOWN,
    Kind,
    instance,
    items,
    join,
    sequence,
)
from converter.rewriting.names import Function, chain
from converter.rewriting.project import MODULE, ClassInfo
from converter.rewriting.rows import Row
from converter.rewriting.trees import nodes
from converter.rewriting.variables import assigned_in

_NUMBERS = {"int", "float", "len", "bool", "round", "abs", "isinstance", "hasattr", "callable", "issubclass", "any"}
_NUMBERS |= {"all", "ord", "pow", "divmod", "id", "hash"}
_WRAPPERS = {"torch.nn.DataParallel", "torch.nn.parallel.DistributedDataParallel", "torch.compile"} | {
    f"torch.nn.utils.{name}"
    for name in (
        "spectral_norm",
        "weight_norm",
        "parametrizations.spectral_norm",
        "parametrizations.weight_norm",
        "remove_spectral_norm",
        "remove_weight_norm",
    )
}
"""Functions that return the network that they are given."""
_SAME_VALUES = frozenset(
    {"transpose", "permute", "view", "reshape", "unsqueeze", "squeeze", "contiguous", "flatten", "conj"}
    | {"swapaxes", "expand", "clone", "repeat", "to"}
)
"""Methods whose results are complex where their tensor is."""
_OWN = frozenset({"train", "eval", "to", "cuda", "cpu", "float", "half", "double", "requires_grad_", "apply"})
"""Methods of modules that return the module."""
_INDICES = {"where", "nonzero", "unravel_index", "meshgrid", "ix_"} | {
    f"{name}_indices{end}" for name in ("triu", "tril", "diag") for end in ("", "_from")
}
"""Functions of NumPy that return tuples of arrays."""
_TUPLES = {
    "torch.nn.LSTM": items((TENSOR, items((TENSOR, TENSOR)))),
    "torch.nn.GRU": items((TENSOR, TENSOR)),
    "torch.nn.RNN": items((TENSOR, TENSOR)),
    "torch.nn.LSTMCell": items((TENSOR, TENSOR)),
    "torch.nn.MultiheadAttention": items((TENSOR, TENSOR)),
    "transformers.PreTrainedModel": UNKNOWN,
}


class Calls(Expressions):
    """The kinds of calls within one function or module."""

    def call(self, node: ast.Call) -> Kind:
        """Rewrite a call."""
        arguments = [self.kind(each.value if isinstance(each, ast.Starred) else each) for each in node.args]
        for keyword in node.keywords:
            arguments.append(self.kind(keyword.value))
        full = self._called(node.func)
        if full is not None:
            if full.startswith("builtins."):
                return self._builtin(full.removeprefix("builtins."), node, arguments)
            if full.startswith("torch."):
                return self._torch(full, node)
            if full.startswith("time."):
                return NUMBER
            if full.startswith(("math.", "operator.")):
                return TENSOR if any(each.is_tensor for each in arguments) else NUMBER
            if full in ("copy.deepcopy", "copy.copy") and arguments:
                return arguments[0]
            if full.startswith("numpy."):
                return sequence(ARRAY) if full.rpartition(".")[2] in _INDICES else ARRAY
            if full == "functools.partial" and node.args:
                return arguments[0]
            if full in ("collections.OrderedDict", "typing.cast"):
                return _dictionary(arguments) if full.endswith("Dict") else arguments[-1]
        function = self.kind(node.func)
        return self._result(function, node, arguments)

    def _called(self, function: ast.expr) -> str | None:
        names = chain(function)
        if names is None or names[0] in self.environment:
            return None
        return self.project.qualified(function, self.scope)

    def _torch(self, full: str, node: ast.Call) -> Kind:
        self.inference.kinds[node.func] = Kind("function", (full,))
        row = self.inference.rows.get(full)
        if row is not None and row.use == "layer":
            return instance(full)
        if full in _WRAPPERS and node.args:
            return self.kind(node.args[0])
        if row is None:
            return instance(full) if full.startswith("torch.nn.") and full.rpartition(".")[2][0].isupper() else UNKNOWN
        if row.returns == "pair" and not self._along_axis(node, row, 1):
            return TENSOR
        return RETURNS.get(row.returns, UNKNOWN)

    def _along_axis(self, node: ast.Call, row: Row, first: int) -> bool:
        """Whether a call works along an axis: it names one, or has one by default. A tensor in its place is none."""
        assert row.signature is not None
        default = row.signature.parameters["dim"].default
        if len(node.args) > first:
            return not self.kind(node.args[first]).is_tensor
        return default != "None" or any(keyword.arg == "dim" for keyword in node.keywords)

    def _builtin(self, name: str, node: ast.Call, arguments: list[Kind]) -> Kind:
        first = arguments[0] if arguments else UNKNOWN
        if name in _NUMBERS:
            return TENSOR if name in ("abs", "pow", "round") and first.is_tensor else NUMBER
        if name in ("list", "tuple", "sorted", "reversed", "set", "iter", "filter"):
            if first in (PARAMETERS, NAMED_PARAMETERS):
                return first
            same = name == "tuple" or first.element != NUMBER
            return first if same and first.name in ("items", "size") else sequence(first.element)
        if name in ("max", "min", "sum"):
            inner = first.element if len(arguments) == 1 else join(arguments)
            return inner if inner.name in ("tensor", "number") else UNKNOWN
        if name == "range":
            return sequence(NUMBER)
        if name == "enumerate":
            return sequence(items((NUMBER, first.element)))
        if name == "zip":
            return sequence(items(each.element for each in arguments))
        if name in ("str", "repr", "format"):
            return STRING
        if name == "dict":
            keys = {keyword.arg for keyword in node.keywords}
            return OPTIONS if keys and keys <= {"device", "dtype"} else _dictionary(arguments)
        if name == "super":
            return Kind("super", tuple(base for base in (self.info.bases if self.info else ()) if base))
        if name == "next":
            return first.element
        return UNKNOWN

    def _result(self, function: Kind, node: ast.Call, arguments: list[Kind]) -> Kind:
        """What a call of something of this kind returns."""
        if function.name == "class":
            return instance(*function.of)
        if function.name == "callable":
            return function.items[0]
        if function.name == "function":
            return self._of_function(function.of[0], node, arguments)
        if function.name == "method":
            return self._of_method(function.of, node, arguments)
        if function.name == "instance":
            return join(self._forward(name, node, arguments) for name in function.of)
        if isinstance(node.func, ast.Attribute):
            return self._method_call(self.inference.kind(node.func.value), node.func.attr, node, arguments)
        first = arguments[0] if arguments else UNKNOWN
        return TENSOR if first.is_tensor and self._in_module() else UNKNOWN

    def _in_module(self) -> bool:
        return self.info is not None and self.inference.is_module(self.info.name)

    def _of_function(self, full: str, node: ast.Call, arguments: list[Kind]) -> Kind:
        if full == "collections.deque":
            return DEQUE
        if self.project.is_torch(full) and full in self.inference.rows:
            return self._torch(full, node)
        definition = self.project.definition(full)
        if definition is None:
            found = self.scope.find(full)
            local = found[1][0].node if found is not None else None
            if isinstance(local, (ast.FunctionDef, ast.AsyncFunctionDef)):
                assert found is not None
                if found[0].parent is not None:
                    return self.inference.found.get(local, UNKNOWN)
                return self.inference.returned(local, self.names, None, self._given(local, node, arguments, skip=0))
            return TENSOR if arguments and arguments[0].is_tensor and self._in_module() else UNKNOWN
        function, names = definition
        if not isinstance(function, (ast.FunctionDef, ast.AsyncFunctionDef)):
            return UNKNOWN
        given = self._given(function, node, arguments, skip=0)
        returned = self.inference.returned(function, names, None, given)
        passed = given.get(passed_through(function), UNKNOWN)
        return returned if passed == UNKNOWN else passed

    def _of_method(self, of: tuple[str, ...], node: ast.Call, arguments: list[Kind]) -> Kind:
        info = self.project.class_named(of[0])
        for each in self.project.ancestry(info) if info is not None else ():
            if isinstance(each, ClassInfo) and of[1] in each.methods:
                method = each.methods[of[1]]
                given = self._given(method, node, arguments, skip=0 if is_static(method) else 1)
                return self.inference.returned(method, each.names, each, given)
        return UNKNOWN

    @staticmethod
    def _given(function: Function, node: ast.Call, arguments: list[Kind], skip: int) -> dict[str, Kind]:
        names = [each.arg for each in (*function.args.posonlyargs, *function.args.args)][skip:]
        found: dict[str, Kind] = {}
        for name, kind, argument in zip(names, arguments, node.args, strict=False):
            if isinstance(argument, ast.Starred):
                break
            found[name] = kind
        for keyword, kind in zip(node.keywords, arguments[len(node.args) :], strict=True):
            if keyword.arg is not None:
                found[keyword.arg] = kind
        return found

    def _forward(self, name: str, node: ast.Call, arguments: list[Kind]) -> Kind:
        """What calling an instance returns."""
        if name in _TUPLES:
            made = _TUPLES[name]
            return items((PACKED, made.items[1])) if arguments[:1] == [PACKED] else made
        info = self.project.class_named(name)
        if info is None:
            row = self.inference.rows.get(name)
            return TENSOR if name.startswith("torch.nn.") or (row is not None and row.use == "layer") else UNKNOWN
        for method in ("forward", "__call__"):
            found = self._of_method((name, method), node, arguments)
            if found.name != "unknown":
                return found
        return TENSOR if self.inference.is_module(name) and any(each.is_tensor for each in arguments) else UNKNOWN

    def _method_call(self, receiver: Kind, name: str, node: ast.Call, arguments: list[Kind]) -> Kind:
        if receiver.is_tensor:
            row = self.inference.rows.get(f"torch.Tensor.{name}")
            if row is None:
                return UNKNOWN
            if receiver == COMPLEX and name in _SAME_VALUES:
                return COMPLEX
            if row.returns == "pair" and not self._along_axis(node, row, 0):
                return TENSOR
            if row.returns == "size" and (node.args or node.keywords):
                return NUMBER
            return RETURNS.get(row.returns, UNKNOWN)
        if receiver.name == "size":
            return NUMBER
        if receiver == ARRAY:
            return sequence(ARRAY) if name in _INDICES else ARRAY
        if name in _REGISTER:
            self._registered(receiver, name, node, arguments)
        if receiver.name == "string":
            return sequence(STRING) if name in ("split", "rsplit", "splitlines", "partition") else STRING
        if receiver.name == "dict":
            value = join(receiver.items)
            values, pairs = Kind("list", receiver.of, (value,)), Kind("list", receiver.of, (items((STRING, value)),))
            return {"values": values, "items": pairs, "copy": receiver}.get(name, value)
        taken = receiver.name == "instance" or (receiver.name == "unknown" and name in OF_MODULES)
        if name == "state_dict" and receiver.name in ("instance", "unknown") and not of_optimizer(node):
            return STATE
        if taken and name in ("children", "modules"):
            return sequence(instance(MODULE))
        if taken and name in ("named_children", "named_modules", "items"):
            return sequence(items((STRING, instance(MODULE))))
        if taken and name in ("parameters", "buffers"):
            return PARAMETERS
        if taken and name in ("named_parameters", "named_buffers"):
            return NAMED_PARAMETERS
        if receiver.name == "instance" and name == "apply" and arguments and arguments[0].name == "function":
            self._of_function(arguments[0].of[0], ast.Call(node.func, [node.args[0]], []), [instance(MODULE)])
            return receiver
        if receiver.name == "super" and name in _OWN and self.info is not None:
            return instance(self.info.name)
        if receiver.name == "instance" and name in _OWN:
            return receiver
        if receiver.name == "unknown" and f"torch.Tensor.{name}" in self.inference.rows and is_distinct(name):
            return RETURNS.get(self.inference.rows[f"torch.Tensor.{name}"].returns, UNKNOWN)
        if receiver.name == "unknown" and name == "numpy" and not arguments:
            return ARRAY
        if any(each.is_tensor for each in arguments[:1]) and self._in_module():
            return TENSOR  # a layer whose class is not known
        return UNKNOWN

    def _registered(self, receiver: Kind, name: str, node: ast.Call, arguments: list[Kind]) -> None:
        """Note the attribute that `self.add_module("bn", nn.BatchNorm2d(8))` makes."""
        first = node.args[0] if node.args else None
        own = self.info is not None and receiver.of == (self.info.name,)
        if self.info is None or not own or len(node.args) < 2:
            return
        if isinstance(first, ast.Constant) and isinstance(first.value, str):
            known = self.inference.attributes(self.info)
            kind = arguments[1] if name.endswith("module") else TENSOR
            known[first.value] = join((known.get(first.value, UNKNOWN), kind))


def _dictionary(arguments: list[Kind]) -> Kind:
    """What `dict(...)` makes of its arguments."""
    return STATE if arguments[:1] in ([NAMED_PARAMETERS], [STATE]) else Kind("dict")


def passed_through(function: ast.FunctionDef | ast.AsyncFunctionDef) -> str:
    """The parameter that a function returns in any case, as `fill(net)` does; empty if there is none."""
    returned = {getattr(each.value, "id", "") for each in nodes(function) if isinstance(each, ast.Return)}
    given = {each.arg for each in nodes(function.args) if isinstance(each, ast.arg)}
    if len(returned) != 1 or not returned <= given - set(assigned_in(function)):
        return ""
    return returned.pop()


def of_optimizer(call: ast.Call) -> bool:
    """Whether a method is called on what is named as optimizers and the like are, which have states, too."""
    assert isinstance(call.func, ast.Attribute)
    written = ast.unparse(call.func.value).lower()
    return any(word in written for word in ("opt", "sched", "scaler"))


def is_distinct(name: str) -> bool:
    """Whether nothing but a tensor has a method of this name: `permute`, and what changes it in place, `mul_`."""
    return name in DISTINCT or (name.endswith("_") and not name.startswith("_") and name != "requires_grad_")


OF_MODULES = frozenset(
    [
        "train",
        "eval",
        "parameters",
        "named_parameters",
        "buffers",
        "named_buffers",
        "modules",
        "named_modules",
        "children",
        "named_children",
        "flatten_parameters",
    ]
)
"""Methods that, called without arguments, nothing but a module has."""

_REGISTER = ("add_module", "register_module", "register_buffer", "register_parameter")
"""Methods of a module that give it an attribute."""


DISTINCT = frozenset(
    [
        "view",
        "view_as",
        "permute",
        "unsqueeze",
        "unsqueeze_",
        "masked_fill",
        "masked_fill_",
        "clone",
        "contiguous",
        "masked_select",
        "expand_as",
        "scatter_add",
        "scatter_add_",
        "index_select",
        "softmax",
        "log_softmax",
        "transpose",
        "reshape",
        "squeeze",
        "bmm",
        "matmul",
        "type_as",
        "detach",
        "numel",
        "amax",
        "amin",
        "cumsum",
        "argmax",
        "argmin",
        "argsort",
        "topk",
        "unbind",
        "new_zeros",
        "new_ones",
        "new_full",
        "new_empty",
        "new_tensor",
        "repeat_interleave",
        "clamp",
        "clamp_",
        "index_fill_",
        "zero_",
        "fill_",
        "normal_",
        "uniform_",
        "mul_",
        "add_",
        "sub_",
        "div_",
        "copy_",
        "sigmoid",
        "tanh",
        "rsqrt",
        "flatten",
        "unflatten",
        "chunk",
        "tril",
        "triu",
    ]
)
"""Methods that nothing but a tensor has (NumPy's arrays have `reshape`, `transpose` and `flatten` too)."""
