"""Shuffles: channels and pixels regrouped by a Reshape, a Transpose and a Reshape."""

from __future__ import annotations

from typing import TypeAlias

import onnx_ir as ir

from converter.graph.fusions.pattern import Pattern, named, op
from converter.graph.fusions.rewrite import DOMAIN, Builder, Fusion
from converter.graph.queries import shape_of

Extents: TypeAlias = tuple[int | str | None, ...]


def regrouped(x: Pattern, split: Pattern, perm: Pattern, merged: Pattern, parts: Pattern, y: Pattern) -> Pattern:
    """Axes split, changed over and merged."""
    return named(y, op.Reshape(op.Transpose(named(parts, op.Reshape(x, split)), perm=perm), merged))


def shuffle(
    builder: Builder,
    x: ir.Value,
    split: ir.Value,
    perm: tuple[int, ...],
    merged: ir.Value,
    parts: ir.Value,
    y: ir.Value,
) -> ir.Value | None:
    """The shuffle that has this order of the parts, where the extents of all three tensors agree."""
    before, middle, after = shape_of(x), shape_of(parts), shape_of(y)
    if before is None or middle is None or after is None or None in middle:
        return None
    match perm:
        case (0, 2, 1, 3, 4):
            n, groups, each, height, width = middle
            if before == after == (n, _times(groups, each), height, width):
                return builder.ChannelShuffle(x, domain=DOMAIN, groups=groups)
        case (0, 1, 4, 2, 5, 3):
            n, channels, block, other, height, width = middle
            if (before, after) == _sides(n, channels, block, other, height, width):
                return builder.DepthToSpace(x, blocksize=block, mode="CRD")
        case (0, 3, 4, 1, 5, 2):
            n, block, other, channels, height, width = middle
            if (before, after) == _sides(n, channels, block, other, height, width):
                return builder.DepthToSpace(x, blocksize=block, mode="DCR")
        case (0, 3, 5, 1, 2, 4) | (0, 1, 3, 5, 2, 4):
            n, channels, height, block, width, other = middle
            if (after, before) == _sides(n, channels, block, other, height, width):
                if perm[1] == 3:
                    return builder.SpaceToDepth(x, blocksize=block)
                return builder.PixelUnshuffle(x, domain=DOMAIN, factor=block)
    return None


def _sides(
    n: int | str | None,
    channels: int | str | None,
    block: int | str | None,
    other: int | str | None,
    height: int | str | None,
    width: int | str | None,
) -> tuple[Extents, Extents] | None:
    """The shapes of many channels of few pixels, and of few channels of many pixels."""
    if block != other or not isinstance(block, int):
        return None
    return (n, _times(channels, block * block), height, width), (
        n,
        channels,
        _times(height, block),
        _times(width, block),
    )


def _times(extent: int | str | None, number: int | str | None) -> int | str | None:
    """An extent times a number, written as `extents` writes it."""
    return extent * number if isinstance(extent, int) and isinstance(number, int) else f"({extent} * {number})"


FUSIONS = (Fusion(regrouped, shuffle),)
