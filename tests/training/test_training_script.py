"""A training script goes on as the source would: the same weights after the same batches."""

from __future__ import annotations

import importlib
import json
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("tensorflow", reason="the extra 'tensorflow' is not installed")

import models_tf1
from models_tf1 import BATCH, tf, v1

import converter
from converter.base.weight_steps import apply

Norm = Callable[[Any, Any, str], Any]
ONE, TEN = 1e-4, 1e-3
"""The largest difference of a weight after one step, and after ten."""


def batches(count: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    random = np.random.default_rng(5)
    for _ in range(count):
        yield random.normal(size=(BATCH, 12, 12, 2)).astype(np.float32), random.integers(0, 5, BATCH).astype(np.int32)


def network(x: Any, norm: Norm | None) -> Any:
    x = models_tf1.conv(x, 4, 3, "conv1", 2, bias=not norm)
    x = tf.nn.relu(norm(x, True, "bn1") if norm else x)
    x = models_tf1.dense(tf.reshape(x, [-1, 6 * 6 * 4]), 8, "fc1", tf.nn.tanh)
    return models_tf1.dense(x, 5, "fc2")


def clipped(optimizer: Any, loss: Any, step: Any, clip: Callable[[list[Any]], list[Any]]) -> Any:
    gradients, variables = zip(*optimizer.compute_gradients(loss), strict=True)
    return optimizer.apply_gradients(zip(clip(list(gradients)), variables, strict=True), step, name="train")


def penalty(scale: float) -> Any:
    return scale * tf.add_n([tf.nn.l2_loss(w) for w in v1.trainable_variables() if "kernel" in w.name])


def squares(factor: float) -> Any:
    return tf.add_n([factor * tf.reduce_sum(tf.square(w)) for w in v1.trainable_variables() if "fc" in w.name])


def adam(loss: Any, step: Any) -> Any:
    return v1.train.AdamOptimizer(0.002, 0.85, 0.99, 1e-6).minimize(loss, step, name="train")


def momentum(loss: Any, step: Any) -> Any:
    rate = v1.train.piecewise_constant(step, [5, 8], [0.05, 0.02, 0.01])
    optimizer = v1.train.MomentumOptimizer(rate, 0.9, use_nesterov=True)
    return optimizer.minimize(loss + penalty(0.01), step, name="train")


def rms_prop(loss: Any, step: Any) -> Any:
    rate = v1.train.exponential_decay(0.003, step, 3, 0.8, staircase=True)
    return v1.train.RMSPropOptimizer(rate, 0.95, 0.4, 1e-8).minimize(loss + squares(0.02), step, name="train")


def centered_rms_prop(loss: Any, step: Any) -> Any:
    return v1.train.RMSPropOptimizer(0.01, 0.9, 0.0, 1e-4, centered=True).minimize(loss, step, name="train")


def adagrad(loss: Any, step: Any) -> Any:
    rate = v1.train.polynomial_decay(0.05, step, 10, 0.001, 2.0)
    optimizer = v1.train.AdagradOptimizer(rate, 0.3)
    return clipped(optimizer, loss, step, lambda all_: [tf.clip_by_norm(g, 0.5) for g in all_])


def sgd(loss: Any, step: Any) -> Any:
    rate = v1.train.cosine_decay(0.1, step, 20, 0.1)
    optimizer = v1.train.GradientDescentOptimizer(rate)
    return clipped(optimizer, loss + penalty(0.02), step, lambda all_: tf.clip_by_global_norm(all_, 0.7)[0])


def sgd_by_value(loss: Any, step: Any) -> Any:
    warm = tf.minimum(tf.cast(step, tf.float32) / 6.0, 1.0)
    rate = tf.multiply(0.2 * warm, v1.train.inverse_time_decay(1.0, step, 4, 0.5))
    optimizer = v1.train.GradientDescentOptimizer(rate)
    return clipped(optimizer, loss, step, lambda all_: [tf.clip_by_value(g, -0.03, 0.05) for g in all_])


def ftrl(loss: Any, step: Any) -> Any:
    optimizer = v1.train.FtrlOptimizer(0.05, -0.5, 0.2, 0.0, 0.01)
    return clipped(optimizer, loss, step, lambda all_: [v1.clip_by_average_norm(g, 0.002) for g in all_])


def proximal_adagrad(loss: Any, step: Any) -> Any:
    """With a loss that is scaled, as for float16."""
    later = v1.train.piecewise_constant(step, [8], [0.1, 0.05])
    rate = v1.cond(step < 5, lambda: 0.02 * tf.cast(step + 1, tf.float32), lambda: later)
    optimizer = v1.train.ProximalAdagradOptimizer(rate, 0.2, 0.001, 0.002)
    return clipped(optimizer, 64 * loss, step, lambda all_: tf.clip_by_global_norm([g / 64 for g in all_], 0.5)[0])


def moments(weight: Any) -> list[Any]:
    zeros = tf.zeros(weight.shape)
    return [v1.get_variable(f"{weight.op.name}/adam_{k}", initializer=zeros, trainable=False) for k in "mv"]


def ada_max(loss: Any, step: Any) -> Any:
    """As an operator, with two learning rates, one of which changes."""
    power = v1.get_variable("beta1_power", initializer=0.8, trainable=False)
    variables, updates = v1.trainable_variables(), []
    for weight, gradient in zip(variables, tf.tuple(tf.gradients(loss, variables)), strict=True):
        rate = v1.train.exponential_decay(0.01, step, 4, 0.5) if "conv" in weight.name else 0.003
        state = (
            v1.get_variable(f"{weight.op.name}/{k}", initializer=tf.zeros(weight.shape), trainable=False) for k in "mv"
        )
        references = [each._ref() for each in (weight, *state)]
        options = {"beta1_power": power, "lr": rate, "beta1": 0.8, "beta2": 0.95, "epsilon": 1e-6, "grad": gradient}
        updates.append(tf.raw_ops.ApplyAdaMax(var=references[0], m=references[1], v=references[2], **options))
    with tf.control_dependencies(updates):
        return tf.group(v1.assign(power, power * 0.8), v1.assign_add(step, 1), name="train")


def proximal(loss: Any, step: Any) -> Any:
    """With gradients that each layer scales."""
    optimizer = v1.train.ProximalGradientDescentOptimizer(0.1, 0.002, 0.01)
    pairs = [(2.5 * g if "fc2" in w.name else g, w) for g, w in optimizer.compute_gradients(loss)]
    return optimizer.apply_gradients(pairs, step, name="train")


def adam_weight_decay(loss: Any, step: Any) -> Any:
    """As BERT writes it, with its warm-up and its clipping."""
    steps = tf.cast(step, tf.float32)
    rate = v1.train.polynomial_decay(0.01, step, 30, 0.0, 1.0)
    warms = tf.cast(tf.cast(step, tf.int32) < 4, tf.float32)
    rate = (1.0 - warms) * rate + warms * (0.01 * steps / 4.0)
    variables = v1.trainable_variables()
    gradients, _ = tf.clip_by_global_norm(tf.gradients(loss, variables), 1.0)
    assignments = []
    for weight, gradient in zip(variables, gradients, strict=True):
        state = (
            v1.get_variable(f"{weight.op.name}/adam_{k}", initializer=tf.zeros(weight.shape), trainable=False)
            for k in "mv"
        )
        m, v = state
        next_m = tf.multiply(0.9, m) + tf.multiply(1.0 - 0.9, gradient)
        next_v = tf.multiply(0.99, v) + tf.multiply(1.0 - 0.99, tf.square(gradient))
        update = next_m / (tf.sqrt(next_v) + 1e-5)
        if "bias" not in weight.name:
            update += 0.05 * weight
        assignments += [weight.assign(weight - rate * update), m.assign(next_m), v.assign(next_v)]
    with tf.control_dependencies(assignments):
        return tf.group(step.assign(step + 1), name="train")


OPTIMIZERS = (
    adam,
    momentum,
    rms_prop,
    centered_rms_prop,
    adagrad,
    sgd,
    sgd_by_value,
    ftrl,
    proximal_adagrad,
    ada_max,
    proximal,
    adam_weight_decay,
)


@dataclass(frozen=True)
class Trained:
    """A training of TensorFlow's, and what was made of its checkpoint."""

    prefix: Path
    folder: Path

    def go_on(self, steps: int) -> dict[str, np.ndarray]:
        """The variables after further steps of TensorFlow's."""
        with tf.Graph().as_default(), v1.Session() as session:
            saver = v1.train.import_meta_graph(f"{self.prefix}.meta")
            saver.restore(session, str(self.prefix))
            for images, labels in batches(steps):
                session.run("train", {"images:0": images, "labels:0": labels})
            names = {entry["source_weight"]["name"] for entry in self.entries()}
            return {name: session.run(f"{name}:0") for name in names}

    def entries(self) -> list[dict[str, Any]]:
        (entries,) = json.loads(next(self.folder.glob("weight_map*")).read_text()).values()
        return entries


NORMS: dict[Any, Norm] = {momentum: models_tf1.batch_norm, adam: models_tf1.moments_norm}
"""The batch norm of the network that an optimizer trains; the others have none. By moments it is biased."""


def train(folder: Path, optimizer: Callable[[Any, Any], Any], norm: Norm | None) -> Trained:
    with models_tf1.tensorflow_1() as graph:
        x = v1.placeholder(tf.float32, [None, 12, 12, 2], "images")
        labels = v1.placeholder(tf.int32, [None], "labels")
        loss = models_tf1.sparse_loss(network(x, norm), labels)
        step = v1.train.get_or_create_global_step()
        with tf.control_dependencies(v1.get_collection(v1.GraphKeys.UPDATE_OPS)):
            op = optimizer(loss, step)
        images, classes = next(batches(1))
        prefix = models_tf1.save(graph, folder, op, {x: images, labels: classes}, steps=2)
    converter.convert(prefix.with_name("net.ckpt.meta"), output=folder, verify=False)
    return Trained(prefix, folder)


@pytest.fixture(scope="module", params=OPTIMIZERS, ids=lambda optimizer: optimizer.__name__)
def trained(request, tmp_path_factory) -> Trained:
    return train(tmp_path_factory.mktemp(request.param.__name__), request.param, NORMS.get(request.param))


@pytest.fixture
def script(trained, monkeypatch) -> Any:
    """The training script, imported; MindSpore's compiler finds it by its name again."""
    monkeypatch.syspath_prepend(trained.folder)
    for name in ("net_ckpt", "train_net_ckpt"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    return importlib.import_module("train_net_ckpt")


@pytest.mark.parametrize(("steps", "tolerance", "graph"), [(1, ONE, False), (1, ONE, True), (10, TEN, False)])
def test_the_script_leaves_the_weights_of_the_source(trained, script, steps, tolerance, graph):
    import mindspore as ms

    ms.set_context(mode=ms.GRAPH_MODE if graph else ms.PYNATIVE_MODE)
    expected = trained.go_on(steps)
    net = script.load_network()
    optimizer = script.make_optimizer(net)
    script.load_state(optimizer)
    loss = script.Loss() if hasattr(script, "Loss") else script.nn.CrossEntropyLoss()
    step = script.TrainStep(net, loss, optimizer).set_train()
    for images, labels in batches(steps):
        step(ms.Tensor(images), ms.Tensor(labels))
    before = ms.load_checkpoint(str(trained.folder / "net_ckpt.ckpt"))
    parameters = {parameter.name: parameter.asnumpy() for parameter in net.get_parameters()}
    for entry in trained.entries():
        name = entry["converted_weight"]["name"]
        source = apply(entry.get("transform", []), expected[entry["source_weight"]["name"]])
        np.testing.assert_allclose(parameters[name], source, rtol=0, atol=tolerance, err_msg=name)
    moved = max(np.abs(value - before[name].asnumpy()).max() for name, value in parameters.items())
    assert moved > 3 * tolerance


def test_tables_of_the_loss_are_loaded(tmp_path, monkeypatch):
    """Weights of twenty classes are too many for a literal."""
    import mindspore as ms

    with models_tf1.tensorflow_1() as graph:
        x, labels = v1.placeholder(tf.float32, [None, 6], "x"), v1.placeholder(tf.int32, [None], "labels")
        logits = models_tf1.dense(x, 20, "scores")
        losses = v1.nn.sparse_softmax_cross_entropy_with_logits(labels=labels, logits=logits)
        table = np.linspace(0.1, 2, 20).astype(np.float32)
        loss = tf.reduce_mean(losses * tf.gather(tf.constant(table), labels), name="weighted")
        op = v1.train.GradientDescentOptimizer(0.1).minimize(loss, name="train")
        feeds = {x: np.ones((4, 6)), labels: [3, 19, 0, 7]}
        prefix = models_tf1.save(graph, tmp_path, op, feeds, steps=1)
    converter.convert(prefix.with_name("net.ckpt.meta"), output=tmp_path, verify=False)
    with tf.Graph().as_default(), v1.Session() as session:
        v1.train.import_meta_graph(f"{prefix}.meta").restore(session, str(prefix))
        expected = session.run("weighted:0", {"x:0": np.ones((4, 6)), "labels:0": [3, 19, 0, 7]})
    monkeypatch.syspath_prepend(tmp_path)
    for name in ("net_ckpt", "train_net_ckpt"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    script = importlib.import_module("train_net_ckpt")
    scores = script.load_network()(ms.Tensor(np.ones((4, 6), np.float32)))
    found = script.make_loss()(scores, ms.Tensor(np.array([3, 19, 0, 7], np.int32)))
    np.testing.assert_allclose(found.asnumpy(), expected, 1e-5)


@pytest.mark.parametrize("version", [1, 2])
def test_gradient_descent_on_the_rows_of_an_embedding(tmp_path, monkeypatch, version):
    """The loss reads the lengths, too: they are given once."""
    import mindspore as ms

    prefix = models_tf1.tagger(tmp_path, version).prefix
    converter.convert(prefix.with_name("net.ckpt.meta"), output=tmp_path, verify=False)
    data = models_tf1.tagged_words()
    with tf.Graph().as_default(), v1.Session() as session:
        v1.train.import_meta_graph(f"{prefix}.meta").restore(session, str(prefix))
        session.run("train", dict(zip(("words:0", "lengths:0", "tags:0"), data, strict=True)))
        expected = session.run("embedding:0" if version == 1 else "embedding/Read/ReadVariableOp:0")
    monkeypatch.syspath_prepend(tmp_path)
    for name in ("net_ckpt", "train_net_ckpt"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    script = importlib.import_module("train_net_ckpt")
    net = script.load_network()
    step = script.TrainStep(net, script.make_loss(), script.make_optimizer(net)).set_train()
    step(*(ms.Tensor(array.astype(np.int32)) for array in data))
    np.testing.assert_allclose(net.embedding_lookup.embedding_table.asnumpy(), expected, rtol=0, atol=ONE)
