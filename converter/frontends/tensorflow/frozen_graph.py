"""Frozen TensorFlow graphs (`.pb`): read one, cut it at the endpoints, translate it by tf2onnx, run the original."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from converter.base.files import check_readable
from converter.errors import SourceRunError
from converter.frontends.source import Original, Request, Source
from converter.frontends.tensorflow import export, graph
from converter.frontends.tensorflow.cutting import cut
from converter.frontends.tensorflow.runtime import quiet_tensorflow

_FRONTEND = __name__.rpartition(".")[0]
"""This package, which defines the frontend."""


def load(request: Request) -> Source:
    """Read a frozen TensorFlow graph and translate the part between its endpoints to ONNX.

    A dynamic dimension of the graph stays dynamic. TensorFlow operators without an ONNX form stay as nodes of the
    domain `tensorflow`.

    Raises:
        TfRuntimeError: TensorFlow or tf2onnx is not installed, or rejects the graph.
        ModelLoadingError: the file is missing, unreadable, or not a frozen GraphDef.
        NodeInputMissingError: a node reads a tensor of a node that is not in the file.
        BadParamError, ParamMissingError: nodes or shapes that do not fit the graph.
        NodeInputTypeNotSupportError: an endpoint is not a tensor.
    """
    check_readable(request.model_file)  # TensorFlow takes seconds to import
    with quiet_tensorflow() as tensorflow:
        part = cut(graph.read(request.model_file), request)
        model, inputs, outputs = export.to_onnx(part)
        version = ".".join(tensorflow.__version__.split(".")[:2])
    file = request.model_file
    original = Original(
        _FRONTEND,
        file,
        file.parent,
        inputs={end.name: end.name for end in inputs},
        outputs={end.name: end.name for end in outputs},
    )
    description = f"{file.name} (frozen graph, TensorFlow {version})"
    return Source(model, inputs, outputs, original, description, file.parent, (file,))


def run(original: Original, feeds: Mapping[str, np.ndarray]) -> list[np.ndarray]:
    """Run the frozen graph itself, between any of its tensors.

    Args:
        original: its file is a frozen graph.
        feeds: `Endpoint.name` → array.

    Returns:
        The outputs, in the order of `original.outputs`.

    Raises:
        SourceRunError: TensorFlow rejects these inputs.
    """
    with quiet_tensorflow() as tensorflow, tensorflow.Graph().as_default():
        whole = graph.read(original.file)
        tensors = (*original.inputs.values(), *original.outputs.values())
        tensorflow.import_graph_def(graph.part(whole, graph.needed(whole, tensors, control=True)), name="")
        values = {original.inputs[name]: array for name, array in feeds.items()}
        with tensorflow.compat.v1.Session() as session:
            try:
                return [np.asarray(array) for array in session.run(list(original.outputs.values()), values)]
            except (tensorflow.errors.OpError, ValueError, TypeError) as error:
                raise SourceRunError(
                    f"TensorFlow refuses these inputs: {' '.join(str(error).split())[:300]}"
                ) from error
