"""Layers that act in training only: Dropout is marked while a model is traced, the others are reported."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import Any
from unittest import mock

from converter.frontends.endpoints import listed
from converter.frontends.tensorflow.dropout import RATE

_AUGMENTING = ("AugMix", "CutMix", "MixUp", "Rand")
_ACTS_IN_TRAINING = ("AlphaDropout", "GaussianDropout", "GaussianNoise", "SpatialDropout", *_AUGMENTING)
_INSIDE = ("dropout", "recurrent_dropout")
"""Attributes of recurrent layers: a dropout in each step."""


@contextmanager
def marked(keras: ModuleType) -> Iterator[None]:
    """Trace inside the block: a Dropout becomes an Identity with its rate as attribute, although inference has none.

    The converted network trains on, and needs it there.
    """

    def call(layer: Any, inputs: Any, training: Any = False) -> Any:
        import tensorflow
        from tensorflow.core.framework.attr_value_pb2 import AttrValue

        if not _is_kept(layer):
            return inputs
        result = tensorflow.identity(inputs, name="dropout")
        result.op._set_attr(RATE, AttrValue(f=layer.rate))
        return result

    with mock.patch.object(keras.layers.Dropout, "call", call):
        yield


def notes(keras: ModuleType, model: Any) -> list[str]:
    """What acts in training, and the converted network does not have."""
    names, inside = [], []
    for layer in model._flatten_layers():
        kind = type(layer).__name__
        plain = isinstance(layer, keras.layers.Dropout) and type(layer).call is keras.layers.Dropout.call
        if kind.startswith(_ACTS_IN_TRAINING) or (plain and layer.rate and not _is_kept(layer)):
            names.append(layer.name)
        elif kind in ("LSTM", "GRU", "SimpleRNN") and any(getattr(layer, name, 0) for name in _INSIDE):
            inside.append(layer.name)
    found = []
    if names:
        found.append(f"{listed(names)}: acts in training only, and is left out.")
    if inside:
        found.append(f"{listed(inside)}: its dropout, which acts in training only, is left out.")
    return found


def _is_kept(layer: Any) -> bool:
    """Whether the layer drops each element by itself: with a noise shape it drops whole slices."""
    return bool(layer.rate) and layer.noise_shape is None
