"""Values behind `tf.stop_gradient`: no gradient passes them in the script either."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("tensorflow", reason="the extra 'tensorflow' is not installed")

from frontends.gradients import check
from models_tf1 import tensorflow_1, tf, v1

import converter

X = np.random.default_rng(0).uniform(-1, 1, (3, 4)).astype(np.float32)


def rounded(x, w):
    """A straight-through estimator."""
    z = x @ w
    return z + tf.stop_gradient(tf.round(3 * z) - z)


def of_a_weight(x, w):
    return (x @ w) * tf.stop_gradient(w[0])


def in_a_loop(x, w):
    def step(i, y):
        return i + 1, tf.tanh(y @ w) + tf.stop_gradient(y * y)

    return v1.while_loop(lambda i, _: i < tf.shape(x)[0], step, [0, x])[1]


def in_a_branch(x, w):
    z = x @ w
    return tf.cond(tf.reduce_sum(x) < 100.0, lambda: tf.stop_gradient(z) * z, lambda: z)


@pytest.mark.parametrize("resources", [False, True])
@pytest.mark.parametrize("conditions", [1, 2])
@pytest.mark.parametrize("compute", [rounded, of_a_weight, in_a_loop, in_a_branch])
def test_a_checkpoint(tmp_path, compute, conditions, resources):
    with tensorflow_1(resources, conditions):
        x = v1.placeholder(tf.float32, [None, 4], "x")
        w = v1.get_variable("w", [4, 4], initializer=v1.random_normal_initializer(seed=1))
        y = tf.identity(compute(x, w), "y")
        gradient = v1.gradients(tf.reduce_sum(tf.square(y)), w)[0]
        with v1.Session() as session:
            session.run(v1.global_variables_initializer())
            v1.train.Saver().save(session, str(tmp_path / "net.ckpt"))
            wanted = {"w": session.run(gradient, {x: X})}
    result = converter.convert(tmp_path / "net.ckpt.meta", output_nodes=["y"], output=tmp_path / "out", edges="none")
    assert result.verdict == "same"
    check(result, X, wanted)


def test_a_keras_model(tmp_path):
    class Rounded(tf.keras.layers.Layer):
        def call(self, x):
            return x + tf.stop_gradient(tf.round(3 * x) - x)

    layers = [tf.keras.Input([4]), tf.keras.layers.Dense(4, name="first"), Rounded(), tf.keras.layers.Dense(2)]
    model = tf.keras.Sequential(layers)
    model.export(tmp_path / "model", verbose=False)
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(tf.square(model(X)))
    gradients = tape.gradient(loss, model.trainable_variables)
    wanted = {v.path: g.numpy() for v, g in zip(model.trainable_variables, gradients, strict=True)}
    result = converter.convert(tmp_path / "model", output=tmp_path / "out", edges="none")
    assert result.verdict == "same"
    check(result, X, wanted)


def test_the_variance_of_a_batch_stays_one_formula(tmp_path):
    """`tf.nn.moments` stops the gradient by the mean, which is 0."""
    with tf.Graph().as_default() as graph:
        x = v1.placeholder(tf.float32, [None, 4], "x")
        mean, variance = tf.nn.moments(x @ tf.constant(np.ones((4, 4), np.float32)), [0])
        tf.identity(mean + variance, "y")
    (tmp_path / "net.pb").write_bytes(graph.as_graph_def().SerializeToString())
    result = converter.convert(tmp_path / "net.pb", output=tmp_path / "out", verify=False)
    assert "stop_gradient" not in result.files[0].read_text(encoding="utf-8")


@tf.custom_gradient
def sign(x):
    return tf.sign(x), lambda gradient: gradient * tf.cast(tf.abs(x) <= 1, tf.float32)


def overridden(x):
    with v1.get_default_graph().gradient_override_map({"Identity": "Reversed"}):
        return tf.identity(x, "flip")


@pytest.mark.parametrize(("compute", "named"), [(sign, "IdentityN"), (overridden, "flip"), (tf.nn.silu, None)])
def test_gradients_of_a_graph_are_named(tmp_path, compute, named):
    with tf.Graph().as_default() as graph:
        tf.identity(compute(v1.placeholder(tf.float32, [None, 4], "x")), "y")
    (tmp_path / "net.pb").write_bytes(graph.as_graph_def().SerializeToString())
    result = converter.convert(tmp_path / "net.pb", output_nodes=["y"], output=tmp_path / "out", verify=False)
    found = [note for note in result.notes if "gradient of its own" in note]
    assert bool(found) == bool(named)
    assert not named or f"'{named}'" in found[0]


def test_gradients_of_a_saved_model_are_named(tmp_path):
    class Layer(tf.keras.layers.Layer):
        def call(self, x):
            return sign(x)

    model = tf.keras.Sequential([tf.keras.Input([4]), tf.keras.layers.Dense(4, "silu"), Layer()])
    model.export(tmp_path / "model", verbose=False)
    result = converter.convert(tmp_path / "model", output=tmp_path / "out", verify=False)
    (found,) = [note for note in result.notes if "gradient of its own" in note]
    assert "and " not in found.partition(":")[0]
