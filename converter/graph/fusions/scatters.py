"""Scatters: an assignment to all of a tensor, `x[:] = y`, which torch exports as a ScatterND of each row."""

from __future__ import annotations

import numpy as np
import onnx_ir as ir

from converter.graph.fusions.extents import number_in
from converter.graph.fusions.log import NoMatch
from converter.graph.fusions.replacement import replace
from converter.graph.fusions.rewrite import NodeFusion
from converter.graph.queries import attribute, numbers_of, shape_of
from converter.graph.unique_names import UniqueNames
from converter.shapes import Dim


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


FUSIONS = (NodeFusion("ScatterND", assign_all),)
