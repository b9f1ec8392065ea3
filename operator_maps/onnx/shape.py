"""Shape: operators that change the extents or the order of the axes and keep the elements."""

from __future__ import annotations

import functools
import math
from typing import TYPE_CHECKING

import onnx_ir as ir

from converter.graph import is_selected, may_be_empty
from converter.rows import Arg, Node, Operand, call, expr
from converter.shapes import dims_of, is_limited

if TYPE_CHECKING:
    import mindspore as ms
    from mindspore import ops

BFLOAT16 = ir.DataType.BFLOAT16


def reshape(node: Node, x: Operand, shape: Operand, *, allowzero: int = 0) -> Arg:
    """ONNX Reshape: `x.reshape((x.shape[0], -1))`; a 0 keeps the extent of its axis unless `allowzero`."""
    output = node.outputs[0].shape
    if output is not None and None not in output and (0 in output or output == x.shape):
        return _to_fixed(x, output)  # with an extent of 0, -1 is ambiguous
    target = shape.items()
    if target is None and shape.python() is None:
        known = _to_known(node, x)
        return expr("{0}.reshape({1})", x, _computed(node, x, shape, allowzero)) if known is None else known
    whole = shape.python()
    if target is None and not allowzero and isinstance(whole, tuple) and 0 in whole:
        return expr("{0}.reshape({1}({0}, {2}))", x, kept_extents, whole)
    if target is None or allowzero or 0 not in target:
        return expr("{0}.reshape({1})", x, whole)
    kept = tuple(_extent(x, axis) if item == 0 else item for axis, item in enumerate(target))
    return expr("{0}.reshape({1})", x, kept)


def _computed(node: Node, x: Operand, shape: Operand, allowzero: int) -> Arg:
    """A target shape that is computed when the network runs; an item that is 0 there means the extent of `x`."""
    target = shape.items(computed=True)
    whole = shape.python(computed=True)
    if whole is None:
        raise node.decline("its target is unknown")
    if allowzero:
        return whole
    rank = x.rank
    if rank is None or target is None:
        return expr("{0}({1}, {2})", kept_extents, x, whole)
    return tuple(
        expr("{0} or {1}", item, _extent(x, axis)) if axis < rank else item for axis, item in enumerate(target)
    )


def kept_extents(x, shape):
    """The shape that `x` gets; an extent of 0 is that of `x`."""
    found = []
    for axis in range(len(shape)):
        found.append(shape[axis] or x.shape[axis] if axis < x.ndim else shape[axis])
    return tuple(found)


def _to_fixed(x: Operand, shape: tuple[int | None, ...]) -> Arg:
    return x if shape == x.shape else expr("{0}.reshape({1})", x, shape)


def _to_known(node: Node, x: Operand) -> Arg:
    """Reshape `x` to the inferred shape of the node's output, if at most one of its extents is dynamic; else None."""
    shape = node.outputs[0].shape
    if shape is None or shape.count(None) > 1:
        return None
    return (
        _to_fixed(x, shape) if None not in shape else _to_fixed(x, tuple(-1 if dim is None else dim for dim in shape))
    )


def _extent(x: Operand, axis: int) -> Arg:
    """The extent of an axis: a number if it is static, else `x.shape[axis]`."""
    shape = x.shape_python()
    return expr("{0}.shape[{1}]", x, axis) if shape is None else shape[axis]


def flatten(node: Node, x: Operand, *, axis: int = 1) -> Arg:
    """ONNX Flatten: `ops.flatten(x, start_dim=1)` from axis 1, a reshape to two axes otherwise."""
    if axis == 1 and x.rank != 1:
        return x if x.rank == 2 else expr("ops.flatten({0}, start_dim=1)", x)
    extents = x.shape_python()
    if extents is None:
        return expr("{0}({1}, {2})", flatten_from, x, axis)
    axis = axis + len(extents) if axis < 0 else axis
    rows, columns = _product(extents[:axis]), _product(extents[axis:])
    if isinstance(columns, int) and columns:
        return _to_fixed(x, (rows if isinstance(rows, int) else -1, columns))
    return _to_fixed(x, (rows, columns if columns == 0 else -1))


def flatten_from(x, axis):
    """Make a matrix of `x`: the axes before `axis` are its rows."""
    rows, columns = 1, 1
    for extent in x.shape[:axis]:
        rows *= extent
    for extent in x.shape[axis:]:
        columns *= extent
    return x.reshape((rows, columns))


def _product(extents: tuple[Arg, ...]) -> Arg:
    """The number of elements: a number, or an expression."""
    known = math.prod(extent for extent in extents if isinstance(extent, int))
    free = [extent for extent in extents if not isinstance(extent, int)]
    factors = [*free, *[known] * (known != 1 or not free)]
    return functools.reduce(lambda a, b: expr("{0} * {1}", a, b), factors) if known else 0


def transpose(node: Node, x: Operand, *, perm: tuple[int, ...] | None = None) -> Arg:
    """ONNX Transpose: `x.transpose((0, 2, 3, 1))`; without `perm` the axes are reversed.

    Of what was selected it is mint.permute: in graph mode, the CPU's kernel of transpose writes nothing any more once
    it was given no elements.
    """
    if perm is None:
        if x.rank is None:
            raise node.decline("the rank of its input is unknown")
        perm = tuple(reversed(range(x.rank)))
    if perm == tuple(range(len(perm))):
        return x
    return expr("mint.permute({0}, {1})" if is_selected(x.value) else "{0}.transpose({1})", x, perm)


def squeeze(node: Node, x: Operand, axes: Operand | None) -> Arg:
    """ONNX Squeeze: `x.squeeze(1)`; without axes all axes of extent 1."""
    if axes is None:
        return expr("{0}.squeeze()", x)
    which = axes.items()
    if which is None:
        known = _to_known(node, x)
        return expr("{0}.squeeze({1})", x, axes.python(computed=True)) if known is None else known
    if not which:
        return x
    return expr("{0}.squeeze({1})", x, which[0] if len(which) == 1 else which)


def unsqueeze(node: Node, x: Operand, axes: Operand) -> Arg:
    """ONNX Unsqueeze: `ops.unsqueeze(x, 1)`, or `x[:, None, None]` for several axes."""
    which = axes.items()
    if which is None:
        known, which = _to_known(node, x), axes.items(computed=True)
        if known is not None:
            return known
        if which is None or len(which) > 1:
            return expr("{0}({1}, {2})", insert_axes, x, axes)
    if len(which) == 1:
        return expr("ops.unsqueeze({0}, {1})", x, which[0])
    if x.rank is None and min(which, default=0) < 0:
        raise node.decline("the rank of its input is unknown")
    new = set(which) if x.rank is None else {axis % (x.rank + len(which)) for axis in which}
    index = ("None" if axis in new else ":" for axis in range(max(new, default=-1) + 1))
    return expr(f"{{0}}[{', '.join(index)}]", x) if new else x


def insert_axes(x, axes):
    """Insert axes of extent 1 at places that are computed, as ONNX Unsqueeze does."""
    rank = x.ndim + axes.shape[0]
    if x.ndim == 0:
        return x.reshape((1,) * rank)
    places = ops.where(axes < 0, axes + rank, axes)
    new = ops.tensor_scatter_elements(ops.zeros((rank,), dtype=ms.int64), places, ops.ones_like(places))
    source = ops.clamp(ops.cumsum(1 - new, 0) - 1, 0)
    extents = ops.where(new > 0, 1, ops.gather(ops.TensorShape()(x), source, 0))
    return x.reshape(tuple([int(extents[i]) for i in range(rank)]))


def expand(node: Node, x: Operand, shape: Operand) -> Arg:
    """ONNX Expand: `ops.broadcast_to(x, (-1, 4, 3))`; extents of 1 in `x` or in the target are broadcast.

    To an extent that is known only at run time, and may be 0, which graph mode does not broadcast to: `ops.tile`. If
    the rank of `x` or of the result is unknown, a tensor of the target's shape is added.
    """
    output = node.outputs[0].shape
    if output is not None and None not in output:
        return x if output == x.shape else expr("ops.broadcast_to({0}, {1})", x, output)
    target, extents = shape.items(computed=True), x.shape
    if extents is None or target is None:
        whole = shape.python(computed=True)
        if whole is None:
            raise node.decline("its target is unknown")
        empty = expr("ops.zeros({0}, dtype={1})", whole, node.dtype())
        return expr("ops.logical_or({0}, {1})" if x.kind == "b" else "{0} + {1}", x, empty)
    missing = max(len(target) - len(extents), 0)
    pairs = [*zip((1,) * missing + extents, (1,) * (len(extents) - len(target)) + target, strict=True)]
    repeats = tuple(_repeats(x, axis - missing, extent, item) for axis, (extent, item) in enumerate(pairs))
    if None not in repeats and not all(isinstance(item, int) for item in repeats) and x.dtype != BFLOAT16:
        return expr("ops.tile({0}, {1})", x, repeats)
    result = tuple(
        -1 if _is_limited(node, x, axis - len(pairs)) else _broadcast(x, axis - missing, extent, item)
        for axis, (extent, item) in enumerate(pairs)
    )
    return x if result == (-1,) * len(extents) else expr("ops.broadcast_to({0}, {1})", x, result)


def _is_limited(node: Node, x: Operand, axis: int) -> bool:
    """Whether an axis, counted from the last, has its extent: `x` is a slice of a table up to that extent."""
    own, made = dims_of(x.value.shape), dims_of(node.outputs[0].value.shape)
    return own is not None and made is not None and len(own) >= -axis and is_limited(own[axis], made[axis])


def _repeats(x: Operand, axis: int, extent: int | None, item: Arg) -> Arg:
    """How often an axis of extent `extent` is repeated for the target `item`; None if that depends on the extent."""
    if extent == 1:
        return item
    return 1 if extent is not None or item == 1 or item == _extent(x, axis) else None


def _broadcast(x: Operand, axis: int, extent: int | None, item: Arg) -> Arg:
    """The extent that ops.broadcast_to needs for an axis of extent `extent` and target `item`; -1 keeps the extent."""
    if extent == 1:
        return item
    if extent is not None or item == 1:
        return -1
    if isinstance(item, int) or item == _extent(x, axis):
        return item
    if may_be_empty(x.value, axis):
        return expr("max(({0}, {1})) * min(({0}, {1}, 1))", _extent(x, axis), item)  # nothing stays nothing
    return expr("max(({0}, {1}))", _extent(x, axis), item)


ROWS = {
    "Expand": expand,
    "Flatten": flatten,
    "Identity": lambda node, x: expr("ops.stop_gradient({0})", x) if node.is_detached else x,
    "Reshape": reshape,
    # Usually not reached: `converter/shapes` evaluates Shape as a Python value.
    "Shape": call("ms.Tensor({0}.shape, ms.int64)", ignored=("start", "end")),
    "Size": call("ms.Tensor({0}.size, ms.int64)"),
    "Squeeze": squeeze,
    "Transpose": transpose,
    "Unsqueeze": unsqueeze,
}
