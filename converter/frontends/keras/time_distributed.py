"""TimeDistributed: while a model is traced, the layer inside is called once, with the time folded into the batch.

Keras 3 calls it for each step, or lets TensorFlow vectorise a loop over the steps, whose graph is long.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from types import ModuleType
from typing import Any
from unittest import mock

_ANY_RANK = ("Activation", "Dense", "Dropout", "LeakyReLU", "ReLU", "Softmax")
"""Layers of Keras that do to each step of a sequence what they do to a sample."""


@contextmanager
def folded(keras: ModuleType) -> Iterator[None]:
    """Trace inside the block; Keras 2 folds by itself."""
    if not hasattr(keras, "ops"):
        yield
        return
    original = keras.layers.TimeDistributed.call

    def call(self: Any, inputs: Any, training: Any = None, mask: Any = None) -> Any:
        if not all(_samples_are_apart(keras, layer) for layer in self.layer._flatten_layers()):
            return original(self, inputs, training=training, mask=mask)
        if type(self.layer).__name__ in _ANY_RANK and _is_last_axis(self.layer):
            return self.layer.call(inputs)
        options = {}
        if self.layer._call_has_mask_arg and mask is not None:
            options["mask"] = _joined(keras, mask)
        if self.layer._call_has_training_arg:
            options["training"] = training
        return _parted(keras, self.layer.call(_joined(keras, inputs), **options), keras.ops.shape(inputs))

    with mock.patch.object(keras.layers.TimeDistributed, "call", call):
        yield


def _samples_are_apart(keras: ModuleType, layer: Any) -> bool:
    """Whether a layer computes each sample by itself, in training too."""
    return type(layer).__module__.startswith("keras.") and not isinstance(layer, keras.layers.BatchNormalization)


def _is_last_axis(layer: Any) -> bool:
    return getattr(layer, "axis", -1) == -1


def _joined(keras: ModuleType, tensor: Any) -> Any:
    """(batch, time, …) as (batch · time, …)."""
    return keras.ops.reshape(tensor, (-1, *keras.ops.shape(tensor)[2:]))


def _parted(keras: ModuleType, tensor: Any, before: Sequence[Any]) -> Any:
    """(batch · time, …) as (batch, time, …)."""
    batch, time = before[:2]
    extents = keras.ops.shape(tensor)[1:]
    if isinstance(time, int) and all(isinstance(extent, int) for extent in extents):
        batch = -1
    return keras.ops.reshape(tensor, (batch, time, *extents))
