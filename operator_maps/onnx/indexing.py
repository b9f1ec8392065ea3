"""Indexing: gather and scatter, which read or write elements by index."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import onnx_ir as ir

from converter.graph import Trait, attribute, has_trait, is_selected, may_be_empty
from converter.rows import Arg, Node, Operand, expr, invoke
from operator_maps.onnx.slicing import is_fatal, subscript

if TYPE_CHECKING:
    import mindspore as ms
    from mindspore import ops

_MOST_STEPS = 256
"""Nodes before indices that are visited; beyond them, indices are taken as possibly negative."""
_MOST_INDICES = 1 << 16
"""Constants of more elements are not read to see whether one is negative."""


def gather(node: Node, x: Operand, indices: Operand, *, axis: int = 0) -> Arg:
    """ONNX Gather: nn.Embedding to look up rows of a weight, `x[:, 0]` for one constant index, else ops.gather."""
    if _is_table(x, axis) and not indices.is_constant:
        layer, weights = invoke("nn.Embedding", *(x.shape or ())), {"embedding_table": x.weight()}
        if (tied := node.tied(layer, weights)) is None:
            found: Arg = node.apply(layer, weights, indices)
        else:
            found = expr(
                "ops.gather({0}, {1}, {2})", tied["embedding_table"], _non_negative(node, x, indices, axis), axis
            )
        if node.padding is None or not x.weight().trained:
            return found
        return expr("{0}({1}, {2}, {3})", padding_untrained, found, indices, node.padding)
    positions = indices.items()
    if positions is not None and indices.rank == 0:
        return subscript(x, {axis: positions[0]})
    if positions is not None and indices.rank == 1:
        part = None if is_selected(x.value) else _as_slice(positions)
        if part is not None and not is_fatal(x, {axis: part}):
            return subscript(x, {axis: part})
    return expr("ops.gather({0}, {1}, {2})", x, _non_negative(node, x, indices, axis), axis)


def padding_untrained(x, indices, padding):
    """The rows `x` of a table, without a gradient for the one that stands for padding."""
    return ops.where((indices == padding).unsqueeze(-1), ops.stop_gradient(x), x)


def _is_table(x: Operand, axis: int) -> bool:
    """Whether `x` can be the table of an nn.Embedding: a trainable float32 matrix, gathered along axis 0."""
    return x.is_weight and x.rank == 2 and x.dtype == ir.DataType.FLOAT and axis in (0, -2) and x.weight().trainable


def _as_slice(positions: tuple[Arg, ...]) -> slice | None:
    """Indices with a constant positive step, as a slice; None for other indices."""
    if not positions or not all(isinstance(position, int) and position >= 0 for position in positions):
        return None
    steps = {int(step) for step in np.diff(positions)} or {1}
    step = steps.pop()
    if steps or step < 1:
        return None
    return slice(positions[0] or None, positions[-1] + 1, None if step == 1 else step)


def _non_negative(node: Node, x: Operand, indices: Operand, axis: int) -> Arg:
    """The indices; in constant indices negative ones become non-negative, as Ascend requires."""
    extent = None if x.shape is None else x.shape[axis]
    array = indices.constant
    if array is None or extent is None or not (array < 0).any():
        return indices
    return node.constant(np.where(array < 0, array + extent, array), "indices")


def gather_elements(node: Node, x: Operand, indices: Operand, *, axis: int = 0) -> Arg:
    """ONNX GatherElements: `ops.gather_elements` with non-negative indices, as it overwrites negative ones in place."""
    places, array = _non_negative(node, x, indices, axis), indices.constant
    counted = _never_negative(indices.value) if array is None else not (array < 0).any()
    if places is indices and not counted:
        places = expr("ops.where({0} < 0, {0} + {1}.shape[{2}], {0})", indices, x, axis)
    return expr("ops.gather_elements({0}, {1}, {2})", x, axis, places)


def gather_nd(node: Node, x: Operand, indices: Operand, *, batch_dims: int = 0) -> Arg:
    """ONNX GatherND: ops.gather_nd; if there are batch axes, with the batch index prepended to the indices."""
    places = _locations(node, x, indices, batch_dims)
    if not batch_dims:
        return expr("ops.gather_nd({0}, {1})", x, places)
    return expr("{0}({1}, {2}, {3})", gather_nd_of_batch, x, places, batch_dims)


def gather_nd_of_batch(x, indices, batch_dims):
    """Gather from every element of a batch by its own indices."""
    flat = x.reshape((-1, *x.shape[batch_dims:]))
    batch = flat.shape[0]  # not math.prod of extents: graph mode counts to no product of free ones
    items = indices.reshape((batch, -1, indices.shape[-1]))
    which = ops.broadcast_to(ops.arange(batch).reshape((-1, 1, 1)), (batch, items.shape[1], 1)).astype(items.dtype)
    found = ops.gather_nd(flat, ops.cat((which, items), 2))
    return found.reshape(indices.shape[:-1] + x.shape[batch_dims + indices.shape[-1] :])


def scatter_elements(
    node: Node, x: Operand, indices: Operand, updates: Operand, *, axis: int = 0, reduction: str = "none"
) -> Arg:
    """ONNX ScatterElements (and Scatter): ops.tensor_scatter_elements, or ops.tensor_scatter_mul, max or min."""
    if reduction == "none":
        return expr("ops.tensor_scatter_elements({0}, {1}, {2}, {3})", x, indices, updates, axis)
    if reduction == "add" and x.kind != "b":
        return expr('ops.tensor_scatter_elements({0}, {1}, {2}, {3}, "add")', x, indices, updates, axis)
    places = expr("{0}({1}, {2}, {3})", places_along, x, indices, axis)
    return _reduced(x, places, updates, reduction)


def _reduced(x: Operand, places: Arg, updates: Operand, reduction: str) -> Arg:
    """Elements at places, combined with updates; truth values as integers, which have kernels."""
    if x.kind == "b":
        name = "min" if reduction in ("mul", "min") else "max"
        wide = [expr("{0}.astype(ms.int32)", item) for item in (x, updates)]
        return expr(f"ops.tensor_scatter_{name}({{0}}, {{1}}, {{2}}).astype(ms.bool_)", wide[0], places, wide[1])
    return expr(f"ops.tensor_scatter_{reduction}({{0}}, {{1}}, {{2}})", x, places, updates)


def places_along(x, indices, axis):
    """The place of every element that scattering along an axis changes: its index on every axis."""
    places = [ops.broadcast_to(count_along(i, indices.shape[i], x.ndim), indices.shape) for i in range(x.ndim)]
    places[axis] = ops.where(indices < 0, indices + x.shape[axis], indices).astype(ms.int64)
    return ops.stack(places, -1)


def count_along(axis, extent, rank):
    """Count from 0 along one axis of many."""
    return ops.arange(extent).reshape((1,) * axis + (-1,) + (1,) * (rank - 1 - axis))


def scatter_nd(node: Node, x: Operand, indices: Operand, updates: Operand, *, reduction: str = "none") -> Arg:
    """ONNX ScatterND: ops.tensor_scatter_update, or ops.tensor_scatter_add, mul, max or min."""
    if updates.size == 0:
        return x
    places = _locations(node, x, indices)
    if reduction == "none":
        return expr("ops.tensor_scatter_update({0}, {1}, {2})", x, places, updates)
    return _reduced(x, places, updates, reduction)


def _locations(node: Node, x: Operand, indices: Operand, batch_dims: int = 0) -> Arg:
    """Non-negative indices (…, axes), the only ones that MindSpore's gather_nd and tensor_scatter functions support."""
    array, count = indices.constant, None if indices.shape is None else indices.shape[-1]
    if _never_negative(indices.value) or (array is not None and not (array < 0).any()):
        return indices
    last = expr("{0} + {1}.shape[-1]", batch_dims, indices) if count is None else batch_dims + count
    extents = None if x.shape is None or count is None else x.shape[batch_dims:last]
    if extents is None or None in extents:
        along = expr("ops.TensorShape()({0})[{1}:{2}]", x, batch_dims or None, last)
        along = along if indices.dtype == INT64 else expr("{0}.astype({1})", along, node.mindspore_dtype(indices.dtype))
        return expr("{0}({1}, {2})", from_the_front, indices, along)
    fixed = np.array(extents, np.int32 if indices.dtype == INT32 else np.int64)
    if array is not None:
        return node.constant(np.where(array < 0, array + fixed, array), "indices")
    return expr("{0}({1}, {2})", from_the_front, indices, node.constant(fixed, "extents"))


def _never_negative(value: ir.Value | None) -> bool:
    """Whether indices are known to be non-negative, because of the operators or constants that compute them."""
    pending = [value]
    for _ in range(_MOST_STEPS):
        if not pending:
            return True
        item = pending.pop()
        producer = None if item is None else item.producer()
        if item is None or producer is None:
            known = None if item is None else item.const_value
            if known is None or known.size > _MOST_INDICES or (known.numpy() < 0).any():
                return False
        elif producer.op_type in ("NonZero", "NonZeroRows", "ArgMax", "ArgMin", "TopK", "Shape"):
            if item is not producer.outputs[-1]:  # the first output of TopK holds elements
                return False
        elif (sources := _sources_of_sign(producer)) is not None:
            pending += sources
        else:
            return False
    return False


def _sources_of_sign(node: ir.Node) -> Sequence[ir.Value | None] | None:
    """The inputs of a node whose elements, if none is negative, make a result that is not negative; None if unknown."""
    if node.op_type in ("Add", "Concat", "Div", "Mul"):
        return node.inputs
    if node.op_type == "Range":
        return (node.inputs[0], node.inputs[2])
    if node.op_type == "Pad":
        return (node.inputs[0], *(value for value in node.inputs[2:3] if value is not None))
    if node.op_type == "Mod" and not attribute(node, "fmod"):
        return node.inputs[1:]
    bound = _bound_below(node)
    if bound is not None:
        return (bound,)
    keeps_sign = node.op_type in ("Cast", "Floor", "Trunc") or has_trait(node, Trait.DATA_MOVEMENT)
    return node.inputs[:1] if keeps_sign else None


def _bound_below(node: ir.Node) -> ir.Value | None:
    """What no result of a node is less than, unless it is positive: the least value of a Clip, or what a Where writes
    in the place of negative values.
    """
    if node.op_type == "Clip" and len(node.inputs) > 1:
        return node.inputs[1]
    less = node.inputs[0].producer() if node.op_type == "Where" and node.inputs[0] is not None else None
    if less is None or less.op_type != "Less" or less.inputs[0] is not node.inputs[2] or less.inputs[1] is None:
        return None
    zero = less.inputs[1].const_value
    return node.inputs[1] if zero is not None and not zero.numpy().any() else None


def from_the_front(indices, extents):
    """Places along axes of these extents, the last axis of `indices`; none counts from the back any more."""
    return ops.where(indices < 0, indices + extents, indices)


def tensor_scatter(
    node: Node, cache: Operand, update: Operand, starts: Operand | None, *, axis: int = -2, mode: str = "linear"
) -> Arg:
    """ONNX TensorScatter: write an update into a cache, at a start index of its own for every element of the batch."""
    if starts is None:
        positions = expr("ops.arange({0}.shape[{1}])", update, axis)
    else:
        positions = expr("ops.unsqueeze({0}, 1) + ops.arange({1}.shape[{2}])", starts, update, axis)
    if mode == "circular":
        positions = expr("({0}) % {1}.shape[{2}]", positions, cache, axis)
    return expr("{0}({1}, {2}, {3}, {4})", write_along, cache, update, positions, axis)


def write_along(cache, update, positions, axis):
    """Write an update at positions along an axis; the positions may differ along the first axis, the batch."""
    axis = axis % cache.ndim
    batch = positions.shape[0] if positions.ndim == 2 else 1
    places = positions.reshape((batch,) + (1,) * (axis - 1) + (-1,) + (1,) * (cache.ndim - 1 - axis))
    return ops.tensor_scatter_elements(cache, ops.broadcast_to(places, update.shape), update, axis)


def one_hot(node: Node, indices: Operand, depth: Operand, values: Operand, *, axis: int = -1) -> Arg:
    """ONNX OneHot: `ops.one_hot(x, 10, 1.0, 0.0)`; a comparison for element types that it does not support."""
    count = depth.items(computed=True)
    if count is None or indices.rank is None:
        raise node.decline("its depth is not one number, or the rank of its indices is unknown")
    count = tuple(int(item) if isinstance(item, float) else item for item in count)
    which: Arg = indices if indices.dtype in (INT32, INT64) else expr("{0}.astype(ms.int64)", indices)
    if indices.kind != "u" and not _never_negative(indices.value):  # ops.one_hot returns zeros for a negative index
        which = expr("ops.where({0} < 0, {0} + {1}, {0})", which, count[0])
    written, axis = values.items(), axis % (indices.rank + 1)
    if written is None or values.dtype not in (FLOAT, FLOAT16, INT32, INT64) or may_be_empty(indices.value):
        places = tuple(-1 if i == axis else 1 for i in range(indices.rank + 1))
        hot = expr("ops.unsqueeze({0}, {1}) == ops.arange({2}).reshape({3})", which, axis, count[0], places)
        return expr("ops.where({0}, {1}[1], {1}[0])", hot, values)
    if values.dtype in (FLOAT16, INT32):
        written = tuple(expr("ms.Tensor({0}, {1})", number, node.dtype()) for number in written)
    last = () if axis == indices.rank else (axis,)
    return invoke("ops.one_hot", which, count[0], written[1], written[0], *last)


FLOAT, FLOAT16, INT32, INT64 = ir.DataType.FLOAT, ir.DataType.FLOAT16, ir.DataType.INT32, ir.DataType.INT64

ROWS = {
    "Gather": gather,
    "GatherElements": gather_elements,
    "GatherND": gather_nd,
    "OneHot": one_hot,
    "Scatter": lambda node, x, indices, updates, *, axis=0: scatter_elements(node, x, indices, updates, axis=axis),
    "ScatterElements": scatter_elements,
    "ScatterND": scatter_nd,
    "TensorScatter": tensor_scatter,
}
