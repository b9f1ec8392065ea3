"""ChannelShuffle: channels regrouped, so that each group has one of every old group."""

from __future__ import annotations

import numpy as np
import onnx_ir as ir

from converter.graph import shape_of
from converter.graph.fusions import Builder, FusedOperator, Fusion, NoMatch, known_shape, regrouped, shape_of_first
from converter.rows import Arg, Node, Operand, expr
from converter.shapes import times


def channel_shuffle(
    builder: Builder, x: ir.Value, perm: tuple[int, ...], parts: ir.Value, y: ir.Value
) -> ir.Value | None:
    """ChannelShuffle, where two axes that the channels are split into change places."""
    if perm != (0, 2, 1, 3, 4):
        return None
    n, groups, each, height, width = known_shape(parts)
    if not shape_of(x) == shape_of(y) == (n, times(groups, each), height, width):
        raise NoMatch(f"{shape_of(x)} is split to {shape_of(parts)} and merged to {shape_of(y)}")
    return builder.fused(CHANNEL_SHUFFLE, x, groups=groups)


def reference(x: np.ndarray, *, groups: int = 1) -> np.ndarray:
    """Channels of (N, C, H, W) split in two axes, which change places."""
    n, channels, *rest = x.shape
    return x.reshape(n, groups, channels // groups, *rest).swapaxes(1, 2).reshape(x.shape)


def row(node: Node, x: Operand, *, groups: int = 1) -> Arg:
    """Channels regrouped, so that each group has one of every old group (`ops.channel_shuffle` has no gradient)."""
    return expr("{0}({1}, {2})", shuffle_channels, x, groups)


def shuffle_channels(x, groups):
    """Regroup the channels of (N, C, H, W), so that each group has one of every old group."""
    parts = x.reshape((-1, groups, x.shape[1] // groups, x.shape[2], x.shape[3]))
    return parts.swapaxes(1, 2).reshape(x.shape)


CHANNEL_SHUFFLE = FusedOperator(
    "ChannelShuffle",
    phase="shuffles",
    steps=(Fusion(regrouped, channel_shuffle),),
    shape=shape_of_first,
    reference=reference,
    row=row,
)
