"""Switches: inputs that say whether a network trains, and how much a dropout keeps. Their values are known.

A bool is a switch, a float is one where the rate of a dropout depends on it, and so is a vector of
them, with one for each dropout.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from converter.frontends.tensorflow import graph as graphs
from converter.frontends.tensorflow.training.dropout import Dropout
from converter.frontends.tensorflow.training.flow import PLACEHOLDERS, Flow
from converter.frontends.tensorflow.training.scalars import Scalars

if TYPE_CHECKING:
    from tensorflow.core.framework.node_def_pb2 import NodeDef

_INFERENCE = re.compile(r"(^|[/_])(is_?)?(test\w*|eval\w*|infer\w*|predict\w*|frozen)($|_\d+$)", re.IGNORECASE)
"""Names of switches that are true in inference."""


Value = bool | float | list[float]


@dataclass(frozen=True)
class Switches:
    """Nodes whose values are known, by name.

    Attributes:
        inference: their values in inference: `is_training` False, `keep_prob` 1.
        training: their values in training, where the graph says them.
    """

    inference: dict[str, Value] = field(default_factory=dict)
    training: dict[str, Value] = field(default_factory=dict)


def find(flow: Flow, dropouts: Iterable[Dropout], given: Collection[str]) -> Switches:
    """The switches of a graph, without those that the user gave as inputs (nodes by name)."""
    from tensorflow.core.framework.types_pb2 import DT_BOOL

    found = Switches()
    for node in flow.graph.node:
        if _is_number(node) and node.attr["dtype"].type == DT_BOOL and node.name not in given:
            found.inference[node.name] = bool(_INFERENCE.search(node.name))
            found.training[node.name] = not found.inference[node.name]
    floats = {node.name: _options(flow, node) for node in flow.graph.node if node.op in PLACEHOLDERS}
    for dropout in dropouts:
        above = flow.ancestors([dropout.probability.partition(":")[0]])
        for name, options in floats.items():
            if options and name in above and name not in given and name not in found.inference:
                off = (value for value in options if dropout.rate(_with(flow, found, name, value)) == 0)
                found.inference[name] = next(off, options[0])
    return found


def _options(flow: Flow, node: NodeDef) -> list[Value]:
    """The values that may turn a dropout off: 1 and 0, of a vector in each place that is read; none of other inputs."""
    from tensorflow.core.framework.types_pb2 import DT_FLOAT

    if _is_number(node):
        return [1.0, 0.0]
    if node.attr["dtype"].type != DT_FLOAT or len(node.attr["shape"].shape.dim) != 1:
        return []
    readers = [flow.nodes[name] for name, _ in flow.readers.get(node.name, ())]
    places = [flow.element(reader) for reader in readers]
    length = max((place + 1 for place in places if place is not None), default=0)
    declared = node.attr["shape"].shape.dim[0].size
    if None in places or not length:
        return []
    return [[value] * max(length, declared) for value in (1.0, 0.0)]


def _with(flow: Flow, switches: Switches, name: str, value: Value) -> Scalars:
    return Scalars(flow, {**switches.training, name: value})


def _is_number(node: NodeDef) -> bool:
    """Whether a node is an input or a variable with one number, or of unknown shape."""
    from tensorflow.core.framework.types_pb2 import DT_BOOL, DT_FLOAT

    if node.op not in (*PLACEHOLDERS, *graphs.VARIABLES) or node.attr["dtype"].type not in (DT_BOOL, DT_FLOAT):
        return False
    return not node.attr["shape"].shape.dim
