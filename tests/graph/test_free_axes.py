"""An axis that a file fixes is freed, or the node in its way is named. Onnx's own evaluator runs the freed graph."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import onnx_ir as ir
import pytest
from onnx.parser import parse_model
from onnx.reference import ReferenceEvaluator

from converter.errors import FixedAxisError
from converter.graph import FreedAxis, free_axes, freed_axes
from converter.graph.normalize import normalize
from converter.verification.by_sample import run_by_sample, sampled_axes


def model_of(text: str, opset: int = 17) -> onnx.ModelProto:
    return parse_model(f'<ir_version: 8, opset_import: ["" : {opset}]> net {text}')


def freed(model: onnx.ModelProto, axes: dict[str, int]) -> tuple[onnx.ModelProto, FreedAxis]:
    """The normalised model with these axes of its inputs free, as the dimension N."""
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    extents = set()
    for value in copy.graph.input:
        if value.name in axes:
            dim = value.type.tensor_type.shape.dim[axes[value.name]]
            extents.add(dim.dim_value)
            dim.dim_param = "N"
    for value in copy.graph.output:
        value.type.tensor_type.ClearField("shape")
    (extent,) = extents
    graph = normalize(copy, Path())
    free_axes(graph, {"N": extent}, {"N": extent})
    (axis,) = freed_axes(graph)
    for output, place in zip(graph.graph.outputs, axis.outputs, strict=True):
        assert place is None or not isinstance(output.shape[place[0]], int)
    return ir.to_proto(graph), axis


FREE = {
    "a Reshape to the batch": """(float[1,4,2,2] x) => (float[1,16] y) {
        s = Constant<value_ints = [1, 16]>()  y = Reshape(x, s) }""",
    "-1 beside a fixed batch": """(float[1,6,4] x) => (float[1,6,2,2] y) {
        s = Constant<value_ints = [1, -1, 2, 2]>()  y = Reshape(x, s) }""",
    "a batch of several": """(float[3,2,4] x) => (float[3,8] y) {
        s = Constant<value_ints = [3, 8]>()  y = Reshape(x, s) }""",
    "batch and heads in one axis": """(float[2,4,6] x) => (float[2,4,6] y) {
        a = Constant<value_ints = [2, 4, 3, 2]>()  b = Constant<value_ints = [6, 4, 2]>()
        c = Constant<value_ints = [2, 3, 4, 2]>()  d = Constant<value_ints = [2, 4, 6]>()
        h = Reshape(x, a)  t = Transpose<perm = [0, 2, 1, 3]>(h)  q = Reshape(t, b)
        k = Transpose<perm = [0, 2, 1]>(q)  w = MatMul(q, k)  p = Softmax<axis = -1>(w)  v = MatMul(p, q)
        u = Reshape(v, c)  o = Transpose<perm = [0, 2, 1, 3]>(u)  y = Reshape(o, d) }""",
    "a class token": """(float[1,3,2] x) => (float[1,4,2] y) <float[1,1,2] token = {1, 2}> {
        y = Concat<axis = 1>(token, x) }""",
    "a class token that is expanded": """(float[2,3,2] x) => (float[2,4,2] y) <float[1,1,2] token = {1, 2}> {
        s = Constant<value_ints = [2, 1, 2]>()  t = Expand(token, s)  y = Concat<axis = 1>(t, x) }""",
    "a constant with equal samples": """(float[2,3] x) => (float[2,3] y) <float[2,3] c = {1, 2, 3, 1, 2, 3}> {
        y = Add(x, c) }""",
    "a constant for batch and heads": """(float[1,2,3] x) => (float[2,3] y) <float[2,3] c = {1, 2, 3, 4, 5, 6}> {
        s = Constant<value_ints = [2, 3]>()  r = Reshape(x, s)  y = Mul(r, c) }""",
    "a slice of the whole batch": """(float[1,4] x) => (float[1,2] y) {
        b = Constant<value_ints = [0, 1]>()  e = Constant<value_ints = [1, 3]>()  y = Slice(x, b, e) }""",
    "sizes of a Resize": """(float[1,1,2,2] x) => (float[1,1,4,6] y) {
        none = Constant<value_floats = [0.0]>()  z = Constant<value_ints = [0]>()  o = Constant<value_ints = [0]>()
        e = Slice(none, z, o)  s = Constant<value_ints = [1, 1, 4, 6]>()
        y = Resize<mode = "nearest">(x, e, e, s) }""",
    "an Expand to the batch": """(float[2,1,3] x) => (float[2,4,3] y) {
        s = Constant<value_ints = [2, 4, 3]>()  y = Expand(x, s) }""",
    "indices with the batch": """(int64[1,3] x) => (float[1,3,2] y) <float[4,2] t = {0, 1, 2, 3, 4, 5, 6, 7}> {
        y = Gather(t, x) }""",
    "indices of elements": """(float[1,4] x) => (float[1,2] y) <int64[1,2] i = {3, 1}> {
        y = GatherElements<axis = 1>(x, i) }""",
    "shape arithmetic": """(float[1,4,2] x) => (float[1,8] y) {
        s = Shape(x)  z = Constant<value_ints = [0]>()  n = Gather(s, z)  m = Constant<value_ints = [-1]>()
        t = Concat<axis = 0>(n, m)  y = Reshape(x, t) }""",
    "initial states of zeros": """(float[3,1,2] x) => (float[3,1,1,1] y)
        <float[1,4,2] w = {1, 2, 3, 4, 5, 6, 7, 8}, float[1,4,1] r = {1, 2, 3, 4}, float[1,1,1] h = {0}> {
        none = Identity(x)  y = LSTM<hidden_size = 1>(none, w, r, , , h, h) }""",
    "other initial states": """(float[3,2,2] x) => (float[3,1,2,1] y)
        <float[1,4,2] w = {1, 2, 3, 4, 5, 6, 7, 8}, float[1,4,1] r = {1, 2, 3, 4}, float[1,2,1] h = {0.5, 0.5}> {
        y = LSTM<hidden_size = 1>(x, w, r, , , h, h) }""",
    "strides": """(float[1,6] x) => (float[1,3,2] y, float[1,2,2] z)
        <int64[1,3,2] all = {0, 1, 2, 3, 4, 5}, int64[1,2,2] some = {0, 2, 1, 3}> {
        s = Constant<value_ints = [-1]>()  f = Reshape(x, s)  y = Gather(f, all)  z = Gather(f, some) }""",
    "the state of a Loop": """(float[1,2] x) => (float[1,2] y) <float[1,2] h = {0, 0}> {
        m = Constant<value_int = 3>()  c = Constant<value_int = 1>()  on = Cast<to = 9>(c)
        y = Loop<body = step(int64 i, bool go, float[1,2] s) => (bool further, float[1,2] t) {
            further = Identity(go)  k = Constant<value_ints = [1, 2]>()  a = Add(s, x)  t = Reshape(a, k)
        }>(m, on, h) }""",
    "the state of a Scan": """(float[1,4,2] x) => (float[1,2] y, float[4,1,2] z) <float[1,2] h = {0, 0}> {
        t = Transpose<perm = [1, 0, 2]>(x)
        y, z = Scan<num_scan_inputs = 1, body = step(float[1,2] s, float[1,2] e) => (float[1,2] a, float[1,2] u) {
            a = Add(s, e)  u = Neg(a) }>(h, t) }""",
    "branches": """(float[1,2] x, float[2] one) => (float[2,1] y) <float zero = {0}> {
        m = ReduceMax<keepdims = 0>(one)  c = Greater(m, zero)
        y = If<then_branch = yes() => (float[2,1] p) { p = Transpose(x) },
               else_branch = no() => (float[2,1] q) { n = Neg(x)  q = Transpose(n) }>(c) }""",
    "an output without the batch": """(float[1,4] x) => (float[1,4] y, float[2] z) <float[2] c = {1, 2}> {
        y = Relu(x)  z = Neg(c) }""",
}
"""What fixes the batch → a graph. It is that of axis 0 of `x`, of axis 1 in a recurrent layer."""


@pytest.mark.parametrize("what", FREE)
def test_each_sample_as_the_file_computes_it(what: str) -> None:
    model = model_of(FREE[what])
    axis = 1 if "LSTM" in FREE[what] else 0
    free, place = freed(model, {"x": axis})
    random, feeds = np.random.default_rng(0), {}
    for value in model.graph.input:
        dims = [dim.dim_value for dim in value.type.tensor_type.shape.dim]
        dims = [5 if value.name == "x" and i == axis else dim for i, dim in enumerate(dims)]
        whole = value.type.tensor_type.elem_type == onnx.TensorProto.INT64
        feeds[value.name] = random.integers(0, 4, dims) if whole else random.standard_normal(dims).astype(np.float32)
    names = [value.name for value in model.graph.output]
    source = ReferenceEvaluator(model)
    axes = sampled_axes([place], list(feeds), names)
    wanted = run_by_sample(lambda each: source.run(None, dict(each)), axes, feeds, names)
    for got, want in zip(ReferenceEvaluator(free).run(None, feeds), wanted, strict=True):
        np.testing.assert_allclose(got, want, rtol=1e-5, atol=1e-6)


FIXED = {
    r"Softmax 'y' works along it \(axis 0 of its input\)": """(float[1,4] x) => (float[1,4] y) {
        y = Softmax<axis = 0>(x) }""",
    r"ReduceMean 'y' works along it": "(float[2,4] x) => (float y) { y = ReduceMean<keepdims = 0>(x) }",
    r"Squeeze 'y'": "(float[1,4] x) => (float[4] y) { z = Constant<value_ints = [0]>()  y = Squeeze(x, z) }",
    r"Gather 'y' works along it": "(float[2,4] x) => (float[4] y) { z = Constant<value_int = 0>()  y = Gather(x, z) }",
    r"Concat 'y' works along it": "(float[1,4] x) => (float[2,4] y) { y = Concat<axis = 0>(x, x) }",
    r"Slice 'y' cuts samples out of it": """(float[2,4] x) => (float[1,4] y) {
        b = Constant<value_ints = [0]>()  e = Constant<value_ints = [1]>()  y = Slice(x, b, e) }""",
    r"MatMul 'y' (has the batch on several axes|fits no other extent)": """(float[1,4] x) => (float[1,1] y) {
        t = Transpose(x)  y = MatMul(x, t) }""",
    r"Add 'y' reads 'c', which is another constant for each of the 2 samples": """(float[2,2] x) => (float[2,2] y)
        <float[2,2] c = {1, 2, 3, 4}> { y = Add(x, c) }""",
    r"Conv 'y' works along it \(axis 1 of its input\)": """(float[1,1,3] x) => (float[1,1,3] y)
        <float[1,1,1] w = {2}> { t = Transpose<perm = [1, 0, 2]>(x)  y = Conv(t, w) }""",
    r"DynamicQuantizeLinear '.*' is an operator whose work on a batch is not known": """(float[1,4] x) => (uint8[1,4] y)
        { y, s, z = DynamicQuantizeLinear(x) }""",
    r"Reshape 'y' leaves no axis for it": """(float[1,4] x) => (float[4] y) {
        s = Constant<value_ints = [4]>()  y = Reshape(x, s) }""",
}
"""The end of the message → a graph whose axis 0 cannot be freed."""


@pytest.mark.parametrize("message", FIXED)
def test_what_is_in_the_way_is_named(message: str) -> None:
    with pytest.raises(
        FixedAxisError, match=rf"the axis 'N', which the model fixes at \d, cannot be freed: the ({message})"
    ):
        freed(model_of(FIXED[message]), {"x": 0})


@pytest.mark.parametrize("axis", [2, 3])
def test_an_image_size_is_no_batch(axis: int) -> None:
    model = model_of(
        """(float[1,1,4,4] x) => (float[1,4] y) <float[1,1,3,3] w = {1, 2, 3, 4, 5, 6, 7, 8, 9}, int64[2] s = {1, 4}> {
        c = Conv(x, w)  y = Reshape(c, s) }"""
    )
    with pytest.raises(
        FixedAxisError, match=rf"fixes at 4.*'.*' works along it \(axis {axis} .*Export the model again .* or give 4"
    ):
        freed(model, {"x": axis})


CAPTURED = """m = ReduceMax<keepdims = 0>(x)  c = IsNaN(m)
    y = If (c) <then_branch = a () => (float[1,24] u) { u = Flatten(x) },
                else_branch = b () => (float[1,24] v) { r = Relu(x)  v = Flatten(r) }>"""


@pytest.mark.parametrize(
    ("body", "is_free"),
    [
        ("c = Conv(x, w)  r = Relu(c)  y = DepthToSpace<blocksize = 1>(r)", True),
        ("c = Conv(x, w)  p = GlobalAveragePool(c)  y = Reshape(p, s)", True),
        ("y = Add(x, row)", False),
        (CAPTURED, False),
        ("c = Conv(x, w)  y = Flatten(c)", False),
    ],
)
def test_an_image_size_that_only_the_input_fixes_needs_no_cure(body: str, is_free: bool) -> None:
    constants = "float[1,1,3,3] w = {1, 2, 3, 4, 5, 6, 7, 8, 9}, int64[2] s = {1, 1}, float[1,4] row = {1, 2, 3, 4}"
    model = model_of(f"(float[1,1,6,4] x) => (float y) <{constants}> {{ {body} }}")
    model.graph.input[0].type.tensor_type.shape.dim[3].dim_param = "W"
    graph = normalize(model, Path())
    if is_free:
        free_axes(graph, {"W": 4}, {"W": 4})
        assert not freed_axes(graph)
    else:
        with pytest.raises(FixedAxisError, match="the axis 'W'"):
            free_axes(graph, {"W": 4}, {"W": 4})
