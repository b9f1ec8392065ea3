"""Shape: other extents or another order of the axes, the same elements."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from converter.rows import Arg, Expr, Node, Operand, expr

if TYPE_CHECKING:
    import mindspore as ms
    from mindspore import ops


def reshape(node: Node, x: Operand, shape: Operand, *, allowzero: int = 0) -> Arg:
    """ONNX Reshape: `x.reshape((x.shape[0], -1))`; a 0 keeps the axis unless `allowzero`."""
    target = shape.items()
    if target is None:
        return expr("{0}.reshape({1})", x, shape) if allowzero else expr("{0}({1}, {2})", reshape_by, x, shape)
    output = node.outputs[0].shape
    if output is not None and None not in output:
        if output == x.shape:
            return x
        if 0 in output:  # what -1 stands for is not determined
            return expr("{0}.reshape({1})", x, output)
    if not allowzero and 0 in target:
        target = tuple(_extent(x, i) if item == 0 else item for i, item in enumerate(target))
        return expr("{0}.reshape({1})", x, target)
    return expr("{0}.reshape({1})", x, shape.python())


def reshape_by(x, shape):
    """Reshape to a computed shape, in which 0 keeps the extent of that axis."""
    kept = ms.Tensor((x.shape + (0,) * shape.shape[0])[: shape.shape[0]], shape.dtype)
    return x.reshape(ops.where(shape == 0, kept, shape))


def _extent(x: Operand, axis: int) -> Arg:
    """One extent: a number where it is fixed, else `x.shape[axis]`."""
    shape = x.shape_python()
    return expr("{0}.shape[{1}]", x, axis) if shape is None else shape[axis]


def flatten(node: Node, x: Operand, *, axis: int = 1) -> Arg:
    """ONNX Flatten: `ops.flatten(x)` from axis 1, a reshape to two axes otherwise."""
    if x.rank is None:
        if axis == 1:
            return expr("ops.flatten({0})", x)
        raise node.decline("the rank of its input is unknown")
    axis = axis + x.rank if axis < 0 else axis
    if axis == 1 and x.rank > 1:
        return expr("ops.flatten({0})", x)
    extents = x.shape_python() or ()
    rows, columns = _product(extents[:axis]), _product(extents[axis:])
    if isinstance(rows, int) and isinstance(columns, int):
        return x if x.shape == (rows, columns) else expr("{0}.reshape({1})", x, (rows, columns))
    return expr("{0}.reshape({1})", x, (-1, columns) if isinstance(columns, int) and columns else (rows, -1))


def _product(items: tuple[Arg, ...]) -> Arg:
    """The product of extents as a Python value."""
    known = math.prod(item for item in items if isinstance(item, int))
    free = [item for item in items if not isinstance(item, int)]
    if not free or not known:
        return known
    result = free[0]
    for item in free[1:]:
        result = expr("{0} * {1}", result, item)
    return result if known == 1 else expr("{0} * {1}", result, known)


def transpose(node: Node, x: Operand, *, perm: tuple[int, ...] | None = None) -> Arg:
    """ONNX Transpose: `x.transpose((0, 2, 3, 1))`; without `perm` the axes in reverse."""
    if perm is None:
        if x.rank is None:
            raise node.decline("the rank of its input is unknown")
        perm = tuple(reversed(range(x.rank)))
    if perm == tuple(range(len(perm))):
        return x
    return expr("{0}.transpose({1})", x, tuple(axis % len(perm) for axis in perm))


def squeeze(node: Node, x: Operand, axes: Operand | None) -> Arg:
    """ONNX Squeeze: `x.squeeze(1)`; without axes all axes of extent 1."""
    if axes is None:
        return expr("{0}.squeeze()", x)
    which = _literal_axes(node, axes)
    if not which:
        return x
    return expr("{0}.squeeze({1})", x, which[0] if len(which) == 1 else which)


def unsqueeze(node: Node, x: Operand, axes: Operand) -> Arg:
    """ONNX Unsqueeze: `ops.expand_dims(x, 1)`, once for every axis; the axes count in the result."""
    which = _literal_axes(node, axes)
    if any(axis < 0 for axis in which) and len(which) > 1:
        if x.rank is None:
            raise node.decline("the rank of its input is unknown")
        which = tuple(axis % (x.rank + len(which)) for axis in which)
    result: Arg = x
    for axis in sorted(which):
        result = expr("ops.expand_dims({0}, {1})", result, axis)
    return result


def _literal_axes(node: Node, axes: Operand) -> tuple[int, ...]:
    """Axes that the model fixes.

    Raises:
        Declined: they are computed.
    """
    items = axes.items()
    if items is None or not all(isinstance(item, int) for item in items):
        raise node.decline("its axes are computed; MindSpore needs them when the network is built")
    return items


def expand(node: Node, x: Operand, shape: Operand) -> Arg:
    """ONNX Expand: `ops.broadcast_to(x, (x.shape[0], 4, 3))`; where `shape` says 1, the axis stays as it is."""
    target = shape.items()
    if target is None:
        return expr("{0}({1}, {2})", expand_by, x, shape)
    if x.shape is None:
        raise node.decline("the rank of its input is unknown")
    if shape.is_constant and x.shape == node.outputs[0].shape and None not in x.shape:
        return x
    more = len(target) - len(x.shape)
    target = (1,) * -more + target
    result = tuple(
        item if axis < 0 else _broadcast(x, axis, item) for axis, item in enumerate(target, start=-max(more, 0))
    )
    if result == (-1,) * len(x.shape):
        return x
    return expr("ops.broadcast_to({0}, {1})", x, result)


def _broadcast(x: Operand, axis: int, item: Arg) -> Arg:
    """What ops.broadcast_to needs for an axis that is broadcast against `item`; -1 leaves it alone."""
    extent = x.shape[axis] if x.shape is not None else None
    if extent == 1:
        return item
    if extent is not None or item == 1:
        return -1
    return item


def expand_by(x, shape):
    """Broadcast against a computed shape, as ONNX Expand does: either side may have the 1."""
    return ops.broadcast_to(x, ops.shape(x))


def shape_of(node: Node, x: Operand, *, start: int = 0, end: int | None = None) -> Arg:
    """ONNX Shape of a tensor of unknown rank (a known one is a Python value): `ms.Tensor(x.shape, ms.int64)`."""
    if start == 0 and end is None:
        return expr("ms.Tensor({0}.shape, ms.int64)", x)
    if end is None:
        return expr("ms.Tensor({0}.shape[{1}:], ms.int64)", x, start)
    return expr("ms.Tensor({0}.shape[{1}:{2}], ms.int64)", x, start, end)


def size_of(node: Node, x: Operand) -> Expr:
    """ONNX Size of a tensor of unknown rank (a known one is a Python value)."""
    return expr("ms.Tensor({0}.size, ms.int64)", x)


def identity(node: Node, x: Operand) -> Arg:
    """ONNX Identity: its input."""
    return x


ROWS = {
    "Expand": expand,
    "Flatten": flatten,
    "Identity": identity,
    "Reshape": reshape,
    "Shape": shape_of,
    "Size": size_of,
    "Squeeze": squeeze,
    "Transpose": transpose,
    "Unsqueeze": unsqueeze,
}
