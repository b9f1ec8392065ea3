"""Means, and other reductions, over axes that views have added, moved or are about to remove."""

from __future__ import annotations

import numpy as np
import onnx_ir as ir

from converter.graph.fusions.pattern import Pattern, either, named, op
from converter.graph.fusions.rewrite import Builder, Fusion
from converter.graph.queries import axes_of, rank_of, shape_of


def mean_with_new_axes(x: Pattern, new: Pattern, over: Pattern, mean: Pattern) -> Pattern:
    """A mean over axes of which some are new, as torch exports `AdaptiveAvgPool1d(1)`."""
    return named(mean, op.ReduceMean(op.Unsqueeze(x, new), over, keepdims=1))


def new_axes_behind_mean(
    builder: Builder, x: ir.Value, new: ir.Value, over: ir.Value, mean: ir.Value
) -> ir.Value | None:
    """The mean over the other axes, and then the new axes."""
    added, axes, rank = axes_of(new, mean), axes_of(over, mean), rank_of(mean)
    if added is None or axes is None or rank is None or not set(added) < set(axes):
        return None
    inner = [axis for axis in range(rank) if axis not in added]
    left = np.array([inner.index(axis) for axis in axes if axis not in added])
    return builder.Unsqueeze(builder.ReduceMean(x, builder.constant("axes", left), keepdims=1), new)


def mean_and_reshape(x: Pattern, over: Pattern, shape: Pattern, y: Pattern) -> Pattern:
    """A mean that keeps its axes, in another shape."""
    return named(y, op.Reshape(op.ReduceMean(x, over, keepdims=1), shape))


def mean_without_axes(builder: Builder, x: ir.Value, over: ir.Value, y: ir.Value) -> ir.Value | None:
    """The mean that does not keep its axes, when the shape is what is left."""
    extents, axes = shape_of(x), axes_of(over, x)
    if extents is None or axes is None or not axes:
        return None
    left = tuple(extent for axis, extent in enumerate(extents) if axis not in axes)
    return builder.ReduceMean(x, over, keepdims=0) if None not in left and left == shape_of(y) else None


def mean_of_transposed(x: Pattern, perm: Pattern, over: Pattern, y: Pattern) -> Pattern:
    """A mean of a transposed tensor."""
    return named(y, op.ReduceMean(op.Transpose(x, perm=perm), over, keepdims=0))


def mean_in_place(builder: Builder, x: ir.Value, perm: tuple[int, ...], over: ir.Value, y: ir.Value) -> ir.Value | None:
    """The mean of the tensor itself, when the axes that are left are in order."""
    axes = axes_of(over, x)
    if axes is None or not axes:
        return None
    left = [source for axis, source in enumerate(perm) if axis not in axes]
    if left != sorted(left):
        return None
    return builder.ReduceMean(x, builder.constant("axes", np.array(sorted(perm[axis] for axis in axes))), keepdims=0)


def squeezed(x: Pattern, over: Pattern, reduced: Pattern, removed: Pattern) -> Pattern:
    """A reduction that keeps its axes, and a Squeeze of them."""
    kinds = (op.ReduceMax(x, over, keepdims=1), op.ReduceMin(x, over, keepdims=1), op.ReduceSum(x, over, keepdims=1))
    return op.Squeeze(named(reduced, either(op.ReduceMean(x, over, keepdims=1), *kinds)), removed)


def reduction_without_axes(
    builder: Builder, x: ir.Value, over: ir.Value, reduced: ir.Value, removed: ir.Value
) -> ir.Value | None:
    """The reduction that does not keep its axes, when these are all that the Squeeze removes."""
    axes, node = axes_of(over, x), reduced.producer()
    if not axes or node is None or axes != axes_of(removed, x):
        return None
    made: ir.Value = getattr(builder, node.op_type)(x, over, keepdims=0)
    return made


FUSIONS = (
    Fusion(squeezed, reduction_without_axes),
    Fusion(mean_with_new_axes, new_axes_behind_mean),
    Fusion(mean_and_reshape, mean_without_axes),
    Fusion(mean_of_transposed, mean_in_place),
)
