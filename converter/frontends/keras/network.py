"""A model of Keras as a function: its inputs and outputs by name, its frozen graph, and its results."""

from __future__ import annotations

import inspect
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from converter.errors import GraphInitError, ParamMissingError
from converter.frontends.endpoints import listed, parse_shape
from converter.frontends.keras import dropout, time_distributed
from converter.frontends.tensorflow.freezing import Frozen, flat_names, freeze


class Network:
    """A model in inference.

    Args:
        keras: the module that loaded it: `keras`, or `tf_keras` for Keras 2.
        model: the model.
        file: its file.
        shapes: those that the user gives, for a subclassed model whose file does not record all of them.
    """

    def __init__(self, keras: ModuleType, model: Any, file: Path, shapes: Sequence[str] = ()) -> None:
        self._keras = keras
        self._model = model
        self._arguments = _arguments(model, shapes)
        if not all(layer.built for layer in model._flatten_layers()):
            self._build(file)

    @property
    def inputs(self) -> tuple[str, ...]:
        """The names of its inputs, in TensorFlow's order of the structure that it takes."""
        return tuple(spec.name for spec in self._specs())

    def call(self, feeds: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """The outputs by name; `feeds` has all inputs."""
        import tensorflow

        given = [tensorflow.constant(feeds[name]) for name in self.inputs]
        results = self._run(*tensorflow.nest.pack_sequence_as(self._arguments, given))
        names = self._output_names(results)
        return {name: np.asarray(result) for name, result in zip(names, tensorflow.nest.flatten(results), strict=True)}

    def frozen(self) -> Frozen:
        """It as a frozen graph."""
        function = self._traced()
        if (whole := self._with_indices(function)) is not None:
            self._arguments = whole
            function = self._traced()
        outputs = self._output_names(function.structured_outputs)
        return freeze(function, self.inputs, outputs, self._variables(), one_batch=True)

    def notes(self) -> list[str]:
        """What the converted network lacks."""
        return dropout.notes(self._keras, self._model)

    def momenta(self) -> dict[str, float]:
        """The momentum of each batch norm by the name of its moving mean: inference does not have it."""
        names = {id(handle): name for handle, name, _ in self._variables()}
        return {
            names[id(_value(norm.moving_mean).handle)]: float(norm.momentum)
            for norm in self._norms()
            if isinstance(getattr(norm, "momentum", None), int | float)
        }

    def training_notes(self) -> tuple[str, ...]:
        """What a training of the converted network does in another way."""
        if all(getattr(norm, "fused", False) for norm in self._norms()):  # norms of Keras 2 may be
            return ()
        note = (
            "Keras moves running variances towards that of the batch, of n values; MindSpore's batch norm towards "
            "n / (n - 1) of it."
        )
        return (note,)

    def _norms(self) -> list[Any]:
        return [layer for layer in self._model._flatten_layers() if hasattr(layer, "moving_mean")]

    def _build(self, file: Path) -> None:
        """Make the variables, which a subclassed model does when it is called first, and read them."""
        import tensorflow

        zeros = [tensorflow.zeros([dim or 1 for dim in spec.shape], spec.dtype) for spec in self._specs()]
        self._run(*tensorflow.nest.pack_sequence_as(self._arguments, zeros))
        self._model.load_weights(str(file))

    def _specs(self) -> list[Any]:
        import tensorflow

        return tensorflow.nest.flatten(self._arguments)

    def _run(self, *arguments: Any) -> Any:
        return self._model(*arguments, training=False)

    def _traced(self) -> Any:
        import tensorflow

        with dropout.marked(self._keras), time_distributed.folded(self._keras):
            try:
                return tensorflow.function(self._run).get_concrete_function(*self._arguments)
            except tensorflow.errors.OperatorNotAllowedInGraphError as error:
                found = re.search(r"when calling (\w+)\.call", str(error))
                layer = found[1] if found else "a layer"
                raise GraphInitError(
                    f"Keras cannot trace the model: {layer} asks for a number where the model leaves an extent free. "
                    "Build the model with fixed extents, load its weights, and save it again."
                ) from None

    def _with_indices(self, function: Any) -> Any:
        """The arguments of a subclassed model, with integers for those that it casts to integers first; None if none.

        Keras records the shapes of its arguments, but not their types.
        """
        import tensorflow

        if getattr(self._model, "inputs", None):
            return None
        specs = self._specs()
        kinds = [_cast_to(tensor) for tensor in function.inputs[: len(specs)]]
        if not any(kinds):
            return None
        changed = [
            tensorflow.TensorSpec(spec.shape, kind or spec.dtype, spec.name)
            for spec, kind in zip(specs, kinds, strict=True)
        ]
        return tensorflow.nest.pack_sequence_as(self._arguments, changed)

    def _output_names(self, structure: Any) -> list[str]:
        """Keys of dictionaries, else the names of the layers that compute the outputs, else numbers."""
        import tensorflow

        names = flat_names(structure, "output")
        own = getattr(self._model, "output_names", None)
        if own is None and isinstance(self._model, self._keras.Sequential):
            own = [self._model.layers[-1].name]
        if not isinstance(structure, Mapping) and own and len(own) == len(tensorflow.nest.flatten(structure)):
            names = _unique(own)
        return names

    def _variables(self) -> list[tuple[Any, str, bool]]:
        """The handles of the variables, their paths below the model, as their reader in `weights` has them, and whether
        they are trained.

        Keras' own paths lack the layer where the layer was built before it was put into the model.
        """
        owners = [(layer, f"{layer.name}/") for layer in self._model.layers]
        named: dict[int, tuple[Any, str, bool]] = {}
        for owner, prefix in (*owners, (self._model, "")):
            for variable in owner.variables:
                value = _value(variable)
                path = (getattr(variable, "path", None) or variable.name).partition(":")[0]
                path = path.removeprefix(f"{self._model.name}/").removeprefix(prefix)
                if hasattr(value, "handle"):
                    named.setdefault(id(value.handle), (value.handle, f"{prefix}{path}", variable.trainable))
        return list(named.values())


def _value(variable: Any) -> Any:
    """TensorFlow's variable of one of Keras 3; one of Keras 2 is TensorFlow's own."""
    return variable.value if hasattr(variable, "path") else variable


def _unique(names: Sequence[str]) -> list[str]:
    """Equal names numbered: a layer may compute several outputs."""
    count = Counter[str]()
    found = []
    for name in names:
        found.append(f"{name}_{count[name]}" if count[name] else name)
        count[name] += 1
    return found


def _arguments(model: Any, given: Sequence[str]) -> tuple[Any, ...]:
    """The arguments of a model's call, with a `tf.TensorSpec` in the place of each tensor.

    Raises:
        ParamMissingError: the file does not record the shapes of all of them, and the user gives none.
    """
    import tensorflow

    if inputs := getattr(model, "inputs", None):
        structure = inputs[0] if len(inputs) == 1 else model.input

        def spec(tensor: Any) -> Any:
            return tensorflow.TensorSpec(tensor.shape, tensor.dtype, tensor.name.partition(":")[0])

        return (tensorflow.nest.map_structure(spec, structure),)
    names = [
        name
        for name, parameter in inspect.signature(model.call).parameters.items()
        if parameter.default is parameter.empty and name not in ("training", "mask")
    ]
    shapes = list((getattr(model, "_build_shapes_dict", None) or {}).values())
    if len(shapes) != len(names):
        shapes = [[None if isinstance(dim, str) else dim for dim in parse_shape(text) or ()] for text in given]
    if len(shapes) != len(names):
        raise ParamMissingError(
            f"the file does not record the shapes of all inputs of '{model.name}': {listed(names)}. Give them with "
            "--shape, one for each."
        )
    return tuple(_specs_of(shape, name, model) for name, shape in zip(names, shapes, strict=True))


def _specs_of(shape: Any, name: str, model: Any) -> Any:
    """Specifications for a structure of shapes, each with a free batch."""
    import tensorflow

    if isinstance(shape, Mapping):
        return {key: _specs_of(part, key, model) for key, part in shape.items()}
    if any(isinstance(part, Mapping | list | tuple) for part in shape):
        return [_specs_of(part, f"{name}_{i}", model) for i, part in enumerate(shape)]
    dtype = getattr(model, "input_dtype", None) or model.compute_dtype
    return tensorflow.TensorSpec((None, *shape[1:]), dtype, name)


def _cast_to(tensor: Any) -> Any:
    """The integer type to which everything that reads a float tensor casts it; None if there is none."""
    readers = tensor.consumers()
    kinds = {reader.get_attr("DstT") for reader in readers if reader.type == "Cast"}
    casts = all(reader.type == "Cast" for reader in readers) and len(kinds) == 1
    return next((kind for kind in kinds if casts and kind.is_integer and tensor.dtype.is_floating), None)
