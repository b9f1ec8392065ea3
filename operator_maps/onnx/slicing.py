"""Slicing and concatenation: Slice, Split, Concat, Tile, Trilu."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Any

import onnx_ir as ir

from converter.graph import may_be_empty
from converter.rows import Arg, Constant, Expression, Index, Node, Operand, Slice, Unpacked, Unsupported, expr
from converter.shapes import FAR
from operator_maps.lib.no_elements import flip, unless_empty

if TYPE_CHECKING:
    import mindspore as ms
    from mindspore import ops

_MOST_AXES = 64
"""More axes than any tensor has; in a damaged model an axis may be a billion."""


def concat(node: Node, *xs: Operand, axis: int) -> Arg:
    """ONNX Concat: `ops.cat((a, b), 1)`; the tensor itself if there is only one."""
    return xs[0] if len(xs) == 1 else expr("ops.cat({0}, {1})", xs, axis)


def split(node: Node, x: Operand, sizes: Operand | None, *, axis: int = 0, num_outputs: int | None = None) -> Arg:
    """ONNX Split: `a, b = ops.split(x, 64, 1)`; slices if a size is dynamic, which ops.split does not support."""
    count = len(node.outputs)
    if count == 1:
        return x
    if x.size == 0 and x.shape is not None and x.shape[axis] == 0:
        return (expr("ops.zeros({0}, dtype={1})", x.shape, node.dtype()),) * count
    if x.size == 0:
        return tuple(empty_tensor(node, i) for i in range(count))
    extents = [None if output.shape is None else output.shape[axis] for output in node.outputs]
    parts = extents if None not in extents else _parts(node, x, sizes, axis, count)
    if all(isinstance(part, int) for part in parts):
        equal = len(set(parts)) == 1
        if may_be_empty(x.value) and not equal:  # of no elements, graph mode dies of ops.split
            return Unpacked(expr("mint.split({0}, {1}, {2})", x, list(parts), axis))
        return Unpacked(expr("ops.split({0}, {1}, {2})", x, parts[0] if equal else list(parts), axis))
    ends: list[Arg] = [None, parts[0]]
    alike = all(part is parts[0] for part in parts)
    for i, part in enumerate(parts[1:-1], 2):
        ends.append(expr("{0} * {1}", part, i) if alike else expr("{0} + {1}", ends[-1], part))
    return tuple(subscript(x, {axis: slice(*bounds)}) for bounds in pairwise([*ends, None]))


def _parts(node: Node, x: Operand, sizes: Operand | None, axis: int, count: int) -> tuple[Arg, ...]:
    """The extent of every part; if only the number of parts is given, the last one may be smaller."""
    if sizes is not None:
        known = sizes.items(computed=True)
        if known is None:
            raise node.decline("the number of its parts is unknown")
        return known
    extent = expr("{0}.shape[{1}]", x, axis)
    return (node.let("size", expr("({0} + {1}) // {2}", extent, count - 1, count)),) * count


def empty_tensor(node: Node, index: int = 0) -> Expression:
    """An output without elements as `ops.zeros`: slicing an empty tensor kills the process in graph mode on the CPU.

    Raises:
        Unsupported: the output's shape is not static.
    """
    shape = node.outputs[index].shape
    if shape is None or None in shape:
        raise node.decline("its input has no elements, and the shape of its output is unknown")
    return expr("ops.zeros({0}, dtype={1})", shape, node.dtype(index))


def slice_(node: Node, x: Operand, starts: Operand, ends: Operand, axes: Operand | None, steps: Operand | None) -> Arg:
    """ONNX Slice: `x[:, 1:3]`; the bounds are literals, Python values, or tensors read when the network runs."""
    if x.size == 0 or node.outputs[0].size == 0:
        return empty_tensor(node)
    first, last = starts.items(computed=True), ends.items(computed=True)
    if first is None or last is None:
        raise node.decline("the number of its axes is unknown")
    which = tuple(range(len(first))) if axes is None else axes.items()
    by = (1,) * len(first) if steps is None else steps.items()
    bounds = None if which is None or by is None else list(zip(which, first, last, by, strict=True))
    if bounds is None or not all(_has_python_form(x, *each) for each in bounds):
        return _slice_computed(node, x, starts, ends, axes, steps)
    along = {axis: _bounds(x, axis, *each) for axis, *each in bounds}
    forward, backward = _by_direction({axis: part for axis, part in along.items() if part != slice(None)})
    if len(along) > 1 and (left := _extents_of_nothing(node, x, along)):
        return expr("ops.zeros({0}, dtype={1})", left, node.dtype())
    if forward and backward and any(_may_leave_nothing(x, axis, part) for axis, part in forward.items()):
        if any(part != slice(None, None, part.step) for part in backward.values()):
            return _slice_computed(node, x, starts, ends, axes, steps)
        return subscript(_turned(x, x, backward), forward, x.rank)
    if forward and is_fatal(x, forward):
        y = _turned(x, x, backward)  # first: of what the other slices may leave, nothing is turned
        for axis, part in forward.items():
            y = _taken(y, x.dtype, axis, part.indices((x.shape or ())[axis] or 0))
        return y
    return _turned(x, subscript(x, forward) if forward else x, backward)


def _extents_of_nothing(node: Node, x: Operand, along: dict[int, slice]) -> tuple[Arg, ...]:
    """The extents of slices that surely leave nothing along an axis; () if they may leave something.

    Of what one slice leaves, MindSpore's kernels for the next one may end the process if that is nothing.
    """
    extents, rank = list(node.outputs[0].shape or ()), x.rank
    if rank is None:
        return ()
    parts = {axis % rank: part for axis, part in along.items()}
    found: list[Arg] = [None] * rank
    for axis, extent in enumerate(extents or [None] * rank):
        part = parts.get(axis, slice(None))
        if extent is not None:
            found[axis] = extent
        elif _leaves_nothing(part):
            found[axis] = 0
        else:
            rest = x if part == slice(None) else subscript(x, {axis: part})
            found[axis] = expr("{0}.shape[{1}]", rest, axis)
    return tuple(found) if 0 in found else ()


def _leaves_nothing(part: slice) -> bool:
    """Whether a slice leaves nothing of any extent."""
    start, stop, step = part.start or 0, part.stop, part.step or 1
    if not all(isinstance(number, int) for number in (start, stop, step)):
        return False
    if step > 0 and stop < -FAR:  # in front of any axis
        return True
    back = part.start is None if step < 0 else False
    return not back and (start < 0) == (stop < 0) and (start >= stop if step > 0 else start <= stop)


def _may_leave_nothing(x: Operand, axis: int, part: slice) -> bool:
    """Whether a slice with a positive step may leave nothing of an axis that has elements."""
    extent = (x.shape or ())[axis] if x.rank is not None else None
    if all(isinstance(number, int) for number in (part.start or 0, part.stop or 0, extent)):
        return not range(*part.indices(extent or 0))
    first_ones = part.start in (None, 0) and isinstance(part.stop, int) and part.stop > 0
    last_ones = part.stop is None and (part.start is None or (isinstance(part.start, int) and part.start < 0))
    return not first_ones and not last_ones


def _turned(x: Operand, y: Arg, backward: dict[int, slice]) -> Arg:
    """Slices with negative steps of a part `y` of `x`."""
    flipped = tuple(axis for axis, part in backward.items() if part == slice(None, None, -1))
    for axis, part in backward.items():
        y = y if axis in flipped else subscript(y, {axis: part}, x.rank)
    return flip(x, y, flipped) if flipped else y


def is_fatal(x: Operand, along: dict[int, slice]) -> bool:
    """Whether graph mode may die of slices: a part of an axis is taken where another one has no elements.

    They are of fixed extents and bounds, so that the part can be taken in another way.
    """
    extents = x.shape or ()
    axes = {axis % len(extents) for axis in along if extents}
    bounds = [bound for part in along.values() for bound in (part.start, part.stop) if bound is not None]
    if not all(isinstance(number, int) for number in (*bounds, *(extents[axis] for axis in axes))):
        return False
    return any(
        extent is None and axis not in axes and may_be_empty(x.value, axis) for axis, extent in enumerate(extents)
    )


def _taken(x: Arg, dtype: ir.DataType | None, axis: int, bounds: tuple[int, int, int]) -> Expression:
    start, stop, step = bounds
    if step == 1 and dtype != ir.DataType.DOUBLE:  # which graph mode does not narrow
        return expr("mint.narrow({0}, {1}, {2}, {3})", x, axis, start, max(stop - start, 0))
    return expr("ops.gather({0}, ops.arange({1}, {2}, {3}), {4})", x, start, max(start, stop), step, axis)


def _by_direction(along: dict[int, slice]) -> tuple[dict[int, slice], dict[int, slice]]:
    """The slices with a positive step, and those with a negative one.

    Each of the latter is a subscript of its own, `x[:, 1:3][::-2]`: beside another slice MindSpore's kernel copies an
    axis that is reversed as a whole in its order. Such an axis is flipped: in PyNative mode the slice has no gradient.
    """
    backward = {axis: part for axis, part in along.items() if part.step is not None and part.step < 0}
    return {axis: part for axis, part in along.items() if axis not in backward}, backward


def _has_python_form(x: Operand, axis: int, start: Arg, stop: Arg, step: Arg) -> bool:
    """Whether a Python slice computes it: for a negative step MindSpore does not clamp bounds beyond the axis."""
    if not isinstance(step, int) or step > 0:
        return isinstance(step, int)
    if x.shape is not None and x.shape[axis] is not None:
        return isinstance(stop, int)
    beyond = isinstance(start, int) and start != -1 and start < FAR
    return isinstance(stop, int) and not beyond and not -FAR <= stop < 0


def _bounds(x: Operand, axis: int, start: Arg, stop: Arg, step: Arg) -> slice:
    """The bounds of one axis as a Python slice; None for a bound that can be omitted."""
    extent = None if x.shape is None else x.shape[axis]
    forward = not isinstance(step, int) or step > 0
    limit = FAR if extent is None else extent
    lowest = (-limit - forward, -limit - 1)  # for a negative step, ONNX clamps the start to the first element
    start, stop = (
        max(min(b, limit), low) if isinstance(b, int) else b for b, low in zip((start, stop), lowest, strict=True)
    )
    if isinstance(start, int) and (start in (0, -FAR) or start < -FAR if forward else start >= FAR):
        start = None
    if not forward and start == -1:
        start = None
    if isinstance(stop, int) and (stop >= FAR if forward else stop < -FAR):
        stop = None
    if extent is not None and isinstance(step, int):
        if isinstance(start, int) and (start <= -extent if forward else start >= extent - 1):
            start = None
        if isinstance(stop, int) and (stop >= extent if forward else stop < -extent):
            stop = None
    return slice(start, stop, None if step == 1 else step)


def _slice_computed(
    node: Node, x: Operand, starts: Operand, ends: Operand, axes: Operand | None, steps: Operand | None
) -> Arg:
    """Slice along axes, or with steps, that are computed when the network runs."""
    if x.rank is None:
        raise node.decline("its axes or steps are computed, and the rank of its input is unknown")
    which = expr("ops.arange({0}.shape[0])", starts) if axes is None else axes
    by = expr("ops.ones_like({0})", starts) if steps is None else steps
    known = (1,) if steps is None else steps.items()
    forward = starts.size == 1 or (known is not None and all(isinstance(step, int) and step > 0 for step in known))
    forward = forward and not may_be_empty(x.value)
    return expr("{0}({1}, {2}, {3}, {4}, {5})", slice_by if forward else slice_in_turn, x, starts, ends, which, by)


def slice_by(x, starts, ends, axes, steps):
    """Slice along axes that are computed, as ONNX Slice does."""
    return ops.strided_slice(x, *slice_bounds(x, starts, ends, axes, steps))


def slice_in_turn(x, starts, ends, axes, steps):
    """The same by indices, one axis after the other, where MindSpore's kernel fails.

    It reverses no axis beside another slice, and in graph mode dies of a tensor without elements.
    """
    extents = ops.TensorShape()(x)
    first, last, step = slice_bounds(x, starts, ends, axes, steps)
    back = (step < 0).astype(ms.int64)
    first = ops.maximum(ops.minimum(ops.where(first < 0, first + extents, first), extents - back), 0)
    last = ops.maximum(ops.minimum(ops.where(last < 0, last + extents, last), extents - back), 0 - back)
    span = ops.where(step < 0, first - last, last - first)
    count = ops.minimum(ops.maximum((span + ops.abs(step) - 1) // ops.abs(step), 0), extents)
    for axis in range(x.ndim):
        steps = ops.nonzero(ops.arange(x.shape[axis] + 1) < count[axis]).squeeze(1)
        places = first[axis] + steps * step[axis]
        x = ops.gather(x, places, axis)
    return x


def slice_bounds(x, starts, ends, axes, steps):
    """The start, end and step of every axis of `x`, as ops.strided_slice takes them."""
    extents = ops.TensorShape()(x)
    where = ops.unsqueeze(ops.where(axes < 0, axes + x.ndim, axes), 1)
    first = ops.tensor_scatter_update(ops.zeros_like(extents), where, starts.astype(ms.int64))
    last = ops.tensor_scatter_update(extents, where, ends.astype(ms.int64))
    step = ops.tensor_scatter_update(ops.ones_like(extents), where, steps.astype(ms.int64))
    first = ops.where(step < 0, ops.maximum(ops.minimum(first, extents - 1), -extents), first)
    return first, ops.maximum(last, -extents - 1), step


def subscript(x: Arg, along: dict[int, Any], rank: int | None = None) -> Expression:
    """Make `x[:, 1:3]`: for each axis in `along` a slice (of Python values), a number or a tensor.

    Axes are all non-negative or all negative. Negative axes, and the last axis of several, are written with an
    ellipsis: `x[..., 0]`. `rank` is that of `x` where `x` is an expression.

    Raises:
        Unsupported: an axis is larger than the rank of any tensor.
    """
    rank = x.rank if isinstance(x, Operand) else rank
    if rank is not None:
        along = {axis % rank: item for axis, item in along.items()}
    first, last = min(along), max(along)
    if not -_MOST_AXES <= first <= last < _MOST_AXES:
        raise Unsupported(f"it has no axis {first if first < 0 else last}")
    from_back = first < 0 or (rank is not None and first > 1 and last == rank - 1)
    axes = range(first, 0 if first < 0 else last + 1) if from_back else range(last + 1)
    places = [_place(along.get(axis, slice(None))) for axis in axes]
    index = (Constant(...), *places) if from_back else tuple(places)
    return Index(x, index if len(index) > 1 else index[0])


def _place(item: Any) -> Arg:
    """The index for one axis."""
    return Slice(item.start, item.stop, item.step) if isinstance(item, slice) else item


def tile(node: Node, x: Operand, repeats: Operand) -> Arg:
    """ONNX Tile: `ops.tile(x, (1, 2))`."""
    times = repeats.items()
    if times is not None and all(item == 1 for item in times):
        return x
    known = repeats.python(computed=True)
    return expr("ops.tile({0}, {1})", x, repeats if known is None else known)


def trilu(node: Node, x: Operand, k: Operand | None, *, upper: int = 1) -> Arg:
    """ONNX Trilu: `ops.triu(x, 1)` or ops.tril; a mask if the diagonal is computed."""
    name = "ops.triu" if upper else "ops.tril"
    diagonal = (0,) if k is None else k.items()
    if diagonal is not None and isinstance(diagonal[0], int):
        triangle = expr(f"{name}({{0}}, {{1}})" if diagonal[0] else f"{name}({{0}})", x, diagonal[0])
        return unless_empty(x, triangle)  # the CPU kernel refuses a matrix of no elements
    start = k if diagonal is None else diagonal[0]
    mask = "ops.arange({0}.shape[-1]) {1} ops.unsqueeze(ops.arange({0}.shape[-2]), 1) + {2}"
    comparison = mask.replace("{1}", ">=" if upper else "<=").replace("{2}", "{1}")
    return expr(f"ops.where({comparison}, {{0}}, ops.zeros_like({{0}}))", x, start)


def reverse_sequence(node: Node, x: Operand, lengths: Operand, *, batch_axis: int = 1, time_axis: int = 0) -> Arg:
    """ONNX ReverseSequence: `ops.reverse_sequence`, which refuses a tensor of no elements."""
    return unless_empty(x, expr("ops.reverse_sequence({0}, {1}, {2}, {3})", x, lengths, time_axis, batch_axis))


ROWS = {
    "Concat": concat,
    "ReverseSequence": reverse_sequence,
    "Slice": slice_,
    "Split": split,
    "Tile": tile,
    "Trilu": trilu,
}
