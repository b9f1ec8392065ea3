"""Normalisation: passes that bring any ONNX model to one opset, functions inlined, constants folded, shapes inferred.

The passes know ONNX only. A batch norm is never folded into a convolution, a Dropout never dropped: the result is
meant to be trained.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from functools import partial
from pathlib import Path

import onnx
import onnx_ir as ir
from onnx_ir.passes.common import RemoveInitializersFromInputsPass

from converter.base.stages import Each
from converter.graph.carried import restore_carried
from converter.graph.constants import lift_constants
from converter.graph.normalize.branches import know_conditions
from converter.graph.normalize.calls import record_calls
from converter.graph.normalize.clean import (
    drop_invented_biases,
    make_outputs,
    remove_dead_code,
    remove_identities,
    separate_outputs,
    sort,
)
from converter.graph.normalize.dequantise import WITH_SCALES, dequantise, real_values
from converter.graph.normalize.duplicates import merge_duplicates
from converter.graph.normalize.extents import fold_extents
from converter.graph.normalize.fold import fold_constants, fold_loops
from converter.graph.normalize.functions import inline_functions
from converter.graph.normalize.loops import infer_loop_shapes
from converter.graph.normalize.lower import oldest_opset
from converter.graph.normalize.read import read_model
from converter.graph.normalize.simplify import cancel_inverses, write_permutations
from converter.graph.normalize.tables import merge_equal_tables
from converter.graph.normalize.tied import tie_embeddings
from converter.graph.normalize.trained import record_trained
from converter.graph.normalize.trip_counts import infer_trip_counts
from converter.graph.normalize.upgrade import upgrade
from converter.graph.passes import Pass, Pipeline, Property, run_passes
from converter.graph.shape_inference import forget_invented_dimensions, infer_shapes, set_declared_shapes_aside
from converter.graph.unique_names import name_nodes, name_values
from converter.graph.walk import all_graphs

__all__ = [
    "FIXED_EXTENTS",
    "WITH_SCALES",
    "dequantise",
    "normalization",
    "normalize",
    "oldest_opset",
    "read_graph",
    "real_values",
    "tensors_of",
]

_NAMES = {Property.UNIQUE_NODE_NAMES, Property.UNIQUE_VALUE_NAMES}
_ONE_LEVEL = {Property.NO_FUNCTIONS, Property.CONSTANTS_ARE_INITIALIZERS}

CANONICAL_FORM = (
    # Unique names. From here on, a replacement of a node or value gets its name and metadata.
    Pass("name nodes", name_nodes, ensures={Property.UNIQUE_NODE_NAMES}, needed=True),
    Pass("name values", name_values, ensures={Property.UNIQUE_VALUE_NAMES}, needed=True),
    # All constants are initializers: no Constant nodes, no initializers among the inputs, no local functions.
    Pass(
        "remove initializers from inputs",
        RemoveInitializersFromInputsPass(),
        ensures={Property.PLAIN_INPUTS},
        needed=True,
    ),
    Pass("inline functions", inline_functions, _NAMES, {Property.NO_FUNCTIONS}, needed=True),
    Pass("lift constants", lift_constants, {Property.NO_FUNCTIONS}, {Property.CONSTANTS_ARE_INITIALIZERS}, needed=True),
    Pass("record what is trained", record_trained, _ONE_LEVEL),
    Pass("separate outputs", separate_outputs, requires=_NAMES | _ONE_LEVEL),
)


def normalization(kept: Collection[str] = ()) -> Pipeline:
    """The passes of normalisation; `kept` as `normalize` takes it.

    Common subexpressions stay, but for ranges and splits: two layers that are equal in the source are two layers in
    the script.
    """
    return Pipeline(
        (
            *CANONICAL_FORM,
            Pass("record calls", record_calls, requires=_NAMES | _ONE_LEVEL),
            # One opset. Shapes that the file declares are used only where none is inferred.
            Pass("set declared shapes aside", set_declared_shapes_aside, requires={Property.NO_FUNCTIONS}),
            Pass(
                "upgrade operators",
                partial(upgrade, kept=kept),
                requires=_NAMES | _ONE_LEVEL,
                ensures={Property.ONE_OPSET},
                needed=True,
            ),
            # Constant folding, except of random operators and of operators on float weights that the source names.
            Pass("infer shapes", infer_shapes, {*_NAMES, Property.ONE_OPSET}, {Property.INFERRED}),
            Pass("fold constants", fold_constants, {*_NAMES, *_ONE_LEVEL, Property.INFERRED}, {Property.FOLDED}),
            # Loops get trip counts, and loop-carried values get shapes.
            Pass("infer trip counts", infer_trip_counts, requires={*_NAMES, Property.FOLDED}),
            Pass("infer loop shapes", infer_loop_shapes, requires={*_NAMES, Property.INFERRED}),
            Pass("fold constants in loops", fold_loops, {*_NAMES, *_ONE_LEVEL, Property.INFERRED}, {Property.FOLDED}),
            Pass("know conditions", know_conditions, requires={*_NAMES, Property.NO_FUNCTIONS}),
            # Nodes and initializers without effect are removed.
            Pass("remove identities", remove_identities),
            Pass("tie embeddings", tie_embeddings, requires=_NAMES),
            Pass("merge equal tables", merge_equal_tables, requires={Property.FOLDED}),
            Pass("drop invented biases", drop_invented_biases, requires={Property.FOLDED}),
            Pass("write permutations", write_permutations, requires={Property.INFERRED}),
            Pass("cancel inverses", cancel_inverses, requires={*_NAMES, Property.ONE_OPSET, Property.FOLDED}),
            Pass("remove dead code", remove_dead_code, {Property.ONE_OPSET}, {Property.NO_DEAD_CODE}),
            Pass("make outputs", make_outputs, _NAMES, {Property.OUTPUTS_ARE_COMPUTED}, breaks={Property.FOLDED}),
            Pass("forget invented dimensions", forget_invented_dimensions, requires={Property.INFERRED}),
            Pass("sort", sort, ensures={Property.SORTED}, needed=True),
            Pass("merge duplicates", merge_duplicates, requires={*_NAMES, Property.SORTED}),
        )
    )


FIXED_EXTENTS = Pipeline((Pass("fold extents", fold_extents),))
"""The pass that follows when it is decided which axes of a normalised graph are free."""


def normalize(model: onnx.ModelProto, base_dir: Path, each: Each = iter, kept: Collection[str] = ()) -> ir.Model:
    """Return `model` as a graph at opset `OPSET`, without local functions and Constant nodes.

    The graph's inputs and outputs keep their names and order. A pass that raises is left out (`notes_on`).

    Args:
        model: at the opset of its file, cut at the user's endpoints, external data not loaded. It is not changed.
        base_dir: the folder that external data is relative to.
        each: iterates over the passes, and may show the progress.
        kept: operators (`com.microsoft.Gelu`) that are not rewritten, because the operator tables have rows for them.

    Raises:
        GraphInitError: the model is not a valid graph.
    """
    ends: list[tuple[list[str | None], list[str | None]]] = []

    def read() -> ir.Model:
        graph = read_graph(model, base_dir)
        ends.append(_ends(graph))
        return graph

    graph = run_passes(read, normalization(kept), each)
    assert _ends(graph) == ends[-1]
    return graph


def read_graph(model: onnx.ModelProto, base_dir: Path) -> ir.Model:
    """The graph of a model before any pass.

    Raises:
        GraphInitError: the model is not a valid graph.
    """
    graph = read_model(model, base_dir)
    restore_carried(graph)
    return graph


def tensors_of(model: onnx.ModelProto, base_dir: Path) -> Iterator[ir.TensorProtocol]:
    """The tensors of the initializers of `model`, named as in weight maps; external data stays on disk.

    Raises:
        GraphInitError: the model is not a valid graph.
    """
    graph = read_model(model, base_dir)
    Pipeline(CANONICAL_FORM).run(graph)
    for each in all_graphs(graph):
        for value in each.initializers.values():
            if value.const_value is not None:
                yield value.const_value


def _ends(model: ir.Model) -> tuple[list[str | None], list[str | None]]:
    inputs = [value.name for value in model.graph.inputs if not value.is_initializer()]
    return inputs, [value.name for value in model.graph.outputs]
