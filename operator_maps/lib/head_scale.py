"""Scales of attention as roots of the size of a head: `scores * 32**-0.5` instead of `scores * 0.17677669`."""

from __future__ import annotations

from typing import Any

import onnx_ir as ir

from converter.graph import Trait, count_uses, has_trait, shape_of
from converter.rows import Arg, Node, Operand, expr

_FARTHEST = 8
"""Limit of views between a scaled tensor and the product that reads it."""
_TYPES = (ir.DataType.FLOAT, ir.DataType.FLOAT16, ir.DataType.BFLOAT16)


def as_root(node: Node, x: Operand, number: Any) -> Arg:
    """A number that scales `x`: as a root, if it is one of the extent over which a product of `x` sums."""
    if not isinstance(number, float) or x.dtype not in _TYPES or number <= 0 or number == 1:
        return number
    exponent = 0.5 if number > 1 else -0.5
    size = round(number ** (1 / exponent))
    numpy = x.dtype.numpy()
    if size < 2 or numpy.type(size**exponent) != numpy.type(number):
        return number
    if size not in (_summed(x.value.producer(), 0), _summed_later(node.ir.outputs[0])):
        return number
    return expr("{0} ** 0.5" if exponent > 0 else "{0} ** -0.5", size)


def _summed(product: ir.Node | None, place: int) -> Any:
    """The extent over which a product of two computed tensors sums, read from one of them; None if it is no such."""
    if product is None or product.domain or product.op_type != "MatMul":
        return None
    factors = [value for value in product.inputs if value is not None and value.const_value is None]
    extents = shape_of(factors[place]) if len(factors) > 1 else None
    return extents[-1 - place] if extents is not None and len(extents) > 1 else None


def _summed_later(value: ir.Value) -> Any:
    """The same of the product that reads a tensor, or its view."""
    for _ in range(_FARTHEST):
        reader = next((use.node for use in value.uses()), None) if count_uses(value) == 1 else None
        if reader is None or reader.inputs[0] is not value or not has_trait(reader, Trait.VIEW):
            return _summed(reader, int(reader is not None and reader.inputs[0] is not value))
        value = reader.outputs[0]
    return None
