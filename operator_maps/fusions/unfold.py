"""Unfold: the patches of an image as columns, which torch's exporter gathers by constant tables."""

from __future__ import annotations

import math

import numpy as np
import onnx_ir as ir

from converter.graph import numbers_of, shape_of
from converter.graph.fusions import Builder, FusedOperator, Fusion, NoMatch, Pattern, Shape, either, op
from converter.rows import Arg, Node, Operand, invoke, unless_default
from operator_maps.lib.windows import scalar


def gathered_patches(x: Pattern, pads: Pattern, rows: Pattern, columns: Pattern, shape: Pattern) -> Pattern:
    """Rows and columns of every patch, patches last: `unfold`."""
    source = either(op.Pad(x, pads, mode="constant"), op.Pad(x, pads, 0, mode="constant"), x)
    gathered = op.Gather(op.Gather(source, rows, axis=2), columns, axis=4)
    return op.Reshape(op.Transpose(gathered, perm=(0, 1, 2, 4, 3, 5)), shape)


def unfold(
    builder: Builder, x: ir.Value, pads: ir.Value | None, rows: ir.Value, columns: ir.Value, shape: ir.Value
) -> ir.Value:
    """Unfold, when the tables count in steps and nothing lies beyond the last patch."""
    extents, around = shape_of(x), (0,) * 8 if pads is None else numbers_of(pads)
    if extents is None or len(extents) != 4 or not all(isinstance(extent, int) for extent in extents[1:]):
        raise NoMatch(f"its image has shape {extents}")
    if around is None or around != (0, 0, *around[2:4], 0, 0, *around[2:4]):
        raise NoMatch(f"its padding {around} is not the same at both ends")
    _, channels, *pixels = extents
    padding = around[2:4]
    kernel, dilation, stride, counts = zip(*map(_steps, (rows, columns)), strict=True)
    for extent, pad, k, d, s, count in zip(pixels, padding, kernel, dilation, stride, counts, strict=True):
        if (extent + 2 * pad - d * (k - 1) - 1) // s + 1 != count:  # type: ignore[operator]
            raise NoMatch(f"its tables have {count} patches along an axis of {extent}, and leave some out")
    wanted, size = numbers_of(shape) or (), channels * math.prod(kernel)  # type: ignore[operator]
    if wanted[1:] not in ((size, math.prod(counts)), (size, -1)):
        raise NoMatch(f"its patches are reshaped to {wanted}")
    return builder.fused(UNFOLD, x, kernel=kernel, dilation=dilation, padding=padding, stride=stride)


def _steps(indices: ir.Value) -> tuple[int, int, int, int]:
    """Kernel, dilation, stride and count of a table `dilation * i + stride * j`.

    Raises:
        NoMatch: it is another table, or none.
    """
    table = np.empty(0) if indices.const_value is None else indices.const_value.numpy()
    if table.ndim != 2 or not table.size or table[0, 0] != 0:
        raise NoMatch("its rows or columns are not gathered by a constant table that begins with 0")
    kernel, count = table.shape
    dilation = int(table[1, 0]) if kernel > 1 else 1
    stride = int(table[0, 1]) if count > 1 else 1
    if min(dilation, stride) < 1 or (table != dilation * np.arange(kernel)[:, None] + stride * np.arange(count)).any():
        raise NoMatch("its table does not count in steps")
    return kernel, dilation, stride, count


def shape(
    x: Shape,
    *,
    kernel: tuple[int, ...] = (1, 1),
    dilation: tuple[int, ...] = (1, 1),
    padding: tuple[int, ...] = (0, 0),
    stride: tuple[int, ...] = (1, 1),
) -> Shape:
    """(N, C, H, W) to (N, C * pixels of a patch, patches)."""
    n, channels, *extents = x
    patches = 1
    for extent, k, d, pad, s in zip(extents, kernel, dilation, padding, stride, strict=True):
        if not isinstance(extent, int):
            return (n, None, None)
        patches *= (extent + 2 * pad - d * (k - 1) - 1) // s + 1
    return (n, channels * math.prod(kernel) if isinstance(channels, int) else None, patches)


def reference(
    x: np.ndarray,
    *,
    kernel: tuple[int, ...] = (1, 1),
    dilation: tuple[int, ...] = (1, 1),
    padding: tuple[int, ...] = (0, 0),
    stride: tuple[int, ...] = (1, 1),
) -> np.ndarray:
    """Windows of the padded image as (N, C * pixels of a patch, patches)."""
    x = np.pad(x, [(0, 0), (0, 0), *((pad, pad) for pad in padding)])
    window = [d * (k - 1) + 1 for k, d in zip(kernel, dilation, strict=True)]
    patches = np.lib.stride_tricks.sliding_window_view(x, window, (2, 3))  # type: ignore[call-overload]
    patches = patches[:, :, :: stride[0], :: stride[1], :: dilation[0], :: dilation[1]]
    n, channels, rows, columns = patches.shape[:4]
    return patches.transpose(0, 1, 4, 5, 2, 3).reshape(n, channels * math.prod(kernel), rows * columns)


def row(
    node: Node,
    x: Operand,
    *,
    kernel: tuple[int, ...] = (1, 1),
    dilation: tuple[int, ...] = (1, 1),
    padding: tuple[int, ...] = (0, 0),
    stride: tuple[int, ...] = (1, 1),
) -> Arg:
    """The patches of an image as columns."""
    options = unless_default(dilation=(scalar(dilation), 1), padding=(scalar(padding), 0), stride=(scalar(stride), 1))
    return invoke("ops.unfold", x, scalar(kernel), **options)


UNFOLD = FusedOperator(
    "Unfold", phase="patches", steps=(Fusion(gathered_patches, unfold),), shape=shape, reference=reference, row=row
)
