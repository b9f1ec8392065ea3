"""Frozen graphs of keras.applications, with random weights and random batch-norm statistics."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

NAMES = ("ResNet50", "MobileNetV2", "InceptionV3", "EfficientNetB0", "DenseNet121")


def model(name: str, input_shape: tuple[int, int, int] | None = None, seed: int = 0) -> Any:
    """The Keras model `name`, all its parameters random: an untrained batch norm is an identity and proves nothing."""
    import keras
    import numpy as np

    keras.utils.set_random_seed(seed)
    network = getattr(keras.applications, name)(weights=None, input_shape=input_shape)
    random = np.random.default_rng(seed)
    for layer in network.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            for weight in layer.weights:
                low, high = (0.5, 1.5) if weight.name in ("gamma", "moving_variance") else (-0.2, 0.2)
                weight.assign(random.uniform(low, high, weight.shape))
    return network


def freeze(network: Any, path: Path) -> tuple[str, str]:
    """Write `network` as a frozen graph with a free batch, and return the names of its input and output."""
    import tensorflow as tf
    from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2

    signature = [tf.TensorSpec((None, *tensor.shape[1:]), tensor.dtype, name=tensor.name) for tensor in network.inputs]
    function = tf.function(lambda *args: network(list(args), training=False)).get_concrete_function(*signature)
    frozen = convert_variables_to_constants_v2(function)
    path.write_bytes(frozen.graph.as_graph_def().SerializeToString())
    return frozen.inputs[0].name, frozen.outputs[0].name


def frozen(name: str, path: Path, input_shape: tuple[int, int, int] | None = None) -> tuple[str, str]:
    """Write the frozen graph of `keras.applications.<name>` and return the names of its input and output."""
    return freeze(model(name, input_shape), path)


if __name__ == "__main__":
    print(*frozen(sys.argv[1], Path(sys.argv[2])))
