"""Training graphs of TensorFlow 1 as people wrote them, each saved with a checkpoint after a few steps."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from converter.frontends.tensorflow.runtime import quiet_tensorflow

with quiet_tensorflow() as tf:
    v1 = tf.compat.v1

BATCH = 8


@contextlib.contextmanager
def tensorflow_1(resources: bool = False, conditions: int = 1) -> Iterator[Any]:
    """A graph like those of TensorFlow 1: Switch and Merge, and variables without resources."""
    before = v1.control_flow_v2_enabled(), v1.resource_variables_enabled()
    (v1.enable_control_flow_v2 if conditions == 2 else v1.disable_control_flow_v2)()
    (v1.enable_resource_variables if resources else v1.disable_resource_variables)()
    try:
        with tf.Graph().as_default() as graph:
            v1.set_random_seed(1)
            yield graph
    finally:
        (v1.enable_control_flow_v2 if before[0] else v1.disable_control_flow_v2)()
        (v1.enable_resource_variables if before[1] else v1.disable_resource_variables)()


def digits(count: int = 64) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(0)
    return random.uniform(-1, 1, (count, 28, 28, 1)).astype(np.float32), random.integers(0, 10, count)


def variable(name: str, shape: list[int], **options: Any) -> Any:
    options.setdefault("initializer", v1.truncated_normal_initializer(stddev=0.1, seed=len(name)))
    return v1.get_variable(name, shape, **options)


def dense(x: Any, size: int, name: str, activation: Callable[[Any], Any] | None = None) -> Any:
    with v1.variable_scope(name):
        kernel = variable("kernel", [int(x.shape[-1]), size])
        x = tf.nn.bias_add(tf.matmul(x, kernel), variable("bias", [size], initializer=v1.zeros_initializer()))
        return x if activation is None else activation(x)


def conv(x: Any, size: int, width: int, name: str, stride: int = 1, bias: bool = True) -> Any:
    with v1.variable_scope(name):
        kernel = variable("kernel", [width, width, int(x.shape[-1]), size])
        x = v1.nn.conv2d(x, kernel, [1, stride, stride, 1], "SAME")
        return tf.nn.bias_add(x, variable("bias", [size], initializer=v1.zeros_initializer())) if bias else x


def lenet(x: Any, keep_prob: Any) -> Any:
    x = v1.nn.max_pool(tf.nn.relu(conv(x, 6, 5, "conv1")), [1, 2, 2, 1], [1, 2, 2, 1], "VALID")
    x = v1.nn.max_pool(tf.nn.relu(conv(x, 8, 5, "conv2")), [1, 2, 2, 1], [1, 2, 2, 1], "VALID")
    x = tf.reshape(x, [-1, 7 * 7 * 8])
    x = dense(x, 32, "fc1", tf.nn.relu)
    x = v1.nn.dropout(x, keep_prob=keep_prob, name="dropout")
    return dense(x, 10, "fc2")


def old_dropout(x: Any, keep: Any) -> Any:
    """As TensorFlow wrote it before 1.13."""
    with v1.name_scope("dropout"):
        random = keep + v1.random_uniform(tf.shape(x), seed=1)
        return tf.divide(x, keep) * tf.floor(random)


def batch_norm(x: Any, training: Any, name: str, momentum: float = 0.9) -> Any:
    """As `tf.layers` and slim write it: two branches, and updates beside them."""
    size = int(x.shape[-1])
    with v1.variable_scope(name):
        gamma = variable("gamma", [size], initializer=v1.ones_initializer())
        beta = variable("beta", [size], initializer=v1.zeros_initializer())
        mean = variable("moving_mean", [size], initializer=v1.zeros_initializer(), trainable=False)
        variance = variable("moving_variance", [size], initializer=v1.ones_initializer(), trainable=False)

        def train() -> Any:
            return v1.nn.fused_batch_norm(x, gamma, beta, epsilon=1e-3, is_training=True)

        def infer() -> Any:
            return v1.nn.fused_batch_norm(x, gamma, beta, mean, variance, epsilon=1e-3, is_training=False)

        if training is True:
            y, new_mean, new_variance = train()
            decay: Any = tf.constant(momentum)
        else:
            y, new_mean, new_variance = v1.cond(training, train, infer)
            decay = v1.cond(training, lambda: tf.constant(momentum), lambda: tf.constant(1.0))
        for average, new in ((mean, new_mean), (variance, new_variance)):
            with v1.name_scope("AssignMovingAvg"):
                delta = (average - new) * (1.0 - decay)
                v1.add_to_collection(v1.GraphKeys.UPDATE_OPS, v1.assign_sub(average, delta))
        return y


def moments_norm(x: Any, training: Any, name: str) -> Any:
    """By hand: the batch's moments, followed by an ExponentialMovingAverage."""
    with v1.variable_scope(name):
        size = int(x.shape[-1])
        gamma = variable("gamma", [size], initializer=v1.ones_initializer())
        beta = variable("beta", [size], initializer=v1.zeros_initializer())
        mean, variance = tf.nn.moments(x, [0, 1, 2], name="moments")
        average = v1.train.ExponentialMovingAverage(0.8)

        def update() -> Any:
            with tf.control_dependencies([average.apply([mean, variance])]):
                return tf.identity(mean), tf.identity(variance)

        if training is True:
            used = update()
        else:
            used = v1.cond(training, update, lambda: (average.average(mean), average.average(variance)))
        return tf.nn.batch_normalization(x, used[0], used[1], beta, gamma, 1e-3)


def resnet(x: Any, training: Any, norm: Callable[..., Any] = batch_norm) -> Any:
    x = tf.nn.relu(norm(conv(x, 8, 3, "conv0", bias=False), training, "bn0"))
    with v1.variable_scope("block1"):
        y = tf.nn.relu(norm(conv(x, 16, 3, "conv1", 2, bias=False), training, "bn1"))
        y = norm(conv(y, 16, 3, "conv2", bias=False), training, "bn2")
        x = tf.nn.relu(y + conv(x, 16, 1, "shortcut", 2, bias=False))
    x = tf.reduce_mean(x, [1, 2])
    if training is not True:
        x = v1.cond(training, lambda: v1.nn.dropout(x, rate=0.1), lambda: tf.identity(x))  # as tf.layers.dropout
    return dense(x, 10, "logits")


@dataclass(frozen=True)
class Saved:
    """A training that was saved.

    Attributes:
        prefix: of the checkpoint.
        inputs, labels, outputs: the ends that have to be found.
    """

    prefix: Path
    inputs: tuple[str, ...]
    labels: tuple[str, ...]
    outputs: tuple[str, ...]


def sparse_loss(logits: Any, labels: Any) -> Any:
    losses = v1.nn.sparse_softmax_cross_entropy_with_logits(labels=labels, logits=logits)
    return tf.reduce_mean(losses, name="cross_entropy")


def save(graph: Any, folder: Path, train: Any = None, feeds: dict[str, Any] | None = None, steps: int = 3) -> Path:
    """Train some steps, and save with summaries and saver in the graph."""
    saver = v1.train.Saver()
    with v1.Session(graph=graph) as session:
        session.run([v1.global_variables_initializer(), v1.local_variables_initializer()])
        for initializer in v1.get_collection(v1.GraphKeys.TABLE_INITIALIZERS):
            session.run(initializer)
        coordinator = v1.train.Coordinator()
        threads = v1.train.start_queue_runners(session, coordinator)
        for _ in range(steps if train is not None else 0):
            session.run(train, feeds)
        prefix = folder / "net.ckpt"
        saver.save(session, str(prefix))
        coordinator.request_stop()
        coordinator.join(threads, stop_grace_period_secs=5, ignore_live_threads=True)
    return prefix


def lenet_with_placeholders(folder: Path) -> Saved:
    """LeNet with fed images, labels and keep_prob, trained by Adam; L2 on the dense layers."""
    with tensorflow_1() as graph:
        x = v1.placeholder(tf.float32, [None, 28, 28, 1], "images")
        labels = v1.placeholder(tf.int64, [None], "labels")
        keep = v1.placeholder(tf.float32, name="keep_prob")
        logits = lenet(x, keep)
        loss = sparse_loss(logits, labels)
        v1.summary.scalar("loss", loss)
        right = tf.equal(tf.argmax(logits, 1), labels)
        v1.summary.scalar("accuracy", tf.reduce_mean(tf.cast(right, tf.float32)))
        tf.nn.softmax(logits, name="predictions")
        step = v1.train.get_or_create_global_step()
        train = v1.train.AdamOptimizer(1e-3).minimize(loss, step)
        v1.summary.merge_all()
        images, classes = digits(BATCH)
        feeds = {x: images, labels: classes, keep: 0.6}
        return Saved(save(graph, folder, train, feeds), ("images:0",), ("labels:0",), ("fc2/BiasAdd:0",))


def two_rates_in_a_vector(folder: Path) -> Saved:
    """Two dropouts whose shares of what is kept are fed as one vector, as in DeepFM."""
    with tensorflow_1() as graph:
        x = v1.placeholder(tf.float32, [None, 6], "x")
        labels = v1.placeholder(tf.float32, [None, 1], "labels")
        keep = v1.placeholder(tf.float32, [None], "keep")
        hidden = dense(v1.nn.dropout(x, keep_prob=keep[0]), 8, "hidden", tf.nn.relu)
        scores = dense(v1.nn.dropout(hidden, keep_prob=keep[1]), 1, "scores")
        loss = tf.reduce_mean(tf.square(scores - labels))
        train = v1.train.AdamOptimizer(1e-3).minimize(loss)
        feeds = {x: np.ones((2, 6)), labels: np.ones((2, 1)), keep: [0.8, 0.6]}
        return Saved(save(graph, folder, train, feeds), ("x:0",), ("labels:0",), ("scores/BiasAdd:0",))


def lenet_with_iterator(folder: Path) -> Saved:
    """LeNet that reads from a dataset, with a constant dropout and RMSProp: the graph always trains."""
    with tensorflow_1() as graph:
        images, classes = digits()
        dataset = tf.data.Dataset.from_tensor_slices((images, classes)).shuffle(64).repeat().batch(BATCH)
        iterator = v1.data.make_one_shot_iterator(dataset)
        x, labels = iterator.get_next()
        logits = lenet(x, 0.7)
        loss = sparse_loss(logits, labels)
        step = v1.train.get_or_create_global_step()
        rate = v1.train.exponential_decay(0.01, step, 100, 0.9, staircase=True)
        train = v1.train.RMSPropOptimizer(rate, 0.9, 0.5).minimize(loss, step)
        return Saved(save(graph, folder, train), ("IteratorGetNext:0",), ("IteratorGetNext:1",), ("fc2/BiasAdd:0",))


def lenet_with_queue(folder: Path) -> Saved:
    """LeNet that reads from queues, with the dropout of early TensorFlow, Momentum, and averages of its weights."""
    with tensorflow_1() as graph:
        images, classes = digits()
        one = v1.train.slice_input_producer([images, classes])
        x, labels = v1.train.batch(one, BATCH)
        x = v1.nn.max_pool(tf.nn.relu(conv(x, 4, 5, "conv1", 2)), [1, 2, 2, 1], [1, 2, 2, 1], "SAME")
        x = old_dropout(dense(tf.reshape(x, [BATCH, -1]), 16, "fc1", tf.nn.relu), 0.5)
        loss = sparse_loss(dense(x, 10, "fc2"), labels)
        step = v1.train.get_or_create_global_step()
        average = v1.train.ExponentialMovingAverage(0.99, step)
        with tf.control_dependencies([average.apply(v1.trainable_variables())]):
            train = v1.train.MomentumOptimizer(0.01, 0.9).minimize(loss, step)
        return Saved(save(graph, folder, train), ("batch:0",), ("batch:1",), ("fc2/BiasAdd:0",))


def _resnet(folder: Path, training: Any, norm: Callable[..., Any], resources: bool, conditions: int) -> Saved:
    with tensorflow_1(resources, conditions) as graph:
        x = v1.placeholder(tf.float32, [None, 16, 16, 3], "images")
        labels = v1.placeholder(tf.float32, [None, 10], "labels")
        phase = v1.placeholder(tf.bool, name="is_training") if training is None else training
        logits = resnet(x, phase, norm)
        losses = tf.nn.softmax_cross_entropy_with_logits(labels=labels, logits=logits)
        decay = 1e-3 * tf.add_n([tf.nn.l2_loss(w) for w in v1.trainable_variables() if "kernel" in w.name])
        loss = tf.add(tf.reduce_mean(losses), decay, "total_loss")
        step = v1.train.get_or_create_global_step()
        rate = v1.train.piecewise_constant(step, [100, 200], [0.1, 0.01, 0.001])
        with tf.control_dependencies(v1.get_collection(v1.GraphKeys.UPDATE_OPS)):
            train = v1.train.MomentumOptimizer(rate, 0.9, use_nesterov=True).minimize(loss, step)
        random = np.random.default_rng(0)
        feeds = {x: random.normal(size=(BATCH, 16, 16, 3)), labels: np.eye(10)[random.integers(0, 10, BATCH)]}
        if training is None:
            feeds[phase] = True
        return Saved(save(graph, folder, train, feeds), ("images:0",), ("labels:0",), ("logits/BiasAdd:0",))


def resnet_with_switch(folder: Path) -> Saved:
    """Batch norms in tf.cond on a placeholder."""
    return _resnet(folder, None, batch_norm, resources=False, conditions=1)


def resnet_with_if(folder: Path) -> Saved:
    """The same with resource variables and the conditions of TensorFlow 2."""
    return _resnet(folder, None, batch_norm, resources=True, conditions=2)


def resnet_that_trains(folder: Path) -> Saved:
    """Batch norms that always use the batch's statistics."""
    return _resnet(folder, True, batch_norm, resources=False, conditions=1)


def resnet_with_moments(folder: Path) -> Saved:
    """Norms by hand, from moments and their moving averages."""
    return _resnet(folder, None, moments_norm, resources=False, conditions=1)


def resnet_with_moments_that_trains(folder: Path) -> Saved:
    """The same, always in training."""
    return _resnet(folder, True, moments_norm, resources=False, conditions=1)


def char_rnn(folder: Path) -> Saved:
    """An embedding, an LSTM over the characters by hand, and gradients clipped by their global norm."""
    size, length, letters = 12, 5, 20
    with tensorflow_1() as graph:
        x = v1.placeholder(tf.int32, [None, length], "input")
        targets = v1.placeholder(tf.int32, [None, length], "targets")
        embedded = tf.nn.embedding_lookup(variable("embedding", [letters, size]), x)
        kernel, bias = variable("kernel", [2 * size, 4 * size]), variable("bias", [4 * size])
        h = c = tf.zeros([tf.shape(x)[0], size])
        states = []
        for step in tf.unstack(embedded, axis=1):
            i, j, f, o = tf.split(tf.nn.bias_add(tf.matmul(tf.concat([step, h], 1), kernel), bias), 4, 1)
            c = tf.sigmoid(f + 1.0) * c + tf.sigmoid(i) * tf.tanh(j)
            h = tf.sigmoid(o) * tf.tanh(c)
            states.append(h)
        logits = dense(tf.reshape(tf.stack(states, 1), [-1, size]), letters, "softmax")
        tf.nn.softmax(logits, name="probabilities")
        losses = v1.nn.sparse_softmax_cross_entropy_with_logits(labels=tf.reshape(targets, [-1]), logits=logits)
        loss = tf.reduce_mean(losses)
        step = v1.train.get_or_create_global_step()
        variables = v1.trainable_variables()
        gradients, _ = tf.clip_by_global_norm(tf.gradients(loss, variables), 5.0)
        optimizer = v1.train.AdagradOptimizer(0.1)
        train = optimizer.apply_gradients(zip(gradients, variables, strict=True), step)
        letters_read = np.random.default_rng(0).integers(0, letters, (BATCH, length))
        feeds = {x: letters_read, targets: letters_read}
        return Saved(save(graph, folder, train, feeds), ("input:0",), ("targets:0",), ("softmax/BiasAdd:0",))


class _Cell:
    """A recurrent cell as people wrote it, for `dynamic_rnn`."""

    state_size = output_size = 6

    def zero_state(self, batch: Any, dtype: Any) -> Any:
        return tf.zeros([batch, self.state_size], dtype)

    def __call__(self, x: Any, state: Any, scope: Any = None) -> tuple[Any, Any]:
        with v1.variable_scope("cell", reuse=v1.AUTO_REUSE):
            state = dense(tf.concat([x, state], 1), self.state_size, "state", tf.tanh)
        return state, state


def tagger(folder: Path, version: int = 2) -> Saved:
    """A loop of TensorFlow 2 (or 1) over texts of several lengths, which the loss reads as well."""
    with tensorflow_1(resources=version == 2, conditions=version) as graph:
        words = v1.placeholder(tf.int32, [None, 7], "words")
        lengths = v1.placeholder(tf.int32, [None], "lengths")
        tags = v1.placeholder(tf.int32, [None, 7], "tags")
        embedded = tf.nn.embedding_lookup(variable("embedding", [20, 5]), words)
        states, _ = v1.nn.dynamic_rnn(_Cell(), embedded, lengths, dtype=tf.float32)
        logits = tf.reshape(dense(tf.reshape(states, [-1, 6]), 4, "tag"), [-1, 7, 4], "logits")
        losses = v1.nn.sparse_softmax_cross_entropy_with_logits(labels=tags, logits=logits)
        loss = tf.reduce_sum(losses * tf.sequence_mask(lengths, 7, tf.float32))
        train = v1.train.GradientDescentOptimizer(0.01).minimize(loss, name="train")
        feeds = dict(zip((words, lengths, tags), tagged_words(), strict=True))
        saved = save(graph, folder, train, feeds)
        return Saved(saved, ("words:0", "lengths:0"), ("tags:0",), ("tag/BiasAdd:0",))


def tagged_words() -> tuple[np.ndarray, ...]:
    """Words, lengths and tags."""
    random = np.random.default_rng(0)
    return tuple(random.integers(low, high, shape) for low, high, shape in ((0, 20, (4, 7)), (1, 8, 4), (0, 4, (4, 7))))


def _greedy_decoder(folder: Path, version: int) -> Saved:
    with tensorflow_1(resources=version == 2, conditions=version) as graph:
        hidden = v1.placeholder(tf.float32, [None, 6], "hidden")
        table, cell = variable("embedding", [9, 5]), _Cell()

        def step(place: Any, word: Any, state: Any, words: Any) -> Any:
            state, _ = cell(tf.nn.embedding_lookup(table, word), state)
            word = tf.argmax(dense(state, 9, "word"), 1, output_type=tf.int32)
            return place + 1, word, state, words.write(place, word)

        first = tf.zeros_like(hidden[:, 0], tf.int32)
        values = 0, first, hidden, tf.TensorArray(tf.int32, 4)
        *_, words = tf.while_loop(lambda place, *_: place < 4, step, values)
        tf.transpose(words.stack(), name="decoded")
        return Saved(save(graph, folder), ("hidden:0",), (), ("decoded:0",))


def greedy_decoder_1(folder: Path) -> Saved:
    """A loop of TensorFlow 1 that looks words up."""
    return _greedy_decoder(folder, 1)


def greedy_decoder_2(folder: Path) -> Saved:
    """The same of TensorFlow 2, whose body captures the variables."""
    return _greedy_decoder(folder, 2)


GRAPHS: dict[str, Callable[[Path], Saved]] = {
    function.__name__: function
    for function in (
        *(lenet_with_placeholders, lenet_with_iterator, lenet_with_queue, resnet_with_switch, resnet_with_if),
        *(resnet_that_trains, resnet_with_moments, resnet_with_moments_that_trains, char_rnn),
        *(tagger, greedy_decoder_1, greedy_decoder_2, two_rates_in_a_vector),
    )
}
