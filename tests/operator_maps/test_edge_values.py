"""Values at the edge, through every row of a kind: NaN, infinity, rows masked entirely, no elements, large integers.

The nodes of a kind stand in one graph, so that it is compiled once. What is right is what the source computes.
"""

from __future__ import annotations

import numpy as np
import pytest
from graph.fusions.recognition import model_of
from graph.normalize.harness import parse
from harness import check_model
from onnx_backend import MindSporeBackend

RNG = np.random.default_rng(0)
NAN, INF = np.nan, np.inf
SPECIAL = np.array([NAN, INF, -INF, 0, -0.0, 1.5, -2.5, 3, 0.5, -0.5, 88, -100, 65504], np.float32)

UNARY = {
    "relu": "Relu (x)",
    "clip": "Clip (x, low, high)",
    "clip_below": "Clip (x, low)",
    "clip_above": "Clip (x, , six)",
    "relu6": "Clip (x, zero, six)",
    "sigmoid": "HardSigmoid <alpha = 0.16666667, beta = 0.5> (x)",
    "steep": "HardSigmoid <alpha = 0.3, beta = 0.4> (x)",
    "swish": "HardSwish (x)",
    "mish": "Mish (x)",
    "softplus": "Softplus (x)",
    "sign": "Sign (x)",
    "root": "Pow (x, half)",
    "log": "Log (x)",
    "least": "Min (x, zero)",
    "most": "Max (zero, x)",
    "between": "Max (x, low, half)",
}
NUMBERS = "<float low = {-1.0}, float high = {1.0}, float zero = {0.0}, float six = {6.0}, float half = {0.5}>"


def test_not_a_number_and_infinity_in_functions_of_one_element() -> None:
    outputs = ", ".join(f"float[n] {name}" for name in UNARY)
    body = " ".join(f"{name} = {node}" for name, node in UNARY.items())
    check_model(parse(f"g (float[n] x) => ({outputs}) {NUMBERS} {{ {body} }}", 22), [SPECIAL])


@pytest.mark.parametrize("dtype", ["float", "float16"])
def test_bounds_that_only_the_run_knows(dtype: str) -> None:
    text = f"g ({dtype}[n] x, {dtype} a, {dtype} b) => ({dtype}[n] y, {dtype}[n] z)"
    model = parse(f"{text} {{ y = Clip (x, a, b) z = Clip (x, , b) }}", 22)
    special = SPECIAL.astype(np.float16 if dtype == "float16" else np.float32)
    for low, high in ((-1, 2), (3, 1)):
        check_model(model, [special, np.array(low, special.dtype), np.array(high, special.dtype)])


PAIRS = {
    "most": "Max (a, b)",
    "least": "Min (a, b)",
    "of_three": "Max (a, b, c)",
    "of_a_vector": "Min (a, k)",
    "of_a_row": "Max (a, r)",
    "of_integers": "Max (i, j)",
}


@pytest.mark.parametrize("count", [4, 0])
def test_not_a_number_in_one_of_several(count: int) -> None:
    """Of no elements, MindSpore broadcasts no maximum."""
    a, b, c = (RNG.choice(np.array([NAN, INF, -INF, 1, -1], np.float32), (count, 4)) for _ in range(3))
    outputs = ", ".join(f"{'int64' if name == 'of_integers' else 'float'}[n,4] {name}" for name in PAIRS)
    body = " ".join(f"{name} = {node}" for name, node in PAIRS.items())
    text = f"""g (float[n,4] a, float[n,4] b, float[n,4] c, float[1,4] r, int64[n,4] i, int64[1,4] j) => ({outputs})
        <float[4] k = {{0.5, -0.5, 1, 2}}> {{ {body} }}"""
    integers = np.arange(4 * count).reshape(count, 4)
    check_model(parse(text, 22), [a, b, c, np.array([[1, NAN, 3, 4]], np.float32), integers, np.array([[3, 2, 5, 1]])])


def test_nothing_beside_another_free_extent() -> None:
    model = parse("g (int64[n,4] a, int64[m,4] b) => (int64[k,4] y) { y = Min (a, b) }", 22)
    check_model(model, [np.zeros((0, 4), np.int64), np.zeros((1, 4), np.int64)])


MASKS = {
    "one": "s = Add (qk, pm) y = Softmax (s)",
    "selected": "b = Equal (pm, zero) s = Where (b, qk, hidden) y = Softmax (s)",
    "two, guarded": "a = Add (qk, pm) s = Add (a, cm) p = Softmax (s) n = IsNaN (p) y = Where (n, zero, p)",
    "another axis": "s = Add (qk, pm) y = Softmax <axis = 1> (s)",
    "logarithms": "s = Add (qk, pm) y = LogSoftmax (s)",
    "sums": "s = Add (qk, pm) m = Constant <value_ints = [-1]> () y = ReduceLogSumExp (s, m)",
}


@pytest.mark.parametrize("body", MASKS.values(), ids=MASKS)
def test_a_row_that_is_masked_entirely_spoils_no_other(body: str) -> None:
    mask = np.array([[0, 0, 0, 0], [-INF, -INF, -INF, -INF], [-INF, 0, 0, -INF], [0, -INF, -INF, -INF]], np.float32)
    constants = {"zero": np.float32(0), "hidden": np.float32(-INF), "cm": np.triu(np.full((4, 4), -INF, np.float32), 1)}
    text = "(float[n,2,4,4] q, float[n,2,4,4] k, float[4,4] pm) => (float[n,2,4,r] y)"
    model = model_of(f"{text} {{ qk = MatMul (q, k) {body} }}", **constants)
    check_model(model, [*RNG.normal(size=(2, 3, 2, 4, 4)).astype(np.float32), mask])


NOTHING = {
    "sum": "ReduceSum (x, a)",
    "sum_of_integers": "ReduceSum (i, a)",
    "product": "ReduceProd (x, a)",
    "most": "ReduceMax (x, a)",
    "least": "ReduceMin (x, a)",
    "most_of_integers": "ReduceMax (i, a)",
    "mean": "ReduceMean (x, a)",
    "l1": "ReduceL1 (x, a)",
    "l2": "ReduceL2 <keepdims = 0> (x, a)",
    "log_sum": "ReduceLogSum (x, a)",
    "log_sum_exp": "ReduceLogSumExp (x, a)",
    "squares": "ReduceSumSquare (x, a)",
    "all_of_it": "ReduceSum <keepdims = 0> (x)",
    "log_sum_exp_of_all": "ReduceLogSumExp (x)",
    "most_of_sums": "ReduceMax (doubled, a)",
    "product_of_sums": "ReduceProd (doubled, a)",
    "first_from_behind": "ArgMax <axis = 1, select_last_index = 1> (x)",
    "running_integers": "CumSum (i, c)",
    "first": "ArgMax <axis = 1> (x)",
    "last": "ArgMin <axis = 1, keepdims = 0> (x)",
    "running": "CumSum (x, c)",
    "hardmax": "Hardmax (x)",
    "found": "NonZero (x)",
    "places_above": "NonZero (above)",
    "places_of_sums": "NonZero (doubled)",
    "taken": "Compress <axis = 0> (x, b)",
    "middle": "Slice (x, one, three, one)",
    "every_second": "Slice (x, one, far, one, two)",
    "mirrored": "Slice (x, far, before, one, back)",
    "part, rest": "Split <axis = 1> (x, sizes)",
    "best, order": "TopK <axis = 1> (x, two)",
    "smallest, places": "TopK <axis = 1, largest = 0> (x, two)",
    "different": "Unique (i)",
    "hot": "OneHot (j, five, values)",
    "gram": "MatMul (t, x)",
    "gram_by_einsum": 'Einsum <equation = "nk,nl->kl"> (x, x)',
    "gram_by_gemm": "Gemm <transA = 1> (x, x)",
}


@pytest.mark.parametrize("count", [0, 3])
def test_no_elements(count: int) -> None:
    integers = {
        "sum_of_integers",
        "most_of_integers",
        "first",
        "last",
        "first_from_behind",
        "running_integers",
        "found",
        "places_above",
        "places_of_sums",
        "order",
        "places",
        "different",
    }
    names = [name for group in NOTHING for name in group.split(", ")]
    outputs = ", ".join(f"{'int64' if name in integers else 'float'}[{name}_n] {name}" for name in names)
    body = " ".join(f"{names} = {node}" for names, node in NOTHING.items())
    text = f"""g (float[n,4] x, int64[n,4] i, int64[n] j, bool[n] b) => ({outputs})
        <int64[1] a = {{0}}, int64 c = {{0}}, int64[2] sizes = {{1, 3}}, int64[1] two = {{2}}, int64 five = {{5}},
         int64[1] one = {{1}}, int64[1] three = {{3}}, int64[1] far = {{9}},
         int64[1] before = {{-9}}, int64[1] back = {{-1}},
         float[2] values = {{0.0, 1.0}}, float half = {{0.5}}> {{
        t = Transpose <perm = [1, 0]> (x) above = Greater (x, half) doubled = Add (x, x)
        {body}
    }}"""
    x, numbers = RNG.normal(size=(count, 4)).astype(np.float32), np.arange(4 * count).reshape(count, 4)
    rep = check_model(parse(text, 18), [x, numbers, np.arange(count), np.arange(count) % 2 == 0])
    assert "ops.flip" not in rep.script.partition("class ")[2]  # only inside a helper: it may end the process


@pytest.mark.parametrize("count", [0, 3])
@pytest.mark.parametrize(
    "body", ["LayerNormalization (x, g, b)", "LayerNormalization (x, g)", "LayerNormalization (x, s, b)"]
)
def test_a_norm_of_no_rows(body: str, count: int) -> None:
    constants = {"g": np.float32([1, 2, 3, 4]), "b": np.float32([0, 1, 0, 1])}
    model = model_of(f"(float[n,4] x, float[4] s) => (float[n,4] y) {{ y = {body} }}", **constants)
    check_model(model, [RNG.normal(size=(count, 4)).astype(np.float32), np.float32([2, 1, 2, 1])], dynamic=True)


BOXES = """(float[1,k,4] b, float[1,1,k] s, float[1,2,8,8] x, float[r,4] rois, int64[r] of, float[q,1,4,4] images) =>
    (int64[m,3] y, float[m,4] kept, float[r,5] z, float[q,1,2,2] p) {
    y = NonMaxSuppression (b, s, most, iou, low) place = Gather <axis = 1> (y, two) at = Squeeze (place, one)
    boxes = Squeeze (b, zero) kept = Gather (boxes, at)
    f = RoiAlign <output_height = 2, output_width = 2, sampling_ratio = 2> (x, rois, of)
    g = Flatten (f) h = Gemm (g, w) z = Softmax (h)
    p = MaxPool <kernel_shape = [2, 2], strides = [2, 2]> (images)
}"""
LIMITS = {
    "most": np.array([5]), "iou": np.float32([0.5]), "low": np.float32([0.1]), "two": np.array([2]),
    "one": np.array([1]), "zero": np.array([0]), "w": RNG.normal(size=(8, 5)).astype(np.float32),
}  # fmt: skip


@pytest.mark.parametrize("count", [0, 5])
def test_no_boxes(count: int) -> None:
    corners = np.sort(RNG.uniform(0, 8, (1, count, 2, 2)), 2).reshape(1, count, 4).astype(np.float32)
    scores = RNG.uniform(0.2, 1, (1, 1, count)).astype(np.float32)
    x, images = (RNG.normal(size=shape).astype(np.float32) for shape in ((1, 2, 8, 8), (count, 1, 4, 4)))
    check_model(model_of(BOXES, **LIMITS), [corners, scores, x, corners[0], np.zeros(count, np.int64), images])


IMAGES = {
    "mean": "AveragePool <kernel_shape = [2, 2], pads = [1, 1, 0, 1]> (x)",
    "counted": "AveragePool <kernel_shape = [3, 3], pads = [1, 1, 1, 1], count_include_pad = 1> (x)",
    "most": "MaxPool <kernel_shape = [2], strides = [2]> (v)",
    "sloped": "PRelu (v, s)",
    "framed": "Pad (v, amounts)",
    "norms": "LpPool <kernel_shape = [3, 3], pads = [1, 1, 1, 1]> (x)",
    "neighbours": "LRN <size = 3> (x)",
    "backwards": "ReverseSequence <batch_axis = 0, time_axis = 1> (v, lengths)",
}


@pytest.mark.parametrize("count", [0, 3])
def test_no_images(count: int) -> None:
    outputs = ", ".join(f"float[{name}_n] {name}" for name in IMAGES)
    body = " ".join(f"{name} = {node}" for name, node in IMAGES.items())
    text = f"""g (float[n,2,4,4] x, float[n,2,6] v, int64[n] lengths) => ({outputs})
        <float[2,1] s = {{0.5, 0.1}}, int64[6] amounts = {{0, 1, 0, 0, 0, 2}}> {{ {body} }}"""
    images = [RNG.normal(size=(count, 2, *rest)).astype(np.float32) for rest in ((4, 4), (6,))]
    check_model(parse(text, 18), [*images, np.full(count, 2)])


LARGE = np.array([2**60 + 7, -(2**60) - 7, 2**53 + 1, -(2**53) - 1, 12345, 0], np.int64)
INTEGERS = {
    "quotient": "Div (x, d)",
    "rest": "Mod (x, d)",
    "hash": "Mod (mixed, m)",
    "total": "ReduceSum <keepdims = 0> (x)",
}


def test_integers_that_no_float_holds() -> None:
    outputs = ", ".join(f"int64[{name}_n] {name}" for name in INTEGERS)
    body = " ".join(f"{name} = {node}" for name, node in INTEGERS.items())
    text = f"""g (int64[n] x, int64[n] d) => ({outputs})
        <int64 k = {{2654435761}}, int64 s = {{2654435769}}, int64 m = {{4096}}> {{
        product = Mul (x, k) mixed = BitwiseXor (product, s) {body}
    }}"""
    check_model(parse(text, 18), [LARGE, np.array([1000003, 1000003, 3, -7, 10, 2**61], np.int64)])


@pytest.mark.parametrize("divisor", [1, 50, 2**40, 2**40 + 1, -7])
def test_large_integers_divided_by_a_number(divisor: int) -> None:
    text = f"""g (int64[n] x) => (int64[n] y, int64[n] z) <int64 d = {{{divisor}}}, bool no = {{0}}> {{
        y = Mod (x, d) q = Div (x, d) p = Mul (q, d) below = Less (x, p) step = Cast <to = 7> (below) z = Sub (q, step)
    }}"""
    check_model(parse(text, 18), [np.append(LARGE, [-(2**63) + 1, 2**63 - 1])])


TABLES = {
    "looked_up": "g = Gather (table, x) p = Mul (g, k) y = Mod (p, m)",
    "widened": "c = Cast <to = 6> (x) w = Cast <to = 7> (c) p = Mul (w, k) y = Mod (p, m)",
    "running": "p = CumSum (x, zero) y = Div (p, m)",
}


@pytest.mark.parametrize("body", TABLES.values(), ids=TABLES)
def test_large_integers_that_are_no_inputs(body: str) -> None:
    text = f"""g (int64[n] x) => (int64[n] y) <int64[3] table = {{4611686018427400249, -9007199254740995, 7}},
        int64 k = {{2654435761}}, int64 m = {{1000003}}, int64 zero = {{0}}> {{ {body} }}"""
    x = np.array([2, 0, 1] if "Gather" in body else [2**30 + 1, 25, 2**31 - 1])
    check_model(parse(text, 18), [x if "CumSum" not in body else x * 2**27])


def test_unsigned_integers_of_64_bits() -> None:
    x, d = np.array([2**64 - 1, 2**64 - 2, 2**63 + 5, 17, 0], np.uint64), np.array([3, 7, 2**62 + 1, 5, 9], np.uint64)
    text = "g (uint64[n] x, uint64[n] d) => (uint64[n] y, uint64[n] z) { y = Div (x, d) z = Mod (x, d) }"
    check_model(parse(text, 18), [x, d])


def test_integers_that_onnxruntime_computes_in_floats() -> None:
    d = np.array([1000003, 1000003, 3, -7, 10, 2**61], np.int64)
    text = """g (int64[n] x, int64[n] d) => (int64[n] y, int64[2,1] z) <int64[1] one = {1}, int64[2] t = {2, -1}> {
        y = Mod <fmod = 1> (x, d) rows = Reshape (x, t) z = ReduceSum (rows, one)
    }"""
    check_model(parse(text, 18), [LARGE, d], expect=[np.fmod(LARGE, d), LARGE.reshape(2, 3).sum(1, keepdims=True)])


@pytest.mark.parametrize("dtype", ["int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64"])
def test_integers_of_every_width(dtype: str) -> None:
    x = np.array([3, 0, 5, 1, 7, 2]) if dtype[0] == "u" else np.array([3, 0, -2, -5, 100, -100])
    text = f"g ({dtype}[n] x) => ({dtype}[n] y, {dtype}[n] z) {{ y = Abs (x) z = Sign (x) }}"
    check_model(parse(text, 18), [x.astype(dtype)])


@pytest.mark.parametrize("dtype", ["int32", "int64", "uint32", "uint64"])
def test_products_of_integers(dtype: str) -> None:
    a, b = RNG.integers(0, 1000, (2, 3, 4)).astype(dtype), RNG.integers(0, 1000, (4, 5)).astype(dtype)
    text = f"g ({dtype}[n,3,4] a, {dtype}[4,5] b) => ({dtype}[n,3,5] y) {{ y = MatMul (a, b) }}"
    check_model(parse(text, 18), [a, b])


BEHIND_A_LAYER = {
    "Relu (c)": "ops.relu(",
    "Clip (c, zero, six)": "ops.relu6(",
    "Clip (c, low, high)": "ops.clamp(",
    "HardSwish (c)": "ops.hardswish(",
    "Mish (c)": "ops.mish(",
    "Softmax <axis = 1> (c)": "ops.softmax(",
    "LogSoftmax <axis = 1> (c)": "ops.log_softmax(",
    "GlobalAveragePool (c)": "ops.mean(",
    "ReduceMax (c)": "ops.amax(",
    "MaxPool <kernel_shape = [2, 2]> (c)": "nn.MaxPool2d(",
    "ArgMax <axis = 1> (c)": "ops.argmax(",
}


@pytest.mark.parametrize(("node", "text"), BEHIND_A_LAYER.items(), ids=BEHIND_A_LAYER)
def test_the_plain_call_stays_behind_a_layer(node: str, text: str) -> None:
    """There MindSpore's call is right but for its CPU kernel, and a NaN is one of the whole network."""
    body = f"g (float[n,3,h,w] x, float[4,3,3,3] k) => (float[r] y) {NUMBERS} {{ c = Conv (x, k) y = {node} }}"
    script = MindSporeBackend.prepare(parse(body, 18)).script
    assert text in script
    assert "isnan" not in script
    assert "def " not in script.replace("def __init__", "").replace("def construct", "")


def test_a_mask_of_finite_numbers_needs_no_guard() -> None:
    text = """g (float[n,2,4,4] q, float[n,2,4,4] k, int64[n,1,1,4] m) => (float[n,2,4,4] y)
        <float one = {1}, float low = {-10000}> { f = Cast <to = 1> (m) g = Sub (one, f) h = Mul (g, low)
        qk = MatMul (q, k) s = Add (qk, h) y = Softmax (s) }"""
    assert "ops.softmax(" in MindSporeBackend.prepare(parse(text, 18)).script
