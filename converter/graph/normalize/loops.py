"""Shapes in loops. ONNX infers none for loop-carried values, since an iteration may change them, which is rare."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import onnx_ir as ir

from converter.base.bounded import bounded
from converter.graph.annotations import VARYING
from converter.graph.shape_inference import infer_shapes
from converter.graph.traits import Trait, has_trait
from converter.graph.walk import all_nodes

_MOST_TURNS = 20
"""Iterations of the inference for each loop-carried value: each one makes at least one more axis or rank unknown."""
_OURS = 10**6
"""Our names for dimensions have the form of those that ONNX's inference invents, with larger numbers."""


class _Carried(NamedTuple):
    """A loop-carried value: the node's input, the body's input, the body's output, and the node's output."""

    initial: ir.Value
    formal: ir.Value
    result: ir.Value
    final: ir.Value


def infer_loop_shapes(model: ir.Model) -> None:
    """Give loop-carried values the shape of their initial value, except for axes that the body changes.

    An axis that the body changes is dynamic, and recorded (`varying_axes`). Where the shape of a body's result is
    unknown, the shape that the file declares is used.
    """
    loops = [node for node in all_nodes(model.graph) if has_trait(node, Trait.LOOP)]
    carried = [item for node in loops for item in _carried(node)]
    inferred = {value: value.shape for node in all_nodes(model.graph) for value in node.outputs}
    declared = {item: item.formal.shape for item in carried}
    starts: dict[_Carried, ir.Shape] = {}
    shapes: dict[_Carried, ir.Shape | None] = {}
    for _ in bounded(1 + _MOST_TURNS * len(carried), "infer the shapes in loops") if loops else ():
        for _ in bounded(2 + len(carried), "infer the shapes that loops start with"):
            fresh = {
                item: _named(shape, number)
                for number, item in enumerate(carried)
                if item not in starts and (shape := item.initial.shape) is not None
            }
            starts |= fresh
            shapes |= fresh
            for item, shape in shapes.items():
                item.formal.type = item.formal.type or item.initial.type
                item.formal.shape = item.final.shape = declared[item] if shape is None else shape
            for node in loops:
                _set_others(node)
            infer_shapes(model)
            if not fresh:
                break  # else the initial shapes of an inner loop may have become known
        common = {item: _common(shape, item.result.shape) for item, shape in shapes.items()}
        if common == shapes:
            break
        shapes = common
        for value, known in inferred.items():
            value.shape = known
    for item, shape in shapes.items():
        pairs = enumerate(zip(starts[item], shape or (), strict=shape is not None))
        item.formal.meta[VARYING] = tuple(axis for axis, (first, later) in pairs if first != later)


def _carried(node: ir.Node) -> Iterator[_Carried]:
    body = node.attributes["body"].as_graph()
    inputs, formals, results = list(node.inputs), list(body.inputs), list(body.outputs)
    if node.op_type == "Loop":  # after the trip count and the condition
        inputs, formals, results = inputs[2:], formals[2:], results[1:]
    else:
        inputs = inputs[: len(inputs) - node.attributes.get_int("num_scan_inputs")]
    for initial, formal, result, final in zip(inputs, formals, results, node.outputs, strict=False):
        if initial is not None and isinstance(initial.type, ir.TensorType):
            yield _Carried(initial, formal, result, final)


def _set_others(node: ir.Node) -> None:
    """Set the types and shapes of a Loop's iteration number, and of the slices that a Scan's body reads."""
    formals = list(node.attributes["body"].as_graph().inputs)
    if node.op_type == "Loop":
        formals[0].type, formals[0].shape = ir.TensorType(ir.DataType.INT64), ir.Shape(())
        return
    count = node.attributes.get_int("num_scan_inputs")
    axes = node.attributes.get_ints("scan_input_axes", ()) or (0,) * count
    for whole, formal, axis in zip(list(node.inputs)[-count:], formals[-count:], axes, strict=True):
        if whole is not None and whole.shape is not None:
            dims = list(whole.shape)
            del dims[axis]
            formal.type, formal.shape = formal.type or whole.type, ir.Shape(dims)


def _named(shape: ir.Shape, number: int) -> ir.Shape:
    """Name the unknown extents, so that inference shows whether an iteration keeps them."""
    return ir.Shape(
        f"unk__{_OURS + 100 * number + axis}" if isinstance(dim, ir.SymbolicDim) and dim.value is None else dim
        for axis, dim in enumerate(shape)
    )


def _common(one: ir.Shape | None, other: ir.Shape | None) -> ir.Shape | None:
    """The extents that two shapes share, None for the others; None when the ranks differ or are unknown."""
    if one is None or other is None or len(one) != len(other):
        return None
    return ir.Shape(a if a == b else None for a, b in zip(one, other, strict=True))
