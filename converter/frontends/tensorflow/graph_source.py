"""A frozen graph as a source: cut at its endpoints and translated to ONNX; and how TensorFlow runs it.

Every source of TensorFlow that becomes a GraphDef goes this way: frozen graphs, SavedModels, Keras, checkpoints.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from converter.frontends.frontend import Run
from converter.frontends.source import Original, Request, Source
from converter.frontends.tensorflow import export, graph
from converter.frontends.tensorflow.cutting import OWN_ENDS, Ends, cut
from converter.frontends.tensorflow.detached import gradients_of_their_own
from converter.frontends.tensorflow.runtime import quiet_tensorflow, refusals

if TYPE_CHECKING:
    from tensorflow.core.framework.graph_pb2 import GraphDef


def source_of(
    frozen: GraphDef,
    request: Request,
    frontend: str,
    kind: str,
    *,
    ends: Ends = OWN_ENDS,
    files: Sequence[Path] = (),
    notes: Sequence[str] = (),
) -> Source:
    """Translate the part of a frozen graph between its endpoints to ONNX.

    A dynamic dimension of the graph stays dynamic. TensorFlow operators without an ONNX form stay as nodes of the
    domain `tensorflow`.

    Args:
        frozen: the graph; it is changed.
        request: the request, whose file stands for the source.
        frontend: the module of the frontend that runs the source.
        kind: what the file is, for the docstring: `frozen graph`.
        ends: the names under which the source shows its own inputs and outputs.
        files: all files of the source, if there are others than the request's.
        notes: sentences for the user.

    Raises:
        TfRuntimeError: TensorFlow or tf2onnx rejects the graph.
        NodeInputMissingError: a node reads a tensor of a node that is not in the graph.
        BadParamError, ParamMissingError: nodes or shapes that do not fit the graph.
        NodeInputTypeNotSupportError: an endpoint is not a tensor.
    """
    import tensorflow

    part = cut(frozen, request, ends)
    del frozen  # what it was read from holds every weight until then
    own = gradients_of_their_own(part.graph)
    model, inputs, outputs = export.to_onnx(part)
    version = ".".join(tensorflow.__version__.split(".")[:2])
    file = request.model_file
    original = Original(
        frontend,
        file,
        file.parent,
        inputs={end.name: part.behind.get(end.name, end.name) for end in inputs},
        outputs={end.name: end.name for end in outputs},
        options=request.options,
    )
    description = f"{file.name} ({kind}, TensorFlow {version})"
    return Source(
        model, inputs, outputs, original, description, file.parent, tuple(files) or (file,), (*notes, *part.notes, *own)
    )


def start_graph(frozen: GraphDef, original: Original, ends: Ends = OWN_ENDS) -> Run:
    """Load a frozen graph, to run it between any of its tensors.

    Args:
        frozen: the graph.
        original: names the tensors, or the graph's own ends, which `ends` translates to tensors.
        ends: as for `source_of`.

    Returns:
        A function of arrays by `Endpoint.name`, which returns the outputs in the order of `original.outputs`. It raises
        SourceRunError if TensorFlow rejects these inputs.
    """
    import tensorflow

    inputs = {name: ends.inputs.get(tensor, tensor) for name, tensor in original.inputs.items()}
    outputs = [ends.outputs.get(tensor, tensor) for tensor in original.outputs.values()]
    with tensorflow.Graph().as_default():
        names = graph.needed(frozen, (*inputs.values(), *outputs), control=True)
        part = graph.part(frozen, names)
        tensorflow.import_graph_def(part, name="")
        if _is_channels_first(part):
            tensors = map(tensorflow.compat.v1.get_default_graph().get_tensor_by_name, outputs)
            outputs = [tensorflow.identity(tensor).name for tensor in tensors]  # no rewrite touches what is fetched
        session = tensorflow.compat.v1.Session(config=_configuration(part))

    def run(feeds: Mapping[str, np.ndarray]) -> list[np.ndarray]:
        values = {inputs[name]: array for name, array in feeds.items()}
        with quiet_tensorflow(), refusals():
            return [np.asarray(array) for array in session.run(outputs, values)]

    return run


def _is_channels_first(part: GraphDef) -> bool:
    """Whether nodes compute on NCHW or NCDHW, for which TensorFlow has kernels on GPUs only."""
    return any(node.attr["data_format"].s.startswith(b"NC") for node in part.node if "data_format" in node.attr)


def _configuration(part: GraphDef) -> Any:
    """Options of a session on the CPU: TensorFlow rewrites nodes that compute on NCHW to NHWC."""
    import tensorflow

    options = tensorflow.compat.v1.ConfigProto()
    if _is_channels_first(part):
        rewriting = options.graph_options.rewrite_options
        rewriting.cpu_layout_conversion = rewriting.NCHW_TO_NHWC
        rewriting.min_graph_nodes = -1  # small graphs are rewritten too
    return options


def run_graph(
    frozen: GraphDef, original: Original, feeds: Mapping[str, np.ndarray], ends: Ends = OWN_ENDS
) -> list[np.ndarray]:
    """Run a frozen graph once, as `start_graph` does."""
    return start_graph(frozen, original, ends)(feeds)
