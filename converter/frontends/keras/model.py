"""Models of Keras: load one, trace it in inference, freeze and translate it; run the model itself."""

from __future__ import annotations

import importlib
import os
import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from converter.errors import ConverterError, ModelLoadingError, ParamMissingError, RuntimeIntegrityError
from converter.frontends.endpoints import listed
from converter.frontends.keras import saved_file
from converter.frontends.keras.custom_objects import custom_objects, search_path
from converter.frontends.keras.network import Network
from converter.frontends.keras.saved_file import SavedFile
from converter.frontends.keras.training import training_of
from converter.frontends.source import Original, Request, Source
from converter.frontends.tensorflow.graph_source import run_graph, source_of
from converter.frontends.tensorflow.momenta import set_momenta
from converter.frontends.tensorflow.runtime import quiet_tensorflow, refusals

_FRONTEND = __name__.rpartition(".")[0]
"""This package, which defines the frontend."""

INSTALL_TF_KERAS = "pip install --no-deps tf_keras"
"""Without its dependencies: it asks for `tensorflow`, which `tensorflow-cpu` provides."""

_UNKNOWN = re.compile(r"(?:Could not locate|Unknown) (?:class|function|layer|object):? '?(?:\w+>)?(\w+)")
"""What Keras 3 and Keras 2 say of a class that is not theirs."""


def load(request: Request) -> Source:
    """Trace a model of Keras in inference, and translate the part between its endpoints to ONNX.

    Inputs have the names of their layers, outputs those of the layers that compute them, or their keys; any tensor of
    the traced graph can be an end. Layers of dropout stay, so that the network that trains on has them.

    Raises:
        TfRuntimeError, RuntimeIntegrityError: TensorFlow, tf2onnx, or the version of Keras that wrote it is missing.
        ModelLoadingError: the file is missing, damaged, or holds weights only.
        BadParamError, ParamMissingError: options, nodes or shapes that do not fit the model.
    """
    saved = saved_file.read(request.model_file)
    options = dict(request.options)
    if options.get("project_path"):
        options["project_path"] = str(Path(options["project_path"]).absolute())
    request = replace(request, options=options | {"shapes": request.shapes})
    with quiet_tensorflow():
        network = _loaded(saved, request.options)
        frozen = network.frozen()
        kind = f"Keras {saved.version}".rstrip()
        notes = [*network.notes(), *frozen.notes]
        source = source_of(frozen.graph, request, _FRONTEND, kind, ends=frozen.ends, notes=notes)
        set_momenta(source.model.graph, network.momenta())
        return replace(source, training=training_of(saved.compiled, source, network.training_notes()))


def run(original: Original, feeds: Mapping[str, np.ndarray]) -> list[np.ndarray]:
    """Run the model itself in inference; its frozen graph only where the user cut it inside.

    Args:
        original: its file is a model of Keras.
        feeds: `Endpoint.name` → array.

    Returns:
        The outputs, in the order of `original.outputs`.

    Raises:
        SourceRunError: the model rejects these inputs.
    """
    with quiet_tensorflow():
        network = _loaded(saved_file.read(original.file), original.options)
        if set(original.inputs.values()) == set(network.inputs):
            with refusals():
                found = network.call({original.inputs[name]: array for name, array in feeds.items()})
            if found.keys() >= set(original.outputs.values()):
                return [found[name] for name in original.outputs.values()]
        frozen = network.frozen()
        return run_graph(frozen.graph, original, feeds, frozen.ends)


def _loaded(saved: SavedFile, options: Mapping[str, Any]) -> Network:
    """Load the model, by the version of Keras that wrote it.

    Raises:
        ParamMissingError: it has code or classes of the user's, and the options do not allow or find them.
        ModelLoadingError: Keras cannot load it.
        RuntimeIntegrityError: the version of Keras that wrote it is missing.
    """
    if saved.lambdas and not options.get("trust"):
        raise ParamMissingError(
            f"{listed(saved.lambdas)}: the Python code of a Lambda layer is in the file, and to load it would run that "
            "code. Add --trust if you trust the file."
        )
    keras = (_keras_2() if saved.of_keras_2 else None) or _keras_3(saved)
    project = Path(options["project_path"]) if options.get("project_path") else None
    with search_path(project):
        own = custom_objects(saved.classes, project)
        try:
            model = keras.models.load_model(
                str(saved.path), custom_objects=own, compile=False, safe_mode=not options.get("trust")
            )
        except Exception as error:  # the code of a layer may raise any
            if saved.of_keras_2 and keras.__name__ != "tf_keras":
                raise _needs_keras_2(saved, error) from error
            raise _refusal(saved, error) from error
    return Network(keras, model, saved.path, options["shapes"])


def _keras_3(saved: SavedFile) -> ModuleType:
    os.environ.setdefault("KERAS_BACKEND", "tensorflow")
    keras = importlib.import_module("keras")
    if keras.config.backend() != "tensorflow":
        raise RuntimeIntegrityError(
            f"to load '{saved.path.name}', Keras must run on TensorFlow, and it is set to {keras.config.backend()}. "
            "Set KERAS_BACKEND=tensorflow."
        )
    return keras


def _keras_2() -> ModuleType | None:
    """Keras 2 if it is installed; without it Keras 3 reads those of its files whose layers have not changed."""
    try:
        return importlib.import_module("tf_keras")
    except ImportError:
        return None


def _needs_keras_2(saved: SavedFile, error: Exception) -> RuntimeIntegrityError:
    return RuntimeIntegrityError(
        f"Keras {saved.version} wrote '{saved.path.name}', and Keras 3 does not read that "
        f"({' '.join(str(error).split())[:150]}). Install tf_keras: {INSTALL_TF_KERAS}"
    )


def _refusal(saved: SavedFile, error: Exception) -> ConverterError:
    """Why Keras does not load the file, and what to do."""
    reason = " ".join(str(error).split())
    if unknown := _UNKNOWN.search(reason):
        return ParamMissingError(
            f"'{saved.path.name}' has a '{unknown[1]}', which Keras does not have. Name the folder of the module that "
            "defines it with --project_path."
        )
    return ModelLoadingError(
        f"Keras cannot load '{saved.path}': {reason[:300].rstrip('. ')}. Save or copy it again; for layers of your "
        "own, name the folder of their modules with --project_path."
    )
