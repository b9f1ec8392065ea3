"""PixelUnshuffle: blocks of pixels as channels, in the order (channel, row, column); SpaceToDepth has channels last."""

from __future__ import annotations

import numpy as np
import onnx_ir as ir

from converter.graph import shape_of
from converter.graph.fusions import (
    Builder,
    FusedOperator,
    Fusion,
    NoMatch,
    Shape,
    known_shape,
    regrouped,
    shapes_of_blocks,
)
from converter.rows import call


def pixel_unshuffle(
    builder: Builder, x: ir.Value, perm: tuple[int, ...], parts: ir.Value, y: ir.Value
) -> ir.Value | None:
    """PixelUnshuffle, where the pixels of a block follow their channel."""
    if perm != (0, 1, 3, 5, 2, 4):
        return None
    n, channels, height, block, width, other = known_shape(parts)
    if (shape_of(y), shape_of(x)) != shapes_of_blocks(n, channels, block, other, height, width):
        raise NoMatch(f"{shape_of(x)} is split to {shape_of(parts)} and merged to {shape_of(y)}")
    return builder.fused(PIXEL_UNSHUFFLE, x, factor=block)


def shape(x: Shape, *, factor: int = 1) -> Shape:
    """(N, C, H, W) to (N, C * factor², H / factor, W / factor)."""
    n, channels, *extents = x
    pixels = (extent // factor if isinstance(extent, int) else None for extent in extents)
    return (n, channels * factor**2 if isinstance(channels, int) else None, *pixels)


def reference(x: np.ndarray, *, factor: int = 1) -> np.ndarray:
    """Height and width split in two axes each, the inner ones moved after the channels."""
    n, channels, height, width = x.shape
    blocks = x.reshape(n, channels, height // factor, factor, width // factor, factor)
    return blocks.transpose(0, 1, 3, 5, 2, 4).reshape(n, -1, height // factor, width // factor)


PIXEL_UNSHUFFLE = FusedOperator(
    "PixelUnshuffle",
    phase="shuffles",
    steps=(Fusion(regrouped, pixel_unshuffle),),
    shape=shape,
    reference=reference,
    row=call("ops.pixel_unshuffle({0}, {factor})", factor=1),
)
