"""Selection: elements chosen by their value or rank: TopK, NonZero, Compress, Unique."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import onnx_ir as ir

from converter.graph import may_be_empty
from converter.rows import Arg, Node, Operand, Unpacked, Variable, expr
from operator_maps.onnx.slicing import subscript

if TYPE_CHECKING:
    import mindspore as ms
    from mindspore import ops


def top_k(
    node: Node,
    x: Operand,
    k: Operand,
    *,
    axis: int = -1,
    largest: int = 1,
    sorted: int = 1,
) -> Arg:
    """ONNX TopK: `values, indices = ops.topk(x, 5)`, the indices as int64.

    Among equal elements ONNX takes the first ones, ops.topk any. If the indices are read, they are the first ones of a
    stable sort instead. (For float64 the sort runs in float32, which is no better than ops.topk.)
    """
    count = k.items(computed=True) or (expr("int({0}[0])", k),)
    if x.dtype == ir.DataType.DOUBLE or (x.dtype == ir.DataType.FLOAT and not node.used[1]):
        last = axis == -1 or axis + 1 == x.rank
        options = "" if last and largest else ", dim={2}" if largest else ", dim={2}, largest=False"
        found = expr(f"ops.topk({{0}}, {{1}}{options})", x, count[0], axis)
        if not node.used[1]:
            return Unpacked(found)
        values, indices = _unpack_pair(node, found)
        return values, expr("{0}.astype(ms.int64)", indices)
    sortable = expr("{0}.astype(ms.int64)", x) if x.kind == "u" else x
    ordered, order = _unpack_pair(node, expr("ops.sort({0}, {1}, {2})", sortable, axis, bool(largest)))
    if may_be_empty(x.value):  # of no elements, graph mode dies of a slice
        first, places = (
            expr("ops.gather({0}, ops.arange({1}), {2})", item, count[0], axis) for item in (ordered, order)
        )
    else:
        first, places = (subscript(item, {axis: slice(None, count[0])}) for item in (ordered, order))
    same = expr("{0}.astype({1})", first, node.dtype()) if x.kind == "u" else first
    return same if node.used[0] else None, expr("{0}.astype(ms.int64)", places) if node.used[1] else None


def _unpack_pair(node: Node, pair: Arg) -> tuple[Variable, Variable]:
    values, indices = node.unpack(("values", "indices"), pair)
    return values, indices


def nonzero(node: Node, x: Operand) -> Arg:
    """ONNX NonZero: `mint.permute(ops.nonzero(x), (1, 0))`, of shape (rank, count); of floats `ops.nonzero(x != 0)`.

    MindSpore's CPU kernel takes floats that are less than a millionth for zeros, and `.T` is wrong as Transpose is.
    """
    if x.rank == 0:
        raise node.decline("its input has no axes")
    if x.size == 0:
        return expr("ops.zeros({0}, dtype=ms.int64)", (x.rank, 0))
    return expr("mint.permute({0}, {1})", rows_of_nonzero(node, x), (1, 0))


def rows_of_nonzero(node: Node, x: Operand) -> Arg:
    """The positions of elements that are not 0, a row for each, of a tensor that has axes."""
    if x.size == 0:
        return expr("ops.zeros({0}, dtype=ms.int64)", (0, x.rank))
    return expr("{0}({1})", _nonzero(x), expr("{0} != 0", x) if x.kind == "f" else x)


def _nonzero(x: Operand) -> Any:
    return places_of_nonzero if may_be_empty(x.value, computed=True) else expr("ops.nonzero")


def places_of_nonzero(x):
    """ops.nonzero, which refuses a tensor of no elements in graph mode."""
    if x.size == 0:
        return ops.zeros((0, x.ndim), dtype=ms.int64)
    return ops.nonzero(x)


def compress(node: Node, x: Operand, condition: Operand, *, axis: int | None = None) -> Arg:
    """ONNX Compress: the elements along an axis, or of the flattened tensor, where a (maybe shorter) mask is true."""
    flat = axis is None and x.rank != 1
    places = expr("{0}({1}).reshape((-1,))", _nonzero(condition), condition)
    return expr("ops.gather({0}, {1}, {2})", expr("{0}.reshape((-1,))", x) if flat else x, places, axis or 0)


def unique(node: Node, x: Operand, *, axis: int | None = None, sorted: int = 1) -> Arg:
    """ONNX Unique: distinct elements, or distinct slices along an axis, with their indices and counts."""
    rows = expr("{0}.reshape((-1, 1))", x) if axis is None else expr("{0}({1}, {2})", rows_along, x, axis)
    first, inverse, counts = node.unpack(
        ("first", "inverse", "counts"), expr("{0}({1}, {2})", unique_rows, rows, bool(sorted))
    )
    source = expr("{0}.reshape((-1,))", x) if axis is None and x.rank != 1 else x
    return expr("ops.gather({0}, {1}, {2})", source, first, axis or 0), first, inverse, counts


def rows_along(x, axis):
    """A matrix that has the parts of a tensor along an axis as its rows."""
    axis = axis % x.ndim
    order = (axis, *[i for i in range(x.ndim) if i != axis])
    return x.transpose(order).reshape((x.shape[axis], -1))


def unique_rows(rows, in_order):
    """The different rows of a matrix: where each is first, which of them every row is, and how often each stands.

    They come in their order (the first column counts most), or in the order of their first places. A row that is
    larger than all others stands behind them, so that there is one where `rows` has none, and is left out at the end.
    """
    last = (ops.arange(rows.shape[0] + 1) == rows.shape[0]).astype(rows.dtype)
    rows = ops.cat((rows, ops.zeros((1, rows.shape[1]), dtype=rows.dtype)))
    rows = ops.cat((last.reshape((-1, 1)), rows), 1)
    order = ops.arange(rows.shape[0])
    for column in range(rows.shape[1] - 1, -1, -1):
        order = order[ops.sort(rows[order][:, column])[1]]
    ordered = rows[order]
    differs = (ordered[1:] != ordered[:-1]).astype(ms.int64).sum(1) > 0
    begins = ops.cat((ms.Tensor([1], ms.int64), differs.astype(ms.int64)))
    starts = ops.nonzero(begins).reshape((-1,))
    groups = ops.cumsum(begins, 0) - 1
    first = order[starts][:-1]
    counts = starts[1:] - starts[:-1]
    inverse = ops.tensor_scatter_elements(groups, order, groups)[:-1]
    if in_order:
        return first, inverse, counts
    first, places = ops.sort(first)
    return first, ops.sort(places)[1].astype(ms.int64)[inverse], counts[places]


ROWS = {
    "Compress": compress,
    "NonZero": nonzero,
    "TopK": top_k,
    "Unique": unique,
}
