"""Extents: what is computed from the fixed extents of a tensor, of which others may be free, is a constant."""

from __future__ import annotations

import numpy as np
import onnx_ir as ir

from converter.graph.normalize.clean import remove_dead_code, remove_identities
from converter.graph.normalize.fold import fold_constants, replace_by_constants
from converter.graph.normalize.simplify import cancel_inverses
from converter.graph.queries import numbers_of
from converter.graph.shape_inference import infer_shapes
from converter.graph.shape_refinement import refine_shapes
from converter.graph.walk import all_nodes


def fold_extents(model: ir.Model) -> None:
    """Replace the fixed extents that are read from a Shape by numbers, and fold constants again.

    `Gather(Shape(x), 2)` is 224 for an `x` of (N, 3, 224, 224). The nodes are sorted, and it is decided which axes are
    free.
    """
    if not any(node.op_type == "Shape" and not node.domain for node in all_nodes(model.graph)):
        return
    refine_shapes(model)
    found = [(node, extents) for node in all_nodes(model.graph) if (extents := _extents_read(node)) is not None]
    for node, extents in found:
        replace_by_constants(node, [extents])
    if found:
        infer_shapes(model)
        fold_constants(model)
        remove_identities(model)
        cancel_inverses(model)
        remove_dead_code(model)


def _extents_read(node: ir.Node) -> np.ndarray | None:
    """The fixed extents that a Gather or Slice takes out of a Shape; None for other nodes."""
    if node.op_type not in ("Gather", "Slice") or node.domain or node.outputs[0].is_graph_output():
        return None
    shape = node.inputs[0].producer() if node.inputs[0] is not None else None
    if shape is None or shape.op_type != "Shape" or shape.domain or shape.inputs[0] is None:
        return None
    known = shape.inputs[0].shape
    if known is None:
        return None
    start, end = (shape.attributes.get_int(name, None) for name in ("start", "end"))
    dims = list(known)[start:end]
    places = _places(node, len(dims))
    if places is None or not all(isinstance(dims[place], int) for place in places.reshape(-1)):
        return None
    return np.array([dims[place] for place in places.reshape(-1)], np.int64).reshape(places.shape)


def _places(node: ir.Node, length: int) -> np.ndarray | None:
    """The places of a vector that a Gather or Slice with constant indices takes; None if they are computed."""
    if node.op_type == "Gather":
        indices = node.inputs[1].const_value if node.inputs[1] is not None else None
        places = None if indices is None else indices.numpy()
        return places if places is not None and ((places >= -length) & (places < length)).all() else None
    bounds = [None if value is None else numbers_of(value) for value in (*node.inputs[1:3], *node.inputs[4:5])]
    if None in bounds or (len(node.inputs) > 4 and node.inputs[4] is None):
        return None
    start, stop, step = (*(int(bound[0]) for bound in bounds if bound), 1)[:3]
    return np.arange(length)[start:stop:step]
