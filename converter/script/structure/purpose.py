"""Purpose: what a class is and does, in the words of the field, for the first line of its docstring."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from converter.script.expressions import Arg, Binary, Call, Comprehension, Conditional, parts_of, walk
from converter.script.program import Argument, Cell, Member, class_of
from converter.script.statements import Assign, For, Statement, Variable, defined_by, visit
from converter.script.structure.roles import SOFTMAX, called, viewed

ACTIVATIONS = {
    "elu": "ELU",
    "gelu": "GELU",
    "hardswish": "hard swish",
    "leaky_relu": "leaky ReLU",
    "mish": "Mish",
    "prelu": "PReLU",
    "relu": "ReLU",
    "relu6": "ReLU6",
    "sigmoid": "sigmoid",
    "silu": "SiLU",
    "tanh": "tanh",
}
NORMS = {
    "batchnorm1d": "batch norm",
    "batchnorm2d": "batch norm",
    "batchnorm3d": "batch norm",
    "biasedbatchnorm1d": "batch norm",
    "biasedbatchnorm2d": "batch norm",
    "biasedbatchnorm3d": "batch norm",
    "groupnorm": "group norm",
    "layernorm": "layer norm",
}
CONVOLUTIONS = frozenset({"conv1d", "conv2d", "conv3d", "conv1dtranspose", "conv2dtranspose", "conv3dtranspose"})
RECURRENT = {"lstm": "LSTM", "gru": "GRU", "rnn": "recurrent layer"}
_PROJECTIONS = CONVOLUTIONS | {"linear", "dense", "sequentialcell"}
"""Layers that make the queries, keys and values of attention."""
_NUMBERS = ("no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")


@dataclass(frozen=True)
class Purpose:
    """What a class is (`attention`, `feed-forward`, …; "" if that is not known) and the words for it.

    `both`: it is called for self-attention and for cross-attention.
    """

    kind: str = ""
    text: str = ""
    both: bool = False

    def called_with(self, args: Sequence[Arg]) -> Purpose:
        """The purpose of one call."""
        values = [arg for arg in args if isinstance(arg, Variable)]
        if not self.both:
            return self
        kind = "Self-" if len(set(values)) < len(values) else "Cross-"
        text = re.sub(r"^Attention", f"{kind}attention", self.text)
        return Purpose(self.kind, text.replace(" attention", f" {kind.lower()}attention"))


def purposes_of_given(
    cell: Cell, instances: Sequence[Member], known: Mapping[Cell | Argument, Purpose]
) -> dict[Cell | Argument, Purpose]:
    """The purposes of the layers that instances of a class are given, where all are of one kind."""
    found: dict[Cell | Argument, Purpose] = {}
    for place, argument in enumerate(cell.arguments):
        made = [each.constructor.args[place] for each in instances if isinstance(each.constructor, Call)]
        purposes = [known.get(one.function) for one in made if isinstance(one, Call) and isinstance(one.function, Cell)]
        first = purposes[0] if purposes else None
        if first is not None and all(purpose is not None and purpose.kind == first.kind for purpose in purposes):
            found[argument] = first
    return found


def purpose_of(
    cell: Cell, instances: Sequence[Sequence[Statement]], known: Mapping[Cell | Argument, Purpose], both: bool = False
) -> Purpose:
    """Describe a class.

    Args:
        cell: the class, one statement for each operator.
        instances: the statements of each instance before they were joined, the class's own first.
        known: the purposes of the classes that it uses, and of layers that it is given.
        both: whether some calls give one value for two inputs, and others two values.
    """
    parts = _Parts(cell, known)
    projections = parts.linear + parts.count(*CONVOLUTIONS)
    if parts.has(*SOFTMAX) and parts.count("matmul", "batchmatmul", "bmm") >= 2 and projections:
        return Purpose("attention", _attention(cell, instances, both), both)
    if parts.has(*SOFTMAX) and parts.has("grid_sample") and parts.linear >= 3:
        return Purpose("attention", "Deformable attention")
    if parts.loops or len(parts.inner("layer")) > 1:
        return Purpose("stack", "Stack of transformer layers" if parts.inner("layer") else "Stack of layers")
    if parts.inner("attention"):
        return _around_attention(parts)
    if len(parts.purposes) - len(parts.inner("norm")) == 1 == len(parts.inner("feed-forward")) and not parts.linear:
        return Purpose("feed-forward", _surrounded(parts.inner("feed-forward")[0], parts))
    return (
        _experts(parts)
        or _recurrent(parts)
        or _feed_forward(parts)
        or _convolutions(parts)
        or _norm(parts)
        or _listed(parts)
    )


class _Parts:
    """What a class calls: functions and layers by name, in order, and the purposes of the classes among them."""

    def __init__(self, cell: Cell, known: Mapping[Cell | Argument, Purpose]) -> None:
        self.names: list[str] = []
        self.purposes: list[Purpose] = []
        self.loops = False
        self.each = any(isinstance(s, For) and isinstance(s.over, tuple) for s in cell.body.statements)
        """Whether it does the same with each of several inputs."""
        for statement in cell.body.statements:
            if isinstance(statement, For) and isinstance(statement.over, Member):
                self.loops = True
                self._add(Call(statement.over), known)
            items = list(visit(statement))
            shortcut = {id(part) for item in items if isinstance(item, Conditional) for part in walk(item)}
            for item in items:
                optional = id(item) in shortcut and isinstance(item, Call) and isinstance(item.function, Member)
                if isinstance(item, Call) and not optional:
                    self._add(item, known)
        self.residual = _is_residual(cell)
        self.products = sum(isinstance(i, Binary) and i.operator == "*" for s in cell.body.statements for i in visit(s))

    def _add(self, call: Call, known: Mapping[Cell | Argument, Purpose]) -> None:
        if isinstance(call.function, Member) and isinstance(call.function.constructor, Argument):
            self.purposes.append(known.get(call.function.constructor, Purpose()).called_with(call.args))
            return
        layers = [call]
        if isinstance(call.function, Member):
            layers = list(_layers_in(call.function.constructor))
        for layer in layers:
            if isinstance(layer.function, Cell):
                self.purposes.append(known.get(layer.function, Purpose()).called_with(call.args))
            else:
                name = called(layer).lower()
                by_weight = name in ("matmul", "bmm") and any(isinstance(arg, Member) for arg in layer.args)
                self.names.append("linear" if name == "dense" or by_weight else name)

    def has(self, *names: str) -> bool:
        return not set(names).isdisjoint(self.names)

    def count(self, *names: str) -> int:
        return sum(name in names for name in self.names)

    def inner(self, kind: str) -> list[str]:
        """The words for the classes of a kind."""
        return [purpose.text for purpose in self.purposes if purpose.kind == kind]

    @property
    def linear(self) -> int:
        """The number of linear layers."""
        return self.count("linear") + len(self.inner("linear"))

    @property
    def norms(self) -> list[str]:
        """The names of the norms, each once."""
        found = [NORMS[name] for name in self.names if name in NORMS]
        return list(dict.fromkeys([*found, *(text[0].lower() + text[1:] for text in self.inner("norm"))]))

    @property
    def activation(self) -> str:
        """The name of the first activation."""
        return next((ACTIVATIONS[name] for name in self.names if name in ACTIVATIONS), "")


def _layers_in(item: Arg) -> Iterator[Call]:
    """The layers that an expression makes; not those that are given to other classes, and those of a list twice."""
    if isinstance(item, Call):
        yield item
        if isinstance(item.function, Cell):
            return
    for part in parts_of(item):
        for layer in _layers_in(part):
            yield from [layer] * (1 + isinstance(item, Comprehension))


def _is_residual(cell: Cell) -> bool:
    """Whether a class adds one of its inputs, or a shortcut of it, to something."""
    inputs: set[Arg] = set(cell.inputs)
    for statement in cell.body.statements:
        for item in visit(statement):
            if isinstance(item, Binary) and item.operator == "+" and not inputs.isdisjoint((item.left, item.right)):
                return True
            if isinstance(item, Conditional) and item.orelse in inputs:
                inputs.update(defined_by(statement))
    return False


def _attention(cell: Cell, instances: Sequence[Sequence[Statement]], both: bool) -> str:
    heads = {heads_of(statements) for statements in instances}
    projected = {_origin(arg, cell) for arg in _projected(cell)} & set(cell.inputs)
    kind = "self-attention" if len(projected) == 1 else "cross-attention" if len(projected) > 1 else "attention"
    kind = "attention" if both else kind
    if len(heads) == 1 and (number := heads.pop()) is not None and number > 1:
        return f"Multi-head {kind}, {number} heads"
    return f"Multi-head {kind}" if None not in heads and len(heads) > 1 else kind.capitalize()


def heads_of(statements: Sequence[Statement]) -> int | None:
    """The number of heads, the second extent of what softmax returns; None if it is not known."""
    for statement in statements:
        if isinstance(statement, Assign) and called(statement.value) in SOFTMAX:
            dims = next((value.dims for value in defined_by(statement)), None)
            if dims is not None and len(dims) == 4 and isinstance(dims[1], int):
                return dims[1]
    return None


def _projected(cell: Cell) -> Iterator[Arg]:
    """What layers are applied to before the softmax: linear ones, convolutions, or those of classes."""
    for statement in cell.body.statements:
        for item in visit(statement):
            if called(item) in SOFTMAX:
                return
            if not isinstance(item, Call) or not isinstance(item.function, Member) or not item.args:
                continue
            if called(item).lower() in _PROJECTIONS or class_of(item.function) is not None:
                yield item.args[0]


def _origin(arg: Arg, cell: Cell) -> Arg:
    """The variable that an argument shows in another shape or order of axes."""
    made = {v: s.value for s in cell.body.statements if isinstance(s, Assign) for v in defined_by(s)}
    for _ in range(len(made) + 1):
        arg = viewed(arg)
        if not isinstance(arg, Variable) or viewed(made.get(arg, arg)) in (arg, made.get(arg)):
            break
        arg = made[arg]
    return arg


def _around_attention(parts: _Parts) -> Purpose:
    attentions = [text.split(",")[0].removeprefix("Multi-head ").lower() for text in parts.inner("attention")]
    words = list(dict.fromkeys(attentions))
    if parts.inner("feed-forward") or parts.linear >= 2:
        return Purpose("layer", f"Transformer layer: {_joined([*words, 'feed-forward'])}{_with(parts)}")
    if parts.inner("convolutions") or parts.count(*CONVOLUTIONS) >= 2:
        return Purpose("layer", f"Transformer layer: {_joined([*words, 'convolutions'])}{_with(parts)}")
    return Purpose("attention", _surrounded(parts.inner("attention")[0], parts))


def _surrounded(text: str, parts: _Parts) -> str:
    """The words for the only block of a class, with the norms and the residual that it adds to them."""
    what, _, inside = text.partition(", with ")
    around = [*re.split(", | and ", inside), *parts.norms, *["a residual"] * parts.residual]
    around = list(dict.fromkeys(word for word in around if word))
    return f"{what}, with {_joined(around)}" if around else what


def _with(parts: _Parts) -> str:
    """The norms and the residual around a block."""
    around = [*parts.norms, *(["a residual"] if parts.residual else [])]
    return f", with {_joined(around)}" if around else ""


def _experts(parts: _Parts) -> Purpose | None:
    """A mixture of experts, or the router in it; or the choice of what a detector has found."""
    if parts.has("sort", "topk") and parts.count("gather") >= 2 and not parts.linear and not parts.purposes:
        return Purpose("choice", "Choice of the elements with the largest scores")
    if parts.inner("router") and parts.inner("feed-forward"):
        return Purpose("feed-forward", f"Mixture of experts{_with(parts)}")
    if parts.linear == 1 and not parts.purposes and parts.has("sort", "topk") and parts.has(*SOFTMAX, "sigmoid"):
        return Purpose("router", "Linear layer, and the choice of the largest scores")
    return None


def _recurrent(parts: _Parts) -> Purpose | None:
    """The gates of an LSTM or a GRU, which are products with sigmoids; only its new values go through tanh.

    An LSTM has three sigmoids for two tanh, a GRU two for one, also where a class has both directions.
    """
    convolutions = parts.count(*CONVOLUTIONS)
    gates, values = parts.count("sigmoid"), parts.count("tanh")
    name = "GRU" if gates == 2 * values > 0 else "LSTM" if gates > 2 and values > 1 else ""
    if not name or parts.products < gates or not (parts.linear or convolutions) or parts.purposes:
        return None
    return Purpose("recurrent", f"{'Convolutional ' if convolutions else ''}{name}, written by its gates")


def _feed_forward(parts: _Parts) -> Purpose | None:
    others = [purpose for purpose in parts.purposes if purpose.kind not in ("linear", "norm")]
    convolutions = parts.count(*CONVOLUTIONS) + len(others)
    if parts.has(*SOFTMAX) or any(purpose.text != "Convolution" for purpose in others):
        return None
    if convolutions == 1 and parts.linear == 2 and parts.activation:
        return Purpose("feed-forward", f"Feed-forward network with a convolution and {parts.activation}{_with(parts)}")
    if not convolutions and parts.linear in (2, 3) and parts.activation:
        gated = (
            "Gated feed-forward"
            if parts.products and (parts.linear == 3 or parts.has("chunk", "split"))
            else "Feed-forward"
        )
        return Purpose("feed-forward", f"{gated} network with {parts.activation}{_with(parts)}")
    return None


def _convolutions(parts: _Parts) -> Purpose | None:
    number = parts.count(*CONVOLUTIONS)
    inner = parts.inner("convolutions")
    blocks = len(inner)
    gated = parts.products and parts.has("sigmoid", "hardsigmoid") and parts.has("mean", "adaptiveavgpool2d")
    if gated and number + parts.linear == 2:
        return Purpose("excitation", "Squeeze and excitation")
    if number + blocks < 2:
        return None
    count = _NUMBERS[number] if number < len(_NUMBERS) else str(number)
    what = f"{count} convolutions" if number > 1 and not blocks else "convolutions"
    extra = ", with squeeze and excitation" if parts.inner("excitation") else ""
    if parts.residual:
        return Purpose("convolutions", f"Residual block of {what}{extra}")
    if parts.has("interpolate") and not blocks:
        pyramid = "Feature pyramid: " if parts.count("interpolate") > 1 else ""
        text = f"{pyramid}{what} and upsampling{extra}"
        return Purpose("convolutions", text[0].upper() + text[1:])
    if parts.count("interpolate") > 1:
        return Purpose("convolutions", f"Feature pyramid of convolutions{extra}")
    if parts.has("cat", "concat") and number + blocks == len(parts.purposes) + number > 2 and not parts.each:
        return Purpose("convolutions", f"Parallel convolutions{extra}")
    if blocks and all(text.startswith("Residual block") for text in inner):
        what = ("", "convolution and ", "convolutions and ")[min(number, 2)] + "residual blocks"
    each = ", on each of its inputs" if parts.each else ""
    return Purpose("convolutions", f"{what.capitalize()}{extra}{each}")


def _norm(parts: _Parts) -> Purpose | None:
    layers = {*NORMS, *CONVOLUTIONS, "linear"}
    if parts.has(*layers) or parts.purposes or parts.has("matmul") or not parts.has("rsqrt", "rms_norm"):
        return None
    return Purpose("norm", "Root mean square norm") if parts.has("rms_norm") or parts.count("mean") == 1 else None


def _listed(parts: _Parts) -> Purpose:
    """The layers of a small class, in order."""
    names = {
        **dict.fromkeys(CONVOLUTIONS, "convolution"),
        **NORMS,
        **ACTIVATIONS,
        **RECURRENT,
        "linear": "linear layer",
    }
    found = list(dict.fromkeys(names[name] for name in parts.names if name in names))
    if not found and parts.count("matmul", "addmm") == 1 and not parts.purposes:
        return Purpose("linear", "Linear layer")
    inner = list(dict.fromkeys(purpose.text.partition(", ")[0] for purpose in parts.purposes if purpose.kind != "norm"))
    if parts.residual and inner and all(inner) and len(inner) <= 3:
        words = [text if text[1:2].isupper() else text[0].lower() + text[1:] for text in inner]
        norms = f", with {_joined(parts.norms)}" if parts.norms else ""
        return Purpose("residual", f"Residual block: {_joined(words)}{norms}")
    if parts.purposes or not 1 <= len(found) <= 4:
        return Purpose()
    text = f"residual block: {_joined(found)}" if parts.residual else _joined(found)
    kind = "convolutions" if "convolution" in found else "linear" if parts.linear == 1 else ""
    return Purpose(kind, text[0].upper() + text[1:])


def _joined(words: Sequence[str]) -> str:
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"
