"""Windows: stacked slices of one length, as torch exports `x.unfold(dimension, size, step)`."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import onnx_ir as ir

from converter.graph.fusions.log import NoMatch
from converter.graph.fusions.replacement import replace
from converter.graph.fusions.rewrite import Builder, NodeFusion
from converter.graph.queries import attribute, axes_of, is_internal, rank_of, shape_of, sliced
from converter.graph.unique_names import UniqueNames

FEWEST = 3
"""Minimum number of slices; fewer are not replaced."""


class _Window(NamedTuple):
    """`unsqueeze(transpose(x[start : start + size], perm), new)`; windows of equal `form` differ only in `start`."""

    nodes: tuple[ir.Node, ...]
    start: int
    form: tuple[ir.Value, int, int, tuple[int, ...]]


def stack_windows(concat: ir.Node, names: UniqueNames) -> bool:
    """Replace stacked windows by one Reshape where they are adjacent, else by one Gather."""
    windows = [window for value in concat.inputs if (window := _window(value, concat)) is not None]
    if len(windows) < FEWEST:
        return False
    if len(windows) < len(concat.inputs):
        raise NoMatch(f"{len(windows)} of its {len(concat.inputs)} parts are slices with a new axis")
    if len({window.form for window in windows}) > 1:
        raise NoMatch("its slices are of different tensors, axes, sizes or orders of axes")
    _stack(concat, windows, names)
    return True


def _stack(concat: ir.Node, windows: list[_Window], names: UniqueNames) -> None:
    (x, axis, size, perm), starts = windows[0].form, np.array([window.start for window in windows])
    builder = Builder(concat, names)
    end = int(starts[-1]) + size
    extents = shape_of(x) or ()
    after = extents[axis + 1 :]
    if starts.tolist() == list(range(0, end, size)) and all(isinstance(extent, int) for extent in after):
        bounds = (
            builder.constant(role, np.array([value])) for role, value in (("start", 0), ("end", end), ("axis", axis))
        )
        whole = x if extents[axis] == end else builder.Slice(x, *bounds)
        shape = (*(0,) * axis, len(starts), size, *after)
        stacked = builder.Reshape(whole, builder.constant("shape", np.array(shape, np.int64)))
    else:
        index = starts[:, None] + np.arange(size)
        stacked = builder.Gather(x, builder.constant("index", index), axis=axis)
    new = attribute(concat, "axis") % (len(perm) + 1)
    order = [other + (other >= axis) for other in perm]  # the axis of windows is before the axis within a window
    order.insert(new, axis)
    if order != sorted(order):
        stacked = builder.Transpose(stacked, perm=order)
    old = [node for window in windows for node in window.nodes]
    replace([*old, concat], builder.nodes, {concat.outputs[0]: stacked}, at=concat)


def _window(value: ir.Value | None, concat: ir.Node) -> _Window | None:
    """The window that a value is; None when it is not a window, or has other uses."""
    nodes = []
    producer = _private(value, "Unsqueeze")
    if producer is None:
        return None
    nodes.append(producer)
    rank = rank_of(producer.outputs[0]) or 0
    if axes_of(producer.inputs[1], producer.outputs[0]) != (attribute(concat, "axis") % max(rank, 1),):
        return None
    perm = tuple(range(rank - 1))
    if (transpose := _private(producer.inputs[0], "Transpose")) is not None:
        nodes.append(transpose)
        perm, producer = attribute(transpose, "perm") or tuple(reversed(perm)), transpose
    cut, part = _private(producer.inputs[0], "Slice"), sliced(producer.inputs[0])
    if cut is None or part is None or part.step != 1 or not 0 <= part.start < part.stop:
        return None
    size = (shape_of(cut.outputs[0]) or (None,) * rank)[part.axis]
    if isinstance(size, int) and size != part.stop - part.start:
        return None
    return _Window((*nodes, cut), part.start, (part.whole, part.axis, part.stop - part.start, perm))


def _private(value: ir.Value | None, op_type: str) -> ir.Node | None:
    """The node of operator `op_type` that produces a value with a single use; else None."""
    node = None if value is None else value.producer()
    return node if node is not None and node.op_type == op_type and not node.domain and is_internal(value) else None  # type: ignore[arg-type]


FUSIONS = (NodeFusion("Concat", stack_windows),)
