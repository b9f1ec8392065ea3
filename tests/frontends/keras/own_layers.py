"""Layers and a model that are not Keras' own, for models that are saved with them."""

from __future__ import annotations

import keras


@keras.saving.register_keras_serializable("own")
class Scale(keras.layers.Layer):
    def build(self, shape):
        self.factor = self.add_weight(shape=(shape[-1],), initializer="normal", name="factor")

    def call(self, x):
        return x * self.factor


class Tagger(keras.Model):
    """A subclassed model of two inputs, of which Keras records the shape of the first."""

    def __init__(self, units=4, **options):
        super().__init__(**options)
        self.units = units
        self.dense = keras.layers.Dense(units)
        self.drop = keras.layers.Dropout(0.5)
        self.table = keras.layers.Embedding(10, units)
        self.scale = Scale()

    def call(self, features, ids, training=None):
        x = self.drop(self.dense(features), training=training)
        return {"tags": self.scale(x), "embedded": self.table(ids)}

    def get_config(self):
        return {**super().get_config(), "units": self.units}
