"""The networks of `my_networks.py` as their authors wrote them in other frameworks."""

from __future__ import annotations

from typing import Any


def torch_lenet(classes: int = 10) -> Any:
    from torch import nn

    features = [nn.Conv2d(1, 6, 5), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(6, 16, 5), nn.ReLU(), nn.MaxPool2d(2)]
    classifier = [nn.Flatten(), nn.Linear(256, 120), nn.ReLU(), nn.Linear(120, 84), nn.ReLU(), nn.Linear(84, classes)]
    return nn.Sequential(*features, *classifier)


def torch_lenet_that_convolves() -> Any:
    """LeNet whose scores are a convolution of 1 x 1."""
    from torch import nn

    layers = list(torch_lenet())[:-1]
    return nn.Sequential(*layers, nn.Unflatten(1, (84, 1, 1)), nn.Conv2d(84, 10, 1), nn.Flatten())


def keras_lenet() -> Any:
    import keras
    from keras import layers

    return keras.Sequential(
        [
            keras.Input((28, 28, 1)),
            layers.Conv2D(6, 5, activation="relu"),
            layers.MaxPooling2D(),
            layers.Conv2D(16, 5, activation="relu"),
            layers.MaxPooling2D(),
            layers.Flatten(),
            layers.Dense(120, activation="relu", name="hidden"),
            layers.Dense(84, activation="relu", name="more"),
            layers.Dense(10, name="scores"),
        ]
    )


def keras_tagger() -> Any:
    import keras
    from keras import layers

    lstm = layers.Bidirectional(layers.LSTM(6, return_sequences=True, bias_initializer="uniform"))
    return keras.Sequential([keras.Input((4,)), layers.Embedding(50, 8), lstm, layers.Dense(5)])


def tensorflow_twins() -> Any:
    import tensorflow as tf

    class Network(tf.Module):
        def __init__(self) -> None:
            super().__init__()
            self.weights = [tf.Variable(tf.random.normal((4, 4)), name=f"{layer}/kernel") for layer in "ab"]
            self.biases = [tf.Variable(tf.zeros(4), name=f"{layer}/bias") for layer in "ab"]

        def __call__(self, x: Any) -> Any:
            for kernel, bias in zip(self.weights, self.biases, strict=True):
                x = tf.matmul(tf.nn.relu(x) if kernel is not self.weights[0] else x, kernel) + bias
            return {"scores": x}

    return Network()


def no_network() -> int:
    return 3


def torch_refuses() -> Any:
    from torch import nn

    return nn.Sequential(nn.Conv2d(9, 6, 5))
