"""Idioms: what exporters took apart is put back together, before the operator tables see it.

Each idiom is a pattern beside its replacement, an operator of ONNX where there is one (`LayerNormalization`, `Gelu`),
else one of the domain `idiom`. A replacement keeps the names of values and weights, stands in the scope of what it
replaces, and remembers which nodes these were (`absorbed_of`), so that the report lists every one.
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
from converter.graph.provenance import absorbed_of, operator_of
from converter.graph.shape_refinement import sharpen
from converter.graph.unique_names import Names

__all__ = ["absorbed_of", "operator_of", "recognise"]


def recognise(model: ir.Model) -> None:
    """Replace what exporters took apart by the operators that it was, in sub-graphs too."""
    sharpen(model)
    names = Names.of(model)
    recurrent.recognise_layers(model, names)  # before their weights look like something else
    broadcasts.drop_expansions(model)
    layout.sink_transposes(model, names)
    windows.stack(model, names)
    concatenations.stack(model)
    patches.pool_adaptively(model, names)
    for idioms in (
        masks.IDIOMS,  # before their shapes are anybody's
        dense.IDIOMS,  # products with a matrix and their biases
        sequences.IDIOMS,
        convolution.IDIOMS,
        activations.IDIOMS,
        norms.IDIOMS,
        norms.WITHOUT_BIAS,  # a part of those above
        norms.WITHOUT_SCALE,
        patches.IDIOMS,  # before views merges their reshapes with others
        attention.HEADS,  # likewise
        views.IDIOMS,
        shuffles.IDIOMS,
        attention.IDIOMS,
        padding.IDIOMS,
    ):
        rewrite(model, idioms, names)
    broadcasts.drop_expansions(model)  # of what views has taken in a row
    views.merge_new_axes(model, names)
    views.unbind(model, names)
    concatenations.nest(model)
