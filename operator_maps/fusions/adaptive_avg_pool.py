"""AdaptiveAvgPool: an average pool to a given size, which torch's exporter gathers by constant tables."""

from __future__ import annotations

import math

import numpy as np
import onnx_ir as ir

from converter.graph.fusions.replacement import replace
from converter.graph.fusions.rewrite import Builder, FusedOperator, Shape
from converter.graph.queries import attribute, axes_of, is_internal, number_of, numbers_of, shape_of
from converter.graph.unique_names import UniqueNames
from converter.rows import call

_LARGEST = 1 << 24  # numbers that are compared


def fuse_pools(model: ir.Model, names: UniqueNames) -> None:
    """Replace what gathers every window by a table and takes the mean by AdaptiveAvgPool.

    Where the windows differ in size, the exporter masks what the smaller ones lack and adds up element by element.
    """
    for graph in model.graphs():
        for node in graph:
            if node.op_type == "GatherND" and not node.domain and (path := _path_from(node)) is not None:
                _replace_pool(path, names)


def _path_from(gather: ir.Node) -> list[ir.Node] | None:
    """The gathering of all windows between two Transposes, and masks; None when it is something else."""
    source, table = gather.inputs
    before = None if source is None else source.producer()
    if before is None or _permutation(before) != (2, 3, 0, 1) or table is None or table.const_value is None:
        return None
    path = [before, gather]
    if len(table.const_value.shape) != 5 or table.const_value.shape[4] != 2:
        return None
    after = _only_user(gather)
    if after is None or _permutation(after) != (4, 5, 0, 1, 2, 3):
        return None
    path.append(after)
    while (mask := _only_user(path[-1])) is not None and mask.op_type == "Where":
        condition, zero, value = mask.inputs
        if (
            condition is None
            or condition.const_value is None
            or number_of(zero) != 0
            or value is not path[-1].outputs[0]
        ):
            return None
        path.append(mask)
    return path


def _replace_pool(path: list[ir.Node], names: UniqueNames) -> None:
    before, gather, _, *masks = path
    x, table = before.inputs[0], _array(gather.inputs[1])
    size, extents = (table.shape[0], table.shape[2]), None if x is None else shape_of(x)
    mean = _mean_of_all(path[-1], table.shape[1], table.shape[3])
    if x is None or extents is None or mean is None:
        return
    height, width = extents[2:]
    if not isinstance(height, int) or not isinstance(width, int) or math.prod(size) * height * width > _LARGEST:
        return
    counts, nodes = mean
    allowed = np.ones(table.shape[:4], bool)
    for mask in masks:
        allowed = allowed & ~_array(mask.inputs[0])
    shares = np.zeros((*size, height, width))
    i, _, j, _ = np.indices(allowed.shape)
    np.add.at(shares, (i, j, table[..., 0], table[..., 1]), allowed / counts[:, None, :, None])
    rows, columns = (_shares(extent, count) for extent, count in zip((height, width), size, strict=True))
    if np.allclose(shares, rows[:, None, :, None] * columns[None, :, None, :], rtol=1e-5, atol=0):
        end = nodes[-1]
        builder = Builder(end, names)
        pooled = builder.fused(ADAPTIVE_AVG_POOL, x, output_size=size)
        replace([*path[1:], *nodes], builder.nodes, {end.outputs[0]: pooled}, at=end)


def _mean_of_all(windows: ir.Node, rows: int, columns: int) -> tuple[np.ndarray, list[ir.Node]] | None:
    """By what the sum over each window is divided, and the nodes that do it, the last one last."""
    user = _only_user(windows)
    if user is not None and user.op_type == "ReduceMean":
        axes = axes_of(user.inputs[1] if len(user.inputs) > 1 else None, windows.outputs[0])
        kept = user.attributes.get_int("keepdims", 1)
        return (np.full((1, 1), rows * columns), [user]) if axes == (3, 5) and not kept else None
    parts = [part for row in _elements(windows, 3) or () for part in _elements(row, 4) or ()]
    nodes = [*windows.outputs[0].consumers(), *parts]
    if len(parts) != rows * columns or len(set(nodes)) != rows + rows * columns:
        return None
    total = parts[0]
    while (total := _only_user(total)) is not None and total.op_type == "Add":  # type: ignore[assignment]
        nodes.append(total)
    counts = None if total is None or total.op_type != "Div" else total.inputs[1]
    if total is None or counts is None or counts.const_value is None or not _is_sum(total.inputs[0], parts):
        return None
    return _array(counts), [*nodes, total]


def _elements(node: ir.Node, axis: int) -> list[ir.Node] | None:
    """The nodes that take one element each along an axis, when all that reads a node does, each another one."""
    users = node.outputs[0].consumers()
    indices = {numbers_of(user.inputs[1]) for user in users if user.op_type == "Gather"}
    if len(indices) != len(users) or any(attribute(user, "axis") != axis for user in users):
        return None
    return list(users)


def _is_sum(value: ir.Value | None, parts: list[ir.Node]) -> bool:
    """Whether a value is the sum of what these nodes make, each once."""
    pending, left = [value], {part.outputs[0] for part in parts}
    while pending:
        item = pending.pop()
        producer = None if item is None else item.producer()
        if item in left:
            left.remove(item)
        elif producer is not None and producer.op_type == "Add" and is_internal(producer.outputs[0]):
            pending += producer.inputs
        else:
            return False
    return not left


def _shares(extent: int, count: int) -> np.ndarray:
    """What every element along an axis contributes to each of `count` means."""
    places = np.arange(extent)
    return np.array([((places >= a) & (places < b)) / (b - a) for a, b in _bounds(extent, count)])


def _bounds(extent: int, count: int) -> list[tuple[int, int]]:
    """Where each of `count` windows begins and ends along an axis."""
    return [(i * extent // count, -(-(i + 1) * extent // count)) for i in range(count)]


def _only_user(node: ir.Node) -> ir.Node | None:
    users = node.outputs[0].consumers()
    return users[0] if len(users) == 1 and not node.outputs[0].is_graph_output() else None


def _permutation(node: ir.Node) -> tuple[int, ...]:
    return tuple(node.attributes.get_ints("perm", ())) if node.op_type == "Transpose" else ()


def _array(value: ir.Value | None) -> np.ndarray:
    assert value is not None
    assert value.const_value is not None
    return value.const_value.numpy()


def shape(x: Shape, *, output_size: tuple[int, ...] = (1, 1)) -> Shape:
    """(N, C, H, W) to (N, C, *output_size)."""
    return (*x[:2], *output_size)


def reference(x: np.ndarray, *, output_size: tuple[int, ...] = (1, 1)) -> np.ndarray:
    """The mean of every window, along one axis after the other, in 64 bits."""
    made = x.astype(np.float64)
    for axis, count in zip((2, 3), output_size, strict=True):
        bounds = _bounds(x.shape[axis], count)
        made = np.stack([made.take(range(a, b), axis).mean(axis) for a, b in bounds], axis)
    return made.astype(x.dtype)


ADAPTIVE_AVG_POOL = FusedOperator(
    "AdaptiveAvgPool",
    phase="pools",
    steps=(fuse_pools,),
    shape=shape,
    reference=reference,
    row=call("ops.adaptive_avg_pool2d({0}, {output_size})", output_size=(1, 1)),
)
