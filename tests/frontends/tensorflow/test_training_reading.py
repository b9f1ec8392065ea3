"""How a graph trains is read from it: loss, labels, optimizer, learning rate."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

pytest.importorskip("tensorflow", reason="the extra 'tensorflow' is not installed")

import models_tf1
from models_tf1 import dense, tf, v1

from converter.frontends import Change, Request, Schedule, Source, load


@pytest.fixture
def read(tmp_path) -> Callable[..., Source]:
    """Train the graph that `build` makes for a step, and read it; `build(x)` returns loss, feeds and optimizer."""

    def made(build: Callable[[Any], tuple[Any, dict[Any, Any], Any]]) -> Source:
        with models_tf1.tensorflow_1() as graph:
            x = v1.placeholder(tf.float32, [None, 6], "x")
            loss, feeds, optimizer = build(x)
            step = v1.train.get_or_create_global_step()
            train = optimizer(loss, step) if callable(optimizer) else optimizer.minimize(loss, step)
            feeds[x] = np.ones((8, 6))
            return load(Request(models_tf1.save(graph, tmp_path, train, feeds, steps=1)))

    return made


def placeholder(name: str, dtype: Any, *shape: int) -> Any:
    return v1.placeholder(dtype, [None, *shape], name)


def sgd(rate: Any = 0.1) -> Any:
    return v1.train.GradientDescentOptimizer(rate)


def names(ends: Any) -> list[str]:
    return [end.name for end in ends]


def squares(x):
    y = placeholder("y", tf.float32, 2)
    return tf.reduce_mean(tf.square(dense(x, 2, "out") - y)), {y: np.ones((8, 2))}, sgd()


def squares_of_losses(x):
    y = placeholder("y", tf.float32, 2)
    return v1.losses.mean_squared_error(y, dense(x, 2, "out")), {y: np.ones((8, 2))}, sgd()


def distances(x):
    y = placeholder("y", tf.float32, 2)
    return tf.reduce_sum(tf.abs(y - dense(x, 2, "out"))), {y: np.ones((8, 2))}, sgd()


def logistic(x):
    y, logits = placeholder("y", tf.float32, 2), dense(x, 2, "out")
    return tf.reduce_mean(tf.nn.sigmoid_cross_entropy_with_logits(labels=y, logits=logits)), {y: np.ones((8, 2))}, sgd()


def one_hot(x):
    y, logits = placeholder("y", tf.int32), dense(x, 2, "out")
    return v1.losses.softmax_cross_entropy(tf.one_hot(y, 2), logits), {y: np.ones(8)}, sgd()


def integers(x):
    y, logits = placeholder("y", tf.int64), dense(x, 2, "out")
    return v1.losses.sparse_softmax_cross_entropy(y, logits), {y: np.ones(8)}, sgd()


@pytest.mark.parametrize(
    ("build", "name", "numbers", "classes"),
    [
        (squares, "MSELoss", {}, 0),
        (squares_of_losses, "MSELoss", {}, 0),
        (distances, "L1Loss", {"reduction": "sum"}, 0),
        (logistic, "BCEWithLogitsLoss", {}, 0),
        (one_hot, "CrossEntropyLoss", {}, 2),
        (integers, "CrossEntropyLoss", {}, 2),
    ],
)
def test_a_known_loss_has_its_name(read, build, name, numbers, classes):
    source = read(build)
    assert (names(source.inputs), names(source.outputs)) == (["x:0"], ["out/BiasAdd:0"])
    assert names(source.training.labels) == ["y:0"]
    assert (source.training.loss.name, source.training.loss.numbers) == (name, numbers)
    assert source.training.loss.classes == classes


def smoothed(x):
    y, logits = placeholder("y", tf.int32), dense(x, 2, "out")
    loss = v1.losses.softmax_cross_entropy(tf.one_hot(y, 2), logits, label_smoothing=0.1)
    return loss, {y: np.ones(8)}, sgd()


def two_heads(x):
    kind, box = placeholder("kind", tf.int32), placeholder("box", tf.float32, 4)
    hidden = dense(x, 5, "hidden", tf.nn.relu)
    losses = v1.nn.sparse_softmax_cross_entropy_with_logits(labels=kind, logits=dense(hidden, 3, "kinds"))
    distance = tf.reduce_mean(tf.abs(dense(hidden, 4, "boxes") - box))
    return tf.reduce_mean(losses) + 0.5 * distance, {kind: np.ones(8), box: np.ones((8, 4))}, sgd()


def autoencoder(x):
    rebuilt = tf.sigmoid(dense(dense(x, 3, "code", tf.nn.relu), 6, "out"), name="rebuilt")
    return tf.reduce_mean(tf.reduce_sum(tf.square(x - rebuilt), 1)), {}, sgd()


@pytest.mark.parametrize(
    ("build", "outputs", "labels"),
    [
        (smoothed, ["out/BiasAdd:0"], ["y:0"]),
        (two_heads, ["kinds/BiasAdd:0", "boxes/BiasAdd:0"], ["kind:0", "box:0"]),
        (autoencoder, ["rebuilt:0"], ["x:0"]),
    ],
)
def test_any_other_loss_is_a_graph_of_its_own(read, build, outputs, labels):
    source = read(build)
    assert names(source.outputs) == outputs
    loss = source.training.loss.source
    assert names(loss.inputs) == [*outputs, *labels]
    assert len(loss.outputs) == 1


def fed_rate(x):
    rate = v1.placeholder(tf.float32, [], "rate")
    loss, feeds, _ = squares(x)
    return loss, {**feeds, rate: 0.1}, sgd(rate)


def rate_in_a_variable(x):
    rate = tf.Variable(0.3, trainable=False, name="rate")
    loss, feeds, _ = squares(x)
    return loss, feeds, sgd(rate)


def test_a_rate_that_is_fed_is_a_guess(read):
    training = read(fed_rate).training
    assert training.optimizer.rate.kind == "unknown"
    assert "does not say the learning rate ('rate'): 0.001 is a guess" in training.notes[0]


def test_a_rate_in_a_variable_is_read_from_the_checkpoint(read):
    assert read(rate_in_a_variable).training.optimizer.rate.numbers == {"value": 0.3}


def embedding(x):
    y = placeholder("y", tf.float32, 2)
    table = models_tf1.variable("table", [9, 2])
    rows = tf.nn.embedding_lookup(table, tf.cast(x[:, 0], tf.int32))
    return tf.reduce_mean(tf.square(dense(rows, 2, "out") - y)), {y: np.ones((8, 2))}, v1.train.AdamOptimizer()


def test_a_table_that_is_trained_row_by_row_has_its_state(read):
    source = read(embedding)
    assert source.training.optimizer.trained == {"table", "out/kernel", "out/bias"}
    assert {kind: set(states) for kind, states in source.training.optimizer.state.items()} == {
        "moment1": {"table", "out/kernel", "out/bias"},
        "moment2": {"table", "out/kernel", "out/bias"},
    }


def clipped(x, change):
    loss, feeds, optimizer = squares(x)

    def train(total, step):
        gradients = [(change(g, v.name), v) for g, v in optimizer.compute_gradients(total)]
        return optimizer.apply_gradients(gradients, step)

    return loss, feeds, train


@pytest.mark.parametrize(
    ("change", "changes", "note"),
    [
        (lambda g, name: g * 0.5, [Change("scale", (0.5,))], ""),
        (lambda g, name: v1.clip_by_average_norm(g, 0.25), [Change("average_norm", (0.25,))], ""),
        (
            lambda g, name: g * 0.25 * tf.minimum(tf.math.rsqrt(tf.reduce_sum(g * g)), tf.constant(1.0) / 0.25),
            [Change("norm", (0.25,))],  # tf.clip_by_norm until 1.4
            "",
        ),
        (
            lambda g, name: tf.clip_by_value(tf.clip_by_norm(g / 4.0, 2.0), -0.5, 1.0),
            [Change("scale", (0.25,)), Change("norm", (2.0,)), Change("value", (-0.5, 1.0))],
            "",
        ),
        (lambda g, name: tf.tanh(g), [], r"before it applies them \('Tanh'\); the script does not"),
        (
            lambda g, name: tf.clip_by_norm(g, 2.0) if "kernel" in name else g,
            [Change("norm", (2.0,))],
            "changes the gradients of 'out/bias' otherwise than the others",
        ),
    ],
)
def test_what_is_done_to_gradients(read, change, changes, note):
    training = read(lambda x: clipped(x, change)).training
    assert list(training.optimizer.changes) == changes
    assert len(training.notes) == bool(note)
    assert all(re.search(note, found) for found in training.notes)


def test_an_optimizer_that_takes_no_rate_that_changes(read):
    def build(x):
        loss, feeds, _ = squares(x)
        rate = v1.train.exponential_decay(0.1, v1.train.get_or_create_global_step(), 1, 0.5)
        return loss, feeds, v1.train.FtrlOptimizer(rate, l1_regularization_strength=0.1)

    training = read(build).training
    assert training.optimizer.rate == Schedule("constant", {"value": 0.05})
    assert ["l1 with the wrong sign" in note or "stays at 0.05" in note for note in training.notes] == [True, True]


def absolute_penalty(x):
    loss, feeds, optimizer = squares(x)
    return loss + 0.1 * tf.reduce_sum(tf.abs(v1.trainable_variables()[0])), feeds, optimizer


def test_a_penalty_that_is_left_out_is_named(read):
    training = read(absolute_penalty).training
    assert "leaves out: 'Sum'" in training.notes[0]
    assert training.loss.name == "MSELoss"


def only_the_last_layer(x):
    y = placeholder("y", tf.float32, 2)
    loss = tf.reduce_mean(tf.square(dense(dense(x, 4, "first"), 2, "out") - y))
    variables = [v for v in v1.trainable_variables() if "out" in v.name]
    return loss, {y: np.ones((8, 2))}, lambda total, step: sgd().minimize(total, step, var_list=variables)


def test_weights_that_are_not_trained_are_known(read):
    assert read(only_the_last_layer).training.optimizer.trained == {"out/kernel", "out/bias"}


def two_losses(x):
    loss, feeds, _ = squares(x)
    other = tf.reduce_mean(tf.square(dense(x, 2, "other")))
    return loss, feeds, lambda total, step: tf.group(sgd().minimize(total, step), sgd().minimize(other))


def test_several_losses_are_no_training_of_one_network(read):
    source = read(two_losses)
    assert source.training is None
    assert any("several losses, 'Mean', 'Mean_1'" in note for note in source.notes)


def two_optimizers(loss, step):
    first, second = v1.trainable_variables()
    return tf.group(
        sgd().minimize(loss, step, [first]), v1.train.MomentumOptimizer(0.1, 0.9).minimize(loss, step, [second])
    )


@pytest.mark.parametrize(
    ("optimizer", "reason"),
    [
        (
            lambda: lambda loss, step: v1.train.AdagradDAOptimizer(0.1, step).minimize(loss, step),
            "The graph's optimizer is 'AdagradDA', which training scripts do not have",
        ),
        (lambda: two_optimizers, "The graph has several optimizers, 'GradientDescent', 'Momentum'"),
    ],
)
def test_an_optimizer_without_a_training_script_is_named(read, optimizer, reason):
    def build(x):
        loss, feeds, _ = squares(x)
        return loss, feeds, optimizer()

    source = read(build)
    assert source.training is None
    assert any(note.startswith(reason) and "--train_script" in note for note in source.notes)
