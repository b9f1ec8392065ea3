"""Models of TensorFlow Lite: translate one to ONNX, cut it there, and run the original.

https://ai.google.dev/edge/litert/models/convert_tf
"""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx

from converter.base.files import check_readable
from converter.errors import TfRuntimeError
from converter.frontends.endpoints import listed
from converter.frontends.onnx import FRONTEND as ONNX
from converter.frontends.source import Original, Request, Source
from converter.frontends.tensorflow import layers, order, weights
from converter.frontends.tensorflow.export import set_opsets
from converter.frontends.tensorflow.runtime import quiet_tensorflow, refusals
from converter.frontends.tensorflow.tf2onnx_session import Session
from converter.frontends.tflite import reading, stored_weights
from converter.frontends.tflite.interpreter import Interpreter
from converter.frontends.tflite.names import rename

_FRONTEND = __name__.rpartition(".")[0]
"""This package, which defines the frontend."""


def load(request: Request) -> Source:
    """Translate a model of TensorFlow Lite to ONNX, cut at the endpoints that the user named.

    Inputs and outputs have the names of the model's signature, if it has one, else those of its tensors.

    Raises:
        TfRuntimeError: TensorFlow or tf2onnx is not installed, or rejects the model.
        ModelLoadingError: the file is missing or damaged.
        BadParamError, ParamMissingError: nodes or shapes that do not fit the model.
    """
    file = request.model_file
    check_readable(file)
    with quiet_tensorflow() as tensorflow, tempfile.TemporaryDirectory(prefix="onnx2mindspore-") as folder:
        translated = Path(folder) / f"{file.stem}.onnx"
        model, stored, variables = _translated(file, Interpreter(file))
        onnx.save(model, translated)
        source = ONNX.load(replace(request, model_file=translated))
        version = ".".join(tensorflow.__version__.split(".")[:2])
    precision = "int8" if "int8" in stored else ""
    original = replace(source.original, frontend=_FRONTEND, file=file, base_dir=file.parent, precision=precision)
    description = f"{file.name} (TensorFlow Lite, TensorFlow {version})"
    return replace(
        source,
        original=original,
        description=description,
        base_dir=file.parent,
        files=(file,),
        notes=(*source.notes, *stored_weights.notes(stored), *_state_notes(variables)),
    )


def run(original: Original, feeds: Mapping[str, np.ndarray]) -> list[np.ndarray]:
    """Run the model by the interpreter; a part that the user cut out by onnxruntime, as translated.

    Args:
        original: its file is a model of TensorFlow Lite.
        feeds: `Endpoint.name` → array.

    Returns:
        The outputs, in the order of `original.outputs`.

    Raises:
        SourceRunError: the model rejects these inputs.
    """
    with quiet_tensorflow():
        interpreter = Interpreter(original.file)
        if set(original.inputs) == set(interpreter.inputs) and set(original.outputs) <= set(interpreter.outputs):
            with refusals():
                return interpreter.run(feeds, list(original.outputs))
    return ONNX.run(original, feeds)


def _state_notes(variables: Sequence[str]) -> list[str]:
    """What becomes of the state that a model keeps from one call to the next."""
    if not variables:
        return []
    return [f"{listed(variables)}: each call begins with the saved state, and what it writes there is left out."]


def _translated(file: Path, interpreter: Interpreter) -> tuple[onnx.ModelProto, set[str], list[str]]:
    """The model in ONNX, whose ends have the interpreter's names; the types of its stored weights; its variables.

    Raises:
        TfRuntimeError: tf2onnx rejects the model.
    """
    try:
        with reading.completed() as variables:
            model = Session(tflite_path=str(file)).convert()
    except Exception as error:  # a handler of tf2onnx may raise any class
        raise TfRuntimeError(
            f"tf2onnx cannot translate '{file.name}': {' '.join(str(error).split())[:300]}. "
            "Convert the model that it was made of instead."
        ) from error
    graph = model.graph
    ends = (*interpreter.inputs.items(), *interpreter.outputs.items())
    rename(graph, {end["name"]: name for name, end in ends})
    stored = stored_weights.unpack(graph)
    layers.tidy(graph)
    weights.restore(graph, interpreter.constants())
    order.sort_and_number(graph, ())
    graph.name = "graph"
    set_opsets(model)
    return model, stored, list(dict.fromkeys(variables))
