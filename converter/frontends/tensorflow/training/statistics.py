"""Running statistics: the variables that a training graph moves towards a batch's mean and variance.

`tf.layers`, slim and `ExponentialMovingAverage` write `variable -= (variable - batch) * (1 - momentum)`; by hand one
writes `variable = variable * momentum + batch * (1 - momentum)`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from converter.frontends.tensorflow import graph as graphs
from converter.frontends.tensorflow.training.flow import SAME, Flow
from converter.frontends.tensorflow.training.scalars import Scalars

if TYPE_CHECKING:
    from tensorflow.core.framework.node_def_pb2 import NodeDef

_UPDATES = ("AssignSub", "AssignSubVariableOp", "AssignAdd", "AssignAddVariableOp")
_ASSIGNS = ("Assign", "AssignVariableOp")


@dataclass(frozen=True)
class Average:
    """A variable that follows a tensor.

    Attributes:
        variable: the node of the variable.
        read: a tensor with the variable's value.
        followed: the tensor that it follows.
        momentum: the share of itself that the variable keeps in each step; None if not known.
        update: the node of the update that reads `followed`.
    """

    variable: str
    read: str
    followed: str
    momentum: float | None
    update: str


def averages(flow: Flow, scalars: Scalars) -> Iterator[Average]:
    """All running averages of a graph. `scalars` knows the switches as they are in training."""
    for node in flow.graph.node:
        if node.op in (*_UPDATES, *_ASSIGNS):
            variable = _passed_on(flow, node.input[0])
            if variable.op in graphs.VARIABLES and variable.attr["shape"].shape.dim:
                find = _moved if node.op in _UPDATES else _replaced
                found = find(flow, scalars, variable.name, flow.origin(node.input[1]))
                if found is not None:
                    yield found


def _moved(flow: Flow, scalars: Scalars, variable: str, change: NodeDef) -> Average | None:
    """`variable -= (variable - followed) * (1 - momentum)`; with `+=` the difference is the other way round."""
    if change.op != "Mul":
        return None
    for difference, rest in (change.input[:2], list(change.input[:2])[::-1]):
        node = flow.origin(difference)
        if node.op != "Sub":
            continue
        for read, followed in (node.input[:2], list(node.input[:2])[::-1]):
            if _reads(flow, read, variable):
                decay = scalars.number(rest)
                return Average(variable, read, followed, None if decay is None else 1 - decay, node.name)
    return None


def _replaced(flow: Flow, scalars: Scalars, variable: str, value: NodeDef) -> Average | None:
    """`variable = variable * momentum + followed * (1 - momentum)`."""
    if value.op not in ("Add", "AddV2"):
        return None
    products = [flow.origin(name) for name in value.input[:2]]
    if any(product.op != "Mul" for product in products):
        return None
    for own, other in (products, products[::-1]):
        for read, momentum in (own.input[:2], list(own.input[:2])[::-1]):
            if _reads(flow, read, variable):
                followed = [name for name in other.input[:2] if scalars.number(name) is None]
                if len(followed) == 1:
                    return Average(variable, read, followed[0], scalars.number(momentum), other.name)
    return None


def _reads(flow: Flow, tensor: str, variable: str) -> bool:
    return _passed_on(flow, tensor).name == variable


def _passed_on(flow: Flow, tensor: str) -> NodeDef:
    """The node of a variable that is read, also inside a condition."""
    node = flow.nodes[graphs.split(tensor)[0]]
    for _ in range(10):
        if node.op not in (*SAME, "Switch", "RefSwitch"):
            break
        node = flow.nodes[graphs.split(node.input[0])[0]]
    return node


def biased(flow: Flow, found: list[Average]) -> set[str]:
    """The variables that follow the mean of squares, as `tf.nn.moments` has it; fused norms have n / (n - 1) of it."""
    return {average.variable for average in found if _is_mean_of_squares(flow, average.followed)}


def _is_mean_of_squares(flow: Flow, tensor: str) -> bool:
    node = flow.nodes[graphs.split(tensor)[0]]
    while node.op in (*SAME, "Squeeze", "Reshape", "Switch"):
        node = flow.nodes[graphs.split(node.input[0])[0]]
    return node.op == "Mean" and flow.origin(node.input[0]).op == "SquaredDifference"


def use_running_statistics(flow: Flow, found: list[Average]) -> set[str]:
    """Let batch norms that always use the batch's statistics use the running ones, in place.

    Returns:
        The names of the nodes that were changed.
    """
    followed = {graphs.split(average.followed): average for average in found}
    changed = set()
    for node in flow.graph.node:
        if node.op.startswith("FusedBatchNorm") and node.op.count("Grad") == 0 and _trains(node):
            pair = [_behind(flow, (node.name, k), followed) for k in (1, 2)]
            if pair[0] is not None and pair[1] is not None:
                node.input[3:5] = [average.read for average in pair if average is not None]
                node.attr["is_training"].b = False
                changed.add(node.name)
    updates = {average.update for average in found}
    for tensor, average in followed.items():
        if flow.origin("{}:{}".format(*tensor)).op.startswith("FusedBatchNorm"):
            continue
        for reader, index in flow.readers.get(tensor[0], ()):
            if index == tensor[1] and reader in flow.forward and reader not in updates and _normalises(flow, reader):
                node = flow.nodes[reader]
                kept = [name for name in node.input if not name.startswith("^")]  # no update before it
                node.input[:] = [average.read if graphs.split(name) == tensor else name for name in kept]
                changed.add(reader)
    return changed


def _trains(node: NodeDef) -> bool:
    return node.attr["is_training"].b if "is_training" in node.attr else True


def _behind(flow: Flow, tensor: tuple[str, int], followed: dict[tuple[str, int], Average]) -> Average | None:
    """The average that follows a tensor, or what passes it on."""
    waiting = [tensor]
    for _ in range(8):
        if not waiting:
            return None
        name, index = waiting.pop()
        if (name, index) in followed:
            return followed[name, index]
        waiting += [
            (reader, 0)
            for reader, read in flow.readers.get(name, ())
            if read == index and flow.nodes[reader].op in (*SAME, "Cast", "Squeeze", "Reshape", "Switch")
        ]
    return None


def _normalises(flow: Flow, name: str) -> bool:
    """Whether a node leads to the arithmetic of a batch norm: to a root, a product or a difference."""
    waiting = [name]
    for _ in range(40):
        if not waiting:
            return False
        node = flow.nodes[waiting.pop()]
        if node.op in ("Rsqrt", "Sqrt", "Sub", "Mul", "SquaredDifference"):
            return True
        if node.op in (*SAME, "Add", "AddV2", "Squeeze", "Reshape", "ExpandDims", "Cast", "Neg"):
            waiting += [reader for reader, _ in flow.readers.get(node.name, ()) if reader in flow.forward]
    return False
