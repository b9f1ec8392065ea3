"""Bring any ONNX model to one opset, without functions, constants folded, shapes inferred, nothing lost.

The passes know ONNX only. A batch norm is never folded into a convolution, a Dropout never dropped: the result is
meant to be trained.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from pathlib import Path

import onnx
import onnx_ir as ir

from converter.base.stages import Each
from converter.graph.annotations import (
    KEPT,
    OPSET,
    calls_of,
    is_folded,
    is_literal,
    refusal_of,
    source_name,
    varying_axes,
)
from converter.graph.constants import drop_initializer_inputs, lift_constants
from converter.graph.normalize.clean import (
    drop_invented_biases,
    make_outputs,
    remove_dead_code,
    remove_identities,
    sort,
)
from converter.graph.normalize.fold import fold_constants
from converter.graph.normalize.functions import inline_functions
from converter.graph.normalize.loops import infer_loop_shapes
from converter.graph.normalize.read import read_model
from converter.graph.normalize.simplify import cancel_inverses
from converter.graph.normalize.trip_counts import infer_trip_counts
from converter.graph.normalize.upgrade import upgrade
from converter.graph.shape_inference import forget_invented_dimensions, infer_shapes, set_declared_shapes_aside
from converter.graph.unique_names import name_nodes, name_values
from converter.graph.walk import all_graphs

__all__ = [
    "OPSET",
    "calls_of",
    "is_folded",
    "is_literal",
    "normalize",
    "refusal_of",
    "source_name",
    "tensors_of",
    "varying_axes",
]

TO_ONE_FORM = (
    # One name for each thing. From here on, whatever a pass replaces hands its name and metadata on.
    name_nodes,
    name_values,
    # One form of constant, and one level: no Constant nodes, no constants among the inputs, no local functions.
    drop_initializer_inputs,
    inline_functions,
    lift_constants,
)

PASSES = (
    *TO_ONE_FORM,
    # One version of every operator.
    set_declared_shapes_aside,
    upgrade,
    # What is constant is computed, except what is random, and what consumes a float weight that the source names.
    infer_shapes,
    fold_constants,
    # A loop knows how often it runs, and what it carries has a shape.
    infer_trip_counts,
    infer_loop_shapes,
    # What contributes nothing goes.
    remove_identities,
    drop_invented_biases,
    cancel_inverses,
    remove_dead_code,
    make_outputs,
    forget_invented_dimensions,
    sort,
)


def normalize(model: onnx.ModelProto, base_dir: Path, each: Each = iter, kept: Collection[str] = ()) -> ir.Model:
    """Return `model` at opset `OPSET` as a graph of plain nodes.

    The graph's inputs and outputs keep their names and order.

    Args:
        model: at the opset of its file, cut at the user's ends, external data not loaded. It stays as it is.
        base_dir: the folder that external data is relative to.
        each: goes through the passes, and may tell somebody how far it is.
        kept: operators (`com.microsoft.Gelu`) that stay as they are: whoever translates them has rows of its own.

    Raises:
        GraphInitError: the model is not a valid graph.
    """
    graph = read_model(model, base_dir)
    graph.meta[KEPT] = frozenset(kept)
    ends = _ends(graph)
    for step in each(PASSES):
        step(graph)
    assert _ends(graph) == ends
    return graph


def tensors_of(model: onnx.ModelProto, base_dir: Path) -> Iterator[ir.TensorProtocol]:
    """The tensors that `model` holds, by the names that weight maps have for them; external data stays on disk.

    Raises:
        GraphInitError: the model is not a valid graph.
    """
    graph = read_model(model, base_dir)
    for step in TO_ONE_FORM:
        step(graph)
    for each in all_graphs(graph):
        for value in each.initializers.values():
            if value.const_value is not None:
                yield value.const_value


def _ends(model: ir.Model) -> tuple[list[str | None], list[str | None]]:
    inputs = [value.name for value in model.graph.inputs if not value.is_initializer()]
    return inputs, [value.name for value in model.graph.outputs]
