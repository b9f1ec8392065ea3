"""Save a tagger of words as a SavedModel, as `model.export` of Keras and TensorFlow Serving have it."""

from __future__ import annotations

from pathlib import Path

import keras
import tensorflow as tf
from keras import layers

HERE = Path(__file__).parent


def tagger() -> keras.Model:
    """A class of 8 for each word of a sentence of any length, by a GRU that reads it in both directions."""
    words = keras.Input([None], dtype="int32", name="words")
    x = layers.Embedding(200, 16, name="embedding")(words)
    x = layers.Bidirectional(layers.GRU(24, return_sequences=True), name="context")(x)
    x = layers.Dense(32, "relu", name="hidden")(x)
    return keras.Model(words, layers.Dense(8, "softmax", name="tags")(x), name="tagger")


def main() -> None:
    """Make the network with random weights, and save it."""
    keras.utils.set_random_seed(1)
    signature = [tf.TensorSpec([None, None], tf.int32, "words")]
    tagger().export(HERE / "tagger", input_signature=signature, verbose=False)


if __name__ == "__main__":
    main()
