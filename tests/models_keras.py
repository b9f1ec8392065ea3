"""Frozen graphs of keras.applications and other Keras models, all parameters random."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

NAMES = ("ResNet50", "MobileNetV2", "InceptionV3", "EfficientNetB0", "DenseNet121")

_FROM_NOUGHT = ("gamma", "moving_variance", "variance")


def application(name: str, input_shape: tuple[int, int, int] | None = None) -> Any:
    """The network `keras.applications.<name>`, not trained."""
    import keras

    return getattr(keras.applications, name)(weights=None, input_shape=input_shape)


def _mobilenet() -> tuple[Any, tuple[int, ...]]:
    import keras

    network = keras.applications.MobileNetV2(weights=None, input_shape=(64, 64, 3), alpha=0.35, classes=10)
    return network, (4, 64, 64, 3)


def _lstm() -> tuple[Any, tuple[int, ...]]:
    import keras
    from keras import layers

    stack = [layers.LSTM(6, return_sequences=True), layers.LSTM(5), layers.Dense(3)]
    return keras.Sequential([keras.Input((None, 8)), *stack]), (4, 9, 8)


def _gru_tagger() -> tuple[Any, tuple[int, ...]]:
    import keras
    from keras import layers

    both = layers.Bidirectional(layers.GRU(6, return_sequences=True))
    return keras.Sequential([keras.Input((7,), dtype="int32"), layers.Embedding(50, 8), both, layers.Dense(3)]), (4, 7)


def _convnext() -> tuple[Any, tuple[int, ...]]:
    from keras.src.applications.convnext import ConvNeXt

    small = {"depths": [1, 2, 1, 1], "projection_dims": [8, 12, 16, 24], "default_size": 32, "weights": None}
    network = ConvNeXt(**small, include_preprocessing=False, input_shape=(32, 32, 3), classes=5)
    return network, (2, 32, 32, 3)


def _efficientnet() -> tuple[Any, tuple[int, ...]]:
    from keras.src.applications.efficientnet import EfficientNet

    small = {"width_coefficient": 0.25, "depth_coefficient": 0.3, "default_size": 32, "weights": None}
    quiet = {"dropout_rate": 0.0, "drop_connect_rate": 0.0}
    network = EfficientNet(**small, **quiet, input_shape=(32, 32, 3), classes=5, classifier_activation=None)
    return network, (4, 32, 32, 3)


TRAINED: dict[str, Callable[[], tuple[Any, tuple[int, ...]]]] = {
    "MobileNetV2": _mobilenet,
    "LSTM": _lstm,
    "GRU": _gru_tagger,
    "ConvNeXt": _convnext,
    "EfficientNet": _efficientnet,
}
"""Name → a network without Dropout, not trained, and a shape of its input."""


def randomize(network: Any, seed: int = 0) -> None:
    """Make all vectors random: a batch norm that was not trained is the identity, a bias zero, and proves nothing.

    The last matrix gets larger numbers, so that the classes come out different.
    """
    import numpy as np

    random = np.random.default_rng(seed)
    for weight in network.weights:
        if len(weight.shape) == 1:
            low, high = (0.5, 1.5) if weight.name in _FROM_NOUGHT else (-0.2, 0.2)
            weight.assign(random.uniform(low, high, weight.shape))
        elif "seed" not in weight.name:
            weight.assign(random.normal(0, 1 / np.sqrt(np.prod(weight.shape[:-1])), weight.shape))
    last = [weight for weight in network.weights if len(weight.shape) == 2]
    if last:
        last[-1].assign(10 * last[-1])


def freeze(network: Any, path: Path) -> tuple[str, str]:
    """Write `network` as a frozen graph with a free batch, and return the names of its first input and output."""
    import tensorflow as tf
    from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2

    signature = [tf.TensorSpec((None, *tensor.shape[1:]), tensor.dtype, tensor.name) for tensor in network.inputs]
    function = tf.function(lambda *args: network(list(args) if len(args) > 1 else args[0], training=False))
    frozen = convert_variables_to_constants_v2(function.get_concrete_function(*signature))
    path.write_bytes(frozen.graph.as_graph_def().SerializeToString())
    return frozen.inputs[0].name, frozen.outputs[0].name


def constants(path: Path) -> dict[str, Any]:
    """The float constants of a frozen graph, by the names of their nodes."""
    from tensorflow.core.framework.graph_pb2 import GraphDef
    from tensorflow.python.framework.tensor_util import MakeNdarray

    graph = GraphDef.FromString(path.read_bytes())
    arrays = {node.name: MakeNdarray(node.attr["value"].tensor) for node in graph.node if node.op == "Const"}
    return {name: array for name, array in arrays.items() if array.dtype.kind == "f"}


def frozen(name: str, path: Path, input_shape: tuple[int, int, int] | None = None) -> tuple[str, str]:
    """Write the frozen graph of `keras.applications.<name>` and return the names of its input and output."""
    import keras

    keras.utils.set_random_seed(0)
    network = application(name, input_shape)
    randomize(network)
    return freeze(network, path)


if __name__ == "__main__":
    print(*frozen(sys.argv[1], Path(sys.argv[2])))
