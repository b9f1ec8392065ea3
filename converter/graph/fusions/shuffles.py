"""Shuffles: channels and pixels regrouped by a Reshape, a Transpose and a Reshape."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import onnx_ir as ir

from converter.graph.fusions.log import NoMatch
from converter.graph.fusions.pattern import Pattern, named, op
from converter.graph.fusions.replacement import replace
from converter.graph.fusions.rewrite import Builder, Fusion, NodeFusion, Shape, is_private
from converter.graph.queries import attribute, numbers_of, shape_of
from converter.graph.unique_names import UniqueNames
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


class _Grid(NamedTuple):
    """`x[:, row::block, column::block]`, and the Slices that compute it."""

    x: ir.Value
    block: int
    row: int
    column: int
    nodes: list[ir.Node]


def merge_patches(concat: ir.Node, names: UniqueNames) -> bool:
    """Replace the grids of pixels that Swin's PatchMerging concatenates by a Reshape, a Transpose and a Reshape.

    So timm writes it, too. A slice with a step has no gradient on the CPU.
    """
    grids = [grid for value in concat.inputs if (grid := _grid(value)) is not None]
    if len(grids) < len(concat.inputs):
        return False
    x, block = grids[0].x, grids[0].block
    _, height, width, channels = shape_of(x) or (None,) * 4
    if attribute(concat, "axis") not in (-1, 3) or not isinstance(channels, int):
        return False
    if not isinstance(height, int) or not isinstance(width, int) or height % block or width % block:
        raise NoMatch(f"{height} x {width} pixels may be no multiple of {block}")
    places = [(grid.row, grid.column) for grid in grids]
    if places == [(row, column) for column in range(block) for row in range(block)]:
        perm = (0, 1, 3, 4, 2, 5)
    elif places == [(row, column) for row in range(block) for column in range(block)]:
        perm = (0, 1, 3, 2, 4, 5)
    else:
        return False
    nodes = list(dict.fromkeys(node for grid in grids for node in grid.nodes))
    if any((grid.x, grid.block) != (x, block) for grid in grids) or not all(
        is_private(node, {*nodes, concat}) for node in nodes
    ):
        return False
    builder = Builder(concat, names)
    rows, columns = height // block, width // block
    parts = builder.Reshape(x, builder.constant("parts", np.array((-1, rows, block, columns, block, channels))))
    shape = builder.constant("shape", np.array((-1, rows, columns, channels * block**2)))
    merged = builder.Reshape(builder.Transpose(parts, perm=perm), shape)
    replace([*nodes, concat], builder.nodes, {concat.outputs[0]: merged}, at=concat)
    return True


def _grid(value: ir.Value | None) -> _Grid | None:
    """The grid of pixels that Slices along the second and the third of four axes take, with one step for both."""
    slices: list[tuple[int, int, int]] = []  # axis, start, step
    nodes: list[ir.Node] = []
    x = value
    while x is not None and (node := x.producer()) is not None and node.op_type == "Slice" and len(node.inputs) == 5:
        starts, axes, steps = (numbers_of(node.inputs[place]) for place in (1, 3, 4))
        if starts is None or axes is None or steps is None:
            return None
        slices += zip((axis % 4 for axis in axes), starts, steps, strict=True)
        nodes.append(node)
        x = node.inputs[0]
    match sorted(slices):
        case [(1, row, block), (2, column, other)] if block == other > 1 and x is not None and value is not None:
            pass
        case _:
            return None
    (_, *extents, _), (_, *taken, _) = (shape_of(each) or (None,) * 4 for each in (x, value))
    whole = all(
        isinstance(extent, int) and extent // block == part for extent, part in zip(extents, taken, strict=True)
    )
    return _Grid(x, block, row, column, nodes) if whole else None


FUSIONS = (Fusion(regrouped, depth_to_space_or_back), NodeFusion("Concat", merge_patches))
