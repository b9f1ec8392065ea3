"""Members: the layers, parameters and literals that the entry class's constructor creates."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import onnx_ir as ir
from numpy.typing import NDArray

from converter import shapes
from converter.base.names import Namespace
from converter.lowering import constants
from converter.lowering.context import Unsupported
from converter.lowering.formulas import LARGEST, formula_of
from converter.lowering.tied import Holders
from converter.script import (
    CELL_ATTRIBUTES,
    Arg,
    Attribute,
    Call,
    Member,
    Name,
    Option,
    Weight,
    expr,
    invoke,
    mindspore_dtype,
)
from converter.shapes import kind_of

MAX_LITERAL = 16
"""Maximum elements of a constant that is written as a literal; a larger one becomes a parameter."""


MOST_NUMBERS = 4
"""Maximum equal numbers that are written one by one; more of them become `ops.zeros` or `ops.ones`."""

MOST_DIGITS = 4
"""Maximum significant digits of a number that a person would write."""


class Members:
    """The members of a Cell while it is being written; a repeated request returns the same member."""

    def __init__(self, members: list[Member]) -> None:
        self._members = members
        self._names = Namespace(CELL_ATTRIBUTES)
        self._layers: dict[tuple[Any, ...], Member] = {}
        self._called: dict[tuple[Any, ...], list[Member]] = {}
        self._holders = Holders()
        self._constants: dict[ir.Value, Arg] = {}

    def __len__(self) -> int:
        return len(self._members)

    def layer(self, constructor: Arg, weights: dict[str, Weight], hint: str, module: str = "") -> Member:
        """Return a layer: an earlier one with the same constructor and weights, if it has a matrix; else a new one.

        Equal vectors alone do not make two layers one: exporters merge the equal biases and scales of different
        layers. If the source names the module that calls the layer, an earlier layer of this module with equal values
        is reused too: exporters copy a matrix that they transpose, once for each call. So is its dropout.
        """
        weights = {name: _frozen(weight, constructor, name) for name, weight in weights.items()}
        key = _key(constructor, weights)
        if key in self._layers:
            return self._layers[key]
        shared = module and (weights or _is_dropout(constructor))
        called = self._called.setdefault((constructor, module), []) if shared else []
        same = next((member for member in called if _equal(member.weights, weights)), None)
        if same is not None:
            return same
        member = self._add(constructor, weights, hint)
        called.append(member)
        if key is not None:
            self._layers[key] = member
        return member

    def held(self, tensor: Any) -> Arg:
        """The parameter that holds this matrix, or None: GPT-2's embedding is also used by its head."""
        found = self._holders.find(tensor)
        return None if found is None else found[1]

    def tied(self, constructor: Arg, weights: dict[str, Weight], hint: str) -> dict[str, Arg] | None:
        """The parameters of this layer as tensors, if another member holds its matrix in another form; else None.

        A parameter of the same form becomes the layer's own (see `merge_tied`). A vector is the holder's own where it
        is the same, or a parameter named after `hint`.
        """
        if _key(constructor, weights) in self._layers:
            return None
        matrices = (weight for weight in weights.values() if len(weight.shape) > 1)
        holders = filter(None, (self._holders.find(weight.tensor, weight.steps) for weight in matrices))
        holder, viewed = next(holders, (None, None))
        if holder is None or viewed is holder:
            return None
        return {name: self._shared(holder, weight, f"{hint}.{name}") for name, weight in weights.items()}

    def _shared(self, holder: Member, weight: Weight, hint: str) -> Arg:
        """A weight of a layer whose matrix another member holds, as a tensor."""
        own = (name for name, other in holder.weights.items() if name and other.tensor is weight.tensor)
        if len(weight.shape) < 2 and (name := next(own, None)) is not None:
            return Attribute(holder, name)
        return self.constant(replace(weight, trainable=weight.trained, frozen=False), hint)

    def merge_tied(self) -> dict[Member, Arg]:
        """Remove the parameters whose matrix a later layer holds; return the expressions that replace them."""
        instead = dict(self._holders.parameters_of_layers())
        self._members[:] = [member for member in self._members if member not in instead]
        self._holders.drop(set(map(id, instead)))
        return instead

    def constant_of(self, value: ir.Value, weight_of: Callable[[ir.Value], Weight]) -> Arg:
        """A constant of the graph as a tensor; `weight_of` is called the first time only."""
        if value not in self._constants:
            self._constants[value] = self.constant(constants.standalone(weight_of(value), value), constants.hint(value))
        return self._constants[value]

    def constant(self, weight: Weight, hint: str) -> Arg:
        """A constant as a tensor: a parameter, or a literal when it is small and not trained, or a formula.

        Raises:
            Unsupported: MindSpore lacks its element type.
        """
        tensor, shape = weight.tensor, weight.shape
        if weight.trainable and (found := self._holders.find(tensor, weight.steps)) is not None:
            return found[1]
        dtype = mindspore_dtype(tensor.dtype)
        if dtype is None:
            raise Unsupported(f"MindSpore has no element type {tensor.dtype.name} ('{tensor.name}')")
        size = int(np.prod(shape, dtype=np.int64))
        if size == 0:
            return expr("ops.zeros({0}, dtype={1})", shape, dtype)
        if kind_of(tensor.dtype) == "c" or (size <= MAX_LITERAL and not weight.trainable):
            array = weight.array()
            if not _is_measured(array):
                return self._add(_literal(array, dtype), {}, hint)
        if weight.computed and size <= LARGEST and (formula := formula_of(weight.array(), dtype)) is not None:
            return self._add(formula, {}, hint)
        constructor = expr("ms.Parameter(ops.zeros({0}, dtype={1}))", shape, dtype)
        if not weight.trainable:
            constructor = expr("ms.Parameter(ops.zeros({0}, dtype={1}), requires_grad=False)", shape, dtype)
        return self._add(constructor, {"": weight}, hint)

    def _add(self, constructor: Arg, weights: dict[str, Weight], hint: str) -> Member:
        member = Member(self._names.new(hint, "layer"), constructor, weights, hint)
        self._members.append(member)
        self._holders.add(member)
        return member

    def drop_from(self, count: int) -> None:
        """Keep the first `count` members: remove those that a row added before it failed."""
        gone = set(map(id, self._members[count:]))
        if not gone:
            return
        del self._members[count:]
        self._layers = {key: member for key, member in self._layers.items() if id(member) not in gone}
        self._called = {
            key: [member for member in members if id(member) not in gone] for key, members in self._called.items()
        }
        self._constants = {key: item for key, item in self._constants.items() if id(item) not in gone}
        self._holders.drop(gone)


def _key(constructor: Arg, weights: dict[str, Weight]) -> tuple[Any, ...] | None:
    """What equal layers have in common; None for a layer without a matrix."""
    if not any(len(weight.tensor.shape) > 1 for weight in weights.values()):
        return None
    return (constructor, tuple((id(weight.tensor), repr(weight.steps)) for weight in weights.values()))


def _frozen(weight: Weight, constructor: Arg, name: str) -> Weight:
    """A parameter of a layer, marked as frozen if the layer trains it and the source does not."""
    own = name.rpartition(".")[2]
    fixed = ("moving_mean", "moving_variance", *(("gamma", "beta") if _option(constructor, "affine") is False else ()))
    if own in fixed:
        return replace(weight, frozen=False)
    return weight if weight.trainable and not weight.added else replace(weight, trainable=True, frozen=True)


def _is_dropout(constructor: Arg) -> bool:
    function = constructor.function if isinstance(constructor, Call) else None
    return isinstance(function, Name) and function.path.startswith("nn.Dropout")


def _option(constructor: Arg, name: str) -> Arg:
    value = dict(constructor.keywords).get(name) if isinstance(constructor, Call) else None
    return value.value if isinstance(value, Option) else value


def _equal(a: dict[str, Weight], b: dict[str, Weight]) -> bool:
    """Whether two layers have the same vectors, and the same matrices or equal copies of them."""

    def same(mine: Weight, other: Weight) -> bool:
        if mine.tensor is other.tensor or len(mine.shape) < 2 or mine.shape != other.shape:
            return mine.tensor is other.tensor
        return np.array_equal(mine.tensor.numpy(), other.tensor.numpy())

    return a.keys() == b.keys() and all(a[name].steps == b[name].steps and same(a[name], b[name]) for name in a)


def _is_measured(array: NDArray[Any]) -> bool:
    """Whether an array has numbers that no formula has, such as folded statistics: several of many digits."""
    if array.size <= MOST_NUMBERS or array.dtype.kind != "f":
        return False
    long = [number for number in set(array.reshape(-1).tolist()) if len(_digits(number, array.dtype)) > MOST_DIGITS]
    return len(long) > MOST_NUMBERS or (array.size > 2 * MOST_NUMBERS and bool(long))


def _digits(number: float, dtype: np.dtype[Any]) -> str:
    """The significant digits of the shortest decimal."""
    text = np.format_float_scientific(dtype.type(number), unique=True, trim="-")
    return text.partition("e")[0].replace(".", "").lstrip("-")


def _literal(array: NDArray[Any], dtype: Arg) -> Arg:
    """A small constant as an expression: its numbers, or `ops.zeros` or `ops.ones`."""
    if array.size > MOST_NUMBERS and array.dtype.kind in "bif":
        for number, function in ((0, "ops.zeros"), (1, "ops.ones")):
            if (array == number).all():
                return invoke(function, array.shape, dtype=dtype)
    return expr("ms.Tensor({0}, {1})", literal_of(array), dtype)


def literal_of(array: NDArray[Any]) -> Any:
    """A small array as nested lists of Python numbers."""
    if array.dtype.kind == "V" or str(array.dtype) == "bfloat16":
        array = array.astype(np.float32)
    if array.dtype.kind == "f":
        flat = [shapes.shortest(item) for item in array.reshape(-1)]
        return np.array(flat, np.float64).reshape(array.shape).tolist()
    return array.tolist()
