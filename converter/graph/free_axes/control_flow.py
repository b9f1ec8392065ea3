"""What If, Loop and Scan do with a batch: the walk goes on in their sub-graphs, whose inputs hold what they are fed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import onnx_ir as ir

from converter.graph.free_axes.carried import Carried
from converter.graph.free_axes.freeing import Freeing, Refused, Rule
from converter.graph.queries import attribute, number_of
from converter.graph.walk import subgraphs


def _branches(job: Freeing, node: ir.Node) -> None:
    """If."""
    if node.inputs[0] in job.carried:
        raise Refused("takes a branch by it")
    branches = subgraphs(node)
    for branch in branches:
        job.walk(branch)
    for index, value in enumerate(node.outputs):
        one, *others = (branch.outputs[index] for branch in branches)
        if any(not job.alike(one, other) for other in others):
            raise Refused("has branches whose results hold it in different ways")
        job.take(value, one)


def _loop(job: Freeing, node: ir.Node) -> None:
    if any(value in job.carried for value in node.inputs[:2]):
        raise Refused("ends by it")
    (body,) = subgraphs(node)
    states = len(node.inputs) - 2
    for value in body.inputs[:2]:
        job.declare(value, ())
    _iterate(job, node, body, range(2, 2 + states), body.inputs[2:], body.outputs[1 : 1 + states])
    _results(job, node, states, body.outputs[1 + states :])


def _scan(job: Freeing, node: ir.Node) -> None:
    (body,) = subgraphs(node)
    scanned = node.attributes.get_int("num_scan_inputs", 0)
    states = len(node.inputs) - scanned
    axes = attribute(node, "scan_input_axes") or (0,) * scanned
    if any(attribute(node, "scan_output_axes") or ()):
        raise Refused("joins the results of its steps along another axis than the first")
    for value, given, axis in zip(body.inputs[states:], node.inputs[states:], axes, strict=True):
        if given is None:
            raise Refused("lacks an input")
        shape, at = job.shape(given), axis % len(job.shape(given))
        if given not in job.carried:
            job.declare(value, (*shape[:at], *shape[at + 1 :]))
            continue
        place = job.carried[given]
        if place.axis == at:
            raise Refused("takes its steps along it")
        job.declare(value, (*shape[:at], *shape[at + 1 :]), Carried(place.axis - (at < place.axis), place.outer))
    _iterate(job, node, body, range(states), body.inputs[:states], body.outputs[:states])
    _results(job, node, states, body.outputs[states:])


def _iterate(
    job: Freeing,
    node: ir.Node,
    body: ir.Graph,
    given: Sequence[int],
    states: Sequence[ir.Value],
    results: Sequence[ir.Value],
) -> None:
    """Walk over the body of a loop until each state carries before an iteration what it carries behind it.

    An initial state without the batch gets it, where the first iteration adds it.
    """
    for _ in range(len(states) + 1):
        for index, state in zip(given, states, strict=True):
            initial = node.inputs[index]
            if initial is None:
                raise Refused("lacks an initial state")
            job.take(state, initial)
        job.walk(body)
        grown = [i for i, each in enumerate(zip(states, results, strict=True)) if not job.alike(*each)]
        if not grown:
            return
        for i in grown:
            if states[i] in job.carried or results[i] not in job.carried:
                raise Refused(f"has a state '{states[i].name}' that changes its place of the batch")
            job.expand_by_input(node, given[i], job.carried[results[i]])
    raise Refused("has states that depend on it")


def _results(job: Freeing, node: ir.Node, states: int, collected: Sequence[ir.Value]) -> None:
    """The results of a loop: the last states, and what the iterations collect along a new first axis."""
    offset = 2 if node.op_type == "Loop" else 0
    for index, value in enumerate(node.outputs[:states]):
        initial = node.inputs[offset + index]
        assert initial is not None
        job.take(value, initial)
    for value, item in zip(node.outputs[states:], collected, strict=True):
        steps = value.shape[0] if value.shape else None
        if not isinstance(steps, int) and node.op_type == "Loop":
            steps = number if (number := number_of(node.inputs[0])) is None else int(number)
        if not isinstance(steps, int):
            raise Refused("collects results of a number of steps that is not known")
        place = job.carried.get(item)
        job.declare(value, (steps, *job.shape(item)), place and Carried(place.axis + 1, place.outer))


CONTROL_FLOW: Mapping[str, Rule] = {"If": _branches, "Loop": _loop, "Scan": _scan}
"""Operator with sub-graphs → its rule."""
