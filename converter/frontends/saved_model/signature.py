"""SavedModels: load one, choose a signature, freeze and translate it; run the signature itself.

A SavedModel holds functions that TensorFlow traced: no code of the user's is needed, and none is run.
https://www.tensorflow.org/guide/saved_model
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from converter.errors import BadParamError, ModelLoadingError, ParamMissingError
from converter.frontends.endpoints import listed
from converter.frontends.source import Original, Request, Source
from converter.frontends.tensorflow import network_source, training
from converter.frontends.tensorflow.freezing import Frozen, flat_names, freeze
from converter.frontends.tensorflow.graph_source import run_graph, source_of
from converter.frontends.tensorflow.runtime import quiet_tensorflow, refusals

_FRONTEND = __name__.rpartition(".")[0]
"""This package, which defines the frontend."""

_DEFAULT = "serving_default"
_OPTIMIZER = "optimizer"
"""How Keras 2 calls its optimizers in a SavedModel."""


def load(request: Request) -> Source:
    """Freeze one signature of a SavedModel, and translate the part between its endpoints to ONNX.

    Inputs and outputs have the names that the signature has for them; any tensor of the frozen graph can be an end.
    Inputs that say whether the network trains (`keep_prob`) are set to inference, unless the user names them.

    Raises:
        TfRuntimeError: TensorFlow or tf2onnx is not installed, or rejects the graph.
        ModelLoadingError: the folder is incomplete or damaged, or has operators that TensorFlow itself lacks.
        ParamMissingError: there are several signatures, or none, and the user names none.
        BadParamError: there is no such signature; nodes or shapes that do not fit the graph.
        NodeInputTypeNotSupportError: an endpoint is not a tensor.
    """
    folder = _folder(request.model_file)
    with quiet_tensorflow() as tensorflow:
        model = _loaded(tensorflow, folder)  # its variables live as long as it does
        chosen = _signature(model, request.options.get("signature"))
        frozen = chosen.frozen()
        about: dict[str, Any] = {
            "ends": frozen.ends,
            "files": (folder,),
            "notes": [*([chosen.note] if chosen.note else []), *frozen.notes],
        }
        if not training.shows_training(frozen.graph):
            return source_of(frozen.graph, request, _FRONTEND, "SavedModel", **about)
        wanted = [frozen.ends.outputs.get(name, name) for name in request.output_nodes or frozen.ends.outputs]
        network = training.network_of(frozen.graph, (request.input_nodes, wanted))
        return network_source.source_of(network, request, _FRONTEND, "SavedModel", **about)


def run(original: Original, feeds: Mapping[str, np.ndarray]) -> list[np.ndarray]:
    """Run the signature itself; its frozen graph only where the user cut it at other tensors.

    Args:
        original: its file is a SavedModel.
        feeds: `Endpoint.name` → array.

    Returns:
        The outputs, in the order of `original.outputs`.

    Raises:
        SourceRunError: TensorFlow rejects these inputs.
    """
    with quiet_tensorflow() as tensorflow:
        model = _loaded(tensorflow, _folder(original.file))
        chosen = _signature(model, original.options.get("signature"))
        switches = network_source.switches_of(original)
        inputs = {*original.inputs.values(), *(switches or ())}
        whole = switches is not None and inputs == set(chosen.inputs)
        if not whole or not set(chosen.outputs) >= set(original.outputs.values()):
            frozen = chosen.frozen()
            return run_graph(network_source.inference_graph(frozen.graph, original), original, feeds, frozen.ends)
        with refusals():
            found = chosen.call({original.inputs[name]: array for name, array in feeds.items()} | (switches or {}))
        return [found[name] for name in original.outputs.values()]


def _folder(path: Path) -> Path:
    """The folder of a SavedModel, which the user named, or whose `saved_model.pb` the user named."""
    return path if path.is_dir() else path.parent


def _loaded(tensorflow: Any, folder: Path) -> Any:
    """Load the SavedModel; of several graphs, the one for serving.

    Raises:
        ModelLoadingError: TensorFlow cannot load it.
    """
    from tensorflow.python.saved_model.loader_impl import parse_saved_model

    try:
        tags = [set(meta.meta_info_def.tags) for meta in parse_saved_model(str(folder)).meta_graphs]
        wanted = next((found for found in sorted(tags, key=len) if "serve" in found), tags[0]) if tags else set()
        with _optimizers(tensorflow):
            return tensorflow.saved_model.load(str(folder), tags=sorted(wanted) if len(tags) > 1 else None)
    except Exception as error:  # a damaged file may cause any error
        reason = " ".join(str(error).split())[:300].rstrip(". ")
        raise ModelLoadingError(
            f"'{folder}' cannot be loaded as a SavedModel: {reason}. Export or copy the whole folder again."
        ) from error


@contextlib.contextmanager
def _optimizers(tensorflow: Any) -> Iterator[None]:
    """Let TensorFlow load optimizers that Keras 2 saved, whose class it knows only once Keras 2 is imported.

    What stands for one holds its slots, as the checkpoint asks for them.
    """
    from tensorflow.python.saved_model import revived_types

    class Optimizer(tensorflow.Module):  # type: ignore[misc]
        def add_slot(self, var: Any, slot_name: str, **options: Any) -> Any:
            return tensorflow.Variable(tensorflow.zeros(var.shape, var.dtype), trainable=False)

    known = revived_types.registered_identifiers()
    if _OPTIMIZER in known:
        yield
        return
    version = revived_types.VersionedTypeRegistration(
        lambda proto: Optimizer(), version=2, min_producer_version=1, min_consumer_version=1, setter=setattr
    )
    revived_types.register_revived_type(_OPTIMIZER, lambda item: isinstance(item, Optimizer), versions=[version])
    try:
        yield
    finally:
        revived_types._REVIVED_TYPE_REGISTRY.pop(_OPTIMIZER)  # Keras 2 will register its own
        revived_types._TYPE_IDENTIFIERS.remove(_OPTIMIZER)


@dataclass(frozen=True)
class _Function:
    """One function of a SavedModel.

    Attributes:
        function: a `tf.ConcreteFunction`.
        inputs: the names of its tensor arguments, in the order of `function.inputs`.
        outputs: the names of its results, in the order of `function.outputs`.
        note: why it was chosen, if nobody named it.
    """

    function: Any
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    note: str = ""

    def frozen(self) -> Frozen:
        """It as a frozen graph."""
        variables = _variables(self.function.graph.variables)
        return freeze(self.function, self.inputs, self.outputs, variables)

    def call(self, feeds: Mapping[str, Any]) -> dict[str, np.ndarray]:
        """Its results by name; `feeds` has all its inputs."""
        import tensorflow

        dtypes = [tensor.dtype for tensor in self.function.inputs]
        given = iter(
            [tensorflow.constant(feeds[name], dtype) for name, dtype in zip(self.inputs, dtypes, strict=False)]
        )
        leaves = [
            next(given) if isinstance(leaf, tensorflow.TensorSpec) else leaf
            for leaf in tensorflow.nest.flatten(self.function.structured_input_signature)
        ]
        args, kwargs = tensorflow.nest.pack_sequence_as(self.function.structured_input_signature, leaves)
        results = tensorflow.nest.flatten(self.function(*args, **kwargs))
        return {name: np.asarray(result) for name, result in zip(self.outputs, results, strict=True)}


def _signature(model: Any, wanted: str | None) -> _Function:
    """The signature that the user named, else `serving_default`, else the only one; or one of the other functions.

    Raises:
        ParamMissingError: the user named none, and there are several, or none.
        BadParamError: the user named one that there is not.
    """
    signatures = dict(model.signatures)
    if wanted is None and signatures:
        wanted = _DEFAULT if _DEFAULT in signatures else next(iter(signatures))
        if len(signatures) > 1 and wanted != _DEFAULT:
            raise ParamMissingError(
                f"the SavedModel has the signatures {listed(signatures)}. Choose one with --signature."
            )
    if wanted in signatures:
        return _described(signatures[wanted])
    functions = _functions(model)
    if wanted is None and len(functions) == 1:
        ((wanted, function),) = functions.items()
        return _described(function, f"The SavedModel has no signatures; its function {wanted} was converted.")
    if wanted is None:
        choice = f"its functions are {listed(functions)}: choose one with --signature" if functions else _NO_FUNCTION
        raise ParamMissingError(f"the SavedModel has no signatures; {choice}.")
    if wanted in functions:
        return _described(functions[wanted])
    raise BadParamError(
        f"the SavedModel has no signature '{wanted}'. "
        + (f"Its signatures: {listed(signatures)}." if signatures else f"Its functions: {listed(functions) or 'none'}.")
    )


_NO_FUNCTION = "and no function that was traced. Export it with signatures: tf.saved_model.save(model, folder, f)"


def _functions(model: Any) -> dict[str, Any]:
    """The traced functions of a `tf.Module`, by name; of several traces the first that is not for training."""
    import tensorflow

    found = {}
    for name in dir(model):
        traces = getattr(getattr(model, name, None), "concrete_functions", ())
        for trace in traces:
            leaves = tensorflow.nest.flatten(trace.structured_input_signature)
            if any(isinstance(leaf, tensorflow.TensorSpec) for leaf in leaves) and not any(
                leaf is True for leaf in leaves
            ):
                found[name] = trace
                break
    return found


def _described(function: Any, note: str = "") -> _Function:
    """A function with the names of its inputs and outputs."""
    args, kwargs = function.structured_input_signature
    names = [name for part in (args, kwargs) for name in _spec_names(part)]
    outputs = flat_names(function.structured_outputs, "output")
    return _Function(function, tuple(names), tuple(outputs), note)


def _spec_names(structure: Any) -> list[str]:
    """The names of the tensors in a structure of arguments: keywords, else the names that they had when traced."""
    import tensorflow

    if isinstance(structure, Mapping):
        keys = {key: structure[key] for key in sorted(structure)}
        return [
            name
            for key, part in keys.items()
            for name in ([key] if isinstance(part, tensorflow.TensorSpec) else _spec_names(part))
        ]
    specs = [leaf for leaf in tensorflow.nest.flatten(structure) if isinstance(leaf, tensorflow.TensorSpec)]
    return [spec.name or f"input_{i}" for i, spec in enumerate(specs)]


def _variables(variables: Any) -> list[tuple[Any, str, bool]]:
    """The handles of variables, their names, and whether they are trained; variables of equal names are numbered."""
    seen: dict[str, int] = {}
    named = []
    for variable in variables:
        name = variable.name.partition(":")[0]
        seen[name] = seen.get(name, 0) + 1
        unique = name if seen[name] == 1 else f"{name}_{seen[name] - 1}"
        named.append((variable.handle, unique, variable.trainable))
    return named
