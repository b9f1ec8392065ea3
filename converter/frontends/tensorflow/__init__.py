"""The frontend for frozen TensorFlow graphs (`.pb`): cut at the ends, made ready, and handed to tf2onnx."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from converter.frontends.tensorflow import export, graph
from converter.frontends.tensorflow.cutting import cut
from converter.frontends.tensorflow.runtime import quiet_tensorflow
from converter.source import Original, Request, Source


def load(request: Request) -> Source:
    """Read a frozen TensorFlow graph and translate the part between its ends to ONNX.

    Raises:
        TfRuntimeError: TensorFlow or tf2onnx is not installed, or refuses the graph.
        ModelLoadingError: the file is missing, unreadable, or not a frozen GraphDef.
        BadParamError, ParamMissingError: nodes or shapes that do not fit the graph.
    """
    with quiet_tensorflow() as tensorflow:
        part = cut(graph.read(request.model_file), request)
        model = export.to_onnx(part)
        version = ".".join(tensorflow.__version__.split(".")[:2])
    original = Original(
        kind="tensorflow",
        file=request.model_file,
        model=None,
        inputs=dict(zip((end.name for end in part.inputs), part.feeds, strict=True)),
        outputs=dict(zip((end.name for end in part.outputs), part.fetches, strict=True)),
    )
    description = f"{request.model_file.name} (frozen TensorFlow graph, read by TensorFlow {version})"
    return Source(model, part.inputs, part.outputs, original, description)


def run(original: Original, feeds: Mapping[str, np.ndarray]) -> list[np.ndarray]:
    """Run the frozen graph itself, between any two cuts.

    Args:
        original: the graph's file and the names of the tensors at its ends.
        feeds: a value for each input, by `End.name`.

    Returns:
        The outputs, in the order of `original.outputs`.
    """
    with quiet_tensorflow() as tensorflow, tensorflow.Graph().as_default():
        tensorflow.import_graph_def(graph.read(original.file), name="")
        with tensorflow.compat.v1.Session() as session:
            values = {original.inputs[name]: value for name, value in feeds.items()}
            return session.run(list(original.outputs.values()), values)
