"""Loops that write a list in a branch, in steps that may end early, or that grow it; rows read by a counter."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from harness import proved

import converter

tf = pytest.importorskip("tensorflow")
raw = tf.raw_ops


def in_a_branch(x: Any) -> Any:
    rows, state = tf.TensorArray(tf.float32, size=6, element_shape=[4]), tf.zeros([4])
    for i in tf.range(6):
        state = 0.5 * state + x[i]
        if tf.reduce_sum(state) > 0:  # noqa: SIM108
            rows = rows.write(i, state * 2)
        else:
            rows = rows.write(i, state)
    return rows.stack()


def until_a_break(x: Any) -> Any:
    rows, state = tf.TensorArray(tf.float32, size=0, dynamic_size=True, element_shape=[4]), tf.zeros([4])
    for i in tf.range(tf.shape(x)[0]):
        state = tf.tanh(state + x[i])
        if tf.reduce_sum(state) > 2:
            break
        rows = rows.write(i, state)
    return rows.stack()


def those_above(x: Any) -> Any:
    rows, count = tf.TensorArray(tf.float32, size=0, dynamic_size=True, element_shape=[4]), 0
    for i in tf.range(6):
        if tf.reduce_sum(x[i]) > 0:
            rows = rows.write(count, x[i] * 2)
            count += 1
    return rows.stack(), count


def with_gaps(x: Any) -> Any:
    rows = tf.TensorArray(tf.float32, size=0, dynamic_size=True, element_shape=[4])
    for i in tf.range(3):
        if tf.reduce_sum(x[i]) > -100:
            rows = rows.write(2 * i + 1, x[i])
    return rows.stack()


def scans_of_rows(x: Any) -> Any:
    return tf.map_fn(lambda row: tf.scan(lambda total, item: total * 0.5 + item, row), x)


def of_a_free_batch(x: Any) -> Any:
    rows, state = tf.TensorArray(tf.float32, size=3, element_shape=[None, 4]), tf.zeros_like(x)
    for i in tf.range(3):
        state = tf.tanh(state + x)
        if tf.reduce_sum(state) > -1000:
            rows = rows.write(i, state)
    return tf.transpose(rows.stack(), [1, 0, 2])


def scattered(x: Any) -> Any:
    rows = tf.TensorArray(tf.float32, size=6, element_shape=[4]).scatter([2, 0, 5], x)
    return rows.stack(), rows.gather([5, 0])


CASES: list[tuple[Callable[[Any], Any], list[int | None], list[str]]] = [
    (in_a_branch, [6, 4], ["x[i]"]),
    (until_a_break, [None, 4], ["while ", "x[i]"]),
    (those_above, [6, 4], ["x[i]"]),
    (with_gaps, [3, 4], ["x[i]"]),
    (scans_of_rows, [None, 4], ["x[i]"]),
    (of_a_free_batch, [None, 4], []),
    (scattered, [3, 4], []),
]


@pytest.mark.parametrize(("compute", "shape", "written"), CASES, ids=[case[0].__name__ for case in CASES])
def test_lists_that_are_no_stack_of_steps(tmp_path, compute, shape, written):
    module = tf.Module()
    module.call = tf.function(compute, input_signature=[tf.TensorSpec(shape, tf.float32, "x")])
    tf.saved_model.save(module, str(tmp_path / "model"))
    result = converter.convert(tmp_path / "model", output=tmp_path / "out")
    proved(result)
    script = result.files[0].read_text(encoding="utf-8")
    assert "tfg_inlined" not in script
    assert "Parameter(ops.zeros((6, 4), dtype=ms.float32))" not in script  # a parameter of a list is not trained
    assert not [part for part in written if part not in script], script


@pytest.mark.parametrize("places", [[0, 1, 2], [2, 0, 1]])
def test_arrays_of_tensorflow_1_outside_of_loops(tmp_path, places):
    with tf.Graph().as_default() as graph:
        x = tf.compat.v1.placeholder(tf.float32, [3, 4], "x")
        rows = raw.TensorArrayV3(size=3, dtype=tf.float32, element_shape=[4])
        flow = raw.TensorArrayScatterV3(handle=rows.handle, indices=places, value=x, flow_in=rows.flow)
        raw.TensorArrayReadV3(handle=rows.handle, index=0, flow_in=flow, dtype=tf.float32, name="y")
    (tmp_path / "net.pb").write_bytes(graph.as_graph_def().SerializeToString())
    proved(converter.convert(tmp_path / "net.pb", output_nodes=["y:0"], output=tmp_path / "out"))
