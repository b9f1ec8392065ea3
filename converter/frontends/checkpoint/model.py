"""Read a checkpoint of TensorFlow 1 as a network, and run the original graph with its values."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from converter.errors import ModelLoadingError
from converter.frontends.checkpoint import files
from converter.frontends.checkpoint.prefix import prefix_of
from converter.frontends.source import Original, Request, Source
from converter.frontends.tensorflow import network_source, training
from converter.frontends.tensorflow.runtime import quiet_tensorflow, refusals

_FRONTEND = __name__.rpartition(".")[0]


def load(request: Request) -> Source:
    """Find the network in the graph of a checkpoint, freeze it with the checkpoint's values, translate it to ONNX.

    Raises:
        TfRuntimeError: TensorFlow or tf2onnx is not installed, or rejects the graph.
        ModelLoadingError: a file of the checkpoint is missing or damaged, or lacks a value.
        BadParamError, ParamMissingError: nodes or shapes that do not fit the graph.
    """
    prefix = _prefix(request.model_file)
    with quiet_tensorflow():
        whole = files.read_graph(prefix)
        values = files.Values(whole, prefix)
        network = training.network_of(whole, (request.input_nodes, request.output_nodes), values)
        return network_source.source_of(network, request, _FRONTEND, "TensorFlow 1 checkpoint", files.files_of(prefix))


def run(original: Original, feeds: Mapping[str, np.ndarray]) -> list[np.ndarray]:
    """Run the graph itself with the values of the checkpoint, its switches set to inference.

    A graph that always trains is run as the network that was found in it.

    Raises:
        SourceRunError: TensorFlow rejects these inputs.
    """
    prefix = _prefix(original.file)
    with quiet_tensorflow():
        graph = files.read_graph(prefix)
        values = files.Values(graph, prefix)
        graph = network_source.inference_graph(graph, original)
        named = {original.inputs[name]: array for name, array in feeds.items()}
        with refusals():
            return files.run(graph, values, named, list(original.outputs.values()))


def _prefix(file: Path) -> Path:
    prefix = prefix_of(file)
    if prefix is None:
        raise ModelLoadingError(
            f"'{file}' belongs to a checkpoint of TensorFlow 1, but its graph is missing. Copy the .meta beside it."
        )
    return prefix
