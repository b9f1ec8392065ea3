"""Source networks: what a user's call made, in PyTorch, Keras or TensorFlow, behind one interface.

Arrays have MindSpore's order of axes, (N, C, H, W); those of TensorFlow and Keras are turned round on the way.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

import numpy as np

from converter.artifacts import LazyTensor
from converter.base.state_names import matched
from converter.errors import BadParamError

Record = Callable[[str, np.ndarray], None]
"""Takes the name of a layer and its output, each time that it has computed one."""


class SourceNetwork(Protocol):
    """A network of another framework."""

    def load(self, tensors: Mapping[str, LazyTensor]) -> Mapping[str, str] | None:
        """Give its weights the values of tensors; returns the network's name of each tensor that was used.

        None, and nothing is changed, where a weight has no tensor.
        """

    def shapes(self) -> list[tuple[int | None, ...]] | None:
        """The shapes of the inputs in MindSpore's order of axes, None for a free extent; None if unknown."""

    def run(self, inputs: Sequence[np.ndarray], record: Record) -> list[np.ndarray]:
        """The outputs for some inputs."""

    def finish(self, layer: str, output: np.ndarray) -> np.ndarray:
        """What the layer does behind its weights, done to an output: the activation that is a part of it."""


def source_network(made: Any, text: str) -> SourceNetwork:
    """The network that a call made.

    Raises:
        BadParamError: it is none.
    """
    torch, keras = sys.modules.get("torch"), sys.modules.get("keras")
    if torch is not None and isinstance(made, torch.nn.Module):
        return TorchNetwork(made)
    if keras is not None and isinstance(made, keras.Model):
        return KerasNetwork(made)
    if callable(made):
        return TensorFlowNetwork(made)
    raise BadParamError(
        f"'{text}' makes a {type(made).__name__}, no network of PyTorch, Keras or TensorFlow. Name what makes one."
    )


def channels_first(array: np.ndarray) -> np.ndarray:
    """(N, H, W, C) → (N, C, H, W); arrays of fewer than 4 axes stay."""
    return np.moveaxis(array, -1, 1) if array.ndim >= 4 else array


def channels_last(array: np.ndarray) -> np.ndarray:
    """(N, C, H, W) → (N, H, W, C); arrays of fewer than 4 axes stay."""
    return np.moveaxis(array, 1, -1) if array.ndim >= 4 else array


def leaves(value: Any) -> list[Any]:
    """The tensors in tuples, lists and dictionaries, in order."""
    if isinstance(value, Mapping):
        value = list(value.values())
    if isinstance(value, tuple | list):
        return [leaf for each in value for leaf in leaves(each)]
    return [] if value is None else [value]


class TorchNetwork:
    """A torch.nn.Module."""

    def __init__(self, module: Any) -> None:
        self._module = module.eval()

    def load(self, tensors: Mapping[str, LazyTensor]) -> Mapping[str, str] | None:
        """See `SourceNetwork`; a beginning of all names, such as `model.`, may be another."""
        import torch

        state = self._module.state_dict()
        wanted = {name: tuple(each.shape) for name, each in state.items() if not name.endswith("num_batches_tracked")}
        names = matched({name: tensor.array.shape for name, tensor in tensors.items()}, wanted)
        if len(names) < len(wanted):
            return None
        for name, other in names.items():
            state[name].copy_(torch.from_numpy(tensors[other].load().astype(np.float64)))
        return {other: name for name, other in names.items()}

    def shapes(self) -> None:
        """Unknown: a module does not say."""

    def run(self, inputs: Sequence[np.ndarray], record: Record) -> list[np.ndarray]:
        """See `SourceNetwork`."""
        import torch

        def hook(path: str) -> Callable[..., None]:
            return lambda module, given, output: record(path, leaves(output)[0].detach().numpy())

        handles = [module.register_forward_hook(hook(path)) for path, module in self._module.named_modules() if path]
        try:
            with torch.no_grad():
                result = self._module(*map(torch.from_numpy, inputs))
        finally:
            for handle in handles:
                handle.remove()
        return [leaf.numpy() for leaf in leaves(result)]

    def finish(self, layer: str, output: np.ndarray) -> np.ndarray:
        """An activation is a module of its own."""
        return output


class KerasNetwork:
    """A keras.Model."""

    def __init__(self, model: Any) -> None:
        self._model = model
        self._layers = {_path_of(layer): layer for layer in model._flatten_layers() if layer.weights}

    def load(self, tensors: Mapping[str, LazyTensor]) -> Mapping[str, str] | None:
        """See `SourceNetwork`; where the names are others, since Keras numbers layers anew, the order decides."""
        variables = {variable.path: variable for variable in self._model.weights}
        names = dict(zip(tensors, variables, strict=False)) if len(tensors) == len(variables) else {}
        return _assign(variables, tensors, {path: path for path in variables}) or _assign(variables, tensors, names)

    def shapes(self) -> list[tuple[int | None, ...]] | None:
        """See `SourceNetwork`."""
        inputs = self._model.inputs
        if not inputs:
            return None
        shapes = [tuple(each.shape) for each in inputs]
        return [(shape[0], shape[-1], *shape[1:-1]) if len(shape) >= 4 else shape for shape in shapes]

    def run(self, inputs: Sequence[np.ndarray], record: Record) -> list[np.ndarray]:
        """See `SourceNetwork`."""

        def recorded(path: str, call: Callable[..., Any]) -> Callable[..., Any]:
            def wrapper(*arguments: Any, **options: Any) -> Any:
                output = call(*arguments, **options)
                record(path, channels_first(np.asarray(leaves(output)[0])))
                return output

            return wrapper

        own = {path: layer.call for path, layer in self._layers.items()}
        try:
            for path, layer in self._layers.items():
                layer.call = recorded(path, own[path])
            given = [channels_last(array) for array in inputs]
            result = self._model(given[0] if len(given) == 1 else given, training=False)
        finally:
            for path, layer in self._layers.items():
                layer.call = own[path]
        return [channels_first(np.asarray(leaf)) for leaf in leaves(result)]

    def finish(self, layer: str, output: np.ndarray) -> np.ndarray:
        """See `SourceNetwork`."""
        activation = getattr(self._layers.get(layer), "activation", None)
        recurrent = hasattr(self._layers.get(layer), "cell")
        if activation is None or recurrent:
            return output
        return channels_first(np.asarray(activation(channels_last(output))))


class TensorFlowNetwork:
    """A function of TensorFlow's, or a tf.Module that can be called."""

    def __init__(self, function: Callable[..., Any]) -> None:
        self._function = function

    def load(self, tensors: Mapping[str, LazyTensor]) -> Mapping[str, str] | None:
        """See `SourceNetwork`."""
        variables = {each.name.removesuffix(":0"): each for each in getattr(self._function, "variables", ())}
        return _assign(variables, tensors, {name: name for name in variables})

    def shapes(self) -> None:
        """Unknown: a function does not say."""

    def run(self, inputs: Sequence[np.ndarray], record: Record) -> list[np.ndarray]:
        """See `SourceNetwork`; a function has no layers."""
        result = self._function(*map(channels_last, inputs))
        return [channels_first(np.asarray(leaf)) for leaf in leaves(result)]

    def finish(self, layer: str, output: np.ndarray) -> np.ndarray:
        """A function has no layers."""
        return output


def _assign(
    variables: Mapping[str, Any], tensors: Mapping[str, LazyTensor], names: Mapping[str, str]
) -> Mapping[str, str] | None:
    """Assign tensors to variables of Keras or TensorFlow, by the names of both; None if they differ."""
    fits = names and all(
        name in tensors and tensors[name].array.shape == tuple(variables[other].shape) for name, other in names.items()
    )
    if not fits:
        return None
    for name, other in names.items():
        variables[other].assign(tensors[name].load())
    return names


def _path_of(layer: Any) -> str:
    """What the names of a layer's own variables begin with: `inner/dense`."""
    own = [*layer._trainable_variables, *layer._non_trainable_variables]
    return own[0].path.rpartition("/")[0] if own else layer.path
