"""Train LeNet in TensorFlow as one did in 2017; save `lenet.meta`, `lenet.index`, `lenet.data-00000-of-00001`."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import tensorflow as tf

v1 = tf.compat.v1
HERE = Path(__file__).parent


def weights(shape: list[int]):
    """A kernel and a bias."""
    kernel = v1.get_variable("kernel", shape, initializer=v1.truncated_normal_initializer(stddev=0.1, seed=1))
    return kernel, v1.get_variable("bias", shape[-1:], initializer=v1.zeros_initializer())


def convolution(x, name: str, shape: list[int]):
    """A convolution, a ReLU, and a pooling that halves the image."""
    with v1.variable_scope(name):
        kernel, bias = weights(shape)
        x = tf.nn.relu(tf.nn.bias_add(v1.nn.conv2d(x, kernel, [1, 1, 1, 1], "VALID"), bias))
        return v1.nn.max_pool(x, [1, 2, 2, 1], [1, 2, 2, 1], "VALID")


def dense(x, name: str, shape: list[int]):
    """A dense layer."""
    with v1.variable_scope(name):
        kernel, bias = weights(shape)
        return tf.nn.bias_add(tf.matmul(x, kernel), bias)


def lenet(images, keep_prob):
    """Two convolutions, two dense layers, a dropout between these."""
    x = convolution(images, "conv1", [5, 5, 1, 6])
    x = convolution(x, "conv2", [5, 5, 6, 16])
    x = tf.nn.relu(dense(tf.reshape(x, [-1, 256]), "fc1", [256, 84]))
    return dense(v1.nn.dropout(x, keep_prob=keep_prob, seed=1), "fc2", [84, 10])


def digits(count: int):
    """Images of ten kinds: each has its own pattern below the noise."""
    random = np.random.default_rng(0)
    patterns = random.standard_normal((10, 28, 28, 1))
    labels = random.integers(0, 10, count)
    return (patterns[labels] + random.standard_normal((count, 28, 28, 1))).astype(np.float32), labels


def main() -> None:
    """Train fifty steps, and save."""
    v1.disable_eager_execution()
    v1.disable_resource_variables()
    v1.disable_control_flow_v2()
    v1.set_random_seed(1)
    images = v1.placeholder(tf.float32, [None, 28, 28, 1], "images")
    labels = v1.placeholder(tf.int32, [None], "labels")
    keep_prob = v1.placeholder(tf.float32, name="keep_prob")
    logits = lenet(images, keep_prob)
    losses = v1.nn.sparse_softmax_cross_entropy_with_logits(labels=labels, logits=logits)
    kernels = [w for w in v1.trainable_variables() if "fc" in w.name and "kernel" in w.name]
    penalty = 5e-4 * tf.add_n([tf.nn.l2_loss(w) for w in kernels])
    loss = tf.add(tf.reduce_mean(losses), penalty, name="loss")
    v1.summary.scalar("loss", loss)
    step = v1.train.get_or_create_global_step()
    rate = v1.train.exponential_decay(0.01, step, 100, 0.95, staircase=True)
    train = v1.train.MomentumOptimizer(rate, 0.9).minimize(loss, step)
    saver = v1.train.Saver()
    with v1.Session() as session:
        session.run(v1.global_variables_initializer())
        values, kinds = digits(50 * 32)
        for k in range(50):
            batch = slice(32 * k, 32 * k + 32)
            session.run(train, {images: values[batch], labels: kinds[batch], keep_prob: 0.5})
        saver.save(session, str(HERE / "lenet"), write_state=False)


if __name__ == "__main__":
    main()
