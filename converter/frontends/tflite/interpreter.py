"""TensorFlow Lite's interpreter: a model's ends and constants by name, and its results.

https://www.tensorflow.org/api_docs/python/tf/lite/Interpreter
"""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from converter.errors import ModelLoadingError
from converter.frontends.tflite.reading import name_of


class Interpreter:
    """The interpreter of a model.

    Attributes:
        inputs: name → what the interpreter knows of this tensor: its own name, index, shape, type and quantisation.
        outputs: likewise.

    Raises:
        ModelLoadingError: the file is damaged.
    """

    def __init__(self, file: Path) -> None:
        import tensorflow

        try:
            with warnings.catch_warnings(action="ignore"):  # it is to move to a package of its own
                self._interpreter = tensorflow.lite.Interpreter(str(file))
        except (ValueError, RuntimeError) as error:
            raise ModelLoadingError(
                f"'{file}' cannot be loaded by TensorFlow Lite: {' '.join(str(error).split())[:300].rstrip('. ')}. "
                "Convert or copy it again."
            ) from error
        self.inputs = _by_name(self._interpreter.get_input_details())
        self.outputs = _by_name(self._interpreter.get_output_details())
        if len(self._interpreter.get_signature_list()) == 1:
            runner = self._interpreter.get_signature_runner()
            self.inputs = _by_key(self.inputs, runner.get_input_details())
            self.outputs = _by_key(self.outputs, runner.get_output_details())

    def constants(self) -> dict[str, np.ndarray]:
        """The float tensors that have values before the model runs, by their own names."""
        found = {}
        for tensor in self._interpreter.get_tensor_details():
            if np.issubdtype(tensor["dtype"], np.floating):
                try:
                    found[name_of(tensor["name"], tensor["index"])] = self._interpreter.get_tensor(tensor["index"])
                except ValueError:  # it is computed
                    continue
        return found

    def run(self, feeds: Mapping[str, np.ndarray], outputs: list[str]) -> list[np.ndarray]:
        """The outputs of these names."""
        for name, array in feeds.items():
            if tuple(self.inputs[name]["shape"]) != array.shape:
                self._interpreter.resize_tensor_input(self.inputs[name]["index"], array.shape)
        self._interpreter.allocate_tensors()
        for name, array in feeds.items():
            self._interpreter.set_tensor(self.inputs[name]["index"], array)
        self._interpreter.invoke()
        return [self._interpreter.get_tensor(self.outputs[name]["index"]) for name in outputs]


def _by_name(tensors: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    named = [{**tensor, "name": name_of(tensor["name"], tensor["index"])} for tensor in tensors]
    return {tensor["name"]: tensor for tensor in named}


def _by_key(tensors: Mapping[str, Any], keys: Mapping[str, Any]) -> dict[str, Any]:
    """The tensors, in their own order, by the keys of a signature."""
    names = {end["name"]: key for key, end in keys.items()}
    return {names.get(name, name): end for name, end in tensors.items()}
