"""RepeatInterleave: each element along an axis, several times."""

from __future__ import annotations

import numpy as np
import onnx_ir as ir

from converter.graph import axes_of, shape_of
from converter.graph.fusions import Builder, FusedOperator, Fusion, NoMatch, Pattern, Shape, named, names_all, op
from converter.rows import Arg, Node, Operand, expr


def expanded_and_merged(
    x: Pattern, axes: Pattern, shape: Pattern, merged: Pattern, wide: Pattern, y: Pattern
) -> Pattern:
    """A new axis of copies, merged with the axis before it."""
    return named(y, op.Reshape(named(wide, op.Expand(op.Unsqueeze(x, axes), shape)), merged))


def repeat_interleave(
    builder: Builder, x: ir.Value, axes: ir.Value, merged: ir.Value, wide: ir.Value, y: ir.Value
) -> ir.Value:
    """RepeatInterleave: the heads of keys and values in grouped-query attention, one for several queries.

    Where the batch and the heads become one axis at once, for a product of matrices, that is a step of its own.
    """
    before, expanded, after, new = shape_of(x), shape_of(wide), shape_of(y), axes_of(axes, wide)
    if before is None or expanded is None or new is None or len(new) != 1 or not new[0]:
        raise NoMatch("its shapes are unknown, or its new axis is the first, or there are several")
    axis = new[0] - 1
    repeats, heads = expanded[axis + 1], before[axis]
    if not isinstance(repeats, int) or not isinstance(heads, int) or None in before:
        raise NoMatch(f"extents of {before} are unknown")
    if expanded != (*before[: axis + 1], repeats, *before[axis + 1 :]):
        raise NoMatch(f"{before} is expanded to {expanded} along other axes than the new one")
    repeated = shape_of_repeated(before, repeats=repeats, axis=axis)
    if after == repeated:
        return builder.fused(REPEAT_INTERLEAVE, x, repeats=repeats, axis=axis)
    if after is None or len(after) != len(before) - 1 or after[1:] != repeated[2:] or not names_all(merged):
        raise NoMatch(f"{expanded} is reshaped to {after}, copies are not merged with the axis before them")
    return builder.Reshape(builder.fused(REPEAT_INTERLEAVE, x, repeats=repeats, axis=axis), merged)


def shape_of_repeated(x: Shape, *, repeats: int = 1, axis: int = 0) -> Shape:
    """That of x, with one extent multiplied by `repeats`."""
    extent = x[axis]
    return (*x[:axis], extent * repeats if isinstance(extent, int) else None, *x[axis + 1 :])


def reference(x: np.ndarray, *, repeats: int = 1, axis: int = 0) -> np.ndarray:
    """`np.repeat`."""
    return np.repeat(x, repeats, axis)


def row(node: Node, x: Operand, *, repeats: int = 1, axis: int = 0) -> Arg:
    """Each element along an axis, several times."""
    return expr("ops.repeat_interleave({0}, {1}, {2})", x, repeats, axis)


REPEAT_INTERLEAVE = FusedOperator(
    "RepeatInterleave",
    phase="heads",
    steps=(Fusion(expanded_and_merged, repeat_interleave),),
    shape=shape_of_repeated,
    reference=reference,
    row=row,
)
