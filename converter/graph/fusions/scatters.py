"""Scatters: assignments to parts of a tensor, which torch exports as ScatterND.

`x[:] = y` is a ScatterND of each row; a loop that assigns to `x[:, t]` is a chain, of a ScatterND for each step;
`x[..., a:b] = y` is one between two Transposes that swap the axis with the first; `x[mask] = y` is one of the places
where the mask is true.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import onnx_ir as ir

from converter.graph.fusions.extents import number_in
from converter.graph.fusions.log import NoMatch
from converter.graph.fusions.replacement import replace
from converter.graph.fusions.rewrite import Builder, NodeFusion
from converter.graph.queries import attribute, count_uses, is_internal, numbers_of, shape_of
from converter.graph.unique_names import UniqueNames
from converter.shapes import Dim

_SHORTEST = 3
"""Fewer assignments stay."""


def assign_all(node: ir.Node, names: UniqueNames) -> bool:
    """Replace a ScatterND that overwrites every row of a tensor, in order, by what it writes."""
    data, indices, updates = node.inputs
    if data is None or indices is None or updates is None or attribute(node, "reduction") != "none":
        return False
    shape, written = shape_of(data), shape_of(updates)
    if not shape or None in shape or not _is_range(indices, shape[0]):
        return False
    fixed = [pair for pair in zip(written or (), shape, strict=False) if all(isinstance(each, int) for each in pair)]
    if written is None or len(written) != len(shape) or any(ours != theirs for ours, theirs in fixed):
        raise NoMatch(f"it writes {written} into {shape}")
    builder = Builder(node, names)
    result = builder.Identity(updates) if node.outputs[0].is_graph_output() else updates
    replace([node], builder.nodes, {node.outputs[0]: result}, at=node)
    return True


def join_slices(node: ir.Node, names: UniqueNames) -> bool:
    """Replace assignments to slices of one axis, `x[..., a:b] = y`, by a Concat of what they write and what stays."""
    chain = _chain(node)
    bounds = [_bounds(each) for each in chain]
    if not chain or None in bounds:
        return False
    end, permutation = _swap_behind(node)
    builder = Builder(node, names)
    pieces: list[tuple[int, int, ir.Value]] = []
    for (first, last), each in reversed([*zip(bounds, chain, strict=True)]):  # type: ignore[misc]
        pieces = [piece for piece in pieces if not first <= piece[0] <= piece[1] <= last]
        if any(piece[0] < last and first < piece[1] for piece in pieces):
            return False  # a part of what was written is written again
        pieces.append((first, last, _swapped(builder, each.inputs[2], permutation)))
    base = _swapped(builder, chain[-1].inputs[0], permutation)
    axis = permutation[0] if permutation else 0
    parts = _with_rest(builder, base, axis, sorted(pieces, key=lambda piece: piece[0]))
    joined = builder.Concat(*parts, axis=axis) if len(parts) > 1 else builder.Identity(*parts)
    replace([*chain, end.producer()] if permutation else chain, builder.nodes, {end: joined}, at=node)  # type: ignore[list-item]
    return True


def assign_where(node: ir.Node, names: UniqueNames) -> bool:
    """Replace an assignment where a mask is true, of one number or of another tensor's elements there, by a Where."""
    data, indices, updates = node.inputs
    if data is None or updates is None or attribute(node, "reduction") != "none":
        return False
    mask, shape = _mask_of(indices), shape_of(data)
    if mask is None or shape is None:
        return False
    seen, written = shape_of(mask), _without_repeats(updates)
    if seen is None or len(seen) > len(shape) or None in shape or seen != shape[: len(seen)]:
        raise NoMatch("the mask may have another shape than what is assigned to")
    builder = Builder(node, names)
    chosen: ir.Value | None = None
    if _is_one(written):
        to_scalar = builder.constant("shape", np.array([], np.int64))
        chosen = builder.Reshape(written, to_scalar) if shape_of(written) else written
    elif (gathered := written.producer()) is not None and gathered.op_type == "GatherND":
        source, places = gathered.inputs
        if _mask_of(places) is mask and not attribute(gathered, "batch_dims") and shape_of(source) == shape:  # type: ignore[arg-type]
            chosen = source
    if chosen is None:
        raise NoMatch("it is computed how many elements are written")
    if len(seen) < len(shape):
        axes = builder.constant("axes", np.arange(len(seen), len(shape)))
        mask = builder.Unsqueeze(mask, axes)
    replace([node], builder.nodes, {node.outputs[0]: builder.Where(mask, chosen, data)}, at=node)
    return True


def _mask_of(indices: ir.Value | None) -> ir.Value | None:
    """The mask whose true places these are; None if they are others. A mask that Expand makes no larger is itself."""
    transposed = None if indices is None else indices.producer()
    found = transposed.inputs[0] if transposed is not None and transposed.op_type == "Transpose" else None
    places = None if found is None else found.producer()
    if places is None or places.op_type != "NonZero" or attribute(transposed, "perm") not in ((1, 0), None):  # type: ignore[arg-type]
        return None
    mask = places.inputs[0]
    expanded = None if mask is None else mask.producer()
    if expanded is None or expanded.op_type != "Expand":
        return mask
    source = expanded.inputs[0]
    shape = None if source is None else shape_of(source)
    return source if shape is not None and None not in shape and shape == shape_of(mask) else mask  # type: ignore[arg-type]


def _without_repeats(value: ir.Value) -> ir.Value:
    """What a value repeats, or gives another shape."""
    while (node := value.producer()) is not None and node.op_type in ("Expand", "Identity", "Reshape", "Unsqueeze"):
        assert node.inputs[0] is not None
        value = node.inputs[0]
    return value


def _is_one(value: ir.Value) -> bool:
    """Whether a tensor certainly has one element."""
    shape = shape_of(value)
    return shape is not None and all(extent == 1 for extent in shape)


def _chain(node: ir.Node) -> list[ir.Node]:
    """The ScatterND that end with a node, each of which writes into the result of the next; none if others follow."""
    if any(use.node.op_type == "ScatterND" and use.idx == 0 for use in node.outputs[0].uses()):
        return []
    chain: list[ir.Node] = []
    last: ir.Node | None = node
    while last is not None and last.op_type == "ScatterND" and attribute(last, "reduction") == "none":
        chain.append(last)
        data = last.inputs[0]
        last = None if data is None or not is_internal(data) or count_uses(data) > 1 else data.producer()
    return chain


def _bounds(node: ir.Node) -> tuple[int, int] | None:
    """The first row that a ScatterND writes and the one behind the last; None if it does not write rows in order."""
    _, indices, updates = node.inputs
    found = None if indices is None or indices.const_value is None else indices.const_value.numpy()
    if found is None or updates is None or found.ndim != 2 or found.shape[1] != 1 or not len(found):
        return None
    first = int(found[0, 0])
    in_order = first >= 0 and np.array_equal(found[:, 0], np.arange(first, first + len(found)))
    return (first, first + len(found)) if in_order else None


def _swap_behind(node: ir.Node) -> tuple[ir.Value, tuple[int, ...]]:
    """The result of the Transpose that swaps the first axis of a result back, and its permutation; else the result."""
    result = node.outputs[0]
    follower = result.consumers()[0] if count_uses(result) == 1 and not result.is_graph_output() else None
    permutation = tuple(attribute(follower, "perm") or ()) if follower and follower.op_type == "Transpose" else ()
    if permutation and sum(axis != place for place, axis in enumerate(permutation)) == 2 and permutation[0]:
        return follower.outputs[0], permutation  # type: ignore[union-attr]
    return result, ()


def _swapped(builder: Builder, value: ir.Value | None, permutation: tuple[int, ...]) -> ir.Value:
    """A value with two axes swapped, or none; that which was swapped is taken as it was before."""
    assert value is not None
    producer = value.producer()
    if not permutation:
        return value
    if producer is not None and producer.op_type == "Transpose" and attribute(producer, "perm") == permutation:
        assert producer.inputs[0] is not None
        return producer.inputs[0]
    return builder.Transpose(value, perm=permutation)


def _with_rest(builder: Builder, base: ir.Value, axis: int, pieces: list[tuple[int, int, ir.Value]]) -> list[ir.Value]:
    """What is written along an axis, and between it the slices of the tensor that it is written into."""
    shape = shape_of(base)
    extent = shape[axis] if shape else None
    parts, reached = [], 0

    def rest(first: int, last: int) -> ir.Value:
        bounds = (("start", first), ("end", last), ("axis", axis), ("step", 1))
        return builder.Slice(base, *(builder.constant(role, np.array([number])) for role, number in bounds))

    for first, last, written in pieces:
        parts += [rest(reached, first)] if first > reached else []
        parts.append(written)
        reached = last
    return parts if reached == extent else [*parts, rest(reached, np.iinfo(np.int64).max)]


def join_assigned(node: ir.Node, names: UniqueNames) -> bool:
    """Replace a chain of ScatterND that write every position of an axis once by a Concat of what they write."""
    chain = _chain(node)
    extents = shape_of(node.outputs[0])
    if len(chain) < _SHORTEST or extents is None or None in extents:
        return False
    places = [_place(each, extents) for each in chain]
    axes = {place[0] for place in places if place is not None}
    if None in places or len(axes) != 1:
        return False
    axis = axes.pop()
    written = sorted((place[1], i) for i, place in enumerate(places) if place is not None)
    if [position for position, _ in written] != list(range(extents[axis])):  # type: ignore[arg-type]
        raise NoMatch("they do not write each position of the axis once")
    builder = Builder(node, names)
    joined = builder.Concat(*(chain[i].inputs[2] for _, i in written), axis=axis)
    replace(chain, builder.nodes, {node.outputs[0]: joined}, at=node)
    return True


def _place(node: ir.Node, extents: Sequence[Dim]) -> tuple[int, int] | None:
    """The axis and the position of the one slice that a ScatterND writes; None if it writes another form."""
    _, indices, updates = node.inputs
    found = None if indices is None or indices.const_value is None else indices.const_value.numpy()
    if found is None or found.ndim != len(extents) or found.size != found.shape[-1]:
        return None
    positions = [int(position) for position in found.ravel()]
    axes = [axis for axis in range(len(positions)) if extents[axis] != 1]
    if len(axes) != 1:
        return None
    wanted = [1 if axis == axes[0] else extent for axis, extent in enumerate(extents)]
    if updates is None or shape_of(updates) != tuple(wanted):
        return None
    extent = extents[axes[0]]
    return axes[0], positions[axes[0]] % extent if isinstance(extent, int) else 0


def _is_range(indices: ir.Value, extent: Dim) -> bool:
    """Whether indices are the column 0, 1, … up to an extent."""
    if indices.const_value is not None:
        found = indices.const_value.numpy()
        return found.shape == (extent, 1) and np.array_equal(found[:, 0], np.arange(len(found)))
    column = indices.producer()
    if column is None or column.op_type != "Unsqueeze" or column.inputs[0] is None:
        return False
    counted = column.inputs[0].producer()
    if counted is None or counted.op_type != "Range" or numbers_of(column.inputs[1]) not in ((-1,), (1,)):  # type: ignore[arg-type]
        return False
    start, limit, step = counted.inputs
    assert start is not None
    assert limit is not None
    assert step is not None
    return numbers_of(start) == (0,) and numbers_of(step) == (1,) and number_in(limit) == extent


FUSIONS = tuple(
    NodeFusion("ScatterND", function) for function in (assign_all, assign_where, join_assigned, join_slices)
)
