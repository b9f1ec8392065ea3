"""What each operator does with a batch: which of them treat its samples alike, and what is cured before they can.

An operator that is not listed refuses, and so does a listed one whose axes include that of the batch. What a rule does
not check, the two worlds find: each result must have one axis that grows with the batch.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence

import numpy as np
import onnx_ir as ir

from converter.graph.free_axes.carried import Carried, after_view, places
from converter.graph.free_axes.freeing import Freeing, Refused, Rule
from converter.graph.queries import attribute, axes_of, numbers_of
from converter.graph.traits import Trait, operators_with


def _alike(job: Freeing, node: ir.Node) -> None:
    """An operator that treats the elements along the axis of the batch alike, whichever axis that is."""
    job.settle(node)


def _elementwise(job: Freeing, node: ir.Node) -> None:
    _fit_operands(job, node, range(len(node.inputs)))
    job.settle(node)


def _fit_operands(job: Freeing, node: ir.Node, indices: Iterable[int], first: int = 0) -> None:
    """Fit those operands that have no batch to the one that has, as broadcasting aligns them: from the last axis.

    Args:
        job: the axis that is freed.
        node: its operands broadcast.
        indices: the operands.
        first: the last so many axes do not broadcast.
    """
    operands = [(index, node.inputs[index]) for index in indices]
    like = next((value for _, value in operands if value is not None and value in job.carried), None)
    if like is None:
        return
    from_end = len(job.shape(like)) - job.carried[like].axis
    for index, value in operands:
        if value is None or value in job.carried or from_end <= first:
            continue
        if len(shape := job.shape(value)) >= from_end:
            job.broadcast(node, index, len(shape) - from_end, like)


def _matmul(job: Freeing, node: ir.Node) -> None:
    _fit_operands(job, node, (0, 1), first=2)
    job.settle(node)


def _gemm(job: Freeing, node: ir.Node) -> None:
    bias = node.inputs[2] if len(node.inputs) > 2 else None
    a = node.inputs[0]
    if bias is not None and a is not None and bias not in job.carried and a in job.carried:
        shape = job.shape(bias)
        if len(shape) == 2 and shape[0] != 1:
            job.broadcast(node, 2, 0, a)
    job.settle(node)


def _on_samples(job: Freeing, node: ir.Node) -> None:
    """An operator that takes samples along axis 0 of its first input, and computes each by itself."""
    for index, value in enumerate(node.inputs):
        if value is not None and value in job.carried:
            if index:
                raise Refused(f"has it in its input {index}")
            _only_on(job.carried[value], 0)
    job.settle(node)


def _only_on(carried: Carried, axis: int) -> None:
    if carried.axis != axis:
        raise Refused(f"works along it (axis {carried.axis} of its input)")


def _batch_norm(job: Freeing, node: ir.Node) -> None:
    if attribute(node, "training_mode"):
        raise Refused("takes its statistics over the batch")
    _on_samples(job, node)


def _max_pool(job: Freeing, node: ir.Node) -> None:
    if len(node.outputs) > 1 and (node.outputs[1].uses() or node.outputs[1].is_graph_output()):
        raise Refused("numbers the positions of all samples together")
    _on_samples(job, node)


def _pairs_of_samples(job: Freeing, node: ir.Node) -> None:
    """An operator whose inputs all have samples along axis 0."""
    like = _the_carrier(job, node)
    for index, value in enumerate(node.inputs):
        if value is None or not job.shape(value):
            continue
        if value in job.carried:
            _only_on(job.carried[value], 0)
        else:
            job.expand(node, index, 0, like)
    job.settle(node)


def _the_carrier(job: Freeing, node: ir.Node) -> ir.Value:
    """The first input that carries the batch."""
    like = next((value for value in node.inputs if value is not None and value in job.carried), None)
    if like is None:
        raise Refused("computes with the extent itself")
    return like


def _along(default: int) -> Rule:
    """An operator that works along its attribute `axis`."""

    def rule(job: Freeing, node: ir.Node) -> None:
        axis = node.attributes.get_int("axis", default)
        for value in node.inputs:
            if value is not None and value in job.carried:
                _not_on(job.carried[value], axis % len(job.shape(value)))
        job.settle(node)

    return rule


def _not_on(carried: Carried, axis: int) -> None:
    if carried.axis == axis:
        raise Refused(f"works along it (axis {axis} of its input)")


def _quantised(job: Freeing, node: ir.Node) -> None:
    scale = node.inputs[1]
    if scale is not None and len(job.shape(scale)) == 1 and node.inputs[0] in job.carried:
        _not_on(job.carried[node.inputs[0]], node.attributes.get_int("axis", 1) % len(job.shape(node.inputs[0])))
    job.settle(node)


def _normalised_from(job: Freeing, node: ir.Node) -> None:
    """LayerNormalization: it works along `axis` and all behind."""
    value = _the_carrier(job, node)
    if value is not node.inputs[0]:
        raise Refused("has it in its scale")
    if job.carried[value].axis >= node.attributes.get_int("axis", -1) % len(job.shape(value)):
        raise Refused(f"works along it (axis {job.carried[value].axis} of its input)")
    job.settle(node)


def _reduced(job: Freeing, node: ir.Node) -> None:
    value = _the_carrier(job, node)
    given = node.inputs[1] if len(node.inputs) > 1 else None
    axes = axes_of(given, value) if given is not None else ()
    if axes is None:
        raise Refused("works along axes that are computed")
    if axes or not node.attributes.get_int("noop_with_empty_axes", 0):
        for axis in axes or range(len(job.shape(value))):
            _not_on(job.carried[value], axis)
    job.settle(node)


def _standardised(job: Freeing, node: ir.Node) -> None:
    """MeanVarianceNormalization."""
    value = _the_carrier(job, node)
    for axis in attribute(node, "axes"):
        _not_on(job.carried[value], axis % len(job.shape(value)))
    job.settle(node)


def _triangle(job: Freeing, node: ir.Node) -> None:
    value = _the_carrier(job, node)
    if job.carried[value].axis >= len(job.shape(value)) - 2:
        raise Refused(f"works along it (axis {job.carried[value].axis} of its input)")
    job.settle(node)


def _along_another(job: Freeing, node: ir.Node) -> None:
    """An operator along its attribute `axis`, whose inputs have the same axes."""
    like = _the_carrier(job, node)
    _not_on(job.carried[like], node.attributes.get_int("axis", 0) % len(job.shape(like)))
    for index, value in enumerate(node.inputs):
        if value is not None and value not in job.carried:
            job.expand(node, index, job.carried[like].axis, like)
    job.settle(node)


def _gathered(job: Freeing, node: ir.Node) -> None:
    data, indices = node.inputs[0], node.inputs[1]
    if data is not None and data in job.carried:
        _not_on(job.carried[data], node.attributes.get_int("axis", 0) % len(job.shape(data)))
        if indices is not None and indices in job.carried:
            raise Refused("takes from the batch by indices that have a batch of their own")
    job.settle(node)


def _gathered_by_tuples(job: Freeing, node: ir.Node) -> None:
    """GatherND."""
    data, indices = node.inputs[0], node.inputs[1]
    if data is not None and data in job.carried:
        batched = indices is not None and indices in job.carried and not job.carried[indices].axis
        if job.carried[data].axis or not batched or not node.attributes.get_int("batch_dims", 0):
            raise Refused("takes samples by their numbers")
    job.settle(node)


def _sliced(job: Freeing, node: ir.Node) -> None:
    """Slice; one that takes the whole batch no longer names it."""
    value = _the_carrier(job, node)
    carried, rank = job.carried[value], len(job.shape(value))
    given = [job.file.items(each) for each in node.inputs[1:]] + [None] * (5 - len(node.inputs))
    starts, ends = given[:2]
    if starts is None or ends is None:
        raise Refused("cuts at a place that is computed")
    axes = [axis % rank for axis in given[2] or range(len(starts))]
    steps = given[3] or (1,) * len(starts)
    if carried.axis in axes:
        at = axes.index(carried.axis)
        if starts[at] not in (0, -job.batch) or ends[at] < job.extent(value) or steps[at] != 1:
            raise Refused("cuts samples out of it")
        kept = [index for index in range(len(axes)) if index != at]
        edit = job.edit(node)
        parts = [starts, ends, axes, steps]
        for index, (role, part) in enumerate(zip(("starts", "ends", "axes", "steps"), parts, strict=True), 1):
            edit.set_input(index, edit.ints(role, [part[each] for each in kept]))
    job.settle(node)


def _expanded(job: Freeing, node: ir.Node) -> None:
    """Expand; an extent of its shape that fixes the batch becomes 1, which keeps that of the input."""
    value, wanted = node.inputs[0], node.inputs[1]
    target = job.file.items(wanted)
    if value is not None and target is not None:
        behind = len(target) - len(job.shape(value))
        if value not in job.carried:
            for axis in range(len(job.shape(value))):
                if axis + behind >= 0 and _follows(job, wanted, axis + behind):
                    job.first_sample(node, 0, axis)
        else:
            at = behind + job.carried[value].axis
            if at >= 0 and target[at] == job.extent(value) != 1 and not _follows(job, wanted, at):
                job.edit(node).set_input(1, job.edit(node).ints("shape", [*target[:at], 1, *target[at + 1 :]]))
    job.settle(node)


def _follows(job: Freeing, shape: ir.Value | None, index: int) -> bool:
    """Whether an element of a computed shape grows with the batch."""
    here, there = job.file.items(shape), job.other.items(shape)
    return here is not None and there is not None and here[index] != there[index]


def _resized(job: Freeing, node: ir.Node) -> None:
    """Resize; sizes and scales no longer name the batch."""
    value = _the_carrier(job, node)
    carried, rank = job.carried[value], len(job.shape(value))
    axes = list(attribute(node, "axes") or range(rank))
    if carried.axis in axes:
        at, edit = axes.index(carried.axis), job.edit(node)
        sizes = job.file.items(node.inputs[3]) if len(node.inputs) > 3 else None
        if sizes is not None and not _follows(job, node.inputs[3], at):
            if sizes[at] != job.extent(value) or attribute(node, "keep_aspect_ratio_policy") not in (None, "stretch"):
                raise Refused("resizes along it")
            edit.set_input(3, edit.ints("sizes", [*sizes[:at], *sizes[at + 1 :]]))
            edit.set(axes=[axis for axis in axes if axis != carried.axis])
    job.settle(node)


def _reshaped(job: Freeing, node: ir.Node) -> None:
    """Reshape; where its shape fixes the batch, that extent becomes -1."""
    value, made = node.inputs[0], node.outputs[0]
    if value is None or value not in job.carried:
        job.settle(node)
        return
    job.file.infer(node)
    shape, target = job.shape(value), job.shape(made)
    fits = not job.other.infer(node)
    axis = job.grown(made) if fits else None
    place = None if axis is None else after_view(shape, job.carried[value], target, axis, job.batch)
    if place is None or not job.depends(node.inputs[1]):
        best = next(iter(places(shape, job.carried[value], target, job.batch)), None)
        if best is None and _gathers_from_samples(job, node, shape):
            job.settle(node, 1)
            return
        if best is None:
            raise Refused(f"leaves no axis for it: {shape} becomes {target}")
        if place is None or best.axis != axis:
            edit = job.edit(node)
            edit.take("allowzero")
            edit.set_input(1, edit.ints("shape", [-1 if i == best.axis else dim for i, dim in enumerate(target)]))
            place = best
    job.settle(node, place.outer)


def _gathers_from_samples(job: Freeing, node: ir.Node, shape: Sequence[int]) -> bool:
    """Whether a Reshape to a vector was made one to a vector for each sample.

    torch writes `as_strided` as a Gather of a vector by constant positions; it becomes one that takes the same
    positions from each sample. Positions in order are another shape of the sample.
    """
    (made,) = node.outputs
    readers, carried = list(made.uses()), job.carried[node.inputs[0]]  # type: ignore[index]
    size = math.prod(shape)
    if job.batch != 1 or carried.axis or made.is_graph_output() or len(job.shape(made)) != 1:
        return False
    taken = []
    for reader, position in readers:
        indices = reader.inputs[1].const_value if reader.op_type == "Gather" and reader.inputs[1] is not None else None
        if position or indices is None or not indices.shape or indices.shape[0] != 1:
            return False
        taken.append((reader, indices.numpy()[0]))
    for reader, positions in taken:
        edit = job.edit(reader)
        if positions.size == size and np.array_equal(positions.reshape(-1), np.arange(size)):
            edit.become("Reshape", [made, edit.ints("shape", [-1, *positions.shape])])
        else:
            edit.set(axis=1)
            edit.set_input(1, edit.constant("positions", positions))
    edit = job.edit(node)
    edit.take("allowzero")
    edit.set_input(1, edit.ints("shape", [-1, size]))
    return True


def _recurrent(job: Freeing, node: ir.Node) -> None:
    """LSTM, GRU and RNN: initial states and lengths get the batch, initial states of zeros are left out."""
    axis = 0 if attribute(node, "layout") else 1
    x = node.inputs[0]
    if x is None or x not in job.carried or job.carried[x].axis != axis:
        raise Refused("works along it as its sequence, or has it in its states only")
    for index, at in ((4, 0), (5, axis), (6, axis)):
        value = node.inputs[index] if index < len(node.inputs) else None
        if value is None or value in job.carried:
            continue
        if value.const_value is not None and index > 4 and not value.const_value.numpy().any():
            job.edit(node).set_input(index, None)
        else:
            job.expand(node, index, at, x)
    job.settle(node)


def _reversed(job: Freeing, node: ir.Node) -> None:
    """ReverseSequence."""
    x = _the_carrier(job, node)
    if x is not node.inputs[0] or job.carried[x].axis != attribute(node, "batch_axis"):
        raise Refused("works along it as its sequence")
    if node.inputs[1] not in job.carried:
        job.expand(node, 1, 0, x)
    job.settle(node)


def _tiled(job: Freeing, node: ir.Node) -> None:
    value = node.inputs[0]
    repeats = numbers_of(node.inputs[1]) if value in job.carried else None
    if value in job.carried and (repeats is None or repeats[job.carried[value].axis] != 1):
        raise Refused("repeats the samples")
    job.settle(node)


def _view(job: Freeing, node: ir.Node) -> None:
    job.view(node)


def _table(*groups: tuple[Rule, Sequence[str]]) -> Mapping[str, Rule]:
    return {op_type: rule for rule, operators in groups for op_type in operators}


RULES = _table(
    (_elementwise, sorted(operators_with(Trait.ELEMENTWISE))),
    (_elementwise, ("PRelu", "Dropout", "CastLike")),
    (_alike, ("ConstantOfShape", "Einsum", "OneHot", "Pad", "Transpose", "RandomNormalLike", "RandomUniformLike")),
    (_matmul, ("MatMul", "MatMulInteger", "QLinearMatMul")),
    (_gemm, ("Gemm",)),
    (
        _on_samples,
        (
            *("Conv", "ConvInteger", "ConvTranspose", "QLinearConv", "AveragePool", "GlobalAveragePool"),
            *("GlobalMaxPool", "GlobalLpPool", "LpPool", "InstanceNormalization", "GroupNormalization", "LRN"),
            *("DepthToSpace", "SpaceToDepth", "Col2Im"),
        ),
    ),
    (_batch_norm, ("BatchNormalization",)),
    (_max_pool, ("MaxPool",)),
    (_pairs_of_samples, ("GridSample", "AffineGrid")),
    (_along(-1), ("Softmax", "LogSoftmax", "Hardmax", "TopK", "LpNormalization")),
    (_along(0), ("ArgMax", "ArgMin", "CumSum", "Split")),
    (_quantised, ("QuantizeLinear", "DequantizeLinear")),
    (_normalised_from, ("LayerNormalization", "RMSNormalization")),
    (_reduced, sorted(operators_with(Trait.REDUCTION))),
    (_standardised, ("MeanVarianceNormalization",)),
    (_triangle, ("Trilu",)),
    (_along_another, ("Concat", "GatherElements", "ScatterElements")),
    (_gathered, ("Gather",)),
    (_gathered_by_tuples, ("GatherND",)),
    (_sliced, ("Slice",)),
    (_expanded, ("Expand",)),
    (_tiled, ("Tile",)),
    (_resized, ("Resize",)),
    (_view, ("Flatten", "Squeeze", "Unsqueeze")),
    (_reshaped, ("Reshape",)),
    (_recurrent, ("LSTM", "GRU", "RNN")),
    (_reversed, ("ReverseSequence",)),
)
"""Operator of ONNX's own domain → its rule."""
