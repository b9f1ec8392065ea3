"""TensorFlow's operators that our own handlers compose, against TensorFlow."""

from __future__ import annotations

import functools

import numpy as np
import pytest

pytest.importorskip("tensorflow", reason="the extra 'tensorflow' is not installed")

from frontends.agreement import check, operators

from converter.base.trained import NO, TRAINED
from converter.errors import SourceRunError
from converter.frontends.source import Request, Source
from converter.frontends.tensorflow.frozen_graph import load
from converter.frontends.tensorflow.runtime import quiet_tensorflow

with quiet_tensorflow() as tf:
    v1, raw = tf.compat.v1, tf.raw_ops

RANDOM = np.random.default_rng(0)


def values(*shape: int) -> np.ndarray:
    return RANDOM.uniform(-1, 1, shape).astype(np.float32)


def converted(tmp_path, compute, shape) -> Source:
    """The graph of a function of one input; every result is an output."""
    with tf.Graph().as_default() as graph:
        results = compute(v1.placeholder(tf.float32, shape, "x"))
        results = results if isinstance(results, tuple) else (results,)
        names = [tf.identity(result, name=f"y{i}").name for i, result in enumerate(results)]
    (tmp_path / "net.pb").write_bytes(graph.as_graph_def().SerializeToString())
    return load(Request(tmp_path / "net.pb", output_nodes=tuple(names)))


@pytest.mark.parametrize("padding", ["SAME", "VALID"])
@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("rate", [1, 2])
def test_windows(tmp_path, padding, stride, rate):
    def windows(x):
        how = {"strides": [1, stride, stride, 1], "padding": padding, "rates": [1, rate, rate, 1]}
        patches = raw.ExtractImagePatches(images=x, ksizes=[1, 3, 2, 1], **how)
        return patches, raw.Dilation2D(input=x, filter=values(3, 2, 3), **how)

    extent = None if stride == 1 or padding == "VALID" else 9
    source = converted(tmp_path, windows, [None, extent, extent, 3])
    assert [isinstance(dim, str) for dim in source.inputs[0].shape] == [True, extent is None, extent is None, False]
    check(source, 9)


@pytest.mark.parametrize(
    ("method", "antialias"),
    [
        ("bicubic", True),
        ("bilinear", True),
        ("nearest", True),
        ("gaussian", False),
        ("lanczos3", False),
    ],
)
@pytest.mark.parametrize("size", [(4, 6), (12, 11)])
def test_resizing(tmp_path, method, antialias, size):
    source = converted(tmp_path, lambda x: tf.image.resize(x, size, method, antialias=antialias), [None, 8, 12, 3])
    assert not any(node.domain for node in source.model.graph.node)
    check(source)


@pytest.mark.parametrize("how", [{"half_pixel_centers": True}, {"align_corners": True}, {}], ids=str)
def test_nearest_neighbours(tmp_path, how):
    def resized(x):
        return raw.ResizeNearestNeighbor(images=x, size=[7, 11], **how)

    check(converted(tmp_path, resized, [None, 8, 12, 3]))
    if "align_corners" not in how:
        source = converted(tmp_path, resized, [None, None, None, 3])
        assert not any(node.domain for node in source.model.graph.node)
        check(source, 9)


@pytest.mark.parametrize("how", [{"half_pixel_centers": True}, {"align_corners": True}, {}], ids=str)
@pytest.mark.parametrize("size", [(13, 5), (4, 16)])
def test_bicubic_by_a_table(tmp_path, how, size):
    check(converted(tmp_path, lambda x: raw.ResizeBicubic(images=x, size=size, **how), [None, 8, 8, 3]))
    if size == (13, 5):
        doubled = converted(
            tmp_path, lambda x: raw.ResizeBicubic(images=x, size=tf.shape(x)[1:3] * 2, **how), [None, None, None, 3]
        )
        assert not any(node.op_type == "Resize" for node in doubled.model.graph.node)
        check(doubled, 9)


@pytest.mark.parametrize("align", [False, True])
@pytest.mark.parametrize("size", [(4, 4), (3, 5)])
def test_areas(tmp_path, align, size):
    check(converted(tmp_path, lambda x: raw.ResizeArea(images=x, size=size, align_corners=align), [None, 8, 8, 3]))


def test_colours(tmp_path):
    def colours(x):
        x = tf.abs(x)
        return tf.image.rgb_to_hsv(x), tf.image.hsv_to_rgb(x), tf.image.rgb_to_hsv(tf.round(x * 2) / 2)

    check(converted(tmp_path, colours, [None, 5, 5, 3]))


@pytest.mark.parametrize("scale", [0.3, 2.5])
def test_saturation(tmp_path, scale):
    def adjusted(x):
        return tf.image.adjust_saturation(tf.abs(x), scale), raw.AdjustSaturation(images=tf.round(x), scale=scale)

    check(converted(tmp_path, adjusted, [None, 5, 5, 3]))


def test_the_shape_of_a_broadcast(tmp_path):
    def shapes(x):
        row, column = tf.shape(x[0]), tf.shape(x[:, :1])
        return tf.broadcast_dynamic_shape(row, column), tf.broadcast_to(
            x[:, :1], tf.broadcast_dynamic_shape(column, row)
        )

    check(converted(tmp_path, shapes, [None, 5]))


@pytest.mark.parametrize("method", ["bilinear", "bicubic", "area", "nearest"])
def test_images_of_integers_are_resized(tmp_path, method):
    def resized(x):
        return tuple(tf.image.resize(tf.cast(tf.abs(x) * 100, dtype), (4, 4), method) for dtype in (tf.uint8, tf.int32))

    source = converted(tmp_path, resized, [None, 8, 8, 3])
    assert not any(node.domain for node in source.model.graph.node)
    check(source)


@pytest.mark.parametrize("training", [True, False])
def test_a_batch_norm_of_16_bits(tmp_path, training):
    def norm(x):
        scale = {"scale": values(3) + 2, "offset": values(3)}
        scale |= {"mean": [], "variance": []} if training else {"mean": values(3), "variance": values(3) + 2}
        return tf.cast(raw.FusedBatchNormV3(x=tf.cast(x, tf.half), **scale, is_training=training)[0] * 2, tf.float32)

    source = converted(tmp_path, norm, [2, 4, 4, 3])
    try:
        check(source, tolerance=2e-3)
    except SourceRunError as error:
        if "could not create a primitive descriptor" not in str(error):
            raise
        pytest.skip("TensorFlow's oneDNN has no batch norm of 16 bits on this CPU")


def test_negative_classes_are_none(tmp_path):
    def classes(x):
        places = tf.cast(x * 6, tf.int32)
        return tf.one_hot(places, 3, 5.0, -2.0, axis=1), tf.one_hot(tf.cast(places, tf.int64), 4)

    check(converted(tmp_path, classes, [4, 5]))


def test_remainders_and_shapes(tmp_path):
    def computed(x):
        shapes = raw.ShapeN(input=[x, x[0]])
        return (
            raw.Mod(x=x, y=tf.constant(0.3)),
            tf.reshape(x, shapes[0]),
            shapes[1],
            raw.ParallelConcat(values=[x[:1], x[1:2]], shape=[2, 5]),
        )

    check(converted(tmp_path, computed, [4, 5]))


@pytest.mark.parametrize("extent", [5, None])
def test_diagonals(tmp_path, extent):
    def diagonals(x):
        scores = tf.matmul(x, x, transpose_b=True)
        bands = [tf.linalg.band_part(scores, *band) for band in ((-1, 0), (0, -1), (1, 2), (-1, -1))]
        parts = tf.linalg.diag(x), tf.linalg.diag_part(scores), tf.linalg.set_diag(scores, x[:, :, 0])
        return *bands, *parts, tf.linalg.trace(scores), scores + tf.eye(tf.shape(x)[1])

    source = converted(tmp_path, diagonals, [None, extent, 4])
    assert not operators(source)["Loop"]
    check(source, 5)


def test_diagonals_of_wide_and_tall_matrices(tmp_path):
    def diagonals(x):
        tall = tf.transpose(x, (0, 2, 1))
        return tf.linalg.diag_part(x), tf.linalg.set_diag(x, x[:, :, 0] * 2), tf.linalg.set_diag(tall, tall[:, 0] * 2)

    source = converted(tmp_path, diagonals, [None, 3, 5])
    assert not operators(source)["Loop"]
    check(source)


def test_channels_first(tmp_path):
    """TensorFlow has no CPU kernels for these nodes; its own rewriting to channels last runs them."""

    def network(x):
        x = tf.nn.conv2d(x, values(3, 3, 3, 4), 1, "SAME", data_format="NCHW")
        x = tf.nn.relu(tf.nn.bias_add(x, values(4), data_format="NCHW"))
        return tf.nn.max_pool2d(x, 2, 2, "VALID", data_format="NCHW")

    check(converted(tmp_path, network, [None, 3, 8, 8]))


def test_sums_and_bounds(tmp_path):
    def computed(x):
        rows = tf.sort(x, axis=1)
        sums = [
            tf.math.cumulative_logsumexp(x * 50, 1, exclusive=e, reverse=r)
            for e in (False, True)
            for r in (False, True)
        ]
        found = [tf.searchsorted(rows, x[:, 1:], side) for side in ("left", "right")]
        return (*sums, *found)

    check(converted(tmp_path, computed, [4, 5]))


def test_a_cell_of_a_gru(tmp_path):
    def cell(x):
        weights = {"w_ru": values(7, 8), "w_c": values(7, 4), "b_ru": values(8), "b_c": values(4)}
        return tuple(raw.GRUBlockCell(x=x[:, :3], h_prev=x[:, 3:], **weights))

    source = converted(tmp_path, cell, [None, 7])
    assert operators(source)["MatMul"] == 2
    check(source)


@pytest.mark.parametrize("version", ["", "V2"])
@pytest.mark.parametrize("peepholes", [False, True])
@pytest.mark.parametrize("steps", [None, 2])
def test_a_whole_lstm(tmp_path, version, peepholes, steps):
    """Hidden states of all time steps; behind the last step of a limit they are 0."""

    def lstm(x):
        limit = tf.cast(tf.shape(x)[0] if steps is None else steps, tf.int64)
        weights = {name: values(*shape) for name, shape in (("w", (7, 16)), ("b", (16,)))}
        weights |= {name: values(4) for name in ("wci", "wcf", "wco")}
        states = {"cs_prev": values(2, 4), "h_prev": values(2, 4)}
        operator = getattr(raw, f"BlockLSTM{version}")
        return operator(seq_len_max=limit, x=x, cell_clip=-1.0, use_peephole=peepholes, **states, **weights).h

    source = converted(tmp_path, lstm, [None, 2, 3])
    assert operators(source)["LSTM"] == 1
    check(source, 5)


@pytest.mark.parametrize("version", ["", "V2"])
@pytest.mark.parametrize("peepholes", [False, True])
def test_a_whole_lstm_whose_gates_are_read(tmp_path, version, peepholes):
    def lstm(x):
        limit = tf.cast(tf.shape(x)[0], tf.int64)
        weights = {name: values(*shape) for name, shape in (("w", (7, 16)), ("b", (16,)))}
        weights |= {name: values(4) for name in ("wci", "wcf", "wco")}
        states = {"cs_prev": values(2, 4), "h_prev": values(2, 4)}
        operator = getattr(raw, f"BlockLSTM{version}")
        return tuple(operator(seq_len_max=limit, x=x, cell_clip=0.4, use_peephole=peepholes, **states, **weights))

    source = converted(tmp_path, lstm, [None, 2, 3])
    assert operators(source)["Scan"] == 1
    check(source, 5)


@pytest.mark.parametrize(("layout", "shape"), [("NHWC", [2, 4, 4, 3]), ("NHWC", [None, 4, None, 3])])
def test_a_batch_norm_that_trains(tmp_path, layout, shape):
    def norm(x):
        scale = {"scale": values(3) + 2, "offset": values(3), "mean": [], "variance": []}
        return tuple(raw.FusedBatchNormV3(x=x, **scale, data_format=layout, is_training=True)[:3])

    check(converted(tmp_path, norm, shape))


@pytest.mark.parametrize("squared", [True, False])
def test_sound(tmp_path, squared):
    """The front of TensorFlow's networks for keywords; the bands begin and end within bins."""

    def front(x):
        spectrum = raw.AudioSpectrogram(input=x, window_size=40, stride=25, magnitude_squared=squared)
        limits = {"lower_frequency_limit": 900.0, "upper_frequency_limit": 6500.0}
        some = {"filterbank_channel_count": 8, "dct_coefficient_count": 5}
        few = raw.Mfcc(spectrogram=spectrum, sample_rate=16000, **limits, **some)
        return spectrum, few, raw.Mfcc(spectrogram=spectrum, sample_rate=8000)

    source = converted(tmp_path, front, [400, 2])
    assert not [node for node in source.model.graph.node if node.domain]
    tables = [tensor for tensor in source.model.graph.initializer if tensor.data_type == 1 and tensor.dims]
    assert tables
    assert all((TRAINED, NO) in [(p.key, p.value) for p in tensor.metadata_props] for tensor in tables)
    check(source, 1)


def test_half_the_sum_of_squares(tmp_path):
    source = converted(tmp_path, lambda x: tf.nn.l2_loss(x - 0.5), [None, 4])
    assert "L2Loss" not in operators(source)
    check(source, 3)


def in_top(x):
    targets = tf.constant([1, 9, 0, 2], tf.int64)
    scores = tf.concat([x, tf.constant([[0.1, np.inf, 0.2]], tf.float32)], 0)
    return raw.InTopKV2(predictions=scores, targets=targets, k=tf.constant(2, tf.int64))


def nth(x):
    return raw.NthElement(input=x, n=1), raw.NthElement(input=x, n=0, reverse=True)


def list_difference(x):
    found = v1.setdiff1d(tf.cast(x[:, 0] * 4, tf.int32), tf.constant([0, 2]))
    return found.out, found.idx


@pytest.mark.parametrize("compute", [in_top, nth, list_difference])
def test_selection(tmp_path, compute):
    source = converted(tmp_path, compute, [3, 3])
    assert not any(node.domain for node in source.model.graph.node)
    check(source)


IDS = np.array([0, 0, 1, 3, 3, 3])
"""Segments of several lengths; one is empty."""


@pytest.mark.parametrize("kind", ["SegmentSum", "SegmentMean", "SegmentProd", "SegmentMax", "SegmentMin"])
def test_segments(tmp_path, kind):
    compute = functools.partial(getattr(raw, kind), segment_ids=IDS)
    source = converted(tmp_path, lambda x: (compute(data=x), compute(data=x[:, 0])), [6, 4])
    check(source)
    assert "Unique" not in operators(source)


def test_complex_numbers_are_not_padded_as_floats(tmp_path):
    """IRFFT pads a spectrum that is shorter than its length."""
    source = converted(tmp_path, lambda x: tf.signal.irfft(tf.complex(x, -x), [16]), [2, 5])
    assert [node.domain for node in source.model.graph.node if node.op_type.startswith("Pad")] == ["tensorflow"]


@pytest.mark.parametrize(
    "ids", [[1, 0, -2, 3, 3, -1], [[1, 0, -2], [0, 0, 1], [3, 1, 1], [3, 0, 1], [3, 1, -1], [1, 1, 1]]]
)
@pytest.mark.parametrize("kind", ["Sum", "Prod", "Max", "Min"])
def test_unsorted_segments(tmp_path, kind, ids):
    def join(x):
        compute = functools.partial(getattr(raw, f"UnsortedSegment{kind}"), segment_ids=ids, num_segments=5)
        return compute(data=x), compute(data=tf.cast(x * 9, tf.int32))

    source = converted(tmp_path, join, [6, 3, 4])
    check(source)
    assert "Unique" not in operators(source)


@pytest.mark.parametrize("count", [None, 6])
@pytest.mark.parametrize("kind", ["SparseSegmentSum", "SparseSegmentMean", "SparseSegmentSqrtN"])
def test_segments_of_rows_that_are_picked(tmp_path, kind, count):
    def rows(x):
        how = {"indices": np.array([4, 2, 2, 0, 1, 4]), "segment_ids": IDS.astype(np.int32)}
        if count:
            return getattr(raw, f"{kind}WithNumSegments")(data=x, num_segments=count, **how)
        return getattr(raw, kind)(data=x, **how)

    check(converted(tmp_path, rows, [5, 3]))


@pytest.mark.parametrize("combiner", ["mean", "sum", "sqrtn"])
def test_embeddings_of_sparse_ids(tmp_path, combiner):
    """As Estimator's columns have them: ids in a table with gaps, of which some rows are empty."""
    table = values(20, 4)

    def looked_up(x):
        ids = tf.cast(tf.abs(x) * 19, tf.int64)
        places = tf.where(tf.greater(x, 0))
        sparse = tf.SparseTensor(places, tf.gather_nd(ids, places), tf.shape(x, out_type=tf.int64))
        return v1.nn.embedding_lookup_sparse(table, sparse, None, combiner=combiner)

    source = converted(tmp_path, looked_up, [3, 5])
    check(source)
    assert "Unique" not in operators(source)


def test_rows_that_are_looked_up_once_for_each_id(tmp_path):
    """As embedding_lookup_sparse was written for most of TensorFlow's life."""

    def looked_up(x):
        ids = tf.reshape(tf.cast(tf.abs(x) * 19, tf.int64), [-1])
        once, places = tf.unique(ids)
        rows = tf.identity(tf.gather(values(20, 4), once))
        mean = raw.SparseSegmentMean(data=rows, indices=places, segment_ids=np.arange(15) // 5)
        return mean, tf.gather(rows, places)

    source = converted(tmp_path, looked_up, [3, 5])
    check(source)
    assert "Unique" not in operators(source)


def _rows_by_slices(shape):
    """How Keras 2 counts rows and their elements today."""
    return tf.reduce_prod(shape[:2]), tf.reduce_prod(shape[2:])


def _rows_by_loops(shape):
    """How it did for years."""
    return 1 * shape[0] * shape[1], 1 * shape[2]


@pytest.mark.parametrize("count", [_rows_by_slices, _rows_by_loops])
@pytest.mark.parametrize("scale", [1.0, 2.0])
def test_layer_norm_of_keras_2(tmp_path, count, scale):
    """A fused batch norm over each row as a channel; one that scales is none."""

    def norm(x):
        shape = tf.shape(x)
        rows, extent = count(shape)
        image = tf.reshape(x, [1, rows, extent, 1])
        ones, zeros = tf.fill([rows], scale), tf.zeros([rows])
        how = {"epsilon": 1e-3, "data_format": "NCHW", "is_training": True}
        y, *_ = raw.FusedBatchNormV3(x=image, scale=ones, offset=zeros, mean=[], variance=[], **how)
        return tf.reshape(y, shape) * values(6) + values(6)

    source = converted(tmp_path, norm, [None, 5, 6])
    assert ("LayerNormalization" in operators(source)) == (scale == 1)
    check(source)


@pytest.mark.parametrize("keepdims", [False, True])
@pytest.mark.parametrize("axes", [-1, [0, 2], None])
def test_a_euclidean_norm(tmp_path, axes, keepdims):
    source = converted(tmp_path, lambda x: tf.math.reduce_euclidean_norm(x, axes, keepdims), [None, 4, 3])
    assert not any(node.domain for node in source.model.graph.node)
    check(source)
