"""Free axes: a network that a file fixes to one batch becomes one that runs at any.

Exporters write the batch of their example into shapes (`Reshape` to `(1, 2048)`), constants and initial states. Freeing
an axis replaces these by what follows the input. It is done only where every node treats the samples of the batch
alike: what a freed network computes from a batch is what the file computes from each sample. An axis along which a node
works, such as a sequence or an image's height, cannot be freed so: the exporter computed sizes and positions from it.
It is free without a change where only the input fixes it (`sizes`).

The rule: shapes are known in two worlds, at the batch of the file and at a large multiple of it. An axis that is
larger in the second carries the batch, and a node whose shapes do not fit there has the batch fixed in one of its
inputs.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import onnx_ir as ir

from converter.errors import FixedAxisError
from converter.graph.free_axes.carried import Carried
from converter.graph.free_axes.control_flow import CONTROL_FLOW
from converter.graph.free_axes.freeing import Freeing
from converter.graph.free_axes.rules import RULES
from converter.graph.free_axes.sizes import is_fixed_by_nothing
from converter.graph.normalize.clean import remove_dead_code
from converter.graph.shape_inference import forget_invented_dimensions, infer_shapes
from converter.graph.walk import all_nodes

__all__ = ["FreedAxis", "free_axes", "freed_axes"]


@dataclass(frozen=True)
class FreedAxis:
    """An axis that the file fixed.

    Attributes:
        letter: its name.
        extent: its extent in the file.
        inputs: which axis of an input has it, for every input; None for an input without it.
        outputs: likewise, the axis of every output, and the factor of the axis outside the batch.
    """

    letter: str
    extent: int
    inputs: tuple[int | None, ...]
    outputs: tuple[tuple[int, int] | None, ...]


def free_axes(model: ir.Model, extents: Mapping[str, int], fixed: Mapping[str, int]) -> None:
    """Free axes of a normalised graph, whose inputs have symbolic dimensions for them.

    Args:
        model: the graph; it is changed.
        extents: every symbolic dimension of the inputs → an example extent.
        fixed: those that the file fixes → the extent in the file.

    Raises:
        FixedAxisError: a node works on an axis as a whole.
    """
    freed = []
    for letter, extent in fixed.items():
        if not _is_first(model, letter) and is_fixed_by_nothing(model, letter, {**extents, **fixed}):
            continue
        job = Freeing(model, letter, {**extents, **fixed}, {**RULES, **CONTROL_FLOW})
        if (obstacle := job.run()) is not None:
            node = obstacle.node
            raise FixedAxisError(
                f"the axis '{letter}', which the model fixes at {extent}, cannot be freed: the {node.op_type} "
                f"'{node.name}' {obstacle.reason}. Export the model again with this axis free, or give {extent} "
                f"instead of {letter}."
            )
        freed.append(_freed(model, letter, extent, job.carried))
        _write_shapes(model, letter, {**extents, **fixed}, job)
    if fixed:
        remove_dead_code(model)  # the constants that fixed an axis
    model.meta[_FREED] = tuple(freed)


def _is_first(model: ir.Model, letter: str) -> bool:
    """Whether a dimension is the first of an input: a batch."""
    firsts = [value.shape[0] for value in model.graph.inputs if value.shape]
    return any(isinstance(dim, ir.SymbolicDim) and str(dim.value) == letter for dim in firsts)


def freed_axes(model: ir.Model) -> tuple[FreedAxis, ...]:
    """The axes of a graph that were freed by replacing what fixed them."""
    return tuple(model.meta.get(_FREED, ()))


_FREED = "freed axes"


def _freed(model: ir.Model, letter: str, extent: int, carried: Mapping[ir.Value, Carried]) -> FreedAxis:
    inputs = tuple(carried[value].axis if value in carried else None for value in model.graph.inputs)
    places = [carried.get(value) for value in model.graph.outputs]
    outputs = tuple(None if place is None else (place.axis, place.outer) for place in places)
    return FreedAxis(letter, extent, inputs, outputs)


def _write_shapes(model: ir.Model, letter: str, extents: Mapping[str, int], job: Freeing) -> None:
    """Infer all shapes again, and write the freed dimension where inference does not find it."""
    for node in all_nodes(model.graph):
        for value in node.outputs:
            if value.const_value is None:
                value.shape = None
    inner = [value for value in job.carried if value.producer() is None and value not in model.graph.inputs]
    made = [value for value in job.carried if value.producer() is not None]
    alone = len(extents) == 1
    for value in inner:
        _write_shape(value, letter, extents[letter], job, complete=alone)
    infer_shapes(model)
    forget_invented_dimensions(model)
    for value in made:
        _write_shape(value, letter, extents[letter], job, complete=alone)


def _write_shape(value: ir.Value, letter: str, extent: int, job: Freeing, *, complete: bool) -> None:
    """Write the freed dimension into the shape of a value; with `complete`, also unknown extents, from the file."""
    known, place = job.file.shape(value), job.carried[value]
    if known is None:
        return
    dims: list[int | ir.SymbolicDim | None] = [None] * len(known)
    if value.shape is not None and len(value.shape) == len(known):
        dims = list(value.shape)
    if complete:
        dims = [own if _is_unknown(dim) else dim for dim, own in zip(dims, known, strict=True)]
    count = known[place.axis] // extent
    dims[place.axis] = ir.SymbolicDim(letter if count == 1 else f"{count}*{letter}")
    value.shape = ir.Shape(dims)


def _is_unknown(dim: int | ir.SymbolicDim | None) -> bool:
    """Whether an extent has neither a number nor a name."""
    return dim is None or (isinstance(dim, ir.SymbolicDim) and dim.value is None)
