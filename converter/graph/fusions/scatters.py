"""Scatters: assignments to all of a tensor, which torch exports as ScatterND.

`x[:] = y` is a ScatterND of each row; a loop that assigns to `x[:, t]` is a chain, of a ScatterND for each step.
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
    if node.outputs[0].is_graph_output():
        return False
    shape = shape_of(data)
    if not shape or None in shape or not _is_range(indices, shape[0]):
        return False
    if shape_of(updates) != shape:
        raise NoMatch(f"it writes {shape_of(updates)} into {shape}")
    replace([node], [], {node.outputs[0]: updates}, at=node)
    return True


def join_assigned(node: ir.Node, names: UniqueNames) -> bool:
    """Replace a chain of ScatterND that write every position of an axis once by a Concat of what they write."""
    if any(use.node.op_type == "ScatterND" and use.idx == 0 for use in node.outputs[0].uses()):
        return False  # not the last of its chain
    chain: list[ir.Node] = []
    last: ir.Node | None = node
    while last is not None and last.op_type == "ScatterND" and attribute(last, "reduction") == "none":
        chain.append(last)
        data = last.inputs[0]
        last = None if data is None or not is_internal(data) or count_uses(data) > 1 else data.producer()
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


FUSIONS = (NodeFusion("ScatterND", assign_all), NodeFusion("ScatterND", join_assigned))
