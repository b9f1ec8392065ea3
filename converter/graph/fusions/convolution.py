"""Convolutions with a bias that is added after them."""

from __future__ import annotations

import numpy as np
import onnx_ir as ir

from converter.graph.fusions.log import NoMatch
from converter.graph.fusions.pattern import Pattern, constant, named, op
from converter.graph.fusions.rewrite import Builder, Fusion
from converter.graph.queries import count_uses, is_float, shape_of


def convolution_plus_bias(x: Pattern, weight: Pattern, bias: Pattern, y: Pattern) -> Pattern:
    """Conv without a bias, then Add of a number for each channel."""
    return named(y, op.Conv(x, constant(weight))) + constant(bias)


def transposed_plus_bias(x: Pattern, weight: Pattern, bias: Pattern, y: Pattern) -> Pattern:
    """ConvTranspose without a bias, then Add of a number for each channel."""
    return named(y, op.ConvTranspose(x, constant(weight))) + constant(bias)


def convolution_with_bias(builder: Builder, x: ir.Value, weight: ir.Value, bias: ir.Value, y: ir.Value) -> ir.Value:
    """The same convolution with the bias, unless other nodes read the bias too."""
    node, extents, biases = y.producer(), shape_of(y), shape_of(bias)
    if node is None or not extents or not biases or not is_float(bias):
        raise NoMatch("the shape of its output is unknown, or its bias is a single number, or of integers")
    if count_uses(bias) > 1:
        raise NoMatch("its bias is read elsewhere too")
    channels, around = extents[1], len(extents) - 2
    if not isinstance(channels, int) or biases not in ((channels, *(1,) * around), (1, channels, *(1,) * around)):
        raise NoMatch(f"its bias has shape {biases}, its output {extents}")
    vector = builder.Reshape(bias, builder.constant("shape", np.array([channels])))
    attributes = {name: attribute.value for name, attribute in node.attributes.items()}
    return getattr(builder, node.op_type)(x, weight, vector, **attributes)


FUSIONS = (
    Fusion(convolution_plus_bias, convolution_with_bias),
    Fusion(transposed_plus_bias, convolution_with_bias),
)
