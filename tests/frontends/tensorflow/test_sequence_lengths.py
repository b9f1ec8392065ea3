"""`tf.nn.dynamic_rnn` with sequence lengths that all end before the time axis does."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("tensorflow", reason="the extra 'tensorflow' is not installed")

from frontends.agreement import check, operators

from converter.frontends.source import Request, Source
from converter.frontends.tensorflow.frozen_graph import load
from converter.frontends.tensorflow.runtime import quiet_tensorflow

with quiet_tensorflow() as tf:
    v1 = tf.compat.v1


class Cell:
    """A recurrent cell without gates, as `dynamic_rnn` takes it."""

    output_size = state_size = 4

    def zero_state(self, batch, dtype):
        return tf.zeros([batch, 4], dtype)

    def __call__(self, x, state, scope=None):
        kernel = np.random.default_rng(0).normal(size=(7, 4)).astype(np.float32)
        state = tf.tanh(tf.matmul(tf.concat([x, state], 1), kernel))
        return state, state


def recurrent(x, lengths):
    return v1.nn.dynamic_rnn(Cell(), x, sequence_length=lengths, dtype=tf.float32)


def longest_only(x, lengths):
    """A loop to the longest length whose steps do not ask whether a sequence is over."""
    steps = tf.minimum(tf.shape(x)[1], tf.maximum(1, tf.reduce_max(lengths)))

    def step(i, total):
        return i + 1, total + x[:, i]

    return (tf.while_loop(lambda i, _: i < steps, step, (0, tf.zeros_like(x[:, 0])))[1],)


def frozen(tmp_path, compute, control_flow_v2: bool) -> Source:
    was = v1.control_flow_v2_enabled()
    (v1.enable_control_flow_v2 if control_flow_v2 else v1.disable_control_flow_v2)()
    try:
        with tf.Graph().as_default() as graph:
            results = compute(v1.placeholder(tf.float32, [None, None, 3], "x"), v1.placeholder(tf.int32, [None], "n"))
            names = [tf.identity(result, name=f"y{i}").name for i, result in enumerate(results)]
    finally:
        (v1.enable_control_flow_v2 if was else v1.disable_control_flow_v2)()
    (tmp_path / "net.pb").write_bytes(graph.as_graph_def().SerializeToString())
    return load(Request(tmp_path / "net.pb", output_nodes=tuple(names)))


@pytest.mark.parametrize("control_flow_v2", [False, True])
def test_outputs_are_as_long_as_the_time_axis(tmp_path, control_flow_v2):
    source = frozen(tmp_path, recurrent, control_flow_v2)
    check(source, 4)  # the lengths are at most 2
    assert "ReduceMax" not in operators(source)


@pytest.mark.parametrize("control_flow_v2", [False, True])
def test_a_loop_whose_steps_are_not_masked_ends_with_the_longest(tmp_path, control_flow_v2):
    assert "ReduceMax" in operators(frozen(tmp_path, longest_only, control_flow_v2))
