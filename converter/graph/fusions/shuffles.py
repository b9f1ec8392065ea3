"""Shuffles: channels and pixels regrouped by a Reshape, a Transpose and a Reshape."""

from __future__ import annotations

import onnx_ir as ir

from converter.graph.fusions.log import NoMatch
from converter.graph.fusions.pattern import Pattern, named, op
from converter.graph.fusions.rewrite import Builder, Fusion, Shape
from converter.graph.queries import shape_of
from converter.shapes import Dim, times


def regrouped(x: Pattern, split: Pattern, perm: Pattern, merged: Pattern, parts: Pattern, y: Pattern) -> Pattern:
    """A Reshape that splits axes, a Transpose, and a Reshape that merges axes."""
    return named(y, op.Reshape(op.Transpose(named(parts, op.Reshape(x, split)), perm=perm), merged))


def depth_to_space_or_back(
    builder: Builder, x: ir.Value, perm: tuple[int, ...], parts: ir.Value, y: ir.Value
) -> ir.Value | None:
    """DepthToSpace or SpaceToDepth, depending on `perm`, if the shapes of `x`, `parts` and `y` agree."""
    sides = shape_of(x), shape_of(y)
    match perm:
        case (0, 1, 4, 2, 5, 3):
            n, channels, block, other, height, width = known_shape(parts)
            if sides == shapes_of_blocks(n, channels, block, other, height, width):
                return builder.DepthToSpace(x, blocksize=block, mode="CRD")
        case (0, 3, 4, 1, 5, 2):
            n, block, other, channels, height, width = known_shape(parts)
            if sides == shapes_of_blocks(n, channels, block, other, height, width):
                return builder.DepthToSpace(x, blocksize=block, mode="DCR")
        case (0, 3, 5, 1, 2, 4):
            n, channels, height, block, width, other = known_shape(parts)
            if sides[::-1] == shapes_of_blocks(n, channels, block, other, height, width):
                return builder.SpaceToDepth(x, blocksize=block)
        case _:
            return None
    raise NoMatch(f"{sides[0]} is split to {shape_of(parts)} and merged to {sides[1]}")


def known_shape(value: ir.Value) -> Shape:
    """A value's extents.

    Raises:
        NoMatch: an extent is unknown.
    """
    extents = shape_of(value)
    if extents is None or None in extents:
        raise NoMatch(f"'{value.name}' has the shape {extents}")
    return extents


def shapes_of_blocks(
    n: Dim,
    channels: Dim,
    block: Dim,
    other: Dim,
    height: Dim,
    width: Dim,
) -> tuple[Shape, Shape] | None:
    """The shapes (N, C * block², H, W) and (N, C, H * block, W * block); None if `block` and `other` differ."""
    if block != other or not isinstance(block, int):
        return None
    return (n, times(channels, block * block), height, width), (
        n,
        channels,
        times(height, block),
        times(width, block),
    )


FUSIONS = (Fusion(regrouped, depth_to_space_or_back),)
