"""1-D layers for sequences (N, C, L), which TensorFlow writes as 2-D layers for images with one row."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import onnx_ir as ir

from converter.graph.fusions.log import NoMatch
from converter.graph.fusions.pattern import Pattern, either, named, op
from converter.graph.fusions.rewrite import Builder, Fusion
from converter.graph.queries import attribute, numbers_of, rank_of, shape_of
from converter.shapes import Dim


def transposed_row(x: Pattern, axes: Pattern, perm: Pattern) -> Pattern:
    """Unsqueeze, then Transpose."""
    return op.Transpose(op.Unsqueeze(x, axes), perm=perm)


def row_of_transposed(builder: Builder, x: ir.Value, axes: ir.Value, perm: tuple[int, ...]) -> ir.Value | None:
    """Transpose of the other axes, then Unsqueeze."""
    new = numbers_of(axes)
    if new is None or len(new) != 1:
        return None
    axis = new[0] % len(perm)
    rest = [old - (old > axis) for old in perm if old != axis]
    moved = builder.constant("axis", np.array([perm.index(axis)]))
    return builder.Unsqueeze(builder.Transpose(x, perm=rest) if rest != sorted(rest) else x, moved)


def pool_of_row(x: Pattern, axes: Pattern, y: Pattern) -> Pattern:
    """A 2-D pool of an Unsqueeze, which adds an axis of one row."""
    row = op.Unsqueeze(x, axes)
    return named(y, either(op.MaxPool(row), op.AveragePool(row)))


def convolution_of_row(x: Pattern, axes: Pattern, y: Pattern, weight: Pattern) -> Pattern:
    """A 2-D convolution of an Unsqueeze, which adds an axis of one row."""
    row = op.Unsqueeze(x, axes)
    return named(y, either(op.Conv(row, weight), op.ConvTranspose(row, weight)))


def convolution_of_row_with_bias(x: Pattern, axes: Pattern, y: Pattern, weight: Pattern, bias: Pattern) -> Pattern:
    """The same with a bias."""
    row = op.Unsqueeze(x, axes)
    return named(y, either(op.Conv(row, weight, bias), op.ConvTranspose(row, weight, bias)))


def layer_of_sequence(
    builder: Builder,
    x: ir.Value,
    axes: ir.Value,
    y: ir.Value,
    weight: ir.Value | None = None,
    bias: ir.Value | None = None,
) -> ir.Value:
    """The 1-D layer, then Unsqueeze."""
    node, new = y.producer(), numbers_of(axes)
    if node is None or len(node.outputs) > 1 or rank_of(x) != 3 or new is None or new[0] % 4 < 2:
        raise NoMatch("its input is no sequence, (N, C, L), with an axis beside the last")
    place = new[0] % 4 - 2
    extents = () if weight is None else shape_of(weight) or ()
    kernel, attributes = attribute(node, "kernel_shape") or extents[2:], _without_axis(node, place)
    if not kernel or kernel[place] != 1 or not all(isinstance(extent, int) for extent in extents):
        raise NoMatch(f"its kernel {kernel} is larger than the row, or unknown")
    inputs = [x]
    if weight is not None:
        inputs.append(_reshaped_once(builder, weight, (*extents[: place + 2], *extents[place + 3 :])))
    if bias is not None:
        inputs.append(bias)
    return builder.Unsqueeze(getattr(builder, node.op_type)(*inputs, **attributes), axes)


def _without_axis(node: ir.Node, place: int) -> dict[str, Any]:
    """A 2-D layer's attributes without those of the spatial axis `place`, 0 or 1.

    Raises:
        NoMatch: that axis is padded; or an average pool is padded at one end only, which `nn.AvgPool1d` lacks.
    """
    found = {}
    for name, given in node.attributes.items():
        value = given.value
        if name in ("pads", "output_padding"):
            if any(value[place::2]):
                raise NoMatch("its row is padded with others")
            value = value[1 - place :: 2]
            if node.op_type == "AveragePool" and value[0] != value[-1]:
                raise NoMatch("nn.AvgPool1d has no padding at one end only")
        elif name in ("kernel_shape", "strides", "dilations", "output_shape"):
            value = value[1 - place :: 2]
        found[name] = value
    return found


def _reshaped_once(builder: Builder, weight: ir.Value, shape: Sequence[Dim]) -> ir.Value:
    """Reshape a weight; layers that share the weight share the Reshape too."""
    for user in weight.consumers():
        if user.op_type == "Reshape" and numbers_of(user.inputs[1]) == shape:
            return user.outputs[0]
    return builder.reshaped(weight, shape)


def squeezed_row(x: Pattern, axes: Pattern, squeezed: Pattern) -> Pattern:
    """Unsqueeze, then Squeeze."""
    return op.Squeeze(op.Unsqueeze(x, axes), squeezed)


def identity(builder: Builder, x: ir.Value, axes: ir.Value, squeezed: ir.Value) -> ir.Value | None:
    """The input of the Unsqueeze, when the Squeeze removes the same axes."""
    rank, new, gone = rank_of(x), numbers_of(axes), numbers_of(squeezed)
    if rank is None or new is None or gone is None:
        return None
    whole = rank + len(new)
    return x if {axis % whole for axis in new} == {axis % whole for axis in gone} else None


FUSIONS = (
    Fusion(transposed_row, row_of_transposed),
    Fusion(pool_of_row, layer_of_sequence),
    Fusion(convolution_of_row, layer_of_sequence),
    Fusion(convolution_of_row_with_bias, layer_of_sequence),
    Fusion(squeezed_row, identity),
)
