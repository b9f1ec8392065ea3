"""Axes that a file fixes but none of its nodes: a network of convolutions and poolings runs at any image size.

Exporters write the size of their example into the input also where nothing else depends on it. Such an axis needs no
cure: the graph computes the same of every size.
"""

from __future__ import annotations

from collections.abc import Mapping

import onnx_ir as ir

from converter.graph.free_axes.freeing import read_by
from converter.graph.free_axes.worlds import World
from converter.graph.traits import Trait, has_trait

_RATIO = 3
"""The other size, in multiples of the file's."""

_OF_ANY_SIZE = frozenset(
    {
        "AveragePool",
        "BatchNormalization",
        "Concat",
        "Conv",
        "ConvTranspose",
        "DepthToSpace",
        "GlobalAveragePool",
        "GlobalMaxPool",
        "InstanceNormalization",
        "LRN",
        "LpPool",
        "MaxPool",
        "Pad",
        "PRelu",
        "ReduceMax",
        "ReduceMean",
        "Softmax",
        "SpaceToDepth",
        "Transpose",
    }
)
"""Operators, besides elementwise ones, that work on images of any size; their attributes and constants say none."""


def is_fixed_by_nothing(model: ir.Model, letter: str, extents: Mapping[str, int]) -> bool:
    """Whether only operators for images of any size read what depends on an axis, and their shapes fit at another size.

    Args:
        model: the normalised graph; inputs have symbolic dimensions.
        letter: the dimension, no batch.
        extents: every symbolic dimension of the inputs → an extent.
    """
    file, other = World(extents), World({**extents, letter: extents[letter] * _RATIO})
    for node in model.graph:
        grows = [value for value in read_by(node) if file.shape(value) != other.shape(value)]
        if grows and not _is_of_any_size(node):
            return False
        if any(world.infer(node) for world in (file, other)):
            return False
        if grows and any(file.shape(value) is None or other.shape(value) is None for value in node.outputs):
            return False
    return True


def _is_of_any_size(node: ir.Node) -> bool:
    if node.domain:
        return False
    if node.op_type == "ConvTranspose" and "output_shape" in node.attributes:
        return False
    return node.op_type in _OF_ANY_SIZE or has_trait(node, Trait.ELEMENTWISE)
