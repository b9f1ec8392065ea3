"""The network of a training graph as a source: its ends chosen, with the user told which, and translated to ONNX."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from converter.errors import ParamMissingError, describe_unexpected
from converter.frontends.endpoints import listed
from converter.frontends.source import Original, Request, Source
from converter.frontends.tensorflow import graph_source
from converter.frontends.tensorflow.cutting import OWN_ENDS, Ends, commands
from converter.frontends.tensorflow.momenta import set_momenta
from converter.frontends.tensorflow.training import Network, network_of
from converter.frontends.tensorflow.training.reading import training_of
from converter.frontends.tensorflow.training.switches import Value

if TYPE_CHECKING:
    from tensorflow.core.framework.graph_pb2 import GraphDef

_SWITCHES, _TRAINS = "switches", "trains"
"""Keys of `Original.options`: the values of switches, and whether the graph always trains."""


def source_of(
    network: Network,
    request: Request,
    frontend: str,
    kind: str,
    files: Sequence[Path] = (),
    ends: Ends = OWN_ENDS,
    notes: Sequence[str] = (),
) -> Source:
    """Translate the network between the ends that the user named, those of the source, or those that were found.

    Args:
        network: the network in a graph.
        request: what the user asked for; its file stands for the source.
        frontend: the module of the frontend that runs the source.
        kind: what the file is, for the docstring: `frozen graph`.
        files: all files of the source, if there are others than the request's.
        ends: the ends that the source itself names; an input that is a switch of the network is left out.
        notes: sentences for the user.

    Raises:
        ParamMissingError: there are several tensors that may be the output; the details have a command for each.
    """
    found = network.ends
    chosen = request if request.output_nodes or not found.outputs else replace(request, output_nodes=found.outputs)
    if not chosen.output_nodes and found.candidates:
        raise ParamMissingError(
            f"the graph has {len(found.candidates)} ends that may be the network's output. Name one, or several:",
            commands(request, found.candidates),
        )
    own = _without_switches(ends, network) if ends.outputs else Ends(outputs={name: name for name in found.outputs})
    whole = type(network.graph)()
    whole.CopyFrom(network.graph)  # the cut takes the contents of large constants out of the graph
    source = graph_source.source_of(network.graph, chosen, frontend, kind, ends=own, files=files)
    set_momenta(source.model.graph, network.momenta, network.biased)
    options = {**source.original.options, _SWITCHES: network.switches, _TRAINS: network.trains}
    original = replace(source.original, options=options)
    try:
        trained, reasons = training_of(network, source, whole)
    except Exception as error:  # graphs of ten years; the network is translated all the same
        trained, reasons = None, [f"The training in the graph could not be read ({describe_unexpected(error)})."]
    chosen_by = [] if ends.outputs else _choice(network, request, source)
    said = (*notes, *chosen_by, *_set(network), *network.notes, *source.notes, *reasons)
    return replace(source, original=original, notes=said, training=trained)


def _without_switches(ends: Ends, network: Network) -> Ends:
    inputs = {name: tensor for name, tensor in ends.inputs.items() if tensor.partition(":")[0] not in network.switches}
    return replace(ends, inputs=inputs)


def switches_of(original: Original) -> dict[str, Value] | None:
    """The switches of the source and their values in inference; None if its own graph always trains."""
    return None if original.options.get(_TRAINS) else dict(original.options.get(_SWITCHES, {}))


def inference_graph(graph: GraphDef, original: Original) -> GraphDef:
    """The graph that the process of verification runs: the user's own with its switches set, if it can be."""
    if original.options.get(_TRAINS):
        return network_of(graph, (list(original.inputs.values()), list(original.outputs.values()))).graph
    import tensorflow as tf

    switches = original.options.get(_SWITCHES, {})
    for node in graph.node:
        if node.name in switches:
            dtype = node.attr["dtype"].type
            value = np.array(switches[node.name], tf.dtypes.as_dtype(dtype).as_numpy_dtype)
            node.op = "Const"
            node.attr.clear()
            del node.input[:]
            node.attr["dtype"].type = dtype
            node.attr["value"].tensor.CopyFrom(tf.make_tensor_proto(value))
    return graph


def _choice(network: Network, request: Request, source: Source) -> list[str]:
    """What was chosen as ends, and why."""
    if request.output_nodes:
        return []
    outputs, labels = listed(end.name for end in source.outputs), network.ends.labels
    sentences = []
    if not request.input_nodes:
        sentences.append(f"Found inputs, from which weights are reached: {listed(end.name for end in source.inputs)}.")
    if network.losses:
        losses = listed(f"{name}:0" for name in network.losses)
        sentences.append(f"Found outputs, which the loss {losses} reads: {outputs}.")
    elif labels:
        sentences.append(f"Found outputs, which the loss reads: {outputs}.")
    else:
        sentences.append(f"Found outputs, which nothing reads: {outputs}.")
    if labels:
        sentences.append(f"Found labels, from which no weight is reached: {listed(labels)}.")
    return [" ".join((*sentences, "Other ends: --input_nodes, --output_nodes."))]


def _set(network: Network) -> list[str]:
    values = ", ".join(f"{name}:0 = {value}" for name, value in network.switches.items())
    return [f"Set for inference: {values}."] if values else []
