"""Views: reshapes, transposes and slices, which exporters write as several nodes."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import onnx_ir as ir

from converter.base.bounded import follows
from converter.graph.fusions.broadcasts import narrow
from converter.graph.fusions.extents import number_in
from converter.graph.fusions.pattern import Pattern, constant, either, named, op
from converter.graph.fusions.replacement import replace
from converter.graph.fusions.rewrite import Builder, Context, Fusion
from converter.graph.queries import axes_of, numbers_of, rank_of, shape_of
from converter.graph.walk import all_graphs
from converter.shapes import FAR, Dims, product

_MOST_PARTS = 64
"""Limit of visited parts of a shape; a shape with more is taken as one that may contain a 0."""
EXTENTS = frozenset({"Add", "Cast", "Div", "Gather", "Mul", "Shape", "Slice", "Squeeze", "Sub", "Unsqueeze"})
"""Operators that compute extents from extents. Results are assumed not to be 0: true of exporters, not of ONNX."""

_MOST_POSITIONS = 1 << 22
"""Limit of constant indices that are compared."""

# One element of an axis


def slice_of_one(x: Pattern, start: Pattern, end: Pattern, axes: Pattern, squeezed: Pattern) -> Pattern:
    """`x[i:i+1]`, and Squeeze of that axis."""
    return op.Squeeze(either(op.Slice(x, start, end, axes), op.Slice(x, start, end, axes, 1)), squeezed)


def gather_one_element(
    builder: Builder, x: ir.Value, start: ir.Value, end: ir.Value, axes: ir.Value, squeezed: ir.Value
) -> ir.Value | None:
    """Gather with one index: `x[i]`."""
    rank, extents = rank_of(x), shape_of(x)
    bounds = [numbers_of(value) for value in (start, end, axes, squeezed)]
    if rank is None or extents is None or any(numbers is None or len(numbers) != 1 for numbers in bounds):
        return None
    first, last, axis, squeezed_axis = (numbers[0] for numbers in bounds if numbers)
    axis %= rank
    extent = extents[axis]
    if isinstance(extent, int):
        first, last, _ = slice(first, last).indices(extent)
    elif first == -1 and last >= FAR:
        last = 0
    if axis != squeezed_axis % rank or last != first + 1:
        return None
    return builder.Gather(x, builder.constant("index", np.array(first)), axis=axis)


def gather_nd_along_first_axis(x: Pattern, places: Pattern) -> Pattern:
    """GatherND with indices of one element each, (..., 1), as torch exports indexing."""
    return op.GatherND(x, places, batch_dims=0)


def gather(builder: Builder, x: ir.Value, places: ir.Value) -> ir.Value | None:
    """Gather along the first axis."""
    extents = shape_of(places)
    if not extents or extents[-1] != 1 or None in extents:
        return None
    if places.const_value is not None:
        index = builder.constant("index", places.const_value.numpy()[..., 0])
        index.metadata_props.update(places.metadata_props)
        return builder.Gather(x, index, axis=0)
    return builder.Gather(x, builder.Squeeze(places, builder.constant("last", np.array([-1]))), axis=0)


def gather_of_one(x: Pattern, index: Pattern, new: Pattern, axis: Pattern, squeezed: Pattern) -> Pattern:
    """Gather with an index of one element, and Squeeze of that axis."""
    return op.Squeeze(op.Gather(x, op.Unsqueeze(index, new), axis=axis), squeezed)


def gathered_element(builder: Builder, x: ir.Value, index: ir.Value, axis: int, squeezed: ir.Value) -> ir.Value | None:
    """Gather with the scalar index: `x[i]`."""
    rank = rank_of(x)
    if rank is None or rank_of(index) != 0 or numbers_of(squeezed) not in ((axis % rank,), (axis % rank - rank,)):
        return None
    return builder.Gather(x, index, axis=axis)


def gather_by_vector_of_one(x: Pattern, index: Pattern, axis: Pattern, squeezed: Pattern) -> Pattern:
    """Gather with a constant index of one element, and Squeeze of that axis."""
    return op.Squeeze(op.Gather(x, constant(index), axis=axis), squeezed)


def element_by_number(builder: Builder, x: ir.Value, index: ir.Value, axis: int, squeezed: ir.Value) -> ir.Value | None:
    """Gather with a number: `x[i]`."""
    rank, numbers = rank_of(x), numbers_of(index)
    if rank is None or numbers is None or shape_of(index) != (1,):
        return None
    if numbers_of(squeezed) not in ((axis % rank,), (axis % rank - rank,)):
        return None
    return builder.Gather(x, builder.constant("index", np.array(numbers[0])), axis=axis)


def only_element(x: Pattern, index: Pattern, axis: Pattern, new: Pattern) -> Pattern:
    """The element of an axis that has one, and the axis again: a batch of one, taken apart and joined."""
    return op.Unsqueeze(op.Gather(x, constant(index), axis=axis), new)


def whole_axis(builder: Builder, x: ir.Value, index: ir.Value, axis: int, new: ir.Value) -> ir.Value | None:
    """The input `x`."""
    extents = shape_of(x)
    if not extents or shape_of(index) != () or numbers_of(index) not in ((0,), (-1,)):
        return None
    axis %= len(extents)
    return x if extents[axis] == 1 and numbers_of(new) in ((axis,), (axis - len(extents),)) else None


# Filled tensors


def expanded_number(number: Pattern, shape: Pattern) -> Pattern:
    """A scalar constant in another shape."""
    return op.Expand(constant(number), shape)


def constant_of_shape(builder: Builder, number: ir.Value, shape: ir.Value) -> ir.Value | None:
    """ConstantOfShape: `ops.zeros(shape)`."""
    tensor = number.const_value
    if tensor is None or len(tensor.shape):
        return None
    return builder.ConstantOfShape(shape, value=ir.tensor(tensor.numpy().reshape(1)))


# Same elements


def gathered_in_order(x: Pattern, flat: Pattern, index: Pattern) -> Pattern:
    """Elements of a flattened tensor by their positions, as torch exports `as_strided`."""
    return op.Gather(op.Reshape(x, flat), index)


def reshape_of_all(builder: Builder, x: ir.Value, flat: ir.Value, index: ir.Value) -> ir.Value | None:
    """Reshape, when the positions are all elements in order."""
    if numbers_of(flat) != (-1,) or index.const_value is None or x.shape is None or not x.shape.is_static():
        return None
    numbers = index.const_value.numpy()
    if numbers.size != np.prod(x.shape.numpy()) or not np.array_equal(numbers.ravel(), np.arange(numbers.size)):
        return None
    return builder.Reshape(x, builder.constant("shape", np.array(numbers.shape)))


def gathered_rows_in_order(
    x: Pattern, flat: Pattern, count: Pattern, step: Pattern, axes: Pattern, within: Pattern
) -> Pattern:
    """The same with a free batch: the positions are the first ones of each row, and those within it."""
    rows = op.Unsqueeze(op.Mul(op.Range(0, count, 1), step), axes)
    return op.Gather(op.Reshape(x, flat), either(rows, op.Add(0, rows)) + within)


def reshape_of_rows(
    builder: Builder, x: ir.Value, flat: ir.Value, count: ir.Value, step: ir.Value, axes: ir.Value, within: ir.Value
) -> ir.Value | None:
    """Reshape, when the positions are all elements in order."""
    numbers, extents = _positions(within), shape_of(x)
    if numbers is None or not extents or numbers_of(flat) != (-1,) or number_in(count) != extents[0]:
        return None
    if numbers_of(axes) != tuple(range(1, numbers.ndim)) or numbers_of(step) != (numbers.size,):
        return None
    if numbers.size != product(extents[1:]) or not np.array_equal(numbers.ravel(), np.arange(numbers.size)):
        return None
    return builder.Reshape(x, builder.constant("shape", np.array((-1, *numbers.shape[1:]))))


def gathered_by_constant(x: Pattern, index: Pattern, axis: Pattern) -> Pattern:
    """Gather with constant indices, which exporters compute for a range of positions."""
    return op.Gather(x, index, axis=axis)


def slice_of_consecutive(builder: Builder, x: ir.Value, index: ir.Value, axis: int) -> ir.Value | None:
    """`x[first:last]`, when the indices are consecutive; `x` itself, when they are all."""
    numbers, extents = _positions(index), shape_of(x)
    if numbers is None or extents is None or not numbers.size or not numbers.ndim:
        return None
    axis = axis % len(extents)
    extent, count = extents[axis], numbers.shape[-1]
    if isinstance(extent, int):
        numbers = np.where(numbers < 0, numbers + extent, numbers)
    first, last = int(numbers.flat[0]), int(numbers.flat[-1]) + 1
    outer = numbers.ndim - 1
    if first < 0 or count != numbers.size or not np.array_equal(numbers.ravel(), np.arange(first, last)):
        return None
    if count == 1 and (not isinstance(extent, int) or last > extent or len(extents) == 1 or x.const_value is not None):
        return None  # it may be out of bounds, a number, or a row of a table
    bounds = (builder.constant(name, np.array([n])) for name, n in (("first", first), ("last", last), ("axis", axis)))
    taken = x if (first, last) == (0, extent) else builder.Slice(x, *bounds)
    axes = np.arange(axis, axis + outer)
    return builder.Unsqueeze(taken, builder.constant("axes", axes)) if outer else taken


def rows_by_constant(x: Pattern, index: Pattern, y: Pattern) -> Pattern:
    """Gather with constant indices, as a module reads the same rows of a table for each element of a batch."""
    return named(y, op.Gather(x, constant(index), axis=0))


def rows_once(builder: Builder, x: ir.Value, index: ir.Value, y: ir.Value) -> ir.Value | None:
    """The rows of one element, when they are the same for all, and what reads them broadcasts."""
    numbers, extents = _positions(index), shape_of(x)
    if numbers is None or extents is None or numbers.size < 2:
        return None
    outer = 0
    while numbers.ndim and (numbers == numbers[0]).all():
        numbers, outer = numbers[0], outer + 1
    if not outer or not narrow(y, (*numbers.shape, *extents[1:])):
        return None
    return builder.Gather(x, builder.constant("index", np.array(numbers)), axis=0)


def _positions(index: ir.Value) -> np.ndarray | None:
    """Constant indices, if they are not too many to compare."""
    tensor = index.const_value
    known = tensor is not None and tensor.dtype.is_integer() and tensor.size <= _MOST_POSITIONS
    return tensor.numpy() if tensor is not None and known else None


def reshape_of_view(x: Pattern, first: Pattern, shape: Pattern) -> Pattern:
    """A Reshape of another Reshape, Unsqueeze, Squeeze or Flatten."""
    return op.Reshape(
        either(op.Reshape(x, first), op.Unsqueeze(x, first), op.Squeeze(x, first), op.Squeeze(x), op.Flatten(x)), shape
    )


def reshape_once(builder: Builder, x: ir.Value, shape: ir.Value) -> ir.Value | None:
    """One Reshape."""
    return builder.Reshape(x, shape) if names_all(shape) else None


def reshape_of_squeezed(x: Pattern, first: Pattern, axes: Pattern, shape: Pattern) -> Pattern:
    """A Reshape behind a Squeeze, as torch exports the end of `AdaptiveAvgPool1d(1)` and a Flatten."""
    return op.Reshape(op.Squeeze(either(op.Reshape(x, first), x), axes), shape)


def reshape_without_squeeze(builder: Builder, x: ir.Value, shape: ir.Value | None) -> ir.Value | None:
    """One Reshape."""
    return builder.Reshape(x, shape) if names_all(shape) else None


def names_all(shape: ir.Value | None) -> bool:
    """Whether the shape of a Reshape contains no 0, which would copy an extent of its input."""
    return follows(shape, _parts_of, _MOST_PARTS)


def _parts_of(shape: ir.Value | None) -> Sequence[ir.Value | None] | None:
    """The parts of a concatenated shape; none if it contains no 0 by itself, None if it may contain one."""
    node = None if shape is None else shape.producer()
    if node is not None and node.op_type == "Concat":
        return node.inputs
    if node is not None and node.op_type == "Reshape":  # an extent as a vector of one element
        return node.inputs[:1]
    numbers = numbers_of(shape)
    if numbers is None:
        return () if node is not None and node.op_type in EXTENTS else None
    return () if 0 not in numbers else None


def split_before_transpose(x: Pattern, first: Pattern, parts: Pattern, perm: Pattern, shape: Pattern) -> Pattern:
    """A Reshape that splits axes, a Transpose and another Reshape: heads of detectors, and their anchors."""
    return op.Reshape(op.Transpose(named(parts, op.Reshape(x, first)), perm=perm), shape)


def transpose_of_whole_axes(
    builder: Builder, x: ir.Value, parts: ir.Value, perm: tuple[int, ...], shape: ir.Value
) -> ir.Value | None:
    """Transpose and Reshape, when one axis is split and its parts stay beside each other."""
    before, after = shape_of(x), shape_of(parts)
    groups = None if before is None or after is None else _split_axes(before, after)
    if before is None or after is None or groups is None or not names_all(shape):
        return None
    if len(after) != len(before) + 1:  # windows, of which there may be one: all stages of a network have one form
        return None
    if len(before) < 4 and all(len(group) == 1 for group in groups.values()):  # the only head of an attention
        return None
    moved = [axis for axis in perm if after[axis] != 1]
    if not all(group == moved[moved.index(group[0]) :][: len(group)] for group in groups.values()):
        return None
    left = iter(sorted(groups, key=lambda axis: moved.index(groups[axis][0])))
    order = [next(left) if axis in groups else axis for axis in range(len(before))]
    whole = x if order == sorted(order) else builder.Transpose(x, perm=order)
    return builder.Reshape(whole, shape)


def _split_axes(before: Dims, after: Dims) -> dict[int, list[int]] | None:
    """For each axis, without those of extent 1, the axes that a Reshape splits it into; None if it merges axes."""
    groups: dict[int, list[int]] = {}
    left = [axis for axis, extent in enumerate(after) if extent != 1]
    for axis, extent in enumerate(before):
        if extent == 1:
            continue
        group: list[int] = []
        while extent is not None and left and (not group or product(after[i] for i in group) != extent):
            group.append(left.pop(0))
        if not group or product(after[i] for i in group) != extent:
            return None
        groups[axis] = group
    return None if left else groups


def removed_new_axes(x: Pattern, added: Pattern, removed: Pattern) -> Pattern:
    """A Squeeze of what an Unsqueeze has added."""
    return op.Squeeze(op.Unsqueeze(x, added), removed)


def without_new_axes(builder: Builder, x: ir.Value, added: ir.Value, removed: ir.Value) -> ir.Value | None:
    """The input `x`, when both name the same axes."""
    rank, both = rank_of(x), (numbers_of(added), numbers_of(removed))
    if rank is None or None in both:
        return None
    first, second = ({int(axis) % (rank + len(axes)) for axis in axes} for axes in both if axes is not None)
    return x if first == second else None


def transposed_twice(x: Pattern, inner: Pattern, outer: Pattern) -> Pattern:
    """A Transpose of a Transpose: what is around an assignment to a part, when the part is the whole tensor."""
    return op.Transpose(op.Transpose(x, perm=inner), perm=outer)


def transposed_once(builder: Builder, x: ir.Value, inner: tuple[int, ...], outer: tuple[int, ...]) -> ir.Value:
    """One Transpose, or the input `x`, when the second Transpose is the inverse of the first."""
    both = tuple(inner[axis] for axis in outer)
    return x if both == tuple(sorted(both)) else builder.Transpose(x, perm=both)


def slice_between_transposes(
    x: Pattern, inner: Pattern, first: Pattern, last: Pattern, axes: Pattern, outer: Pattern
) -> Pattern:
    """A Transpose of a part of a Transpose, as exporters index an axis that is not the first one."""
    return op.Transpose(op.Slice(op.Transpose(x, perm=inner), first, last, axes), perm=outer)


def transpose_of_slice(
    builder: Builder,
    x: ir.Value,
    inner: tuple[int, ...],
    first: ir.Value,
    last: ir.Value,
    axes: ir.Value,
    outer: tuple[int, ...],
) -> ir.Value | None:
    """The same part of the input, and one Transpose."""
    numbers = numbers_of(axes)
    if numbers is None:
        return None
    own = builder.constant("axes", np.array([inner[int(axis)] for axis in numbers]))
    return transposed_once(builder, builder.Slice(x, first, last, own), inner, outer)


def gather_between_transposes(x: Pattern, inner: Pattern, index: Pattern, outer: Pattern) -> Pattern:
    """Indices of an axis that stands first for it, as torch exports `x[:, index]`."""
    return op.Transpose(op.Gather(op.Transpose(x, perm=inner), index, axis=0), perm=outer)


def gather_along_axis(
    builder: Builder, x: ir.Value, inner: tuple[int, ...], index: ir.Value, outer: tuple[int, ...]
) -> ir.Value | None:
    """Gather along that axis, where the other ones come in order."""
    extents, axis = shape_of(index), inner[0]
    if extents is None:
        return None
    new = range(len(extents))
    kept = [len(extents) + inner[1:].index(other) for other in range(len(inner)) if other != axis]
    wanted = (*kept[:axis], *new, *kept[axis:])
    return builder.Gather(x, index, axis=axis) if tuple(outer) == wanted else None


def same_shape(x: Pattern, shape: Pattern, y: Pattern) -> Pattern:
    """A Reshape or an Expand."""
    return named(y, either(op.Reshape(x, shape), op.Expand(x, shape)))


def identity(builder: Builder, x: ir.Value, y: ir.Value) -> ir.Value | None:
    """The input `x`, when it has the shape of `y`."""
    extents = shape_of(x)
    return x if extents is not None and None not in extents and extents == shape_of(y) else None


FUSIONS = (
    Fusion(gather_nd_along_first_axis, gather),
    Fusion(slice_of_one, gather_one_element),
    Fusion(expanded_number, constant_of_shape),
    Fusion(gather_of_one, gathered_element),
    Fusion(gather_by_vector_of_one, element_by_number),
    Fusion(only_element, whole_axis),
    Fusion(gathered_in_order, reshape_of_all),
    Fusion(gathered_rows_in_order, reshape_of_rows),
    Fusion(rows_by_constant, rows_once),
    Fusion(gathered_by_constant, slice_of_consecutive),
    Fusion(reshape_of_view, reshape_once),
    Fusion(reshape_of_squeezed, reshape_without_squeeze),
    Fusion(split_before_transpose, transpose_of_whole_axes),
    Fusion(removed_new_axes, without_new_axes),
    Fusion(slice_between_transposes, transpose_of_slice),
    Fusion(gather_between_transposes, gather_along_axis),
    Fusion(transposed_twice, transposed_once),
    Fusion(same_shape, identity),
)


def merge_new_axes(model: ir.Model, context: Context) -> None:
    """Merge an Unsqueeze of an Unsqueeze into one, even if other nodes read the inner one."""
    for graph in all_graphs(model):
        for node in graph:
            inner = node.inputs[0].producer() if _is_unsqueeze(node) and node.inputs[0] is not None else None
            if inner is None or not _is_unsqueeze(inner) or inner.inputs[0] is None:
                continue
            first, second = (axes_of(each.inputs[1], each.outputs[0]) for each in (inner, node))
            rank = rank_of(node.outputs[0])
            if first is None or second is None or rank is None:
                continue
            kept = [axis for axis in range(rank) if axis not in second]
            builder = Builder(node, context.names)
            axes = builder.constant("axes", np.array(sorted((*second, *(kept[axis] for axis in first)))))
            replace([node], builder.nodes, {node.outputs[0]: builder.Unsqueeze(inner.inputs[0], axes)}, at=node)


def _is_unsqueeze(node: ir.Node) -> bool:
    return node.op_type == "Unsqueeze" and not node.domain
