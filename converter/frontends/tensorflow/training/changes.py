"""What a training graph does to a gradient before it applies it: clipping, scaling."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from converter.frontends.tensorflow.training.flow import Flow
from converter.frontends.tensorflow.training.scalars import Scalars
from converter.frontends.tensorflow.training.schedule import rounded
from converter.frontends.training import Change

if TYPE_CHECKING:
    from tensorflow.core.framework.node_def_pb2 import NodeDef

_MOST_CHANGES = 10
_DEEPEST = 8
"""The most nodes between a norm's limit and the gradient that it limits."""
_ROWS = ("UnsortedSegmentSum", "IndexedSlices")
"""How the rows of a table that were read several times are added up."""


def changes_of(flow: Flow, gradient: str, scalars: Scalars) -> tuple[tuple[Change, ...], str]:
    """The changes of a gradient in their order, and the first node from behind that is none of them, else "".

    Args:
        flow: the training graph.
        gradient: the tensor that the optimizer applies.
        scalars: the graph's numbers.
    """
    found: list[Change] = []
    for _ in range(_MOST_CHANGES):
        node = flow.origin(gradient)
        if node.name in flow.derivatives:
            break
        change, before = _change(flow, node, scalars)
        if not before:
            return (), node.name
        found += [change] if change is not None else []
        gradient = before
    return tuple(found[::-1]), ""


def _change(flow: Flow, node: NodeDef, scalars: Scalars) -> tuple[Change | None, str]:
    """What a node does to a gradient, and the gradient before it; "" if that is not known."""
    if node.op in _ROWS:
        return None, node.input[0]
    if node.op in ("Maximum", "Minimum", "ClipByValue"):
        return _by_value(flow, node, scalars)
    if node.op not in ("Mul", "RealDiv", "Div"):
        return None, ""
    numbers = [scalars.number(name) for name in node.input[:2]]
    limit = _limit(flow, node, scalars)
    if limit is not None:
        before = flow.origin(node.input[0])
        scaled = before.op == "Mul" and before.name not in flow.derivatives and _limited(flow, node, before)
        return limit, before.input[0] if scaled else node.input[0]
    if numbers[1] is not None:
        return Change("scale", (rounded(numbers[1] if node.op == "Mul" else 1 / numbers[1]),)), node.input[0]
    if numbers[0] is not None and node.op == "Mul":
        return Change("scale", (rounded(numbers[0]),)), node.input[1]
    return None, ""


def _by_value(flow: Flow, node: NodeDef, scalars: Scalars) -> tuple[Change | None, str]:
    """Both limits: of one node, or of a Maximum of a Minimum."""
    limits, gradient = [], ""
    for _ in range(2):
        limits += [limit for name in node.input if (limit := scalars.number(name)) is not None]
        gradient = next((name for name in node.input if scalars.number(name) is None), "")
        if len(limits) >= 2 or not gradient:
            break
        node = flow.origin(gradient)
        if node.op not in ("Maximum", "Minimum"):
            return None, ""
    return (Change("value", (rounded(min(limits)), rounded(max(limits)))), gradient) if len(limits) == 2 else (None, "")


def _limited(flow: Flow, node: NodeDef, product: NodeDef) -> bool:
    """Whether a product is `gradient * limit` below `node`, which divides or scales it by a norm."""
    return node.op != "Mul" or any(flow.origin(name).op == "Minimum" for name in node.input[:2])


def _limit(flow: Flow, node: NodeDef, scalars: Scalars) -> Change | None:
    """`gradient * limit / max(norm, limit)`, or `gradient * limit * min(1 / norm, 1 / limit)`."""
    for name in node.input[1:2]:
        for above in _around(flow, name):
            numbers = (
                [scalars.number(source) for source in above.input[:2]] if above.op in ("Maximum", "Minimum") else []
            )
            number = next((number for number in numbers if number), None)
            if number is None:
                continue
            if above.op == "Maximum":
                return Change("norm", (rounded(number),))
            inverse = flow.origin(above.input[numbers.index(None)]) if None in numbers else above
            if any(one.op == "L2Loss" for one in _around(flow, inverse.name)):
                return Change("global_norm", (rounded(1 / number),))
            counted = inverse.op == "Mul" and any(scalars.number(source) for source in inverse.input[:2])
            return Change("average_norm" if counted else "norm", (rounded(1 / number),))
    return None


def _around(flow: Flow, tensor: str) -> Iterator[NodeDef]:
    """The nodes above a tensor that compute no gradient, nearest first."""
    level = [flow.origin(tensor)]
    for _ in range(_DEEPEST):
        below = []
        for node in level:
            if node.name not in flow.derivatives:
                yield node
                below += [flow.origin(name) for name in node.input if name[0] != "^"]
        level = below
