"""Frozen TensorFlow graphs: ends, shapes, and the ONNX model against TensorFlow itself."""

from __future__ import annotations

import json
import logging
import os
import subprocess
import sys
from collections import Counter

import numpy as np
import onnx
import pytest
from paths import MODELS

pytest.importorskip("tensorflow", reason="the extra 'tensorflow' is not installed")

import onnxruntime

from converter.base.weight_steps import SOURCE, apply
from converter.errors import (
    BadParamError,
    ModelLoadingError,
    NodeInputMissingError,
    ParamMissingError,
    SourceRunError,
    TfRuntimeError,
)
from converter.frontends.source import Request, Source
from converter.frontends.tensorflow.frozen_graph import load, start
from converter.frontends.tensorflow.runtime import quiet_tensorflow

with quiet_tensorflow() as tf:
    v1 = tf.compat.v1

RANDOM = np.random.default_rng(0)


def values(*shape: int) -> np.ndarray:
    return RANDOM.uniform(-1, 1, shape).astype(np.float32)


@pytest.fixture
def build(tmp_path):
    """Write the graph that a function builds; returns a function that loads it with the user's ends."""

    def built(network, name="net.pb"):
        with tf.Graph().as_default() as graph:
            network()
        path = tmp_path / name
        path.write_bytes(graph.as_graph_def().SerializeToString())

        def loaded(inputs=(), outputs=(), shapes=()) -> Source:
            return load(Request(path, tuple(inputs), tuple(outputs), tuple(shapes)))

        return loaded

    return built


def operators(source: Source) -> Counter[str]:
    return Counter(
        f"{node.domain}::{node.op_type}" if node.domain else node.op_type for node in source.model.graph.node
    )


def check(source: Source, *batches: int, tolerance: float = 1e-5) -> None:
    """The ONNX model gives what TensorFlow gives, at these extents of the free dimensions."""
    onnx.checker.check_model(source.model)
    session = onnxruntime.InferenceSession(source.model.SerializeToString())
    for batch in batches or (3,):
        shapes = {end: [batch if isinstance(dim, str) else dim for dim in end.shape] for end in source.inputs}
        feeds = {
            end.name: values(*shape) if end.dtype.kind == "f" else RANDOM.integers(0, 3, shape).astype(end.dtype)
            for end, shape in shapes.items()
        }
        expected = start(source.original)(feeds)
        outputs = session.run(
            [end.value for end in source.outputs], {end.value: feeds[end.name] for end in source.inputs}
        )
        for one, other in zip(outputs, expected, strict=True):
            np.testing.assert_allclose(one, other, tolerance, tolerance)


def image(channels: int = 3, size: int | None = 8):
    return v1.placeholder(tf.float32, [None, size, size, channels], "x")


def two_inputs():
    a, b = (v1.placeholder(tf.float32, [None, 4], name) for name in "ab")
    scaled = tf.multiply(a, 2.0, "scaled")
    tf.nn.relu(tf.add(scaled, b, "sum"), "act")


def audio():
    """A front end that ONNX has no operators for, and a classifier behind it."""
    x = v1.placeholder(tf.float32, [1, 6], "wave")
    positive = tf.exp(x)
    feature = tf.raw_ops.Betainc(a=positive, b=positive, x=tf.sigmoid(x), name="feature")
    tf.identity(tf.matmul(feature, values(6, 2)), "score")


# Ends


@pytest.mark.parametrize(
    ("inputs", "outputs"),
    [
        ((), ()),
        (("b", "a"), ("act",)),
        (("scaled:0", "b"), ("act:0", "sum")),
        (("sum",), ("act",)),
        (("a", "b"), ("sum", "scaled")),
        (("a",), ("a", "scaled")),
    ],
    ids=" ".join,
)
def test_the_graph_is_cut_at_any_tensor(build, inputs, outputs):
    source = build(two_inputs)(inputs, outputs)
    wanted = inputs or ("a", "b")
    assert [end.name for end in source.inputs] == [name if ":" in name else f"{name}:0" for name in wanted]
    assert [value.name for value in source.model.graph.input] == [end.value for end in source.inputs]
    assert [value.name for value in source.model.graph.output] == [end.value for end in source.outputs]
    check(source)


def test_what_lies_before_a_cut_need_not_be_translated(build):
    assert operators(build(audio)()) == {"Exp": 1, "Sigmoid": 1, "tensorflow::Betainc": 1, "MatMul": 1}
    source = build(audio)(["feature"])
    assert operators(source) == {"MatMul": 1}
    assert source.inputs[0].shape == (1, 6)
    check(source)


def test_any_output_of_a_node_can_be_an_end(build):
    def network():
        first, second = tf.split(v1.placeholder(tf.float32, [None, 4], "x") * 2.0, 2, 1, name="halves")
        tf.add(first * 3.0, second, "y")

    check(build(network)(["x"], ["halves:1", "y"]))
    source = build(network)(["x", "halves:1"], ["y"])
    assert [end.value for end in source.inputs] == ["x", "halves_1"]
    check(source)


def test_the_outputs_of_a_traced_function_are_known(build):
    def network():
        x = v1.placeholder(tf.float32, [None, 4], "x")
        tf.nn.relu(x, "left_over")
        for name in ("Identity_1", "Identity"):
            tf.identity(x * 2.0, name)

    assert [end.name for end in build(network)().outputs] == ["Identity:0", "Identity_1:0"]


def test_outputs_that_are_not_certain_are_listed(build):
    def network():
        x = v1.placeholder(tf.float32, [None, 4], "x")
        tf.nn.relu(x, "score")
        tf.nn.tanh(x, "loss")

    with pytest.raises(ParamMissingError, match=r"nothing reads 'score:0', 'loss:0'") as caught:
        build(network)(shapes=["5,4"])
    start = "--shape 5,4 --output_nodes"
    assert [line.partition(start)[2] for line in caught.value.details] == [" score:0", " loss:0"]


def test_a_graph_without_placeholders(build):
    def network():
        tf.nn.relu(tf.identity(tf.constant(values(2, 3), name="x"), name="x/read"), name="out")

    load = build(network)
    with pytest.raises(ParamMissingError, match="the graph has no inputs: no node of it is a Placeholder"):
        load()
    with pytest.raises(BadParamError, match="'y'"):
        load(["y"])
    source = load(["x/read"])
    assert [end.name for end in (*source.inputs, *source.outputs)] == ["x/read:0", "out:0"]
    check(source)


def test_a_name_that_is_a_scope_leads_to_its_last_tensor(build):
    def network():
        x = v1.placeholder(tf.float32, [None, 4], "x")
        for layer in ("dense", "dense_1"):
            with v1.name_scope(layer):
                x = tf.nn.bias_add(tf.matmul(x, tf.constant(values(4, 4), name="kernel")), values(4), name="BiasAdd")

    with pytest.raises(BadParamError, match=r"Nearest names: 'dense_1/BiasAdd:0', 'dense/BiasAdd:0'"):
        build(network)(outputs=["dense_1"])
    with pytest.raises(BadParamError, match=r"'dense_2' is not in the graph. Nearest names: 'dense_1/BiasAdd:0'"):
        build(network)(outputs=["dense_2"])


@pytest.mark.parametrize(
    ("inputs", "outputs", "error", "message"),
    [
        (["a"], ["act"], ParamMissingError, r"need the input\(s\) 'b:0', which --input_nodes does not list"),
        (["a", "b"], ["atc"], BadParamError, r"'atc' is not in the graph. Nearest names: 'act'.*outputs: 'act:0'"),
        (["a", "bb"], ["act"], BadParamError, r"'bb' is not in the graph.*The graph's own inputs: 'a:0', 'b:0'"),
        (["a", "b"], ["act:1"], BadParamError, r"the node has no output 1. Its outputs: 'act:0'"),
        (["a", "a:0"], ["act"], BadParamError, r"given twice"),
    ],
)
def test_wrong_ends_are_refused(build, inputs, outputs, error, message):
    with pytest.raises(error, match=message):
        build(two_inputs)(inputs, outputs)


@pytest.mark.parametrize("fed", [False, True])
def test_a_placeholder_with_a_default_need_not_be_fed(build, fed):
    def network():
        x = v1.placeholder(tf.float32, [None, 4], "x")
        tf.multiply(x, v1.placeholder_with_default(2.0, [], "scale"), "y")

    source = build(network)(["x", "scale"] if fed else ["x"], ["y"])
    assert [end.name for end in source.inputs] == (["x:0", "scale:0"] if fed else ["x:0"])
    check(source)


def test_control_edges_and_devices_do_not_matter(build):
    def network():
        x = v1.placeholder(tf.float32, [None, 4], "x")
        unused = v1.placeholder(tf.float32, [], "unused")
        with tf.device("/device:GPU:0"), tf.control_dependencies([v1.assert_positive(unused)]):
            y = tf.nn.relu(x)
        with v1.colocate_with(unused.op):
            tf.identity(y, "y")

    source = build(network)(["x"], ["y"])
    assert operators(source) == {"Relu": 1}


# Shapes


@pytest.mark.parametrize(
    ("declared", "given", "shape", "example"),
    [
        ([None, 4], (), ("N", 4), (1, 4)),
        ([None, 4], ("5,4",), ("N", 4), (5, 4)),
        ([None, 4], ("B,4",), ("B", 4), (1, 4)),
        ([2, 4], ("B,4",), ("B", 4), (2, 4)),
        ([2, 4], ("-",), (2, 4), (2, 4)),
        ([None, None], ("3,4",), ("N", "d1"), (3, 4)),
        (None, ("3,4",), ("N", "d1"), (3, 4)),
        (None, ("-",), (), ()),
    ],
)
def test_shapes(build, declared, given, shape, example):
    def network():
        tf.nn.relu(v1.placeholder(tf.float32, declared, "x"), "y")

    source = build(network)(shapes=given)
    assert (source.inputs[0].shape, source.inputs[0].example) == (shape, example)
    assert source.outputs[0].shape == shape
    check(source, 2 if declared == [2, 4] else 3)  # TensorFlow itself stays with what the graph fixes


def test_a_shape_that_nobody_knows_must_be_given(build):
    def network():
        tf.nn.relu(v1.placeholder(tf.float32, None, "x"), "y")

    with pytest.raises(ParamMissingError, match=r"does not say the shape of 'x:0'. Give it with --shape"):
        build(network)()


@pytest.mark.parametrize(("given", "message"), [("3,5", "contradicts"), ("3,4,1", "3 dimension"), ("?,4", "letter")])
def test_wrong_shapes_are_refused(build, given, message):
    def network():
        tf.nn.relu(v1.placeholder(tf.float32, [None, 4], "x"), "y")

    with pytest.raises(BadParamError, match=message):
        build(network)(shapes=[given])


def test_a_dimension_is_fixed_only_where_the_translation_needs_it(build):
    """ExtractImagePatches with SAME padding needs the extents of the image; the batch stays free."""

    def network():
        tf.image.extract_patches(image(size=None), [1, 3, 3, 1], [1, 2, 2, 1], [1, 1, 1, 1], "SAME")

    source = build(network)(shapes=["1,9,9,3"])
    assert source.inputs[0].shape == ("N", 9, 9, 3)
    check(source, 2)


def test_a_letter_stays_where_the_translation_needs_the_extent_that_the_graph_fixes(build):
    """It frees the extent in the graph that was translated, or is an error there."""

    def network():
        tf.image.extract_patches(image(size=9), [1, 3, 3, 1], [1, 2, 2, 1], [1, 1, 1, 1], "SAME")

    source = build(network)(shapes=["N,H,9,3"])
    (end,) = source.inputs
    assert (end.shape, end.example, end.freed) == (("N", "H", 9, 3), (1, 9, 9, 3), {"H"})
    dims = source.model.graph.input[0].type.tensor_type.shape.dim
    assert [dim.dim_param or dim.dim_value for dim in dims] == ["N", "H", 9, 3]


def test_products_of_one_row_are_added_for_any_batch(build):
    """TensorFlow's optimizer adds the two products of a recurrent cell of batch 1 so."""

    def network():
        x, state = v1.placeholder(tf.float32, [1, 4], "x"), v1.placeholder(tf.float32, [1, 3], "state")
        product = tf.squeeze(tf.matmul(state, values(3, 5)), [0])
        tf.nn.bias_add(tf.matmul(x, values(4, 5)), product, name="y")

    source = build(network)(["x", "state"], ["y"], shapes=["N,4", "N,3"])
    assert operators(source) == {"MatMul": 2, "Add": 1}
    check(source, 1)


def test_padding_is_a_number_where_it_does_not_depend_on_the_extents(build):
    def network():
        tf.nn.conv2d(image(size=None), tf.constant(values(3, 3, 3, 2)), 1, "SAME", dilations=2)

    source = build(network)()
    (conv,) = (node for node in source.model.graph.node if node.op_type == "Conv")
    assert [list(attribute.ints) for attribute in conv.attribute if attribute.name == "pads"] == [[2, 2, 2, 2]]
    check(source, 7)


# Batch norms and weights


def norm(x, axis: int = -1, *, scale: bool = True, center: bool = True):
    """Inference-time batch normalisation as TensorFlow writes it."""
    size = x.shape[axis]
    shape = [1] * len(x.shape)
    shape[axis] = size
    gamma, beta, mean, variance = (
        tf.reshape(tf.identity(tf.constant(values(size) + offset, name=name)), shape)
        for name, offset in (("gamma", 2), ("beta", 0), ("mean", 0), ("variance", 2))
    )
    return tf.nn.batch_normalization(x, mean, variance, beta if center else None, gamma if scale else None, 1e-3)


@pytest.mark.parametrize(("scale", "center"), [(True, True), (True, False), (False, True), (False, False)])
def test_a_batch_norm_comes_back(build, scale, center):
    def network():
        x = tf.nn.conv2d(image(), tf.constant(values(3, 3, 3, 5)), 1, "SAME", name="conv")
        with tf.name_scope("norm"):
            tf.nn.relu(norm(x, scale=scale, center=center), "y")

    source = build(network)()
    assert operators(source) == {"Transpose": 2, "Conv": 1, "BatchNormalization": 1, "Relu": 1}
    node = next(node for node in source.model.graph.node if node.op_type == "BatchNormalization")
    assert list(node.input)[3:] == ["norm/mean", "norm/variance"]
    assert [name for name in node.input[1:3] if name in ("norm/gamma", "norm/beta")] == [
        name for name, used in (("norm/gamma", scale), ("norm/beta", center)) if used
    ]
    check(source)


@pytest.mark.parametrize(
    ("shape", "axis"), [((6,), -1), ((5, 6), -1), ((4, 4, 4, 6), -1), ((6, 4, 4), 1)], ids=["2-D", "3-D", "5-D", "NCHW"]
)
def test_a_batch_norm_of_any_rank_comes_back(build, shape, axis):
    def network():
        tf.nn.relu(norm(v1.placeholder(tf.float32, [None, *shape], "x"), axis), "y")

    source = build(network)()
    assert operators(source)["BatchNormalization"] == 1
    check(source)


def test_a_fused_batch_norm_stays_beside_its_convolution(build):
    def network():
        x = tf.nn.conv2d(image(), tf.constant(values(3, 3, 3, 5)), 1, "SAME")
        vectors = [tf.constant(values(5) + offset) for offset in (2, 0, 0, 2)]
        v1.nn.fused_batch_norm(x, *vectors, is_training=False)

    source = build(network)()
    assert operators(source)["BatchNormalization"] == 1
    check(source)


def test_what_only_looks_like_a_batch_norm_stays(build):
    def network():
        x, gamma, mean = image(), values(3), values(3)
        inverse = tf.math.rsqrt(tf.constant(values(3) + 2) + 1e-3)
        tf.add(x * (inverse * gamma), mean - mean * inverse, "y")  # two different factors

    source = build(network)()
    assert operators(source)["BatchNormalization"] == 0
    check(source)


def test_weights_lead_back_to_the_constants_of_the_graph(build):
    def network():
        x = image(4)
        x = tf.nn.conv2d(x, tf.constant(values(3, 3, 4, 6), name="kernel"), 1, "SAME")
        x = tf.nn.bias_add(x, tf.constant(np.zeros(6, np.float32), name="bias"))
        x = tf.nn.depthwise_conv2d(x, tf.constant(values(3, 3, 6, 2), name="depthwise"), [1, 1, 1, 1], "SAME")
        x = tf.nn.bias_add(x, tf.constant(np.zeros(12, np.float32), name="depthwise_bias"))
        x = tf.nn.conv2d_transpose(x, tf.constant(values(2, 2, 3, 12), name="up"), [1, 16, 16, 3], 2, name="up_conv")
        tf.multiply(x, tf.constant(values(3), name="scale"), "y")

    source = build(network)(shapes=["-"])
    graph = v1.GraphDef.FromString(source.original.file.read_bytes())
    constants = {node.name: tf.make_ndarray(node.attr["value"].tensor) for node in graph.node if node.op == "Const"}
    tensors = {tensor.name: tensor for tensor in source.model.graph.initializer}
    for name in ("kernel", "bias", "depthwise", "depthwise_bias", "up", "scale"):
        notes = {entry.key: entry.value for entry in tensors[name].metadata_props}
        steps = json.loads(notes[SOURCE])["transform"] if SOURCE in notes else []
        np.testing.assert_array_equal(apply(steps, constants[name]), onnx.numpy_helper.to_array(tensors[name]))
    assert not any(node.op_type == "Mul" and "scale" not in node.input for node in source.model.graph.node)


def test_equal_weights_stay_two(build):
    def network():
        x = v1.placeholder(tf.float32, [None, 4], "x")
        for layer in "ab":
            x = x + tf.constant(np.zeros(4, np.float32), name=f"bias_{layer}")
            x = tf.nn.relu(x)

    names = {tensor.name for tensor in build(network)().model.graph.initializer}
    assert names == {"bias_a", "bias_b"}


# Operators


def test_an_operator_that_onnx_lacks_keeps_its_node(build):
    source = build(audio)()
    node = next(node for node in source.model.graph.node if node.domain)
    assert (node.domain, node.op_type, node.name) == ("tensorflow", "Betainc", "feature")
    assert "tensorflow" in {opset.domain for opset in source.model.opset_import}
    onnx.checker.check_model(source.model)


def test_a_node_that_tf2onnx_fails_on_keeps_its_operator(build):
    def network():
        x, order = v1.placeholder(tf.float32, [None, 4], "x"), v1.placeholder(tf.int32, [2], "order")
        tf.nn.relu(tf.transpose(tf.exp(x), order, name="turn"), "y")

    source = build(network)(["x", "order"], ["y"])
    assert operators(source) == {"Exp": 1, "tensorflow::Transpose": 1, "Relu": 1}
    assert source.inputs[0].shape == ("N", 4)


def soft_suppression():
    boxes, scores = v1.placeholder(tf.float32, [9, 4], "boxes"), v1.placeholder(tf.float32, [9], "scores")
    suppress = tf.raw_ops.NonMaxSuppressionV5
    kept = suppress(
        boxes=boxes, scores=scores, max_output_size=3, iou_threshold=0.3, score_threshold=0.1, soft_nms_sigma=0.5
    )
    tf.identity(kept.selected_indices, "y")


def test_what_tf2onnx_takes_for_something_else_keeps_its_operator(build):
    assert operators(build(soft_suppression)(outputs=["y"]))["tensorflow::NonMaxSuppressionV5"] == 1


@pytest.mark.parametrize(
    "size",
    [
        lambda h, w: (2 * h, 2 * w),
        lambda h, w: (2 * (h - 1) + 3, (w - 1) * 2 + 3),
        lambda h, w: (h + h, w * 2),
        lambda h, w: (3 * h, 2 * w),
    ],
    ids=["same", "valid", "sums", "another stride"],
)
def test_a_transposed_convolution_of_images_of_any_size(build, size):
    def network():
        x, weight = image(size=None), values(3, 3, 5, 3)
        shape = tf.shape(x)
        height, width = size(shape[1], shape[2])
        padding = "VALID" if size(9, 9) == (19, 19) else "SAME"
        y = tf.nn.conv2d_transpose(x, weight, tf.stack([shape[0], height, width, 5]), [height_stride(size), 2], padding)
        tf.nn.relu(tf.nn.bias_add(y, values(5)), "y")

    def height_stride(size):
        return size(10, 0)[0] - size(9, 0)[0]

    source = build(network)()
    assert operators(source) == {"Transpose": 2, "ConvTranspose": 1, "Relu": 1}
    check(source, 3, 8)


@pytest.mark.parametrize(
    "compute",
    [
        lambda x: tf.math.erfc(x),
        lambda x: tf.math.expm1(x),
        lambda x: tf.math.log1p(x + 2.0),
        lambda x: tf.math.xdivy(tf.nn.relu(x), x),
        lambda x: tf.math.xlogy(tf.nn.relu(x), tf.exp(x)),
        lambda x: tf.math.multiply_no_nan(x, tf.nn.relu(x)),
        lambda x: tf.where(x > 0, x, x * 2.0),
        lambda x: v1.where(x[:, 0] > 0, x, x * 2.0),
        lambda x: tf.gather(values(9, 3), tf.where(tf.cast(x, tf.int32) < 0, tf.cast(x, tf.int32) + 9, 2)),
        lambda x: tf.einsum("ij,kj->ik", x, x),
        lambda x: tf.reduce_mean(tf.reshape(x, [-1, 2, 2]), 1),
        lambda x: tf.cast(x * 9, tf.int32) // 4 * 10 + tf.math.floormod(tf.cast(x * 9, tf.int32), 4),
        lambda x: v1.Print(x, [x]) + 1.0,
        lambda x: tf.scatter_nd([[1], [0], [1]], tf.transpose(x)[:3], tf.stack([3, tf.shape(x)[0]])),
        lambda x: tf.raw_ops.Bucketize(input=x, boundaries=[-0.5, 0.0, 0.5]),
        lambda x: tf.quantization.fake_quant_with_min_max_args(x, -0.3, 0.8, num_bits=4),
        lambda x: tf.quantization.fake_quant_with_min_max_vars(x, -0.8, 0.7, narrow_range=True),
        lambda x: tf.quantization.fake_quant_with_min_max_vars_per_channel(x, [-0.5] * 4, [0.1, 0.2, 0.5, 1.0]),
        lambda x: x // 0.3 + tf.math.floormod(x, 0.3),
        lambda x: tf.raw_ops.ResizeArea(images=tf.reshape(x, [-1, 2, 2, 1]), size=[1, 2]),
        lambda x: tf.raw_ops.ResizeBicubic(images=tf.reshape(x, [-1, 4, 1, 1]), size=[7, 1], align_corners=True),
    ],
)
def test_operators(build, compute):
    def network():
        tf.identity(compute(v1.placeholder(tf.float32, [None, 4], "x")), "y")

    source = build(network)()
    assert not any(node.domain for node in source.model.graph.node)
    check(source)


def test_an_embedding_reads_its_indices(build):
    def network():
        x, table = v1.placeholder(tf.int32, [None, 4], "x"), tf.constant(values(9, 3), name="table")
        tf.gather(table, tf.where(x < 0, x + tf.shape(table)[0], x), name="y")

    source = build(network)()
    assert operators(source) == {"Gather": 1}
    check(source)


def test_a_compiled_call_is_expanded(build):
    @tf.function(jit_compile=True)
    def compiled(x):
        return tf.nn.relu(x) * 2.0

    def network():
        tf.identity(compiled(v1.placeholder(tf.float32, [None, 4], "x")), "y")

    assert operators(build(network)(["x"], ["y"])) == {"Relu": 1, "Mul": 1}


# Control flow


@pytest.fixture(params=["TensorFlow 1", "TensorFlow 2"])
def control_flow(request):
    enabled = v1.control_flow_v2_enabled()
    (v1.disable_control_flow_v2 if request.param.endswith("1") else v1.enable_control_flow_v2)()
    yield
    (v1.enable_control_flow_v2 if enabled else v1.disable_control_flow_v2)()


def while_loop(x):
    return v1.while_loop(lambda i, _: i < 5, lambda i, y: (i + 1, y * 1.5 + tf.cast(i, tf.float32)), [0, x])[1]


def nested_loops(x):
    def inner(i, y):
        return i + 1, v1.while_loop(lambda j, _: j < i, lambda j, z: (j + 1, z + 1.0), [0, y])[1] * 0.5

    return v1.while_loop(lambda i, _: i < 4, inner, [0, x])[1]


def growing_state(x):
    shapes = [tf.TensorShape([]), tf.TensorShape([None, 4])]
    return v1.while_loop(lambda i, _: i < 3, lambda i, y: (i + 1, tf.concat([y, y], 0)), [0, x], shapes)[1]


def reading_outside(x):
    step = lambda i, y: (i + 1, tf.tanh(y) * x)  # noqa: E731
    return v1.while_loop(lambda i, _: i < 3, step, [0, x])[1]


def reading_a_number_that_is_no_limit(x):
    step = lambda i, y: (i + 1, y * 0.5 + tf.cast(tf.shape(x)[1], tf.float32))  # noqa: E731
    return v1.while_loop(lambda i, _: i < 6, step, [0, x])[1]


def counting_from_below_zero(x):
    limit = tf.shape(x)[1]
    return v1.while_loop(lambda i, _: i < limit, lambda i, y: (i + 1, y + 1.0), [-3, x])[1]


def writing_loop(x):
    array = tf.TensorArray(tf.float32, size=5)
    write = v1.while_loop(lambda i, _: i < 5, lambda i, a: (i + 1, a.write(i, x * tf.cast(i, tf.float32))), [0, array])
    return write[1].stack()


def written_backwards(x):
    array = tf.TensorArray(tf.float32, size=5)
    write = v1.while_loop(lambda i, _: i > -1, lambda i, a: (i - 1, a.write(i, x * tf.cast(i, tf.float32))), [4, array])
    return write[1].stack()


def written_with_gaps(x):
    array = tf.TensorArray(tf.float32, size=6, element_shape=[None, 4])
    start = tf.cast(tf.shape(x)[1], tf.int32) - 3  # a start that no constant tells
    step = lambda i, a: (i + 2, a.write(i, x + tf.cast(i, tf.float32)))  # noqa: E731
    return v1.while_loop(lambda i, _: i < 6, step, [start, array])[1].stack()[1::2]


def scanned(x):
    return tf.scan(lambda a, item: a * 0.5 + item, x[:5])


def count(x):
    turns, _ = v1.while_loop(lambda i, y: i < 9, lambda i, y: (i + 2, y * 1.5), [0, x])
    return tf.cast(turns, tf.float32) + x


def condition(x):
    return v1.cond(tf.reduce_sum(x) > 0, lambda: x * 2.0, lambda: x - 1.0)


def condition_in_a_condition(x):
    """A result of the outer one that the inner one has no part in comes first."""

    def inner():
        return v1.cond(tf.reduce_max(x) > 1, lambda: x * 2.0, lambda: x / 2.0)

    count, y = v1.cond(tf.reduce_sum(x) > 0, lambda: (tf.shape(x)[0], inner()), lambda: (7, x - 1.0))
    return y + tf.cast(count, tf.float32)


@pytest.mark.usefixtures("control_flow")
@pytest.mark.parametrize(
    "compute",
    [
        while_loop,
        nested_loops,
        growing_state,
        reading_outside,
        reading_a_number_that_is_no_limit,
        counting_from_below_zero,
        writing_loop,
        count,
        condition,
        condition_in_a_condition,
    ],
)
def test_control_flow(build, compute):
    def network():
        tf.identity(compute(v1.placeholder(tf.float32, [None, 4], "x")), "y")

    source = build(network)()
    assert [end.name for end in source.outputs] == ["y:0"]
    assert operators(source).keys() & {"Loop", "If"}
    check(source)


@pytest.mark.parametrize("number", range(-1, 4))
def test_branches_that_a_number_chooses(build, number):
    """The last one is taken of any other number; a branch may be a constant, and have several results."""

    def network():
        x, k = v1.placeholder(tf.float32, [None, 4], "x"), v1.placeholder(tf.int32, [], "k")
        weight = tf.constant(values(4, 4))
        branches = [
            lambda: (tf.nn.relu(x), x[0] * 2.0),
            lambda: (tf.matmul(x, weight) + 1.0, x[0]),
            lambda: (tf.zeros_like(x), tf.constant([1.0, 2.0, 3.0, 4.0])),
            lambda: (x - 1.0, tf.constant([4.0, 3.0, 2.0, 1.0])),
        ]
        one, other = tf.switch_case(k, branches)
        tf.add(one, other, "y")

    source = build(network)()
    assert operators(source)["If"] == 3
    feeds = {"x:0": values(3, 4), "k:0": np.array(number, np.int32)}
    session = onnxruntime.InferenceSession(source.model.SerializeToString())
    (y,) = session.run(None, {end.value: feeds[end.name] for end in source.inputs})
    np.testing.assert_allclose(y, start(source.original)(feeds)[0], 1e-5, 1e-5)


@pytest.mark.usefixtures("control_flow")
@pytest.mark.parametrize("trains", [False, True])
def test_branches_behind_a_loop_whose_condition_is_a_constant(build, trains):
    def network():
        x = while_loop(v1.placeholder(tf.float32, [None, 4], "x"))
        phase = tf.constant(trains, name="learning_phase")
        x = v1.cond(phase, lambda: x * 2.0, lambda: x - 1.0)
        tf.identity(v1.cond(phase, lambda: x + 0.5, lambda: v1.cond(phase, lambda: x, lambda: x * x)), "y")

    source = build(network)()
    assert "If" not in operators(source)
    check(source)


def scanned_backwards(x):
    start = (x[0], tf.constant(0))
    sums, steps = tf.scan(lambda a, item: (a[0] * 0.5 + item, a[1] + 1), x[:5], start, reverse=True)
    return sums + tf.cast(steps, tf.float32)[:, None]


def gathered(x):
    array = tf.TensorArray(tf.float32, size=5, element_shape=[None, 4], clear_after_read=False)
    write = v1.while_loop(lambda i, _: i < 5, lambda i, a: (i + 1, a.write(i, x * tf.cast(i, tf.float32))), [0, array])
    return tf.concat([write[1].gather([3, 1])[0], write[1].concat()], 0)


def table_of_rows(x):
    """A loop in a loop, each row made of the one before."""

    def row(i, before, array):
        step = lambda j, best, y: (j + 1, tf.maximum(best, before[j]), y + tf.maximum(best, before[j]))  # noqa: E731
        after = v1.while_loop(lambda j, *_: j < 4, step, [0, x[0, i], before])[2]
        return i + 1, after, array.write(i, after)

    array = tf.TensorArray(tf.float32, size=4, element_shape=[4])
    return v1.while_loop(lambda i, *_: i < 4, row, [0, tf.ones([4]), array])[2].stack()


@pytest.mark.usefixtures("control_flow")
@pytest.mark.parametrize(
    "compute", [written_backwards, written_with_gaps, scanned, scanned_backwards, gathered, table_of_rows]
)
def test_lists_of_loops(build, compute):
    def network():
        tf.identity(compute(v1.placeholder(tf.float32, [None, 4], "x")), "y")

    check(build(network)())


@pytest.mark.usefixtures("control_flow")
def test_loops_of_one_name_in_two_graphs(build):
    for factor in (1.5, 2.5):  # TensorFlow keeps functions by their names

        def network(factor=factor):
            def outer(i, y):
                return i + 1, v1.while_loop(lambda j, _: j < i, lambda j, z: (j + 1, z * factor), [0, y])[1]

            x = v1.placeholder(tf.float32, [None, 4], "x")
            tf.identity(v1.while_loop(lambda i, _: i < 4, outer, [0, x])[1], "y")

        check(build(network)())


# Files


def text_graph(path):
    path.write_text('node {\n  name: "x"\n  op: "Placeholder"\n}\n')


def saved_model(path):
    from tensorflow.core.protobuf.saved_model_pb2 import SavedModel

    saved = SavedModel(saved_model_schema_version=1)
    saved.meta_graphs.add().graph_def.node.add(name="x", op="Placeholder")
    path.write_bytes(saved.SerializeToString())


def truncated(path):
    data = (MODELS / "mnist_tf.pb").read_bytes()
    path.write_bytes(data[: len(data) // 2])


def without_a_node(path):
    graph = v1.GraphDef.FromString((MODELS / "mnist_tf.pb").read_bytes())
    del graph.node[1]
    path.write_bytes(graph.SerializeToString())


def with_a_variable(path):
    with tf.Graph().as_default() as graph:
        x = v1.placeholder(tf.float32, [None, 4], "x")
        tf.matmul(x, v1.get_variable("w", [4, 2], use_resource=False), name="y")
    inference = v1.graph_util.extract_sub_graph(graph.as_graph_def(), ["y"])
    path.write_bytes(inference.SerializeToString())


@pytest.mark.parametrize(
    ("write", "message"),
    [
        (lambda path: None, "cannot be read: No such file"),
        (lambda path: path.write_bytes(b""), "is empty"),
        (lambda path: path.write_bytes(b"version https://git-lfs.github.com/spec/v1\n"), "git lfs pull"),
        (lambda path: path.write_bytes(b"no graph at all" * 9), "is not a frozen TensorFlow graph"),
        (text_graph, "in text form.*as_text=False"),
        (saved_model, "is a SavedModel.*convert_variables_to_constants_v2"),
        (truncated, "truncated or damaged"),
        (with_a_variable, "not frozen: 'w' is a variable"),
    ],
    ids=["missing", "empty", "lfs", "other", "text", "SavedModel", "truncated", "variable"],
)
def test_bad_files(tmp_path, write, message):
    path = tmp_path / "net.pb"
    write(path)
    with pytest.raises(ModelLoadingError, match=message):
        load(Request(path))


def test_a_graph_that_lacks_a_node(tmp_path):
    without_a_node(tmp_path / "net.pb")
    with pytest.raises(NodeInputMissingError, match="which is not in the file"):
        load(Request(tmp_path / "net.pb"))


@pytest.mark.parametrize("missing", ["tensorflow", "tf2onnx"])
def test_a_missing_package_is_named_with_the_line_that_installs_it(monkeypatch, missing):
    monkeypatch.setitem(sys.modules, missing, None)
    with pytest.raises(TfRuntimeError, match=r'pip install "onnx2mindspore\[tensorflow\]"'):
        load(Request(MODELS / "mnist_tf.pb"))


def test_inputs_that_tensorflow_refuses_are_an_error_of_ours(build):
    source = build(two_inputs)()
    with pytest.raises(SourceRunError, match="TensorFlow refuses these inputs"):
        start(source.original)({"a:0": values(2, 4), "b:0": values(3, 4)})


# Manners


def test_the_same_graph_gives_the_same_model(build):
    def network():
        x = v1.placeholder(tf.float32, [None, 6], "x")
        tf.concat([tf.gather(x, [0, 2], axis=1), tf.math.top_k(x, 3)[0], tf.einsum("ij,kj->ik", x, x)], 1, "y")

    loaded = build(network)
    first, second = (loaded().model.SerializeToString(deterministic=True) for _ in range(2))
    assert first == second


def test_nothing_is_left_behind(build):
    from tf2onnx import utils
    from tf2onnx.optimizer import back_to_back_optimizer

    def state():
        return (
            dict(os.environ),
            dict(back_to_back_optimizer._func_map),
            utils.INTERNAL_NAME,
            logging.getLogger("tensorflow").level,
            v1.get_default_graph(),
        )

    before = state()
    with tf.Graph().as_default():
        build(two_inputs)()
    assert state() == before


def test_loading_is_quiet_and_late(tmp_path):
    script = (
        "import sys\n"
        "from pathlib import Path\n"
        "from converter.frontends.tensorflow import frozen_graph\n"
        "from converter.frontends.source import Request\n"
        "assert 'tensorflow' not in sys.modules\n"
        "source = frozen_graph.load(Request(Path(sys.argv[1])))\n"
        "frozen_graph.start(source.original)({})\n"
    )
    with tf.Graph().as_default() as graph:
        tf.nn.relu(v1.placeholder_with_default(tf.ones([2, 2]), [2, 2], "x"), "y")
        tf.identity(v1.placeholder(tf.float32, [2], "z"), "w")
    path = tmp_path / "net.pb"
    path.write_bytes(graph.as_graph_def().SerializeToString())
    environment = {key: value for key, value in os.environ.items() if not key.startswith("TF_")}
    result = subprocess.run(
        [sys.executable, "-c", script.replace("{}", "{'z:0': [1, 2]}"), str(path)],
        capture_output=True,
        text=True,
        check=False,
        env=environment,
    )
    assert (result.returncode, result.stdout, result.stderr) == (0, "", "")


# Real models


@pytest.mark.parametrize("path", sorted(MODELS.glob("*.pb")), ids=lambda path: path.stem)
def test_a_real_model_equals_tensorflow(path):
    task = json.loads(path.with_suffix(".pb.json").read_text())
    shapes = [",".join(map(str, shape)) or "-" for shape in task["shapes"]]
    source = load(Request(path, tuple(task["inputs"]), tuple(task["outputs"]), tuple(shapes)))
    fixed = task.get("values", {})
    feeds = {
        end.name: np.full(shape, fixed[end.name], end.dtype) if end.name in fixed else values(*shape)
        for end, shape in zip(source.inputs, task["shapes"], strict=True)
    }
    session = onnxruntime.InferenceSession(source.model.SerializeToString())
    outputs = session.run(None, {end.value: feeds[end.name] for end in source.inputs})
    for one, other in zip(outputs, start(source.original)(feeds), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-4 * np.abs(other).max())


def test_triton_comes_before_tensorflow(tmp_path):
    """MindSpore imports it; behind TensorFlow, its library kills the process."""
    (tmp_path / "triton.py").write_text("import sys\nassert 'tensorflow' not in sys.modules\n")
    program = """
from converter.frontends.tensorflow.runtime import quiet_tensorflow
with quiet_tensorflow():
    import triton
"""
    path = os.pathsep.join([str(tmp_path), *sys.path])
    subprocess.run([sys.executable, "-c", program], env={**os.environ, "PYTHONPATH": path}, check=True)
