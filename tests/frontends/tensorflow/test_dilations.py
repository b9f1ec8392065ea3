"""Dilated convolutions of free extents, against TensorFlow."""

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

RANDOM = np.random.default_rng(0)


def values(*shape: int) -> np.ndarray:
    return RANDOM.uniform(-1, 1, shape).astype(np.float32)


def converted(tmp_path, compute, shape) -> Source:
    with tf.Graph().as_default() as graph:
        name = tf.identity(compute(v1.placeholder(tf.float32, shape, "x")), name="y").name
    (tmp_path / "net.pb").write_bytes(graph.as_graph_def().SerializeToString())
    return load(Request(tmp_path / "net.pb", output_nodes=(name,)))


def through_batches(x, filters, rates):
    """A dilated convolution as TensorFlow writes it where the dilation is not the kernel's."""
    rank = len(rates)
    extents = tf.shape(x)[1 : 1 + rank]
    base = [[(k - 1) * r // 2, (k - 1) * r - (k - 1) * r // 2] for k, r in zip(filters.shape, rates, strict=False)]
    pads, crops = tf.required_space_to_batch_paddings(extents, rates, base)
    x = tf.space_to_batch(x, rates, pads)
    x = tf.nn.conv1d(x, filters, 1, "VALID") if rank == 1 else tf.nn.conv2d(x, filters, 1, "VALID")
    return tf.batch_to_space(x, rates, crops)


@pytest.mark.parametrize("extent", [9, 10, 11])
@pytest.mark.parametrize("rates", [[2, 2], [3, 2], [3]])
def test_it_is_one_convolution(tmp_path, rates, extent):
    filters = values(*[3] * len(rates), 4, 5)
    source = converted(tmp_path, lambda x: through_batches(x, filters, rates), [None, *[None] * len(rates), 4])
    assert operators(source)["Conv"] == 1
    assert not {"Mod", "SpaceToDepth", "Pad", "Slice"} & set(operators(source))
    check(source, extent)


def test_padding_that_is_no_convolutions_stays(tmp_path):
    """The amounts beyond the convolution's own depend on the extent."""

    def network(x):
        extents = tf.shape(x)[1:3]
        pads, crops = tf.required_space_to_batch_paddings(extents, [2, 2], tf.stack([extents - 8, extents % 2], 1))
        batches = tf.space_to_batch(x, [2, 2], pads)
        return tf.batch_to_space(tf.nn.conv2d(batches, values(3, 3, 4, 5), 1, "VALID"), [2, 2], crops)

    source = converted(tmp_path, network, [None, None, None, 4])
    assert "SpaceToDepth" in operators(source)
    check(source, 10)
