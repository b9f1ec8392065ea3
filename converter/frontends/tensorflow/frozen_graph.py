"""Frozen TensorFlow graphs (`.pb`): read one and translate it, run the original."""

from __future__ import annotations

from converter.base.files import check_readable
from converter.frontends.frontend import Run
from converter.frontends.source import Original, Request, Source
from converter.frontends.tensorflow import graph, graph_source, network_source, training
from converter.frontends.tensorflow.runtime import quiet_tensorflow

_FRONTEND = __name__.rpartition(".")[0]
"""This package, which defines the frontend."""


def load(request: Request) -> Source:
    """Read a frozen TensorFlow graph and translate the part between its endpoints to ONNX.

    In a graph with traces of its training, the network is found and set to inference.

    Raises:
        TfRuntimeError: TensorFlow or tf2onnx is not installed, or rejects the graph.
        ModelLoadingError: the file is missing, unreadable, or not a frozen GraphDef.
        NodeInputMissingError: a node reads a tensor of a node that is not in the file.
        BadParamError, ParamMissingError: nodes or shapes that do not fit the graph.
        NodeInputTypeNotSupportError: an endpoint is not a tensor.
    """
    check_readable(request.model_file)  # TensorFlow takes seconds to import
    with quiet_tensorflow():
        whole = graph.read(request.model_file)
        if not training.shows_training(whole):
            graphs = [whole]
            del whole
            return graph_source.source_of(graphs.pop(), request, _FRONTEND, "frozen graph")
        network = training.network_of(whole, (request.input_nodes, request.output_nodes))
        return network_source.source_of(network, request, _FRONTEND, "frozen graph")


def start(original: Original) -> Run:
    """Load the frozen graph itself, to run it between any of its tensors, its switches set to inference.

    Args:
        original: its file is a frozen graph.

    Returns:
        As `graph_source.start_graph`.
    """
    with quiet_tensorflow():
        whole = network_source.inference_graph(graph.read(original.file), original)
        return graph_source.start_graph(whole, original)
