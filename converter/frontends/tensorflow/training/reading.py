"""Read how a training graph trains: loss, penalties and optimizer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from converter.errors import ConverterError
from converter.frontends.endpoints import listed
from converter.frontends.source import Endpoint, Request, Source
from converter.frontends.tensorflow import graph as graphs
from converter.frontends.tensorflow import graph_source
from converter.frontends.tensorflow.training import loss as losses
from converter.frontends.tensorflow.training.flow import Flow
from converter.frontends.tensorflow.training.optimizer import optimizer_of, why_none
from converter.frontends.training import OWN_DECAY, Loss, Training

if TYPE_CHECKING:
    from tensorflow.core.framework.graph_pb2 import GraphDef

    from converter.frontends.tensorflow.training.network import Network

_PRUNED = (
    "The graph has gradients, but not the loss that they are of: no training script is written. --train_script writes "
    "a guess."
)
"""A note on a frozen graph: to freeze it for its gradients leaves out the loss, which these do not need."""


def training_of(network: Network, source: Source, whole: GraphDef) -> tuple[Training | None, list[str]]:
    """How the graph trains the network; None, and why, if that cannot be read.

    Args:
        network: the network that was found in the graph.
        source: the network between its ends.
        whole: the network's graph, with all its constants; it is changed.
    """
    if not network.losses:
        return None, [_PRUNED] if network.flow.derivatives else []
    notes: list[str] = []
    values, numbers = network.values, network.numbers
    if len(network.losses) > 1:
        return None, [f"The graph trains on several losses, {listed(network.losses)}: no training script is written."]
    optimizer = optimizer_of(network.flow, numbers.known, values, notes)
    if optimizer is None:
        return None, [f"{why_none(network.flow)}: no training script is written. --train_script writes a guess."]
    data = network.flow.reached(network.flow.sources)
    terms = losses.terms_of(network.flow, f"{network.losses[0]}:0", numbers, data)
    if terms.others:
        notes.append(f"The loss has penalties that the script leaves out: {listed(terms.others)}.")
    name = values.name if values is not None else str
    penalties = {name(variable): factor for variable, factor in terms.decays.items()}
    if optimizer.name not in OWN_DECAY:
        optimizer = replace(optimizer, decays=penalties)
    elif penalties:
        notes.append(f"The loss has penalties that the script leaves out: {listed(penalties)}.")
    total = losses.join(whole, terms.data)
    total = losses.simplified(whole, total, numbers)
    try:
        found, labels = _loss(network, source, whole, total)
    except ConverterError as error:
        return None, [f"The loss could not be cut out: {error.message} No training script is written."]
    return Training(found, labels, optimizer, tuple(notes)), []


def _loss(network: Network, source: Source, whole: GraphDef, total: str) -> tuple[Loss, tuple[Endpoint, ...]]:
    """The loss, and its labels."""
    outputs = [end.name for end in source.outputs]
    name, index = graphs.split(total)
    tensor = f"{name}:{index}"
    flow = Flow(whole)
    labels = _labels(whole, outputs, tensor)
    part = graph_source.source_of(
        whole, Request(source.original.file, (*outputs, *labels), (tensor,)), source.original.frontend, "loss"
    )
    ranks = {end.name: len(end.shape) for end in part.inputs if end.shape is not None}
    ends = part.inputs[len(outputs) :]
    known = losses.known_loss(flow, tensor, outputs[0], labels, network.numbers, ranks) if len(outputs) == 1 else None
    if known is not None:
        classes = source.outputs[0].shape[-1] if known.classes and source.outputs[0].shape else 0
        return replace(known, classes=classes if isinstance(classes, int) else 10 * bool(known.classes)), ends
    return Loss(source=part), ends


def _labels(graph: GraphDef, outputs: Sequence[str], loss: str) -> list[str]:
    """The data that the loss reads besides the outputs."""
    stops = {graphs.split(name) for name in outputs}
    sources = {
        (node.name, k): f"{node.name}:{k}"
        for node in graph.node
        if node.op in graphs.FEEDS
        for k in range(graphs.output_count(graph, node))
    }
    between = graphs.needed(graph, [loss], {*stops, *sources})
    read = {source for node in graph.node if node.name in between for source in graphs.data_inputs(node)}
    return [name for tensor, name in sources.items() if tensor in read and tensor not in stops]
