"""AdaptiveAvgPool: an average pool to a given size, which torch's exporter gathers by constant tables."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import onnx_ir as ir

from converter.graph import UniqueNames, attribute, axes_of, is_internal, number_of, numbers_of, shape_of
from converter.graph.fusions import Builder, FusedOperator, NodeFusion, NoMatch, Shape, replace
from converter.rows import call

_LARGEST = 1 << 24  # the most numbers to compare


def adaptive_avg_pool(gather: ir.Node, names: UniqueNames) -> bool:
    """Replace what gathers every window by a table, (rows, in a window, columns, in a window, 2), and takes the mean.

    Where the windows differ in size, the exporter masks what the smaller ones lack and adds up element by element.
    """
    source, indices = gather.inputs
    before = None if source is None else source.producer()
    table = None if indices is None or indices.const_value is None else indices.const_value
    if before is None or _permutation(before) != (2, 3, 0, 1) or table is None or table.shape.numpy()[4:] != (2,):
        return False
    path = [gather, *_transpose_and_masks(gather)]
    rows, in_row, columns, in_column, _ = table.shape.numpy()
    counts, mean = _mean_of_windows(path[-1], in_row, in_column)
    x = before.inputs[0]
    *_, height, width = (None, None) if x is None else shape_of(x) or (None, None)
    if not isinstance(height, int) or not isinstance(width, int):
        raise NoMatch("the height or the width of its input is not fixed")
    if rows * columns * height * width > _LARGEST:
        raise NoMatch("its windows are too many to be compared")
    shares = _shares_of_table(table.numpy(), path[2:], counts, (height, width))
    in_rows, in_columns = _shares(height, rows), _shares(width, columns)
    if not np.allclose(shares, in_rows[:, None, :, None] * in_columns[None, :, None, :], rtol=1e-5, atol=0):
        raise NoMatch("its windows are not those of an adaptive pool, or it divides by other numbers than their sizes")
    builder = Builder(mean[-1], names)
    pooled = builder.fused(ADAPTIVE_AVG_POOL, x, output_size=(rows, columns))
    replace([*path, *mean], builder.nodes, {mean[-1].outputs[0]: pooled}, at=mean[-1])
    return True


def _transpose_and_masks(gather: ir.Node) -> list[ir.Node]:
    """The Transpose of (windows, N, C) to (N, C, windows), and the nodes that mask windows with zeros.

    Raises:
        NoMatch: something else reads the windows.
    """
    transpose = _only_user(gather)
    if transpose is None or _permutation(transpose) != (4, 5, 0, 1, 2, 3):
        raise NoMatch("its windows are read elsewhere, or in another layout")
    path = [transpose]
    while (mask := _only_user(path[-1])) is not None and mask.op_type == "Where":
        condition, zero, value = mask.inputs
        if condition is None or condition.const_value is None or number_of(zero) != 0:
            raise NoMatch("its windows are masked by what is no constant, or with another number than zero", mask)
        if value is not path[-1].outputs[0]:
            raise NoMatch("its windows are kept where the mask is true", mask)
        path.append(mask)
    return path


def _shares_of_table(
    table: np.ndarray, masks: Sequence[ir.Node], counts: np.ndarray, extents: tuple[int, int]
) -> np.ndarray:
    """The weight of every input element in each mean: (rows, columns, height, width)."""
    allowed = np.ones(table.shape[:4], bool)
    for mask in masks:
        allowed = allowed & ~_array(mask.inputs[0])
    shares = np.zeros((table.shape[0], table.shape[2], *extents))
    i, _, j, _ = np.indices(allowed.shape)
    np.add.at(shares, (i, j, table[..., 0], table[..., 1]), allowed / counts[:, None, :, None])
    return shares


def _mean_of_windows(windows: ir.Node, rows: int, columns: int) -> tuple[np.ndarray, list[ir.Node]]:
    """The divisors of the sums over the windows, and the nodes that compute the means, the final node last.

    Raises:
        NoMatch: the nodes compute something else than the mean.
    """
    user = _only_user(windows)
    if user is not None and user.op_type == "ReduceMean":
        axes = axes_of(user.inputs[1] if len(user.inputs) > 1 else None, windows.outputs[0])
        if axes != (3, 5) or attribute(user, "keepdims"):
            raise NoMatch(f"the mean is over the axes {axes}, or keeps them", user)
        return np.full((1, 1), rows * columns), [user]
    parts = [part for row in _elements(windows, 3) or () for part in _elements(row, 4) or ()]
    nodes = [*windows.outputs[0].consumers(), *parts]
    if len(parts) != rows * columns or len(set(nodes)) != rows + rows * columns:
        raise NoMatch("not all elements of its windows are added up")
    total = parts[0]
    while (total := _only_user(total)) is not None and total.op_type == "Add":  # type: ignore[assignment]
        nodes.append(total)
    counts = None if total is None or total.op_type != "Div" else total.inputs[1]
    if total is None or counts is None or counts.const_value is None or not _is_sum(total.inputs[0], parts):
        raise NoMatch("the sum over its windows is not divided by a constant")
    return _array(counts), [*nodes, total]


def _elements(node: ir.Node, axis: int) -> list[ir.Node] | None:
    """The consumers of a node, if each is a Gather of a different element along the axis; else None."""
    users = node.outputs[0].consumers()
    indices = {numbers_of(user.inputs[1]) for user in users if user.op_type == "Gather"}
    if len(indices) != len(users) or any(attribute(user, "axis") != axis for user in users):
        return None
    return list(users)


def _is_sum(value: ir.Value | None, parts: list[ir.Node]) -> bool:
    """Whether a value is the sum of these nodes' outputs, each added once."""
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
    """The weight of every element along an axis in each of `count` means: (count, extent)."""
    places = np.arange(extent)
    return np.array([((places >= a) & (places < b)) / (b - a) for a, b in _bounds(extent, count)])


def _bounds(extent: int, count: int) -> list[tuple[int, int]]:
    """The start and the end of each of `count` windows along an axis."""
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
    steps=(NodeFusion("GatherND", adaptive_avg_pool),),
    shape=shape,
    reference=reference,
    row=call("ops.adaptive_avg_pool2d({0}, {output_size})", output_size=(1, 1)),
)
