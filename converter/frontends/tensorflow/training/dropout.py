"""Dropout: find the arithmetic that TensorFlow writes for it, and keep it as a marked Identity.

`tf.nn.dropout` has had two forms: `x / keep * floor(keep + random)`, and `x * (1 / keep)` times or selected by
`random >= rate`. An Identity with the attribute `_dropout_rate` stands for either: TensorFlow runs it as in inference,
and the export makes ONNX's Dropout of it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from converter.frontends.tensorflow import graph as graphs
from converter.frontends.tensorflow.dropout import RATE
from converter.frontends.tensorflow.training.flow import SAME, Flow
from converter.frontends.tensorflow.training.scalars import Scalars

if TYPE_CHECKING:
    from tensorflow.core.framework.node_def_pb2 import NodeDef


UNIFORM = ("RandomUniform", "StatelessRandomUniform", "StatelessRandomUniformV2")


@dataclass(frozen=True)
class Dropout:
    """A dropout of a graph.

    Attributes:
        node: its last node; it becomes the Identity.
        x: the tensor that it drops from.
        probability: the tensor with its `rate`, or with `keep` = 1 - rate.
        keeps: whether `probability` is the share that is kept.
    """

    node: NodeDef
    x: str
    probability: str
    keeps: bool

    def rate(self, scalars: Scalars) -> float | None:
        """The share of elements that become zero; None if it depends on something that is not known."""
        value = scalars.number(self.probability)
        return None if value is None else 1 - value if self.keeps else value


def dropout_behind(flow: Flow, tensor: str) -> NodeDef | None:
    """The node that stands for a dropout, if a tensor is its result, passed on."""
    node = flow.nodes[graphs.split(tensor)[0]]
    while node.op in SAME and node.input:
        if RATE in node.attr:
            return node
        node = flow.nodes[graphs.split(node.input[0])[0]]
    return None


def mark(dropout: Dropout, rate: float) -> None:
    """Let the dropout's last node be the Identity that stands for it."""
    node = dropout.node
    dtype = node.attr["T"].type
    node.op = "Identity"
    node.input[:] = [dropout.x]
    node.attr.clear()
    node.attr["T"].type = dtype
    if 0 < rate < 1:
        node.attr[RATE].f = round(rate, 6)


def dropouts(flow: Flow) -> Iterator[Dropout]:
    """All dropouts of a graph."""
    for node in flow.graph.node:
        if node.op in UNIFORM and node.name not in flow.backward:
            found = _from(flow, node)
            if found is not None:
                yield found


def _from(flow: Flow, uniform: NodeDef) -> Dropout | None:
    """The dropout whose random numbers these are."""
    mask = _follow(flow, uniform, ("Floor", "GreaterEqual", "Less"), ("Mul", "Add", "AddV2", "Sub", *SAME))
    final = mask and _follow(flow, mask, ("Mul", "Select", "SelectV2"), ("Cast", *SAME))
    if mask is None or final is None:
        return None
    if mask.op == "Floor":
        terms = [name for name in flow.origin(mask.input[0]).input if not _is_random(flow, name)]
    else:
        terms = list(mask.input[1:2])
    sources = final.input[1:2] if final.op != "Mul" else [name for name in final.input if not _is_random(flow, name)]
    if len(terms) != 1 or len(sources) != 1:
        return None
    return Dropout(final, _unscaled(flow, sources[0]), terms[0], mask.op != "GreaterEqual")


def _follow(flow: Flow, node: NodeDef, ends: Sequence[str], passing: Sequence[str]) -> NodeDef | None:
    """The first node of the operators `ends` behind a node, past those of `passing`."""
    for _ in range(8):
        readers = [flow.nodes[name] for name, _ in flow.readers.get(node.name, ()) if name not in flow.backward]
        for reader in readers:
            if reader.op in ends:
                return reader
        between = [reader for reader in readers if reader.op in passing]
        if not between:
            return None
        node = between[0]
    return None


def _is_random(flow: Flow, tensor: str, steps: int = 8) -> bool:
    """Whether a tensor is computed from random numbers by few operators."""
    node = flow.nodes.get(graphs.split(tensor)[0])
    if node is None or not steps:
        return False
    if node.op in UNIFORM:
        return True
    if node.op not in ("Mul", "Add", "AddV2", "Sub", "Cast", "Floor", "GreaterEqual", "Less", *SAME):
        return False
    return any(_is_random(flow, name, steps - 1) for name in node.input if name[0] != "^")


def _unscaled(flow: Flow, tensor: str) -> str:
    """The input of the scaling `x / keep` or `x * (1 / keep)`; a tensor that is not scaled itself."""
    node = flow.origin(tensor)
    if node.op in ("RealDiv", "Div"):
        return node.input[0]
    if node.op == "Mul":
        scale = [name for name in node.input[:2] if _is_small(flow, name)]
        if len(scale) == 1:
            return node.input[1] if node.input[0] == scale[0] else node.input[0]
    return tensor


def _is_small(flow: Flow, tensor: str) -> bool:
    """Whether a tensor is a number, computed from constants and switches."""
    waiting = [tensor]
    for _ in range(20):
        if not waiting:
            return True
        node = flow.nodes.get(graphs.split(waiting.pop())[0])
        if node is None:
            return False
        if node.op == "Const":
            if node.attr["value"].tensor.tensor_shape.dim:
                return False
        elif node.op in ("Sub", "Add", "AddV2", "RealDiv", "Div", "Reciprocal", "Cast", "Switch", "Merge", *SAME):
            waiting += [name for name in node.input if name[0] != "^"]
        elif node.op in ("Placeholder", "PlaceholderWithDefault", "Variable", "VariableV2", "VarHandleOp"):
            if node.attr["shape"].shape.dim:
                return False
        else:
            return False
    return False
