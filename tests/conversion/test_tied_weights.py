"""A weight that several layers of the source share is one parameter: of one member called again, or named as tied."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from harness import check_model
from onnx.numpy_helper import from_array

RANDOM = np.random.default_rng(0)
X = RANDOM.normal(size=(3, 8)).astype(np.float32)
IDS = np.array([[1, 5, 2]], np.int64)
WEIGHTS = {"w": (8, 8), "b": (8,), "c": (8,)}

TWICE = "t = Transpose <perm = [1, 0]> (w)  u = Transpose <perm = [1, 0]> (w)"
AGAIN = f"{TWICE}  p = MatMul (x, t)  q = Add (p, b)  r = Tanh (q)  s = MatMul (r, u)  y = Add (s, b)"
OTHER_BIAS = f"{TWICE}  p = MatMul (x, t)  q = Add (p, b)  r = Tanh (q)  s = MatMul (r, u)  y = Add (s, c)"
AS_GEMM = "p = Gemm <transB = 1> (x, w, b)  r = Tanh (p)  y = Gemm <transB = 1> (r, w, c)"
VIEWED_OTHERWISE = "t = Transpose <perm = [1, 0]> (w)  p = MatMul (x, t)  r = Tanh (p)  y = MatMul (r, w)"
TWICE_THEN_OTHERWISE = """
    k = Reshape (w, shape)  t = Transpose <perm = [1, 0, 2]> (k)  u = Transpose <perm = [1, 0, 2]> (k)
    a = Gather (u, all)  v = Transpose <perm = [1, 2, 0]> (a)  g = Gather (t, places)
    h = Transpose <perm = [1, 2, 0]> (g)
    d = Sub (h, v)  m = Squeeze (d, zero)  y = MatMul (x, m)
"""
"""One of two equal views is viewed again: SAM's relative positions."""
NUMBERS = {
    "shape": np.array([1, 8, 8]),
    "places": np.array([1, 2, 3, 4, 5, 6, 7, 7]),
    "all": np.arange(8),
    "zero": np.array([0]),
    "one": np.array([1]),
}


def model(nodes: str) -> onnx.ModelProto:
    made = onnx.parser.parse_model(
        f'<ir_version: 8, opset_import: ["" : 17]> g (float[n,8] x) => (float[n,8] y) {{ {nodes} }}'
    )
    made.graph.initializer.extend(
        from_array(RANDOM.normal(0, 0.3, WEIGHTS[name]).astype(np.float32), name)
        for name in "wbc"
        if any(name in node.input for node in made.graph.node)
    )
    made.graph.initializer.extend(from_array(array, name) for name, array in NUMBERS.items() if f", {name})" in nodes)
    return made


@pytest.mark.parametrize(
    ("nodes", "layers", "tied"),
    [
        (TWICE_THEN_OTHERWISE, 0, False),
        (AGAIN, 1, False),
        (OTHER_BIAS, 1, True),
        (AS_GEMM, 1, True),
        (VIEWED_OTHERWISE, 0, False),
    ],
    ids=["equal views, one viewed again", "called again", "another bias", "Gemm", "viewed otherwise"],
)
def test_one_parameter(nodes: str, layers: int, tied: bool) -> None:
    rep = check_model(model(nodes), [X])
    assert [p.size for p in rep.net.get_parameters()].count(64) == 1, rep.script
    assert rep.script.count("nn.Linear(8, 8") == layers, rep.script
    assert ("# tied in the source: its weight is also used below" in rep.script) == tied, rep.script
    assert rep.script.count("nn.Cell") == 1


@pytest.mark.parametrize("name", ["embedding.weight", "lm_head.weight"])
def test_a_table_and_its_head(name: str) -> None:
    made = onnx.parser.parse_model(
        '<ir_version: 8, opset_import: ["" : 17]> g (int64[a,n] i) => (float[a,n,40] y)'
        "{ e = Gather (table, i)  y = MatMul (e, val_3) }"
    )
    table = RANDOM.normal(size=(40, 8)).astype(np.float32)
    made.graph.node[0].input[0] = name  # the newer exporter keeps the last of two names, and transposes the head
    made.graph.initializer.extend([from_array(table, name), from_array(np.ascontiguousarray(table.T), "val_3")])
    rep = check_model(made, [IDS])
    assert [p.shape for p in rep.net.get_parameters()] == [(40, 8)]
    assert "# tied in the source: its embedding_table is also used below" in rep.script


DIRECTLY = {
    "embedding": "t = Transpose <perm = [1, 0]> (w)  d = MatMul (x, t)  i = ArgMax <axis = 1, keepdims = 0> (d)"
    " e = Gather (w, i)  y = Add (e, d)",
    "Linear": "s = Mul (w, w)  n = ReduceSum <keepdims = 0> (s, one)  p = Gemm <transB = 1> (x, w, b)  y = Add (p, n)",
    "embedding after Linear": "p = Gemm <transB = 1> (x, w, b)  i = ArgMax <axis = 1, keepdims = 0> (p)"
    " e = Gather (w, i)  y = Add (e, p)",
}


@pytest.mark.parametrize("nodes", DIRECTLY.values(), ids=DIRECTLY)
def test_a_layer_and_its_weight_read_directly(nodes: str) -> None:
    rep = check_model(model(nodes), [X])
    assert [p.size for p in rep.net.get_parameters()].count(64) == 1, rep.script
    assert "also used below" in rep.script


IMAGE = RANDOM.normal(size=(2, 3, 7, 7)).astype(np.float32)
KERNEL = RANDOM.normal(size=(6, 3, 3, 3)).astype(np.float32)
CONVOLVED = {
    "other dilation": "a = Conv <pads = [1, 1, 1, 1]> (x, k, b)"
    " c = Conv <pads = [2, 2, 2, 2], dilations = [2, 2]> (x, k, b)  y = Add (a, c)",
    "transposed": "a = Conv <pads = [1, 1, 1, 1]> (x, k, b)  y = ConvTranspose <pads = [1, 1, 1, 1]> (a, k)",
    "transposed first": "k1 = Slice (x, zero, three, one)  a = Concat <axis = 1> (x, k1)"
    " c = ConvTranspose <pads = [1, 1, 1, 1]> (a, k)  y = Conv <pads = [1, 1, 1, 1]> (c, k)",
}


@pytest.mark.parametrize("nodes", CONVOLVED.values(), ids=CONVOLVED)
def test_convolutions_of_one_kernel(nodes: str) -> None:
    made = onnx.parser.parse_model(
        f'<ir_version: 8, opset_import: ["" : 17]> g (float[n,3,7,7] x) => (float[n,o,7,7] y) {{ {nodes} }}'
    )
    values = {"k": KERNEL, "b": np.ones(6, np.float32)} | {
        name: np.array([number]) for name, number in (("zero", 0), ("one", 1), ("three", 3))
    }
    used = {name for node in made.graph.node for name in node.input}
    made.graph.initializer.extend(from_array(array, name) for name, array in values.items() if name in used)
    rep = check_model(made, [IMAGE])
    assert [p.size for p in rep.net.get_parameters()].count(KERNEL.size) == 1, rep.script
    assert [p.size for p in rep.net.get_parameters()].count(6) == int("b" in used), rep.script
