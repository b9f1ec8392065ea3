"""Layers: the tensors of a source, and the parameters of a network, that belong together."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from converter.artifacts import TensorSpec
from converter.weights.names import split
from converter.weights.recurrent import GATES, kind_of
from converter.weights.roles import Parameter, family_of_tensor, role_of_parameter

_DIRECTION = re.compile(r"((?:weight|bias)_[ih]h)_l(\d+)(_reverse)?")
_KINDS = {
    "convolution": "convolution",
    "transposed convolution": "convolution",
    "dense": "dense",
    "embedding": "embedding",
    "scale": "norm",
    "mean": "norm",
    "input weight": "lstm",
}


class Weight(NamedTuple):
    """What decides whether a tensor fits a parameter: its role or family, the last part of its name, shape and type."""

    role: str
    leaf: str
    shape: tuple[int, ...]
    dtype: str


class Form(NamedTuple):
    """What decides whether a group fits a layer; `recurrent` and `hidden` are those of a recurrent layer."""

    weights: tuple[Weight, ...]
    recurrent: str | None = None
    hidden: int = 0


@dataclass
class Layer:
    """What one layer of the network has: its parameters and their roles.

    Attributes:
        path: of the layer; one direction of one recurrent layer has a path of its own.
        parameters: in the network's order.
        roles: of the parameters.
        recurrent: LSTM, GRU or RNN; None for other layers.
        reverse: whether it is the backward direction of a recurrent layer.
    """

    path: str
    parameters: list[Parameter] = field(default_factory=list)
    roles: list[str] = field(default_factory=list)
    recurrent: str | None = None
    reverse: bool = False

    @property
    def kind(self) -> str:
        """The kind of layer, as a word to compare names by; empty where it is not known."""
        return next((kind for role in self.roles if (kind := _KINDS.get(role))), "")

    @property
    def names(self) -> frozenset[str]:
        """The names of the parameters."""
        return frozenset(each.array.name for each in self.parameters)

    @property
    def form(self) -> Form:
        """The layer without its name."""
        weights = tuple(
            Weight(role, each.leaf.lower(), each.array.shape, each.array.dtype)
            for each, role in zip(self.parameters, self.roles, strict=True)
        )
        hidden = weights[0].shape[0] // GATES[self.recurrent] if self.recurrent and weights[0].shape else 0
        return Form(weights, self.recurrent, hidden)


@dataclass
class Group:
    """Tensors of the source whose names differ in their last part only.

    Attributes:
        path: what their names have in common.
        tensors: in the source's order.
        families: what their names say that they are.
    """

    path: str
    tensors: list[TensorSpec] = field(default_factory=list)
    families: list[str] = field(default_factory=list)

    @property
    def kind(self) -> str:
        """The kind of layer, as a word to compare names by; empty where it is not known."""
        if {"mean", "variance"} & set(self.families) or {"scale", "shift"} <= set(self.families):
            return "norm"
        if "hidden weight" in self.families:
            return "lstm"
        if "embedding" in self.families:
            return "embedding"
        ranks = [
            len(tensor.shape)
            for tensor, family in zip(self.tensors, self.families, strict=True)
            if family in ("kernel", "depthwise")
        ]
        return "convolution" if ranks and ranks[0] > 2 else ""

    @property
    def form(self) -> Form:
        """The group without its name."""
        pairs = zip(self.tensors, self.families, strict=True)
        return Form(tuple(Weight(family, split(each.name)[1], each.shape, each.dtype) for each, family in pairs))


def layers_of(parameters: Iterable[Parameter]) -> list[Layer]:
    """The layers of a network, in the order of their first parameters."""
    found: dict[str, Layer] = {}
    parameters = list(parameters)
    two_ways = {split(each.array.name)[0] for each in parameters if each.leaf.endswith("_reverse")}
    for parameter in parameters:
        path, _ = split(parameter.array.name)
        path = path.removesuffix("/bn2d")  # MindSpore's BatchNorm3d holds a BatchNorm2d
        match = _DIRECTION.fullmatch(parameter.leaf)
        reverse = bool(match and match[3])
        if match:
            path = _path_of_direction(path, match, path in two_ways)
        layer = found.setdefault(path, Layer(path, recurrent=kind_of(parameter.layer), reverse=reverse))
        layer.parameters.append(parameter)
        layer.roles.append(role_of_parameter(parameter))
    return list(found.values())


def groups_of(tensors: Sequence[TensorSpec]) -> list[Group]:
    """The tensors of a source in groups, in the order of their first tensors."""
    found: dict[str, Group] = {}
    names = [split(tensor.name) for tensor in tensors]
    two_ways = {path for path, leaf in names if leaf.endswith("_reverse")}
    for tensor, (path, leaf) in zip(tensors, names, strict=True):
        match = _DIRECTION.fullmatch(leaf)
        if match:
            path = _path_of_direction(path, match, path in two_ways)
        group = found.setdefault(path, Group(path))
        group.tensors.append(tensor)
        group.families.append(family_of_tensor(leaf, len(tensor.shape)))
    return list(found.values())


def single_layers(layers: Iterable[Layer]) -> list[Layer]:
    """Each parameter as a layer of its own."""
    return [
        Layer(layer.path if role else f"{layer.path}/{parameter.leaf}", [parameter], [role], layer.recurrent)
        for layer in layers
        for parameter, role in zip(layer.parameters, layer.roles, strict=True)
    ]


def single_groups(tensors: Iterable[TensorSpec]) -> list[Group]:
    """Each tensor as a group of its own; `W_conv1` is a kernel of conv1."""
    found = []
    for tensor in tensors:
        path, leaf = split(tensor.name)
        family = family_of_tensor(leaf, len(tensor.shape))
        words = [word for word in leaf.split("_") if not family_of_tensor(word, 1)] if family else [leaf]
        found.append(Group("/".join(filter(None, (path, *words))), [tensor], [family]))
    return found


def without_slots(tensors: Sequence[TensorSpec]) -> list[TensorSpec]:
    """The tensors without an optimizer's slots and moving averages, `conv/kernel/Adam` beside `conv/kernel`."""
    names = {tensor.name for tensor in tensors}
    return [tensor for tensor in tensors if tensor.name.rpartition("/")[0] not in names]


def _path_of_direction(path: str, match: re.Match[str], two_ways: bool) -> str:
    direction = ("backward" if match[3] else "forward") if two_ways else ""
    return "/".join(filter(None, (path, f"l{match[2]}", direction)))
