"""Patches: what torch's exporter gathers from an image by constant tables, for an unfold or a pool of any size."""

from __future__ import annotations

import math

import numpy as np
import onnx_ir as ir

from converter.graph.fusions.pattern import Pattern, either, op
from converter.graph.fusions.rewrite import DOMAIN, Builder, Fusion, replace
from converter.graph.queries import attribute, axes_of, is_internal, number_of, numbers_of, shape_of
from converter.graph.unique_names import UniqueNames

_LARGEST = 1 << 24  # numbers that are compared


# Patches


def gathered_patches(x: Pattern, pads: Pattern, rows: Pattern, columns: Pattern, shape: Pattern) -> Pattern:
    """Rows and columns of every patch, patches last: `unfold`."""
    source = either(op.Pad(x, pads, mode="constant"), op.Pad(x, pads, 0, mode="constant"), x)
    gathered = op.Gather(op.Gather(source, rows, axis=2), columns, axis=4)
    return op.Reshape(op.Transpose(gathered, perm=(0, 1, 2, 4, 3, 5)), shape)


def unfold(
    builder: Builder, x: ir.Value, pads: ir.Value | None, rows: ir.Value, columns: ir.Value, shape: ir.Value
) -> ir.Value | None:
    """`fusion.Unfold`, when the tables count in steps and nothing lies beyond the last patch."""
    extents, around = shape_of(x), (0,) * 8 if pads is None else numbers_of(pads)
    tables = [table.const_value for table in (rows, columns)]
    if extents is None or len(extents) != 4 or around is None or tables[0] is None or tables[1] is None:
        return None
    padding, (height, width) = around[2:4], extents[2:]
    if around != (0, 0, *padding, 0, 0, *padding) or not isinstance(height, int) or not isinstance(width, int):
        return None
    steps = [_steps(table.numpy()) for table in tables if table is not None]
    if None in steps:
        return None
    (kernel, dilation, stride, counts) = zip(*(step for step in steps if step is not None), strict=True)
    for extent, pad, k, d, s, count in zip((height, width), padding, kernel, dilation, stride, counts, strict=True):
        if (extent + 2 * pad - d * (k - 1) - 1) // s + 1 != count:
            return None
    wanted, channels = numbers_of(shape), extents[1]
    if wanted is None or not isinstance(channels, int):
        return None
    if wanted[1:] not in ((channels * math.prod(kernel), math.prod(counts)), (channels * math.prod(kernel), -1)):
        return None
    return builder.Unfold(x, domain=DOMAIN, kernel=kernel, dilation=dilation, padding=padding, stride=stride)


def _steps(table: np.ndarray) -> tuple[int, int, int, int] | None:
    """Kernel, dilation, stride and count of a table `dilation * i + stride * j`."""
    if table.ndim != 2 or not table.size or table[0, 0] != 0:
        return None
    kernel, count = table.shape
    dilation = int(table[1, 0]) if kernel > 1 else 1
    stride = int(table[0, 1]) if count > 1 else 1
    if min(dilation, stride) < 1 or (table != dilation * np.arange(kernel)[:, None] + stride * np.arange(count)).any():
        return None
    return kernel, dilation, stride, count


FUSIONS = (Fusion(gathered_patches, unfold),)


# Pools


def pool_adaptively(model: ir.Model, names: UniqueNames) -> None:
    """Make `fusion.AdaptiveAvgPool` of what gathers every window by a table and takes the mean.

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
        pooled = builder.AdaptiveAvgPool(x, domain=DOMAIN, output_size=size)
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
    starts = [i * extent // count for i in range(count)]
    ends = [-(-(i + 1) * extent // count) for i in range(count)]
    places = np.arange(extent)
    return np.array([((places >= a) & (places < b)) / (b - a) for a, b in zip(starts, ends, strict=True)])


def _only_user(node: ir.Node) -> ir.Node | None:
    users = node.outputs[0].consumers()
    return users[0] if len(users) == 1 and not node.outputs[0].is_graph_output() else None


def _permutation(node: ir.Node) -> tuple[int, ...]:
    return tuple(node.attributes.get_ints("perm", ())) if node.op_type == "Transpose" else ()


def _array(value: ir.Value | None) -> np.ndarray:
    assert value is not None
    assert value.const_value is not None
    return value.const_value.numpy()
