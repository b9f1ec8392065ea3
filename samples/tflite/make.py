"""Quantise a small detector of people to 8 bits, as a phone runs it, and save it as `person.tflite`."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf
from keras import layers

HERE = Path(__file__).parent
RANDOM = {"kernel_initializer": "he_normal", "bias_initializer": "random_normal"}


def person() -> keras.Model:
    """Depthwise-separable convolutions on grey images of 32 × 32: no person, or a person."""
    image = keras.Input([32, 32, 1], batch_size=1, name="image")
    x = layers.Conv2D(8, 3, 2, "same", activation="relu6", **RANDOM)(image)
    for channels in (16, 32):
        x = layers.DepthwiseConv2D(3, 2, "same", activation="relu6", depthwise_initializer="he_normal")(x)
        x = layers.Conv2D(channels, 1, activation="relu6", **RANDOM)(x)
    x = layers.GlobalAveragePooling2D()(x)
    return keras.Model(image, layers.Dense(2, "softmax", **RANDOM)(x))


def images() -> Iterator[list[np.ndarray]]:
    """Images from which the ranges of all values are measured."""
    random = np.random.default_rng(0)
    for _ in range(64):
        yield [random.uniform(-1, 1, (1, 32, 32, 1)).astype(np.float32)]


def main() -> None:
    """Make the network with random weights, quantise and save it."""
    keras.utils.set_random_seed(1)
    to_lite = tf.lite.TFLiteConverter.from_keras_model(person())
    to_lite.optimizations = [tf.lite.Optimize.DEFAULT]
    to_lite.representative_dataset = images
    to_lite.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
    (HERE / "person.tflite").write_bytes(to_lite.convert())


if __name__ == "__main__":
    main()
