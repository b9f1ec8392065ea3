"""Fusions: replace nodes that an exporter wrote for one operator by that operator, before lowering.

Each fusion is a pattern and its replacement, an operator of ONNX where there is one (`LayerNormalization`, `Gelu`),
else one of the domain `fusion` (`FusedOperator`, which `operator_maps.fusions` holds). A replacement keeps the names of
values and weights, gets the scope of the nodes that it replaces, and records these as its provenance
(`merged_nodes_of`), so that the report lists every node of the source.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from functools import partial
from itertools import chain
from pathlib import Path

import onnx
import onnx_ir as ir

from converter.graph.fusions import (
    activations,
    attention,
    broadcasts,
    columns,
    concatenations,
    convolution,
    directions,
    layout,
    leading_axes,
    masks,
    means,
    norms,
    padding,
    products,
    scatters,
    sequences,
    shuffles,
    views,
    windows,
)
from converter.graph.fusions.extents import number_in
from converter.graph.fusions.log import NoMatch
from converter.graph.fusions.norms import mean, mean_square, over_root
from converter.graph.fusions.pattern import Match, Pattern, constant, either, named, op, pattern_of, scalar
from converter.graph.fusions.replacement import replace
from converter.graph.fusions.rewrite import (
    DOMAIN,
    Builder,
    Context,
    FusedOperator,
    Fusion,
    NodeFusion,
    Shape,
    Step,
    is_private,
    rewrite,
    shape_of_first,
)
from converter.graph.fusions.shuffles import known_shape, regrouped, shapes_of_blocks
from converter.graph.fusions.trace import Trace
from converter.graph.fusions.views import FAR, names_all
from converter.graph.normalize import FIXED_EXTENTS, normalization, read_graph
from converter.graph.passes import Pass, Pipeline, Property, run_passes
from converter.graph.shape_refinement import refine_shapes
from converter.graph.unique_names import UniqueNames

__all__ = [
    "DOMAIN",
    "FAR",
    "PHASES",
    "Builder",
    "Context",
    "FusedOperator",
    "Fusion",
    "Match",
    "NoMatch",
    "NodeFusion",
    "Pattern",
    "Replay",
    "Shape",
    "Trace",
    "constant",
    "either",
    "fuse_operators",
    "is_private",
    "known_shape",
    "mean",
    "mean_square",
    "named",
    "names_all",
    "number_in",
    "op",
    "over_root",
    "pattern_of",
    "pipeline",
    "regrouped",
    "replace",
    "scalar",
    "shape_of_first",
    "shapes_of_blocks",
]


PHASES: Mapping[str, Sequence[Step]] = {
    # LSTM, GRU, RNN and their cells, too; before other phases change the nodes that compute their weights
    "recurrent layers": directions.FUSIONS,
    "broadcasts": (broadcasts.drop_expansions, broadcasts.MULTIPLY_NUMBERS),
    "layout": (layout.sink_transposes,),
    "scatters": scatters.FUSIONS,
    "windows": windows.FUSIONS,
    "stacks": (),  # Stack; after windows, whose slices are stacked
    "pools": (),  # AdaptiveAvgPool
    "masks": masks.FUSIONS,  # before other phases read their shapes
    "products": products.FUSIONS,  # and Dense: products with a matrix and their biases
    "sequences": sequences.FUSIONS,
    "convolutions": convolution.FUSIONS,
    "activations": activations.FUSIONS,  # and FloorDivide, Trunc
    "norms": norms.FUSIONS,
    "norms without a bias": norms.WITHOUT_BIAS,  # their pattern is a part of the one with a bias
    "norms without a scale": (),  # Standardize; its pattern is a part of those above
    "roots": (),  # Rsqrt; a part of the norms above
    "patches": (),  # Unfold; before the phase views merges their Reshapes with others
    "heads": (),  # RepeatInterleave; before the phase views, for the same reason
    "views": (*views.FUSIONS, *means.FUSIONS),  # and Roll
    "shuffles": shuffles.FUSIONS,  # and ChannelShuffle, PixelUnshuffle
    "attention": attention.FUSIONS,  # and RotateHalf
    "padding": padding.FUSIONS,
    "broadcasts of views": (broadcasts.drop_expansions,),
    "new axes": (views.merge_new_axes, leading_axes.drop_leading_axes),
    "columns": (columns.join_columns,),  # before elements, which are columns
    "elements": concatenations.FUSIONS,  # and Unbind
    "nested concatenations": (concatenations.nest,),
}
"""The phases in order, with the steps that produce operators of ONNX; a `FusedOperator` names its own phase."""


def fuse_operators(
    model: ir.Model, operators: Iterable[FusedOperator] = (), again: Callable[[], ir.Model] | None = None
) -> ir.Model:
    """Replace nodes that an exporter wrote for one operator by that operator, sub-graphs included.

    Args:
        model: normalised; it is changed.
        operators: fused operators that ONNX does not have.
        again: makes the model anew; then a phase that raises is left out (`notes_on`).

    Returns:
        `model`, or the one that was made in its place.
    """
    context = Context(UniqueNames.of(model))
    passes = pipeline(context, operators)
    if again is None:
        passes.run(model)
    else:
        models = chain([model], iter(again, None))
        model = run_passes(lambda: next(models), passes)
    context.log.write()
    return model


def pipeline(context: Context, operators: Iterable[FusedOperator] = ()) -> Pipeline:
    """The passes of `fuse_operators`, a pass for each phase."""
    own = list(operators)
    passes = [Pass("refine shapes", refine_shapes, {Property.SORTED, Property.INFERRED}, {Property.REFINED})]
    for phase, steps in PHASES.items():
        steps = [*steps, *(step for operator in own if operator.phase == phase for step in operator.steps)]
        run = partial(_run, steps=steps, context=context)
        passes.append(Pass(f"fuse {phase}", run, requires=_REQUIRED, breaks={Property.NO_DEAD_CODE}))
    return Pipeline(passes, given=normalization().ensures)


class Replay:
    """The passes from an ONNX model to the graph that is translated, which can be run up to any of them.

    Args:
        model: at the opset of its file, external data not loaded. It is not changed.
        base_dir: the folder that external data is relative to.
        operators: fused operators that ONNX does not have.
        kept: operators of other domains that are not rewritten.
    """

    def __init__(
        self,
        model: onnx.ModelProto,
        base_dir: Path,
        operators: Iterable[FusedOperator] = (),
        kept: Collection[str] = (),
    ) -> None:
        self._model, self._base_dir, self._operators = model, base_dir, list(operators)
        self._normalization = [*normalization(kept).passes, *FIXED_EXTENTS.passes]
        self.names = [each.name for each in (*self._normalization, *self._fusions(UniqueNames(())))]
        """The names of the passes, in order."""

    def graph_behind(self, count: int) -> tuple[ir.Model, bool]:
        """The graph behind the first `count` passes, and whether it is of the newest opset."""
        graph = read_graph(self._model, self._base_dir)
        done = self._normalization[:count]
        for each in done:
            each.run(graph)
        for each in self._fusions(UniqueNames.of(graph))[: max(count - len(self._normalization), 0)]:
            each.run(graph)
        return graph, any(Property.ONE_OPSET in each.ensures for each in done)

    def _fusions(self, names: UniqueNames) -> Sequence[Pass]:
        return pipeline(Context(names), self._operators).passes


_REQUIRED = {Property.SORTED, Property.UNIQUE_NODE_NAMES, Property.UNIQUE_VALUE_NAMES, Property.REFINED}


def _run(model: ir.Model, steps: Sequence[Step], context: Context) -> None:
    """Run the functions of a phase one by one, then all its patterns in one pass over the graph."""
    for step in steps:
        if not isinstance(step, Fusion):
            step(model, context)
    rewrite(model, [step for step in steps if isinstance(step, Fusion)], context)
