"""Slicing: parts of a tensor, and tensors put together."""

from __future__ import annotations

from typing import Any

from converter.rows import Arg, Expr, Node, Operand, Unpacked, expr

FAR = 2**31 - 1
"""ONNX writes "to the end" as any large number; exporters take the largest of int32 or int64."""


def concat(node: Node, *xs: Operand, axis: int) -> Arg:
    """ONNX Concat: `ops.cat((a, b), 1)`; of one tensor, the tensor."""
    return xs[0] if len(xs) == 1 else expr("ops.cat({0}, {1})", xs, axis)


def split(node: Node, x: Operand, sizes: Operand | None, *, axis: int = 0, num_outputs: int | None = None) -> Arg:
    """ONNX Split: `a, b = ops.split(x, 64, 1)`, or slices when the extents are not fixed."""
    count = len(node.outputs)
    if count == 1:
        return x
    extent = x.shape[axis] if x.shape is not None else None
    parts = None if sizes is None else sizes.items()
    if sizes is not None and parts is None:
        raise node.decline("its sizes are computed; MindSpore needs them when the network is built")
    if parts is None and extent is not None:
        size = -(-extent // count)
        parts = tuple(min(size, extent - i * size) for i in range(count))
    if parts is None:
        return Unpacked(expr("ops.chunk({0}, {1}, {2})", x, count, axis))
    if len(set(parts)) == 1:
        return Unpacked(expr("ops.split({0}, {1}, {2})", x, parts[0], axis))
    return Unpacked(expr("ops.split({0}, {1}, {2})", x, list(parts), axis))


def slice_(
    node: Node, x: Operand, starts: Operand, ends: Operand, axes: Operand | None, steps: Operand | None
) -> Arg:
    """ONNX Slice: `x[:, 1:3]`."""
    first, last = starts.items(), ends.items()
    which = tuple(range(len(first or ()))) if axes is None else axes.items()
    by = (1,) * len(first or ()) if steps is None else steps.items()
    if first is None or last is None or which is None or by is None:
        raise node.decline("its bounds are computed")
    if not all(isinstance(item, int) for item in (*which, *by)):
        raise node.decline("its axes or steps are computed")
    bounds = {axis: _bounds(x, axis, *rest) for axis, *rest in zip(which, first, last, by, strict=True)}
    bounds = {axis: bound for axis, bound in bounds.items() if bound != (None, None, None)}
    return index(node, x, {axis: _slice(*bound) for axis, bound in bounds.items()}) if bounds else x


def _bounds(x: Operand, axis: int, start: Any, stop: Any, step: int) -> tuple[Any, Any, Any]:
    """One axis's bounds as Python writes them; None where nothing need be written."""
    extent = x.shape[axis] if x.shape is not None else None
    forward = step > 0
    limit = FAR if extent is None else extent
    if isinstance(start, int):
        if extent is not None and start < 0:
            start = max(start + extent, 0 if forward else -1)
        if forward and (start <= -FAR or start == 0):
            start = None
        elif not forward and start >= (FAR if extent is None else extent - 1):
            start = None
    if isinstance(stop, int) and (stop >= limit if forward else stop < -limit):
        stop = None
    return start, stop, None if step == 1 else step


def _slice(start: Any, stop: Any, step: Any) -> Expr:
    """A slice between brackets, its bounds in holes."""
    given = [bound for bound in (start, stop, step) if bound is not None]
    holes = iter(range(len(given)))
    text = ["" if bound is None else f"{{{next(holes)}}}" for bound in (start, stop, step)]
    return Expr(f"{text[0]}:{text[1]}" + (f":{text[2]}" if step is not None else ""), tuple(given))


def index(node: Node, x: Arg, along: dict[int, Arg]) -> Expr:
    """Write `x[...]` with what stands along each axis: a slice's text, a number or a tensor."""
    rank = x.rank if isinstance(x, Operand) else None
    if rank is not None:
        along = {axis % rank: item for axis, item in along.items()}
    if any(axis < 0 for axis in along) and any(axis >= 0 for axis in along):
        raise node.decline("the rank of its input is unknown")
    axes = sorted(along)
    from_end = axes[0] < 0 or (rank is not None and axes[0] > 1 and axes[-1] == rank - 1)
    end = 0 if axes[0] < 0 else rank
    places = range(axes[0], end) if from_end else range(axes[-1] + 1)  # type: ignore[arg-type]
    parts, args = ["..."] * from_end, [x]
    for axis in places:
        item = along.get(axis, ":")
        if isinstance(item, Expr) and ":" in item.template:
            numbers = [f"{{{len(args) + i}}}" for i in range(len(item.args))]
            parts.append(item.template.format(*numbers))
            args += item.args
        elif item == ":":
            parts.append(":")
        else:
            parts.append(f"{{{len(args)}}}")
            args.append(item)
    return Expr(f"{{0}}[{', '.join(parts)}]", tuple(args))


def tile(node: Node, x: Operand, repeats: Operand) -> Arg:
    """ONNX Tile: `ops.tile(x, (1, 2))`."""
    times = repeats.python()
    if times is None:
        return expr("ops.tile({0}, {1})", x, repeats)
    return x if all(item == 1 for item in times) else expr("ops.tile({0}, {1})", x, times)


ROWS = {
    "Concat": concat,
    "Slice": slice_,
    "Split": split,
    "Tile": tile,
}
