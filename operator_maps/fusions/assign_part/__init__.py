"""AssignPart: `x[:, a:b, c:d] = y`, which exporters write as scatters of places, or as concatenations in each other."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np
import onnx_ir as ir

from converter.graph import UniqueNames, attribute, shape_of
from converter.graph.fusions import Builder, FusedOperator, NodeFusion, NoMatch, Shape, replace
from converter.rows import Arg, Node, Operand, expr
from operator_maps.fusions.assign_part.concatenations import NAME, Assigned, Widths, assigned
from operator_maps.fusions.assign_part.places import around, equal_places, filling, starts

if TYPE_CHECKING:
    from mindspore import ops


def scattered(node: ir.Node, names: UniqueNames) -> bool:
    """Replace a ScatterND of places that fill a rectangle."""
    data, indices, updates = node.inputs
    extents = None if data is None else shape_of(data)
    if data is None or indices is None or updates is None or extents is None or attribute(node, "reduction") != "none":
        return False
    firsts = starts(indices, data, extents)
    written = shape_of(updates)
    if firsts is None or written is None or len(written) != len(extents):
        return False
    widths = [around(first, count, extent) for first, count, extent in zip(firsts, written, extents, strict=False)]
    if None in widths:
        raise NoMatch("it is not known how much stays behind what is written")
    rest = ((0, 0),) * (len(extents) - len(widths))
    builder = Builder(node, names)
    return _assign(node, names, data, _plain(builder, updates, written), (*widths, *rest), builder)  # type: ignore[arg-type]


def _plain(builder: Builder, updates: ir.Value, shape: Sequence[object]) -> ir.Value:
    """What is written; where it is reshaped to the shape of the places, with new axes instead."""
    node = updates.producer()
    before = node.inputs[0] if node is not None and node.op_type in ("Expand", "Reshape") else None
    extents = None if before is None else shape_of(before)
    if before is None or extents is None or None in extents:
        return updates
    axes, left = [], list(extents)
    for axis, extent in enumerate(shape):
        if left and left[0] == extent and (extent != 1 or len(left) == len(shape) - axis):
            left.pop(0)
        elif extent == 1:
            axes.append(axis)
        else:
            return updates
    if left:
        return updates
    return builder.Unsqueeze(before, builder.constant("axes", np.array(axes))) if axes else before


def one_written(node: ir.Node, names: UniqueNames) -> bool:
    """Replace a ScatterElements of all that has one place along an axis, `x[:, i] = y`."""
    data, indices, updates = node.inputs
    extents, written = (None if value is None else shape_of(value) for value in (data, updates))
    place = equal_places(indices)
    if data is None or updates is None or extents is None or written is None or place is None:
        return False
    axis = attribute(node, "axis") % len(extents)
    others = [at for at in range(len(extents)) if at != axis]
    if attribute(node, "reduction") != "none" or written[axis] != 1 or any(written[at] != extents[at] for at in others):
        return False
    own = around(place, 1, extents[axis])
    if own is None:
        raise NoMatch("it is not known how much stays behind what is written")
    return _assign(node, names, data, updates, tuple(own if at == axis else (0, 0) for at in range(len(extents))))


def nested(node: ir.Node, names: UniqueNames) -> bool:
    """Replace a Concat of a tensor's parts around a Concat, which joins parts of its middle, and so on."""
    return _joins(node, names, lambda axes, filled: axes > 1)


def padded(node: ir.Node, names: UniqueNames) -> bool:
    """Replace a Concat of parts of a tensor that is filled with one number; after those in which it may stand."""
    return _joins(node, names, lambda axes, filled: filled)


def _joins(node: ir.Node, names: UniqueNames, wanted: Callable[[int, bool], bool]) -> bool:
    ways = [each for each in assigned(node.outputs[0]) if isinstance(each.base, ir.Value)]
    found = max(ways, key=Assigned.axes, default=None)
    if found is None or not isinstance(found.base, ir.Value):
        return False
    if not wanted(found.axes(), filling(found.base) is not None):
        return False
    builder = Builder(node, names)
    return _assign(node, names, found.base, found.made(builder), found.widths, builder)


def _assign(
    node: ir.Node, names: UniqueNames, x: ir.Value, part: ir.Value, widths: Widths, builder: Builder | None = None
) -> bool:
    """Replace a node by what assigns a part: a Pad where all else is one number, a Concat along a single axis."""
    builder = builder or Builder(node, names)
    axes = [axis for axis, pair in enumerate(widths) if pair != (0, 0)]
    number = filling(x)
    if not axes:
        made = builder.Identity(part)
    elif number is not None:
        pads = np.array([pair[side] for side in (0, 1) for pair in widths])
        value = builder.constant("value", number) if number or np.signbit(number) else None
        made = builder.Pad(part, builder.constant("pads", pads), value, mode="constant")
    elif len(axes) == 1:
        made = builder.Concat(*_with_rest(builder, x, part, axes[0], widths[axes[0]]), axis=axes[0])
    elif x.dtype is None or not (x.dtype.is_floating_point() or x.dtype.is_integer()):
        return False
    else:
        before, behind = zip(*widths, strict=True)
        made = builder.fused(ASSIGN_PART, x, part, before=before, behind=behind)
    replace([node], builder.nodes, {node.outputs[0]: made}, at=node)
    return True


def _with_rest(builder: Builder, x: ir.Value, part: ir.Value, axis: int, width: tuple[int, int]) -> list[ir.Value]:
    """A part, and what stays of a tensor before and behind it."""

    def rest(first: int, last: int) -> ir.Value:
        bounds = (("start", first), ("end", last), ("axis", axis), ("step", 1))
        return builder.Slice(x, *(builder.constant(role, np.array([number])) for role, number in bounds))

    before, behind = width
    parts = [rest(0, before)] if before else []
    return [*parts, part, *([rest(-behind, np.iinfo(np.int64).max)] if behind else [])]


def shape(x: Shape, part: Shape, **attributes: Sequence[int]) -> Shape:
    """That of the tensor."""
    return x


def reference(x: np.ndarray, part: np.ndarray, *, before: Sequence[int], behind: Sequence[int]) -> np.ndarray:
    """A copy that is assigned to."""
    y = x.copy()
    y[tuple(slice(a, n - b) for a, b, n in zip(before, behind, x.shape, strict=True))] = part
    return y


def row(node: Node, x: Operand, part: Operand, *, before: Sequence[int], behind: Sequence[int]) -> Arg:
    """A part of a tensor replaced: `x[:, 1:, :4] = y`, as an expression."""
    return expr("{0}({1}, {2}, {3})", with_part, x, part, tuple(zip(before, behind, strict=True)))


def with_part(x, part, widths):
    """`x` with a part of it replaced; along each axis (a, b) stay before and behind it: `x[a : n - b, …] = part`."""
    replaced = ops.Pad(widths)(ops.ones_like(part)) > 0
    return ops.where(replaced, ops.Pad(widths)(part), x)


ASSIGN_PART = FusedOperator(
    NAME,
    phase="scatters",
    steps=(
        NodeFusion("ScatterND", scattered),
        NodeFusion("ScatterElements", one_written),
        NodeFusion("Concat", nested),
        NodeFusion("Concat", padded),
    ),
    shape=shape,
    reference=reference,
    row=row,
)
