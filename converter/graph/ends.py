"""Where a network could be cut: before its last activation, behind its body, at the ends of its scopes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import onnx_ir as ir

from converter.graph.hints import scopes
from converter.graph.traits import Trait, has_trait
from converter.graph.walk import all_nodes, subgraphs

_LAST = frozenset(("ArgMax", "Cast", "Hardmax", "Identity", "LogSoftmax", "Softmax", "TopK"))
"""Operators at the end of a network that only present what it computed, besides views and elementwise ones."""
_FIRST = frozenset(("Add", "Cast", "Clip", "Div", "Identity", "Mul", "Pad", "Resize", "Sub"))
"""Operators at the beginning of a network that only prepare an input, besides data movement."""
_SMALLEST_WEIGHT = 16
"""A constant of more elements and of two axes at least is the weight of a layer."""
_DEEPEST = 3
"""The scopes of the network that are looked at: the outermost level that has several of them."""
_MOST_SCOPES = 24


@dataclass(frozen=True)
class CutPoint:
    """A value at which the network could begin or end.

    Attributes:
        side: what it could be there.
        value: its name.
        why: what it is, as a phrase.
    """

    side: Literal["input", "output"]
    value: str
    why: str


def cut_points(model: ir.Model) -> tuple[CutPoint, ...]:
    """Where a normalised graph could be cut, besides its own ends, from its inputs to its outputs."""
    own = {value.name for value in (*model.graph.inputs, *model.graph.outputs)}
    found: dict[tuple[str, str], CutPoint] = {}
    every = (*_first_layers(model.graph), *_ends_of_scopes(model.graph), *_last_layers(model.graph))
    for point in every:
        if point.value and point.value not in own:
            found.setdefault((point.side, point.value), point)
    return tuple(found.values())


def _first_layers(graph: ir.Graph) -> Iterator[CutPoint]:
    """What the first layers read, where something prepares the inputs before."""
    for source in graph.inputs:
        value, before = source, list[str]()
        while len(value.uses()) == 1 and not value.is_graph_output():
            node = value.consumers()[0]
            prepares = node.op_type in _FIRST or has_trait(node, Trait.DATA_MOVEMENT)
            if not prepares or _has_weight(node) or len(node.outputs) != 1:
                break
            before.append(node.op_type)
            value = node.outputs[0]
        if before:
            yield CutPoint("input", value.name or "", f"'{source.name}' behind {', '.join(dict.fromkeys(before))}")


def _last_layers(graph: ir.Graph) -> Iterator[CutPoint]:
    """What the last layers compute, before activations, and what they read."""
    for end in graph.outputs:
        value, behind = end, list[str]()
        while (node := value.producer()) is not None and _presents(node) and (data := node.inputs[0]) is not None:
            behind.append(node.op_type)
            value = data
        if behind:
            yield CutPoint("output", value.name or "", f"'{end.name}' before {', '.join(reversed(behind))}")
        while node is not None and not _has_weight(node) and has_trait(node, Trait.ELEMENTWISE):
            computed = [each for each in node.inputs if each is not None and each.const_value is None]
            node = computed[0].producer() if len(computed) == 1 else None
        if node is not None and _has_weight(node) and (read := node.inputs[0]) is not None and read.const_value is None:
            yield CutPoint("output", read.name or "", f"what the last layer of '{end.name}' reads ({node.op_type})")


def _presents(node: ir.Node) -> bool:
    known = node.op_type in _LAST or has_trait(node, Trait.VIEW) or has_trait(node, Trait.UNARY)
    return known and not _has_weight(node) and bool(node.inputs)


def _has_weight(node: ir.Node) -> bool:
    constants = [value.const_value for value in node.inputs if value is not None and value.const_value is not None]
    return any(
        tensor.dtype.is_floating_point() and len(tensor.shape.numpy()) > 1 and tensor.size > _SMALLEST_WEIGHT
        for tensor in constants
    )


def _ends_of_scopes(graph: ir.Graph) -> Iterator[CutPoint]:
    """The one value of each outer scope that something outside of it reads."""
    paths = {node: tuple(scope.name for scope in scopes.scopes_of(node)) for node in graph}
    for depth in range(1, _DEEPEST + 1):
        homes = {node: path[:depth] for node, path in paths.items() if len(path) >= depth}
        names = list(dict.fromkeys(homes.values()))
        if len(names) > 1:
            break
    if not 1 < len(names) <= _MOST_SCOPES:
        return
    leaving = _leaving(graph, homes)
    for name in names:
        values = [value for value in leaving.get(name, ()) if _is_activation(value)]
        if len(values) == 1 and not name[-1].startswith("_"):
            yield CutPoint("output", values[0].name or "", f"the end of {'.'.join(name)}")


def _is_activation(value: ir.Value) -> bool:
    """Whether a value is no shape, index or number."""
    return value.dtype is not None and value.dtype.is_floating_point() and (value.shape is None or len(value.shape) > 0)


def _leaving(graph: ir.Graph, homes: Mapping[ir.Node, Sequence[str]]) -> dict[Sequence[str], list[ir.Value]]:
    """Scope → the values that nodes outside of it read."""
    holders = {inner: node for node in graph for body in subgraphs(node) for inner in all_nodes(body)}
    found: dict[Sequence[str], list[ir.Value]] = {}
    for node in graph:
        home = homes.get(node)
        for value in node.outputs if home is not None else ():
            if any(homes.get(holders.get(user, user)) != home for user, _ in value.uses()):
                found.setdefault(home or (), []).append(value)
    return found
