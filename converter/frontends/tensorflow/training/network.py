"""The network in a training graph: what is left for inference when switches are set and the training is cut off."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from converter.frontends.endpoints import listed
from converter.frontends.tensorflow import graph as graphs
from converter.frontends.tensorflow.training import accumulators, branches, dropout, ends, freeze, statistics, switches
from converter.frontends.tensorflow.training.flow import PLACEHOLDERS, Flow
from converter.frontends.tensorflow.training.scalars import Scalars

if TYPE_CHECKING:
    from tensorflow.core.framework.graph_pb2 import GraphDef

_GUESSED_RATE = 0.5


@dataclass(frozen=True)
class Network:
    """The network in a training graph.

    Attributes:
        graph: the whole graph with its switches set; the network's ends are in it.
        ends: the ends that were found.
        losses: the nodes whose gradients the graph computes.
        switches: node → its value in inference, for those on which the network depends.
        momenta: variable → the share of itself that it keeps when it is moved towards a batch's statistics.
        biased: those of these variables that follow the variance of a batch itself, not n / (n - 1) of it.
        notes: what was chosen and set, for the user.
        trains: whether the graph has layers that always train, so that the source itself cannot be run in inference.
        flow: the graph as it was before.
        numbers: the numbers of that graph in training.
        values: the values of its variables; None if the graph was frozen.
    """

    graph: GraphDef
    ends: ends.Found
    losses: tuple[str, ...]
    switches: dict[str, switches.Value]
    momenta: dict[str, float]
    biased: frozenset[str]
    notes: tuple[str, ...]
    trains: bool
    flow: Flow
    numbers: Scalars
    values: freeze.Values | None


@dataclass
class _Found:
    notes: list[str] = field(default_factory=list)
    trains: bool = False


def network_of(
    whole: GraphDef, given: tuple[Sequence[str], Sequence[str]] = ((), ()), values: freeze.Values | None = None
) -> Network:
    """Find the network in a graph, set it to inference, and freeze it.

    Args:
        whole: a training graph; it is not changed.
        given: the names of the inputs and of the outputs that the user gave. Inputs that are given are no switches.
        values: the values of its variables; None if the graph is frozen.
    """
    if accumulators.has_accumulators(whole):
        whole = _copy(whole)
        accumulators.remove_accumulators(whole)
    flow = Flow(whole)
    graph = _copy(whole)
    freeze.without_references(graph)
    nodes = {graphs.split(name)[0] for name in given[0]}
    found = _Found()
    losses = ends.losses_of(flow)
    first = Flow(graph)
    known = switches.find(first, dropout.dropouts(first), nodes)
    branches.lower_conditions(graph, known.inference)
    lowered = Flow(graph)
    known = switches.find(lowered, dropout.dropouts(lowered), nodes)
    _keep_dropouts(lowered, known, nodes, found)
    copy = _copy(graph)
    branches.lower_conditions(copy)
    before = Flow(copy)
    numbers = Scalars(before, known.training)
    branches.take_branches(graph, known.inference)
    momenta, biased = _set_norms(graph, before, numbers, found)
    if values is not None:
        momenta = {values.name(name): momentum for name, momentum in momenta.items()}
        biased = {values.name(name) for name in biased}
    ready = Flow(graph)
    ends_found = ends.find(ready, [name for name in losses if name in ready.nodes], known.inference)
    if values is None and not losses and not flow.derivatives:
        ends_found = ends.Found()  # a frozen graph says itself what its ends are
        if not given[1]:
            graph = _without_leftovers(graph, flow)
            ready = Flow(graph)
    outputs = given[1] or ends_found.outputs or list(ready.nodes)
    needed = ready.ancestors(graphs.split(name)[0] for name in outputs)
    above = flow.ancestors(needed)
    set_to = {name: value for name, value in known.inference.items() if name in above and name in flow.readers}
    if values is not None:
        freeze.freeze(graph, values, needed | ready.ancestors(losses) & ready.forward)
    return Network(
        graph,
        ends_found,
        losses,
        set_to,
        momenta,
        frozenset(biased),
        tuple(found.notes),
        found.trains,
        before,
        numbers,
        values,
    )


def _without_leftovers(graph: GraphDef, before: Flow) -> GraphDef:
    """The graph without nodes that nothing reads any more: parts of branches and dropouts, which are no outputs."""
    read = {source for node in before.nodes.values() for source, _ in graphs.data_inputs(node)}
    while True:
        still = {source for node in graph.node for source, _ in graphs.data_inputs(node)}
        kept = {node.name for node in graph.node if node.name in still or node.name not in read}
        if len(kept) == len(graph.node):
            return graph
        graph = graphs.part(graph, kept)


def shows_training(graph: GraphDef) -> bool:
    """Whether a frozen graph has a switch, a dropout, a batch norm in training mode, or gradients."""
    from tensorflow.core.framework.types_pb2 import DT_BOOL

    for node in graph.node:
        placeholder = node.op in PLACEHOLDERS and node.attr["dtype"].type == DT_BOOL
        norm = node.op.startswith("FusedBatchNorm") and ("is_training" not in node.attr or node.attr["is_training"].b)
        if placeholder or norm or node.op in dropout.UNIFORM or "gradients/" in node.name:
            return True
    return False


def _copy(graph: GraphDef) -> GraphDef:
    copy = type(graph)()
    copy.CopyFrom(graph)
    return copy


def _keep_dropouts(flow: Flow, known: switches.Switches, given: Collection[str], found: _Found) -> None:
    """Replace each dropout by a marked Identity, in place; a dropout in a loop by an Identity.

    A dropout whose probability depends on an input that the user gave stays as it is.
    """
    numbers = Scalars(flow, known.training)
    settings = Scalars(flow, known.inference)
    loops = _in_loops(flow)
    guessed, removed = [], []
    for each in list(dropout.dropouts(flow)):
        if flow.ancestors([graphs.split(each.probability)[0]]) & set(given):
            continue
        rate = each.rate(numbers)
        if rate == 0 and flow.ancestors([graphs.split(each.probability)[0]]) & known.inference.keys():
            rate = None  # the default of a placeholder is for inference
        if rate is None:
            guessed.append(each.node.name)
            rate = _GUESSED_RATE
        if each.node.name in loops:
            removed.append(each.node.name)
            rate = 0.0
        found.trains = found.trains or (
            each.rate(settings) not in (0, None) and settings.runs(each.node.name) is not False
        )
        dropout.mark(each, rate)
    if guessed:
        found.notes.append(
            f"The graph does not say the rate of the dropouts {listed(guessed)}: {_GUESSED_RATE} is a guess."
        )
    if removed:
        found.notes.append(f"The dropouts inside loops are left out: {listed(removed)}.")


def _in_loops(flow: Flow) -> set[str]:
    """The nodes inside loops of TensorFlow 1."""
    entries = [node.name for node in flow.graph.node if node.op == "Enter"]
    return flow.descendants(entries, lambda name: flow.nodes[name].op != "Exit") if entries else set()


def _set_norms(graph: GraphDef, before: Flow, numbers: Scalars, found: _Found) -> tuple[dict[str, float], set[str]]:
    """Let batch norms use running statistics; return the momentum of each variable that holds such, and the biased."""
    averages = list(statistics.averages(before, numbers))
    flow = Flow(graph)
    alive = [
        average
        for average in averages
        if graphs.split(average.followed)[0] in flow.nodes and flow.origin(average.followed).op not in graphs.VARIABLES
    ]
    changed = statistics.use_running_statistics(flow, alive)
    if changed:
        found.trains = True
        found.notes.append(
            "The graph was built for training: its batch norms use the running statistics here, and those of the batch "
            "in the script's training mode."
        )
    momenta = {average.variable: average.momentum for average in averages if average.momentum is not None}
    return momenta, statistics.biased(before, averages)
