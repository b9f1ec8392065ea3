"""Idioms: what exporters took apart is put back together, before the operator tables see it.

Each idiom is a pattern beside its replacement, an operator of ONNX where there is one (`LayerNormalization`, `Gelu`),
else one of the domain `idiom`. A replacement keeps the names of values and weights, stands in the scope of what it
replaces, and remembers which nodes these were (`merged_nodes_of`), so that the report lists every one.
"""

from __future__ import annotations

import onnx_ir as ir

from converter.graph.fusions import (
    activations,
    attention,
    broadcasts,
    concatenations,
    convolution,
    dense,
    layout,
    masks,
    norms,
    padding,
    patches,
    recurrent,
    sequences,
    shuffles,
    views,
    windows,
)
from converter.graph.fusions.rewrite import rewrite
from converter.graph.shape_refinement import refine_shapes
from converter.graph.unique_names import UniqueNames

__all__ = ["fuse_operators"]


def fuse_operators(model: ir.Model) -> None:
    """Replace what exporters took apart by the operators that it was, in sub-graphs too."""
    refine_shapes(model)
    names = UniqueNames.of(model)
    recurrent.fuse_recurrent_layers(model, names)  # before their weights look like something else
    broadcasts.drop_expansions(model)
    layout.sink_transposes(model, names)
    windows.stack(model, names)
    concatenations.stack(model)
    patches.pool_adaptively(model, names)
    for idioms in (
        masks.FUSIONS,  # before their shapes are anybody's
        dense.FUSIONS,  # products with a matrix and their biases
        sequences.FUSIONS,
        convolution.FUSIONS,
        activations.FUSIONS,
        norms.FUSIONS,
        norms.WITHOUT_BIAS,  # a part of those above
        norms.WITHOUT_SCALE,
        patches.FUSIONS,  # before views merges their reshapes with others
        attention.HEADS,  # likewise
        views.FUSIONS,
        shuffles.FUSIONS,
        attention.FUSIONS,
        padding.FUSIONS,
    ):
        rewrite(model, idioms, names)
    broadcasts.drop_expansions(model)  # of what views has taken in a row
    views.merge_new_axes(model, names)
    views.unbind(model, names)
    concatenations.nest(model)
