"""Leading axes of extent 1 that broadcasting adds by itself: `positions[None, :, None]` becomes `positions[:, None]`.

Exporters give positions, rotary tables and causal masks the axes of the batch and of the heads, from the first node on.
What is done to them elementwise needs none of these axes before a tensor is met that has them.
"""

from __future__ import annotations

from itertools import takewhile

import numpy as np
import onnx_ir as ir

from converter.graph.fusions.replacement import replace
from converter.graph.fusions.rewrite import Builder, Context
from converter.graph.queries import attribute, axes_of, rank_of, shape_of
from converter.graph.traits import Trait, has_trait
from converter.graph.walk import all_graphs


def drop_leading_axes(model: ir.Model, context: Context) -> None:
    """Let every value lack the leading axes of extent 1 that all its readers add by broadcasting."""
    for graph in all_graphs(model):
        dropped = _Dropped(graph)
        concatenations = [(node, dropped.axis(node)) for node in graph if node.op_type == "Concat"]
        views = [(node, dropped.new_axes(node)) for node in graph if node.op_type == "Unsqueeze" and not node.domain]
        for value, count in dropped.counts.items():
            value.shape = ir.Shape((shape_of(value) or ())[count:])
        for node, axis in concatenations:
            node.attributes["axis"] = ir.AttrInt64("axis", axis)
        for node, axes in views:
            if axes is not None:
                _replace_view(node, axes, context)


def _replace_view(node: ir.Node, axes: list[int], context: Context) -> None:
    """Let an Unsqueeze insert these axes; none remove it."""
    x = node.inputs[0]
    assert x is not None
    builder = Builder(node, context.names)
    result = builder.Unsqueeze(x, builder.constant("axes", np.array(axes))) if axes else x
    replace([node], builder.nodes, {node.outputs[0]: result}, at=node)


class _Dropped:
    """How many leading axes each value of a graph lacks.

    The counts begin with what the inputs of each node allow, and are lowered until all readers agree.
    """

    def __init__(self, graph: ir.Graph | ir.Function) -> None:
        self.counts: dict[ir.Value, int] = {}
        for node in graph:
            if count := self._offered(node):
                self.counts[node.outputs[0]] = count
        for value in list(self.counts):
            if value.is_graph_output() or not all(_adapts(node, value, graph) for node in value.consumers()):
                self._lower([(value, 0)])
        for node in graph:
            self._lower(self._demands(node))
        self.counts = {value: count for value, count in self.counts.items() if count}

    def axis(self, node: ir.Node) -> int:
        """The axis of a Concat."""
        axis: int = attribute(node, "axis")
        return axis - self._of(node.outputs[0]) if axis >= 0 else axis

    def new_axes(self, node: ir.Node) -> list[int] | None:
        """The axes that an Unsqueeze inserts when input and result lack theirs; None where it stays as it is."""
        count, lacking = self._of(node.outputs[0]), self._of(node.inputs[0])
        places = _places(node)
        if places is None or not (count or lacking):
            return None
        return [axis for axis, place in enumerate(places[count:]) if place is None or place < lacking]

    def _of(self, value: ir.Value | None) -> int:
        return 0 if value is None else self.counts.get(value, 0)

    def _offered(self, node: ir.Node) -> int:
        """How many leading axes the result of a node lacks when its inputs lack theirs."""
        rank = rank_of(node.outputs[0]) if node.outputs else None
        if node.domain or rank is None or not node.inputs:
            return 0
        match node.op_type:
            case "Unsqueeze":
                lacking = self._of(node.inputs[0])
                return len(list(takewhile(lambda place: place is None or place < lacking, _places(node) or ())))
            case "Gather" if attribute(node, "axis") == 0 and node.inputs[1] is not None:
                return min(self._of(node.inputs[1]), (rank_of(node.inputs[1]) or 1) - 1)
            case "Concat":
                return min(*map(self._of, node.inputs), attribute(node, "axis") % rank)
        if has_trait(node, Trait.BROADCASTING):
            ranks = [None if value is None else rank_of(value) for value in node.inputs]
            return min(
                0 if own is None else rank - own + self._of(value)
                for value, own in zip(node.inputs, ranks, strict=True)
            )
        return self._of(node.inputs[0]) if has_trait(node, Trait.UNARY) else 0

    def _demands(self, node: ir.Node) -> list[tuple[ir.Value, int]]:
        """How many leading axes the inputs of a node may lack, given what its result lacks."""
        if not node.outputs or node.domain:
            return []
        count = self._of(node.outputs[0])
        if node.op_type == "Gather":
            return [(node.inputs[1], count)] if node.inputs[1] is not None else []
        if node.op_type == "Unsqueeze" or (has_trait(node, Trait.BROADCASTING) and self._offered(node) <= count):
            return []
        rank = rank_of(node.outputs[0]) or 0
        return [
            (value, max(0, count - rank + (rank_of(value) or 0)))
            for value in node.inputs
            if value is not None and self._of(value)
        ]

    def _lower(self, limits: list[tuple[ir.Value, int]]) -> None:
        """Let values lack no more axes than these limits, and lower what is computed from them or for them."""
        pending = list(limits)
        while pending:
            value, count = pending.pop()
            if count >= self._of(value):
                continue
            self.counts[value] = count
            pending += [(node.outputs[0], self._offered(node)) for node in value.consumers() if node.outputs]
            node = value.producer()
            pending += self._demands(node) if node is not None else []


def _adapts(node: ir.Node, value: ir.Value, graph: ir.Graph | ir.Function) -> bool:
    """Whether a reader of a value can do without leading axes of extent 1, perhaps without some in its result."""
    if node.domain or node.graph is not graph or rank_of(node.outputs[0]) is None:
        return False
    others = [each for each in node.inputs if each is not value]
    match node.op_type:
        case "Unsqueeze":
            return value not in node.inputs[1:] and _places(node) is not None
        case "Gather":
            return value is not node.inputs[0] and attribute(node, "axis") == 0
        case "Concat":
            return True
    if has_trait(node, Trait.BROADCASTING):
        return all(each is not None and rank_of(each) is not None for each in others)
    return has_trait(node, Trait.UNARY) and value not in node.inputs[1:]


def _places(node: ir.Node) -> list[int | None] | None:
    """For each axis of an Unsqueeze's result the axis of its input, None for a new one; None where it is unknown."""
    made = node.outputs[0]
    axes, rank = axes_of(node.inputs[1], made), rank_of(made)
    if axes is None or rank is None:
        return None
    kept = iter(range(rank))
    return [None if axis in axes else next(kept) for axis in range(rank)]
