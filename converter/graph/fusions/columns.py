"""Columns: what a source computes alike of each column of a tensor, and joins again, is computed of the tensor.

So boxes are decoded, clipped and scaled: `x0, y0, x1, y1 = boxes.unbind(1)`, four sums, `torch.stack(…, 1)`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
import onnx_ir as ir

from converter.base.bounded import bounded
from converter.graph.edge_values import may_be_empty
from converter.graph.fusions.replacement import replace
from converter.graph.fusions.rewrite import DOMAIN, Builder, Context, is_private
from converter.graph.queries import attribute, axes_of, is_float, number_of, numbers_of, shape_of, sliced
from converter.graph.traits import Trait, has_trait
from converter.graph.unique_names import UniqueNames
from converter.graph.walk import all_graphs
from converter.shapes import Dims

MOST_COLUMNS = 16
CUT = "made of columns"
"""The mark of nodes that this module cuts tensors with."""
WORTH = 2
"""The least number of nodes that are saved."""


@dataclass(eq=False)
class _Plan:
    """How the tensor of some columns is computed; its columns are those of the plan's tensor along the axis.

    Attributes:
        kind: `value`, `numbers`, `half`, `slice`, `new axis`, `halves`, or the operator of ONNX.
        of: the value, the numbers, or what is cut and where.
        parts: the plans of what it is computed from; None for an omitted input.
        model: the node that computes the first column.
        full: whether it has all columns; else it has one that stands for all, or is a number.
    """

    kind: str
    of: tuple[object, ...] = ()
    parts: list[_Plan | None] = field(default_factory=list)
    model: ir.Node | None = None
    full: bool = True


class _Columns:
    """Searches for the plan of columns that are joined along an axis.

    `new` says that the columns lack the axis; else `width` is their extent along it, of which more than 1 are woven:
    element `i` of column `k` is element `i * count + k` of the tensor.
    """

    def __init__(self, axis: int, width: int) -> None:
        self._axis, self._width = axis, width
        self._made: dict[tuple[bool, tuple[ir.Value | None, ...]], _Plan | None] = {}
        self.nodes: set[ir.Node] = set()
        """The nodes that compute columns."""

    def plan(self, columns: Sequence[ir.Value | None], new: bool) -> _Plan | None:
        """The plan of columns; None if they are not computed alike."""
        key = (new, tuple(columns))
        if key not in self._made:
            half = len(columns) // 2
            twice = columns[:half] == columns[half:] and half > 1
            self._made[key] = (
                self._same(columns, new)
                or (self._halves(columns, new) if twice else None)
                or self._taken(columns, new)
                or self._computed(columns, new)
                or self._halves(columns, new)
            )
        return self._made[key]

    def _halves(self, columns: Sequence[ir.Value | None], new: bool) -> _Plan | None:
        """The plan of columns whose two halves are computed differently, or equal each other."""
        half = len(columns) // 2
        if half < 2 or len(columns) % 2 or self._width > 1:
            return None
        parts = [self.plan(columns[:half], new), self.plan(columns[half:], new)]
        return _Plan("halves", parts=parts) if all(part is not None and part.full for part in parts) else None

    def _same(self, columns: Sequence[ir.Value | None], new: bool) -> _Plan | None:
        first, numbers = columns[0], [number_of(column) for column in columns]
        if None not in numbers:
            if len(set(numbers)) == 1:
                return _Plan("value", (first,), full=False)
            return _Plan("numbers", (first, *numbers)) if self._width == 1 else None
        if first is None or any(column is not first for column in columns) or self._width > 1:
            return None
        return _Plan("new axis" if new else "value", (first,), full=False)

    def _taken(self, columns: Sequence[ir.Value | None], new: bool) -> _Plan | None:
        """The plan of columns that are parts of one tensor."""
        found = [self._place(column, new) for column in columns]
        places = [each for each in found if each is not None]
        if len(places) < len(columns):
            return None
        whole, first, step, extent = places[0]
        growth = places[1][1] - first
        if growth < 1 or any(place != (whole, first + i * growth, step, extent) for i, place in enumerate(places)):
            return None
        self.nodes.update(node for column in columns if column is not None and (node := column.producer()) is not None)
        count = len(columns)
        if self._width > 1:
            woven = (first, growth, step, extent) == (0, 1, count, count * self._width)
            return _Plan("value", (whole,)) if woven else None
        if (first, growth, extent) == (0, 1, count):
            return _Plan("value", (whole,))
        if growth == 1 and extent == 2 * count and first % count == 0:
            return _Plan("half", (whole, first // count))
        if may_be_empty(whole, computed=True):  # graph mode dies of a slice of no elements
            return None
        return _Plan("slice", (whole, first, first + growth * (count - 1) + 1, growth))

    def _place(self, column: ir.Value | None, new: bool) -> tuple[ir.Value, int, int, int] | None:
        """The tensor that a column is taken from, its first position, the step to the next, and the extent."""
        node = None if column is None else column.producer()
        whole = None if node is None or node.domain else node.inputs[0]
        extents = None if whole is None else shape_of(whole)
        if column is None or node is None or whole is None or extents is None or self._axis >= len(extents):
            return None
        extent = extents[self._axis]
        if not isinstance(extent, int):
            return None
        if node.op_type == "Gather" and new:
            index = numbers_of(node.inputs[1])
            along = attribute(node, "axis") % len(extents) == self._axis
            return (whole, index[0] % extent, 1, extent) if along and index and shape_of(node.inputs[1]) == () else None  # type: ignore[arg-type]
        if node.op_type == "Split" and not new and attribute(node, "axis") % len(extents) == self._axis:
            sizes = [(shape_of(output) or extents)[self._axis] for output in node.outputs[: column.index()]]
            return (whole, sum(sizes), 1, extent) if all(isinstance(size, int) for size in sizes) else None  # type: ignore[arg-type, misc]
        part = None if new else sliced(column)
        if part is None or part.axis != self._axis or part.step < 1:
            return None
        return whole, slice(part.start, None).indices(extent)[0], 1 if self._width == 1 else part.step, extent

    def _computed(self, columns: Sequence[ir.Value | None], new: bool) -> _Plan | None:
        """The plan of columns that nodes of one kind compute."""
        nodes = [None if column is None or column.is_graph_output() else column.producer() for column in columns]
        model = nodes[0]
        if model is None or any(node is None or not _alike(node, model) for node in nodes):
            return None
        made = [node for node in nodes if node is not None]
        if model.op_type in ("Unsqueeze", "Squeeze"):
            axes = {axes_of(node.inputs[1], node.outputs[0] if new is False else node.inputs[0]) for node in made}  # type: ignore[arg-type]
            if (model.op_type == "Unsqueeze") == new or axes != {(self._axis,)} or self._width > 1:
                return None
            self.nodes.update(made)
            return self.plan([node.inputs[0] for node in made], not new)
        shape = shape_of(columns[0])  # type: ignore[arg-type]
        if not has_trait(model, Trait.ELEMENTWISE) or len(model.outputs) > 1 or shape is None:
            return None
        plans: list[_Plan | None] = []
        for values in zip(*(node.inputs for node in made), strict=True):
            given = [value for value in values if value is not None]
            if len(given) not in (0, len(values)):
                return None
            if any(number_of(value) is None and shape_of(value) != shape for value in given):
                return None
            plan = self.plan(values, new) if given else None
            if given and plan is None:
                return None
            plans.append(plan)
        self.nodes.update(made)
        return _Plan(
            model.op_type, parts=plans, model=model, full=any(plan is not None and plan.full for plan in plans)
        )


def _alike(node: ir.Node, model: ir.Node) -> bool:
    options = [{name: str(each.value) for name, each in one.attributes.items()} for one in (node, model)]
    same = node.op_type == model.op_type and not node.domain and not model.domain
    return same and options[0] == options[1] and len(node.inputs) == len(model.inputs)


def join_columns(model: ir.Model, context: Context) -> None:
    """Replace the joined columns of a tensor, each computed alike, by what is computed of the tensor.

    Columns that two joins read are saved only once both are replaced.
    """
    for graph in all_graphs(model):
        for _ in bounded(len(graph) + 1, "join columns"):
            done = [node for node in graph if (found := _joined(node)) and _replace(node, *found, context.names)]
            for _ in done:
                context.log.match("join_columns")
            if not done:
                break
        _take_once(graph)


def _take_once(graph: ir.Graph) -> None:
    """Cut a tensor that several columns are computed from once."""
    made: dict[tuple[object, ...], ir.Node] = {}
    for node in graph:
        if CUT in node.meta:
            bounds = (numbers_of(value) for value in node.inputs[1:])
            first = made.setdefault((node.op_type, node.inputs[0], node.attributes.get_int("axis", 0), *bounds), node)
            if first is not node:
                replace([node], [], dict(zip(node.outputs, first.outputs, strict=True)), at=node)


def _joined(node: ir.Node) -> tuple[list[ir.Value | None], int, int, bool] | None:
    """The columns that a node joins, the axis, their extent along it, and whether they lack it."""
    result = node.outputs[0]
    extents = shape_of(result)
    if not is_float(result) or extents is None:
        return None
    if node.op_type in ("Reshape", "Flatten") and not node.domain:
        return _woven(node, extents)
    new = node.op_type == "Stack" and node.domain == DOMAIN
    if not new and (node.op_type != "Concat" or node.domain):
        return None
    axis = attribute(node, "axis") % len(extents)
    columns = list(node.inputs)
    if not 1 < len(columns) <= MOST_COLUMNS or not all(new or _extent(column, axis) == 1 for column in columns):
        return None
    return columns, axis, 1, new


def _woven(node: ir.Node, extents: Dims) -> tuple[list[ir.Value | None], int, int, bool] | None:
    """The same for a Stack along a new axis whose elements a Reshape takes into the axis before it."""
    inner = None if node.inputs[0] is None else node.inputs[0].producer()
    if inner is None or inner.op_type != "Stack" or inner.domain != DOMAIN or not is_private(inner, {node}):
        return None
    stacked, columns = shape_of(inner.outputs[0]), list(inner.inputs)
    axis = attribute(inner, "axis") - 1
    if stacked is None or axis < 0 or len(columns) > MOST_COLUMNS:
        return None
    width = stacked[axis]
    if not isinstance(width, int) or len(extents) != len(stacked) - 1 or extents[axis] != width * len(columns):
        return None
    if sum(one != other for one, other in zip(extents, (*stacked[: axis + 1], *stacked[axis + 2 :]), strict=True)) > 1:
        return None
    return columns, axis, width, False


def _extent(value: ir.Value | None, axis: int) -> object:
    extents = None if value is None else shape_of(value)
    return extents[axis] if extents is not None and axis < len(extents) else None


def _replace(
    root: ir.Node, columns: list[ir.Value | None], axis: int, width: int, new: bool, names: UniqueNames
) -> bool:
    search = _Columns(axis, width)
    plan = search.plan(columns, new)
    if plan is None or not plan.full:
        return False
    gone = _unread(search.nodes, root)
    if len(gone) + 1 - sum(each.kind != "value" for each in _plans(plan, set())) < WORTH:
        return False
    builder = Builder(root, names)
    result = _build(plan, builder, axis, len(shape_of(root.outputs[0]) or ()), {})
    if not builder.nodes and root.outputs[0].is_graph_output():
        return False
    replace([root], builder.nodes, {root.outputs[0]: result}, at=root)
    return True


def _unread(nodes: set[ir.Node], root: ir.Node) -> set[ir.Node]:
    """Those of the nodes that only these, and the root, read, directly or not."""
    inner = root.inputs[0].producer() if root.op_type in ("Reshape", "Flatten") and root.inputs[0] is not None else None
    gone = {*nodes, root, *filter(None, [inner])}
    while kept := {node for node in gone if node is not root and not is_private(node, gone)}:
        gone -= kept
    return gone - {root}


def _plans(plan: _Plan, seen: set[_Plan]) -> Iterator[_Plan]:
    if plan not in seen:
        seen.add(plan)
        yield plan
        for part in plan.parts:
            if part is not None:
                yield from _plans(part, seen)


def _build(plan: _Plan, builder: Builder, axis: int, rank: int, made: dict[_Plan, ir.Value]) -> ir.Value:
    """Make the nodes of a plan."""
    if plan in made:
        return made[plan]
    parts = [None if part is None else _build(part, builder, axis, rank, made) for part in plan.parts]
    value = plan.of[0] if plan.of else None
    if plan.kind == "halves":
        value = builder.Concat(*parts, axis=axis)
    elif plan.kind == "numbers":
        assert isinstance(value, ir.Value)
        tensor = value.const_value
        assert tensor is not None
        numbers = np.array(plan.of[1:], tensor.numpy().dtype)
        value = builder.constant("numbers", numbers.reshape(-1, *[1] * (rank - axis - 1)))
    elif plan.kind == "half":
        value = _half(plan, builder, axis)
    elif plan.kind == "slice":
        bounds = zip(("start", "end", "axis", "step"), (*plan.of[1:3], axis, plan.of[3]), strict=True)
        value = builder.Slice(value, *(builder.constant(role, np.array([number])) for role, number in bounds))
        builder.nodes[-1].meta[CUT] = True
    elif plan.kind == "new axis":
        value = builder.Unsqueeze(value, builder.constant("axes", np.array([axis])))
    elif plan.model is not None:
        options = {name: each.value for name, each in plan.model.attributes.items()}
        value = getattr(builder, plan.kind)(*parts, **options)
    assert isinstance(value, ir.Value)
    made[plan] = value
    return value


def _half(plan: _Plan, builder: Builder, axis: int) -> ir.Value:
    """One of two parts of equal extent along the axis."""
    whole, place = plan.of
    assert isinstance(whole, ir.Value)
    assert isinstance(place, int)
    extents = list(shape_of(whole) or ())
    half = extents[axis] // 2  # type: ignore[operator]
    extents[axis] = half
    node = builder.add("Split", whole, builder.constant("sizes", np.array([half, half])), outputs=2, axis=axis)
    for output in node.outputs:
        output.type, output.shape = whole.type, ir.Shape(extents)
    node.meta[CUT] = True
    return node.outputs[place]
