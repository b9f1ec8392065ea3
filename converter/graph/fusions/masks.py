"""Masks of attention: index arithmetic for `mask[:, None, None]`, masks of nothing, conditions that are always true."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import onnx_ir as ir

from converter.base.bounded import follows
from converter.graph.fusions.broadcasts import narrow
from converter.graph.fusions.pattern import Pattern, named, op
from converter.graph.fusions.replacement import replace
from converter.graph.fusions.rewrite import Builder, Context, Fusion
from converter.graph.hints.scopes import classes_of
from converter.graph.queries import attribute, axes_of, number_of, rank_of, shape_of
from converter.graph.walk import all_graphs
from converter.shapes import Dim

_LARGEST = 1 << 22  # elements of a constant that is compared
_FARTHEST = 64
"""Limit of nodes that are visited before a mask, for each node that reads it: exporters write fewer."""
_VIEWS = ("Expand", "Identity", "Reshape", "Slice", "Squeeze", "Transpose", "Unsqueeze")


@dataclass(frozen=True)
class Count:
    """A tensor whose elements are their positions 0, 1, 2, … along one axis, the same for all other axes.

    `axis` is negative, -1 for the last one; `limit` is the limit of the Range that computes it, None for a constant.
    """

    axis: int
    extent: Dim
    limit: ir.Value | None = None


def count_of(value: ir.Value | None) -> Count | None:
    """The `Count` of a value; None when its elements are not positions along one axis."""
    views: list[ir.Node] = []
    while value is not None and value.const_value is None and len(views) < _FARTHEST:
        node = value.producer()
        if node is None or node.domain or node.op_type not in ("Cast", "Expand", "Identity", "Unsqueeze"):
            break
        views.append(node)
        value = node.inputs[0]
    count = _count_of_source(value)
    for node in reversed(views):
        if count is not None and node.op_type == "Unsqueeze":
            count = _unsqueezed(count, node)
    return count


def _count_of_source(value: ir.Value | None) -> Count | None:
    """The `Count` of a constant or a Range."""
    if value is None:
        return None
    if value.const_value is not None:
        return _count_of_constant(value.const_value)
    node = value.producer()
    if node is None or node.domain or node.op_type != "Range":
        return None
    start, limit, step = node.inputs
    plain = number_of(start) == 0 and number_of(step) == 1
    return Count(-1, (shape_of(value) or (None,))[0], limit) if plain else None


def _unsqueezed(count: Count, node: ir.Node) -> Count | None:
    """The `Count` of an Unsqueeze's result, from that of its input."""
    axes, rank = axes_of(node.inputs[1], node.outputs[0]), rank_of(node.outputs[0])
    if axes is None or rank is None:
        return None
    kept = [axis for axis in range(rank) if axis not in axes]
    return Count(kept[count.axis] - rank, count.extent, count.limit)


def _count_of_constant(tensor: ir.TensorProtocol) -> Count | None:
    if tensor.size > _LARGEST or not tensor.dtype.is_integer() or not tensor.shape:
        return None
    numbers = tensor.numpy()
    for axis in range(-numbers.ndim, 0):
        steps = np.arange(numbers.shape[axis]).reshape(-1, *[1] * (-axis - 1))
        if np.array_equal(numbers, np.broadcast_to(steps, numbers.shape)):
            return Count(axis, numbers.shape[axis])
    return None


# A tensor indexed by a grid


def gathered_by_grid(x: Pattern, indices: Pattern) -> Pattern:
    """`x[i[:, None], j]`, as torch's masks read the padding mask."""
    return op.GatherND(x, indices, batch_dims=0)


def view_with_new_axes(builder: Builder, x: ir.Value, indices: ir.Value) -> ir.Value | None:
    """`x[:n, None, :m]`, when every index counts positions along a different axis of the grid, in increasing order."""
    extents, grid, rank = shape_of(x), shape_of(indices), rank_of(indices)
    counts = _counts(indices)
    if extents is None or grid is None or rank is None or len(counts) != len(extents):
        return None
    places = [rank - 1 + count.axis for count in counts]
    new = [axis for axis in range(rank - 1) if axis not in places]
    if places != sorted(set(places)) or any(grid[axis] != 1 for axis in new):
        return None
    cut = [axis for axis, count in enumerate(counts) if count.extent is None or count.extent != extents[axis]]
    if cut:
        x = _beginning(builder, x, cut, [counts[axis] for axis in cut])
    return builder.Unsqueeze(x, builder.constant("axes", np.array(new))) if new else x


def gathered_from_elements(flat: Pattern, places: Pattern, shape: Pattern, y: Pattern) -> Pattern:
    """`x.reshape(-1, 1)[i[:, None] * x.shape[1] + j]`, as torch's older exporter writes `x[i[:, None], j]`."""
    return named(y, op.Reshape(op.Gather(flat, places, axis=0), shape))


def view_of_matrix(builder: Builder, flat: ir.Value, places: ir.Value, shape: ir.Value, y: ir.Value) -> ir.Value | None:
    """`x[:, None, None]`, when both indices count all positions of their axis, along axes in the order of x's."""
    node, column, grid, rank = flat.producer(), shape_of(flat), shape_of(places), rank_of(places)
    x = None if node is None or node.op_type not in ("Flatten", "Reshape") else node.inputs[0]
    extents = None if x is None else shape_of(x)
    if x is None or extents is None or len(extents) != 2 or grid is None or rank is None:
        return None
    if column is None or len(column) != 2 or column[1] != 1:
        return None
    read = shape.producer()
    if (read is None or read.op_type != "Shape" or read.inputs[0] is not places) and (
        None in grid or shape_of(y) != grid
    ):
        return None
    counts = _rows_and_columns(places, extents[1])
    axes = [rank + count.axis for count in counts]
    new = [axis for axis in range(rank) if axis not in axes]
    if not counts or not all(_counts_all(count, extent) for count, extent in zip(counts, extents, strict=True)):
        return None
    if axes != sorted(set(axes)) or any(grid[axis] != 1 for axis in new):
        return None
    return builder.Unsqueeze(x, builder.constant("axes", np.array(new))) if new else x


def _rows_and_columns(places: ir.Value, width: Dim) -> list[Count]:
    """The `Count`s i and j of `i * width + j`; empty when the value is something else."""
    total = places.producer()
    if total is None or total.op_type != "Add":
        return []
    for product, inner in (total.inputs, reversed(total.inputs)):
        node, columns = None if product is None else product.producer(), count_of(inner)
        if node is None or node.op_type != "Mul" or columns is None:
            continue
        for outer, factor in (node.inputs, reversed(node.inputs)):
            rows = count_of(outer)
            if rows is not None and _is_extent(factor, width):
                return [rows, columns]
    return []


def _counts_all(count: Count, extent: Dim) -> bool:
    return extent is not None and (count.extent == extent or _is_extent(count.limit, extent))


def _is_extent(value: ir.Value | None, extent: Dim) -> bool:
    """Whether a value is an extent: the number, or what a Shape says."""
    if extent is None or number_of(value) is not None:
        return number_of(value) == extent
    node = None if value is None else value.producer()
    while node is not None and node.op_type in ("Cast", "Squeeze", "Unsqueeze"):
        node = None if node.inputs[0] is None else node.inputs[0].producer()
    source = node.inputs[0].producer() if node is not None and node.op_type == "Gather" and node.inputs[0] else None
    if node is None or source is None or source.op_type != "Shape" or attribute(source, "start") not in (None, 0):
        return False
    read, place = source.inputs[0], number_of(node.inputs[1])
    dims = None if read is None else shape_of(read)
    return dims is not None and place is not None and -len(dims) <= place < len(dims) and dims[int(place)] == extent


def _counts(indices: ir.Value) -> list[Count]:
    """The `Count` of each index in `indices`, (*grid, rank of x), over the grid's axes; empty when one has none."""
    if indices.const_value is not None and indices.const_value.size <= _LARGEST and indices.const_value.shape:
        parts = np.moveaxis(indices.const_value.numpy(), -1, 0)
        counts = [_count_of_constant(ir.tensor(np.ascontiguousarray(part))) for part in parts]
    else:
        node = indices.producer()
        rank = rank_of(indices) or 0
        if node is None or node.op_type not in ("Concat", "Stack") or attribute(node, "axis") not in (-1, rank - 1):
            return []
        counts = [count_of(value) for value in node.inputs]
        if node.op_type == "Concat":  # its inputs have the last axis, too
            counts = [count and Count(count.axis + 1, count.extent, count.limit) for count in counts]
    known = [count for count in counts if count is not None and count.axis < 0]
    return known if len(known) == len(counts) else []


def _beginning(builder: Builder, x: ir.Value, axes: list[int], counts: list[Count]) -> ir.Value:
    """`x[:n, :m]`."""
    first = builder.constant("axis", np.array([0]))
    ends = [
        builder.constant("end", np.array([count.extent]))
        if count.limit is None
        else builder.Unsqueeze(count.limit, first)
        for count in counts
    ]
    end = builder.Concat(*ends, axis=0) if len(ends) > 1 else ends[0]
    return builder.Slice(
        x, builder.constant("start", np.zeros(len(axes), int)), end, builder.constant("axes", np.array(axes))
    )


# Conditions that are always true


def both(a: Pattern, b: Pattern, y: Pattern) -> Pattern:
    """And of two conditions."""
    return named(y, op.And(a, b))


def keep_other_condition(builder: Builder, a: ir.Value, b: ir.Value, y: ir.Value) -> ir.Value | None:
    """Condition `b`, when `a` is always true and no later shape depends on it."""
    return b if is_true(a) and narrow(y, shape_of(b)) else None


def drop_masks_of_nothing(model: ir.Model, context: Context) -> None:
    """Remove the addition of masks that hide nothing: 0 where a condition holds that is always true.

    So encoders of transformers are exported that are given no mask. Modules of one class stay alike: where others of
    that class have a mask, as in a decoder, all keep theirs.
    """
    for graph in all_graphs(model):
        masked = [node for node in graph if node.op_type == "Add" and not node.domain and _leads_to_softmax(node)]
        empty = {node: scores for node in masked if (scores := _scores_of(node)) is not None}
        needed = {classes_of(node)[-1:] for node in masked if node not in empty}
        for node, scores in empty.items():
            if classes_of(node)[-1:] not in needed:
                replace([node], [], {node.outputs[0]: scores}, at=node)


def _leads_to_softmax(node: ir.Node) -> bool:
    """Whether a Softmax reads a result, maybe of another type."""
    readers = node.outputs[0].consumers()
    return any(each.op_type == "Softmax" or (each.op_type == "Cast" and _leads_to_softmax(each)) for each in readers)


def _scores_of(add: ir.Node) -> ir.Value | None:
    """What an Add adds a mask to that hides nothing; None if it adds something else, or makes another shape."""
    for scores, mask in (add.inputs, reversed(add.inputs)):
        if scores is not None and mask is not None and _hides_nothing(mask):
            extents = shape_of(scores)
            same = extents is not None and None not in extents and extents == shape_of(add.outputs[0])
            return scores if same else None
    return None


def _hides_nothing(mask: ir.Value) -> bool:
    """Whether a mask is 0 everywhere: what a Where writes if its condition is true, and views of that."""
    node = mask.producer()
    while node is not None and node.op_type in _VIEWS and node.inputs[0] is not None:
        node = node.inputs[0].producer()
    return node is not None and node.op_type == "Where" and number_of(node.inputs[1]) == 0 and is_true(node.inputs[0])


def is_true(value: ir.Value | None) -> bool:
    """Whether all elements of a condition are true.

    Such as a constant, `position >= 0`, ones as conditions, or that positions count on from each to the next.
    """
    return follows(value, _conditions_of, _FARTHEST)


def _conditions_of(value: ir.Value | None) -> Sequence[ir.Value | None] | None:
    """Conditions that together imply this one, empty if it is always true; None if unknown."""
    if value is None:
        return None
    if value.const_value is not None:
        tensor = value.const_value
        known = tensor.dtype == ir.DataType.BOOL and 0 < tensor.size <= _LARGEST
        return () if known and tensor.numpy().all() else None
    node = value.producer()
    if node is None or node.domain:
        return None
    match node.op_type:
        case "GreaterOrEqual" if number_of(node.inputs[1]) == 0 and count_of(node.inputs[0]) is not None:
            return ()
        case "And":
            return node.inputs
        case "Cast" if _is_filled_with_ones(node.inputs[0]):
            return ()
        case "Equal" if number_of(node.inputs[1]) == 1 and _grows_by_one(node.inputs[0]):
            return ()
        case "Equal":
            counted = [_counted_exceptions(each) for each in node.inputs]
            return None if None in counted else counted
        case "GatherND":
            return node.inputs[:1]
        case operator if operator in _VIEWS:
            return node.inputs[:1]
    return None


def _grows_by_one(difference: ir.Value | None) -> bool:
    """Whether a value is `c[..., 1:] - c[..., :-1]` of positions `c = concat(p[..., :1] - 1, p)`.

    So transformers looks for positions that begin anew, as those of texts packed into one row do.
    """
    sub = _made_by(difference, "Sub")
    later, earlier = (None, None) if sub is None else (_along_last(_made_by(each, "Slice")) for each in sub.inputs)
    if sub is None or later is None or earlier is None or later[0] is not earlier[0]:
        return False
    shapes = {shape_of(each) for each in sub.inputs if each is not None}
    joined = _made_by(later[0], "Concat")
    if later[1] - earlier[1] != 1 or len(shapes) != 1 or joined is None or len(joined.inputs) != 2:
        return False
    begin, positions = joined.inputs
    before = _made_by(begin, "Sub")
    first = None if before is None else _along_last(_made_by(before.inputs[0], "Slice"))
    count, rank = count_of(positions), rank_of(sub.outputs[0])
    if before is None or count is None or rank is None or attribute(joined, "axis") % rank != rank - 1:
        return False
    return first == (positions, 0, 1) and number_of(before.inputs[1]) == 1 and count.axis == -1


def _made_by(value: ir.Value | None, operator: str) -> ir.Node | None:
    """The node that makes a value, if it is this operator of ONNX."""
    node = None if value is None else value.producer()
    return node if node is not None and not node.domain and node.op_type == operator else None


def _along_last(part: ir.Node | None) -> tuple[ir.Value, float, float | None] | None:
    """What a Slice along the last axis in steps of one is taken from, and its bounds; None for other nodes."""
    if part is None or part.inputs[0] is None:
        return None
    whole, start, end, axes, step = [*part.inputs, None, None][:5]
    begin, extents = number_of(start), shape_of(part.outputs[0])
    if whole is None or begin is None or extents is None or number_of(step) not in (None, 1):
        return None
    return (whole, begin, number_of(end)) if axes_of(axes, whole) == (len(extents) - 1,) else None


def _counted_exceptions(value: ir.Value | None) -> ir.Value | None:
    """The condition of which a CumSum, or a view of it, counts where it does not hold; None for other values."""
    node = None if value is None else value.producer()
    while node is not None and (node.op_type in _VIEWS or node.op_type == "GatherND") and node.inputs[0] is not None:
        node = node.inputs[0].producer()
    cast = _made_by(node.inputs[0], "Cast") if node is not None and node.op_type == "CumSum" else None
    inverted = None if cast is None else _made_by(cast.inputs[0], "Not")
    return None if inverted is None else inverted.inputs[0]


def _is_filled_with_ones(value: ir.Value | None) -> bool:
    """Whether `ops.ones(…)` computes a value, or an Expand of the number 1."""
    node = None if value is None else value.producer()
    if node is None or node.domain:
        return False
    if node.op_type == "ConstantOfShape":
        number = attribute(node, "value")
        return number is not None and number.size == 1 and number.numpy().item() == 1
    return node.op_type == "Expand" and number_of(node.inputs[0]) == 1


FUSIONS = (
    drop_masks_of_nothing,
    Fusion(gathered_by_grid, view_with_new_axes),
    Fusion(gathered_from_elements, view_of_matrix),
    Fusion(both, keep_other_condition),
)
