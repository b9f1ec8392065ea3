"""Running products, which torch's exporter writes as a product over a triangle of copies."""

from __future__ import annotations

import numpy as np
import onnx_ir as ir

from converter.graph.fusions.pattern import Pattern, constant, either, op
from converter.graph.fusions.rewrite import Builder, Fusion
from converter.graph.queries import numbers_of, rank_of

_LARGEST = 1 << 22
"""Limit of elements of a mask that is compared."""


def product_of_triangle(
    x: Pattern, new: Pattern, count: Pattern, rows: Pattern, behind: Pattern, dims: Pattern
) -> Pattern:
    """For each element of an axis the product of those up to it, the others being 1."""
    places = op.Range(0, count, 1)
    before = op.LessOrEqual(op.Unsqueeze(places, rows), places)
    kept = op.Where(either(op.Unsqueeze(before, behind), before), op.Unsqueeze(x, new), 1)
    return op.prod(kept, domain="prims", dims=dims)


def running_product(
    builder: Builder, x: ir.Value, new: ir.Value, rows: ir.Value, dims: tuple[int, ...], behind: ir.Value | None = None
) -> ir.Value | None:
    """CumProd, when the copies are along the next axis."""
    after = 0 if behind is None else len(numbers_of(behind) or ())
    return _running(builder, x, new, after, dims) if numbers_of(rows) in ((1,), (-1,)) else None


def product_of_constant_triangle(x: Pattern, new: Pattern, mask: Pattern, dims: Pattern) -> Pattern:
    """The same of a fixed number of elements: the mask is a constant."""
    return op.prod(op.Where(constant(mask), op.Unsqueeze(x, new), 1), domain="prims", dims=dims)


def running_product_of_few(
    builder: Builder, x: ir.Value, new: ir.Value, mask: ir.Value, dims: tuple[int, ...]
) -> ir.Value | None:
    """CumProd, when the mask is true where the first place is not behind the second."""
    tensor = mask.const_value
    shape = () if tensor is None else tuple(int(extent) for extent in tensor.shape.numpy())
    if tensor is None or len(shape) < 2 or shape[0] != shape[1] or set(shape[2:]) > {1} or tensor.size > _LARGEST:
        return None
    if not np.array_equal(tensor.numpy().reshape(shape[:2]), np.triu(np.ones(shape[:2], bool))):
        return None
    return _running(builder, x, new, len(shape) - 2, dims)


def _running(builder: Builder, x: ir.Value, new: ir.Value, after: int, dims: tuple[int, ...]) -> ir.Value | None:
    """CumProd along the axis before the new one, which `after` others follow."""
    rank, added = rank_of(x), numbers_of(new)
    if rank is None or added is None or len(dims) != 1 or len(added) != 1:
        return None
    axis = dims[0] % (rank + 1)
    if added[0] % (rank + 1) != axis + 1 or after != rank - 1 - axis:
        return None
    return builder.CumProd(x, builder.constant("axis", np.array(axis)))


FUSIONS = (
    Fusion(product_of_triangle, running_product),
    Fusion(product_of_constant_triangle, running_product_of_few),
)
