"""If, Loop and Scan against onnxruntime, in both modes."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from graph.normalize.harness import parse
from harness import check_model
from onnx_backend import MindSporeBackend, Unconverted

X = np.arange(6, dtype=np.float32).reshape(2, 3) / 10


def translated(text: str, *feeds: np.ndarray) -> str:
    """Check a model in onnx's text form; returns the network's class."""
    model = onnx.parser.parse_model(f'<ir_version: 10, opset_import: ["" : 21]> g {text}')
    script = check_model(model, [np.asarray(feed) for feed in feeds]).script
    return script[script.index("class MindSporeModel") :]


IF = """(bool c, float[N,3] x) => (float[A,B] y) {
    y = If (c) <then_branch = t () => (float[A,B] a) { a = Relu(x) },
                else_branch = e () => (float[P,Q] b) { s = Exp(x)  b = Concat<axis=0>(s, x) }>
}"""


@pytest.mark.usefixtures("behind_layers")
@pytest.mark.parametrize("condition", [True, False])
def test_branches_of_different_shapes(condition):
    script = translated(IF, np.array(condition), X)
    assert "if c:\n            y = ops.relu(x)\n        else:\n            y = ops.cat(" in script


def test_branch_on_an_extent():
    text = """(float[N,3] x) => (float[A,B] y) {
        one = Constant<value = int64 {1}>()   s = Shape<start=0, end=1>(x)   k = Squeeze(s)   c = Equal(k, one)
        y = If (c) <then_branch = t () => (float[A,B] a) { a = Relu(x) },
                    else_branch = e () => (float[P,Q] b) { b = Exp(x) }>
    }"""
    assert "if x.shape[0] == 1:" in translated(text, X)


def test_known_condition_leaves_one_branch():
    text = """(float[2,3] x) => (float[2,3] y) {
        two = Constant<value = int64 {2}>()   s = Shape<start=0, end=1>(x)   k = Squeeze(s)   c = Equal(k, two)
        y = If (c) <then_branch = t () => (float[2,3] a) { a = Relu(x) },
                    else_branch = e () => (float[2,3] b) { b = Exp(x) }>
    }"""
    script = translated(text, X)
    assert "if " not in script
    assert "ops.exp" not in script


def test_nested_branches_see_outer_values():
    text = """(bool c, bool d, float[2,3] x) => (float[2,3] y) {
        z = Tanh(x)
        y = If (c) <then_branch = t () => (float[2,3] a) {
                a = If (d) <then_branch = u () => (float[2,3] p) { p = Add(z, x) },
                            else_branch = v () => (float[2,3] q) { q = Sub(z, x) }> },
                    else_branch = e () => (float[2,3] b) { b = Identity(z) }>
    }"""
    for condition in (True, False):
        translated(text, np.array(True), np.array(condition), X)


COUNTED = """(float[2,3] x) => (float[2,3] y, float[K,2,3] s) {
    n = Constant<value = int64 {COUNT}>()   c = Constant<value = bool {1}>()
    y, s = Loop (n, c, x) <body = b (int64 i, bool k, float[2,3] h) => (bool k2, float[2,3] h2, float[2,3] o) {
        k2 = Identity(k)   f = Cast<to=1>(i)   h2 = Add(h, f)   o = Relu(h2)
    }>
}"""


@pytest.mark.parametrize(
    ("count", "text"), [(3, "for i in range(3):"), (60, "for i in range(ms.mutable(60)):"), (0, "range(ms.mutable(0))")]
)
def test_fixed_trip_count(count, text):
    assert text in translated(COUNTED.replace("COUNT", str(count)), X)


def test_count_alone() -> None:
    """Neither a condition nor a value that is carried: all inputs behind the first are absent."""
    text = """(float[2,3] x) => (float[K,2,3] s) {
        n = Constant<value = int64 {3}>()
        s = Loop (n, "") <body = b (int64 i, bool k) => (bool k2, float[2,3] o) {
            k2 = Identity(k)   f = Cast<to=1>(i)   o = Add(x, f)
        }>
    }"""
    assert "for i in range(3):" in translated(text, X)


@pytest.mark.parametrize("count", [3, 0])
def test_computed_trip_count(count):
    text = COUNTED.replace("(float[2,3] x)", "(int64 n, float[2,3] x)").replace(
        "n = Constant<value = int64 {COUNT}>()", ""
    )
    assert "for i in range(int(n)):" in translated(text, np.array(count), X)


WHILE = """(LIMIT float[2,3] x, float limit) => (float[2,3] y STACK) {
    t = ReduceSum<keepdims=0>(x)   c = Less(t, limit)
    y STACKED = Loop (COUNT, c, x) <body = b (int64 i, bool k, float[2,3] h) => (bool k2, float[2,3] h2 ITEM) {
        one = Constant<value = float {1.0}>()   h2 = Add(h, one)
        t2 = ReduceSum<keepdims=0>(h2)   k2 = Less(t2, limit)   LAST
    }>
}"""


def loop_text(limit: bool, stack: bool) -> str:
    words = {
        "LIMIT": "int64 n," if limit else "",
        "COUNT": "n" if limit else "",
        "STACKED": ", s" if stack else "",
        "STACK": ", float[K,2,3] s" if stack else "",
        "ITEM": ", float[2,3] o" if stack else "",
        "LAST": "o = Identity(h2)" if stack else "",
    }
    text = WHILE
    for word, content in words.items():
        text = text.replace(word, content)
    return text


@pytest.mark.parametrize("limit", [20.0, -1.0])
def test_condition_alone(limit):
    assert "while condition:" in translated(loop_text(False, True), X, np.float32(limit))


@pytest.mark.parametrize("limit", [20.0, 1e6, -1.0])
def test_condition_and_count(limit):
    script = translated(loop_text(True, True), np.array(4), X, np.float32(limit))
    assert "if not condition:\n                break" in script


@pytest.mark.parametrize("count", ["n", ""])
def test_slices_by_the_counter(count):
    """Without a limit there is no `range`, which graph mode makes a list of: 7 GB for 20 million numbers."""
    text = """(int64 n, float limit, float[5,3] w, float[2,3] x) => (float[2,3] y) {
        t = ReduceSum<keepdims=0>(x)   c = Less(t, limit)
        y = Loop (COUNT, c, x) <body = b (int64 i, bool k, float[2,3] h) => (bool k2, float[2,3] h2) {
            axis = Constant<value = int64[1] {0}>()   two = Constant<value = int64[1] {2}>()
            first = Unsqueeze(i, axis)   last = Add(first, two)   part = Slice(w, first, last, axis)
            h2 = Add(h, part)   t2 = ReduceSum<keepdims=0>(h2)   k2 = Less(t2, limit)
        }>
    }"""
    w = np.arange(15, dtype=np.float32).reshape(5, 3)
    script = translated(text.replace("COUNT", count), np.array(3), np.float32(1e6 if count else 15), w, X)
    assert ("range" in script) == bool(count)


def test_shape_that_rounds_change():
    text = """(int64 n, float[2,3] x) => (float[M,3] y) {
        c = Constant<value = bool {1}>()
        y = Loop (n, c, x) <body = b (int64 i, bool k, float[P,3] h) => (bool k2, float[Q,3] h2) {
            k2 = Identity(k)   h2 = Concat<axis=0>(h, x)
        }>
    }"""
    assert "x[:ms.mutable(2)]" in translated(text, np.array(3), X).replace(": ms", ":ms")


def test_states_that_change_places():
    text = """(float[2,3] x, float[2,3] z) => (float[2,3] y, float[2,3] w) {
        n = Constant<value = int64 {3}>()   c = Constant<value = bool {1}>()
        y, w = Loop (n, c, x, z) <body = b (int64 i, bool k, float[2,3] p, float[2,3] q)
                => (bool k2, float[2,3] p2, float[2,3] q2) { k2 = Identity(k)   p2 = Identity(q)   q2 = Add(p, q) }>
    }"""
    assert "total = x + z\n            x, z = z, total" in translated(text, X, X + 1)


@pytest.mark.parametrize(
    ("branch", "reason"),
    [("e () => ()", "another number of values"), ("e (float[P,Q] z) => (float[P,Q] b)", "inputs of")],
)
def test_invalid_branches_are_declined(branch: str, reason: str):
    text = IF.replace("e () => (float[P,Q] b)", branch)
    with pytest.raises(Unconverted, match=reason):
        MindSporeBackend.prepare(onnx.parser.parse_model(f'<ir_version: 10, opset_import: ["" : 21]> g {text}'))


SCAN = """(float[2,3] h, float[4,2,3] x) => (float[2,3] y, float[A,B,C] s) {
    y, s = Scan <num_scan_inputs = 1 OPTIONS, body = b (float[2,3] p, float[2,3] v) => (float[2,3] p2, float[2,3] o) {
        p2 = Add(p, v)   o = Tanh(p2)
    }> (h, x)
}"""


@pytest.mark.parametrize(
    "options", ["", ", scan_input_directions = [1]", ", scan_output_directions = [1]", ", scan_output_axes = [1]"]
)
def test_scan(options):
    x = np.random.default_rng(0).standard_normal((4, 2, 3)).astype(np.float32)
    assert "for i in range(4):" in translated(SCAN.replace("OPTIONS", options), X, x)


def test_scan_along_a_free_axis():
    text = SCAN.replace("OPTIONS", ", scan_input_axes = [1]").replace("float[4,2,3] x", "float[2,T,3] x")
    x = np.random.default_rng(0).standard_normal((2, 4, 3)).astype(np.float32)
    assert "range(ms.mutable(x.shape[1]))" in translated(text, X, x)


def test_items_whose_extent_broadcasting_hides():
    """An item of a loop is a choice between tensors of N rows, by a condition of another name's M."""
    script = translated(
        """(float[N,3] x, float[M,1] w, int64 n) => (float[N,3] y, float[K,P,3] z) {
            c = Constant<value = bool {1}>()
            y, z = Loop (n, c, x) <body = b (int64 i, bool k, float[N,3] h) => (bool k2, float[N,3] h2, float[Q,3] o) {
                k2 = Identity(k)  r = Tanh(h)  f = Greater(w, r)  h2 = Where(f, r, h)  o = Identity(h2)
            }>
        }""",
        X,
        np.array([[0.1], [-0.1]], np.float32),
        np.array(3),
    )
    assert "z = ops.cat((z, x.unsqueeze(0)))" in script


@pytest.mark.parametrize("count", [0, 2**40])
def test_a_scan_of_inputs_that_it_does_not_have(count: int) -> None:
    """Neither the memory of so many axes is taken nor does anything raise."""
    body = "body = b (float[3] a) => (float[3] b) { b = Relu (a) }"
    model = parse(f"g (float[2,3] x) => (float[2,3] y) {{ y = Scan <num_scan_inputs = {count}, {body}> (x) }}", 22)
    with pytest.raises(Unconverted, match="It has no inputs to scan"):
        check_model(model, [np.ones((2, 3), np.float32)], expect=[])


GROWN = """(float[N,2,3] x, float[2,3] h) => (float[A,B,C] y, float[P] z) {
    first = Constant <value = int64 {0}> () keep = Constant <value = bool {1}> ()
    extent = Shape <start = 0, end = 1> (x) n = Squeeze (extent)
    last, s = Loop (n, keep, h) <body = b (int64 i, bool k, float[2,3] h0) => (bool k2, float[2,3] h1, float[2,3] o) {
        k2 = Identity (k) part = Gather (x, i) h1 = Add (h0, part) o = Relu (h1)
    }>
    y = Transpose <perm = [1, 0, 2]> (s)
    size = Shape <start = 1, end = 2> (y) two = Constant <value = int64[1] {2}> () twice = Mul (size, two)
    z = ConstantOfShape (twice)
}"""


def test_the_extent_that_a_loop_made_is_known_behind_it() -> None:
    """Graph mode takes the extent of a tensor that grows for 0."""
    model = onnx.parser.parse_model(f'<ir_version: 10, opset_import: ["" : 21]> g {GROWN}')
    x = np.arange(30, dtype=np.float32).reshape(5, 2, 3)
    assert ".reshape((x.shape[0], 2, 3))" in check_model(model, [x, X], dynamic=True).script


BEHIND = """s_size = Shape <start = 0, end = 1> (s) two = Constant <value = int64[1] {2}> ()
    twice = Mul (s_size, two) z = ConstantOfShape (twice)
}"""


@pytest.mark.parametrize("limited", [False, True])
def test_the_extent_that_a_loop_made_is_known_behind_it_where_it_may_end_early(limited: bool) -> None:
    text = loop_text(limited, True).rstrip().removesuffix("}") + BEHIND
    text = text.replace("float[K,2,3] s)", "float[K,2,3] s, float[P] z)", 1)
    count = [np.array(4)] if limited else []
    for limit in (3, 30):
        assert "as_long_as_it_grew(" in translated(text, *count, X, np.float32(limit))


@pytest.mark.parametrize("count", [3, 0])
def test_the_extent_that_a_loop_made_is_known_behind_it_where_the_count_is_fed(count: int) -> None:
    text = COUNTED.replace("(float[2,3] x)", "(int64 n, float[2,3] x)").replace(
        "n = Constant<value = int64 {COUNT}>()", ""
    )
    text = text.rstrip().removesuffix("}") + BEHIND
    assert "as_long_as_it_grew(" in translated(text.replace("] s)", "] s, float[P] z)", 1), np.array(count), X)
