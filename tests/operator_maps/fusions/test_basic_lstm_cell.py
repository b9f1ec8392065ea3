"""One step of an LSTM whose input and hidden state are one tensor, as TensorFlow's BasicLSTMCell has them."""

from __future__ import annotations

import itertools

import numpy as np
import onnx
import pytest
from graph.fusions.recognition import fused, model_of
from harness import check_model

RANDOM = np.random.default_rng(0)
X, H, C = (RANDOM.normal(size=(3, width)).astype(np.float32) for width in (5, 4, 4))
STEP = """(float[n,5] x, float[n,4] h, float[n,4] c) => (float[n,4] y, float[n,4] k) <float one = {{{number}}}> {{
    both = Concat <axis = 1> ({joined}) {product}
    {gates} = Split <axis = 1, num_outputs = 4> (total)
    f1 = Add (f0, one) i = Sigmoid (i0) f = Sigmoid (f1) g = Tanh (g0) o = Sigmoid (o0)
    p = Mul (c, f) q = Mul (i, g) k = Add (p, q) t = Tanh (k) y = Mul (t, o)
}}"""
PRODUCTS = {
    "matmul": "m = MatMul (both, kernel) total = Add (m, bias)",
    "gemm": "total = Gemm (both, kernel, bias)",
    "transposed": "total = Gemm <transB = 1> (both, kernel, bias)",
    "two": "a = MatMul (x, kernel) b = MatMul (h, recurrent) d = Add (a, b) total = Add (d, bias)",
    "two, bias first": "a = MatMul (x, kernel) b = MatMul (h, recurrent) d = Add (bias, b) total = Add (a, d)",
}


def step(product: str = "matmul", gates: str = "i0, g0, f0, o0", number: int = 1, joined: str = "x, h") -> str:
    return STEP.format(product=PRODUCTS[product], gates=gates, number=number, joined=joined)


def weights(product: str = "matmul") -> dict[str, np.ndarray]:
    kernel = RANDOM.normal(size=(9, 16), scale=0.3).astype(np.float32)
    bias = RANDOM.normal(size=16).astype(np.float32)
    if product.startswith("two"):
        return {"kernel": kernel[:5], "recurrent": kernel[5:], "bias": bias}
    return {"kernel": kernel.T.copy() if product == "transposed" else kernel, "bias": bias}


@pytest.mark.parametrize("product", PRODUCTS)
@pytest.mark.parametrize("number", [1, 0])
def test_a_step_is_a_cell(product: str, number: int) -> None:
    given = weights(product)
    assert fused(step(product, number=number), X, H, C, **given) == ["BasicLSTMCell"]
    script = check_model(model_of(step(product, number=number), **given), (X, H, C)).script
    assert "nn.LSTMCell(5, 4)" in script
    assert 'if name.startswith("basiclstmcell.bias_hh")' in script  # what the source adds is not trained


@pytest.mark.parametrize("gates", [", ".join(order) for order in itertools.permutations(("i0", "f0", "g0", "o0"))][::5])
def test_gates_in_any_order(gates: str) -> None:
    rep = check_model(model_of(step(gates=gates), **weights()), (X, H, C))
    assert "nn.LSTMCell(5, 4)" in rep.script


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("x, h)", "h, x)"),  # the state comes first: its rows of the kernel would be those of the input
        ("o = Sigmoid (o0)", "o = Sigmoid (i0)"),
        ("q = Mul (i, g)", "q = Mul (i, c)"),
    ],
    ids=["order", "gate", "cell"],
)
def test_another_step_is_none(old: str, new: str) -> None:
    assert "BasicLSTMCell" not in fused(step().replace(old, new), X, H, C, **weights())


def unrolled(steps: int) -> onnx.ModelProto:
    """Two cells, one on the other, that begin with the same zeros."""
    lines = [
        "n = Shape <start = 0, end = 1> (x) extents = Concat <axis = 0> (n, width)",
        "z = ConstantOfShape (extents)",
    ]
    parts = ", ".join(f"part{t}" for t in range(steps))
    lines.append(f"{parts} = Split <axis = 1, num_outputs = {steps}> (x)")
    states = dict.fromkeys("ab", ("z", "z"))
    for t in range(steps):
        lines.append(f"x{t} = Squeeze (part{t}, one_axis)")
        given = f"x{t}"
        for layer in "ab":
            (h, c), own = states[layer], f"{layer}{t}"
            lines.append(
                f"j{own} = Concat <axis = 1> ({given}, {h}) m{own} = MatMul (j{own}, kernel_{layer}) "
                f"s{own} = Add (m{own}, bias_{layer}) i{own}, g{own}, f{own}, o{own} = "
                f"Split <axis = 1, num_outputs = 4> (s{own}) e{own} = Add (f{own}, one) u{own} = Sigmoid (e{own}) "
                f"v{own} = Sigmoid (i{own}) w{own} = Tanh (g{own}) p{own} = Mul ({c}, u{own}) "
                f"q{own} = Mul (v{own}, w{own}) c{own} = Add (p{own}, q{own}) t{own} = Tanh (c{own}) "
                f"r{own} = Sigmoid (o{own}) h{own} = Mul (t{own}, r{own})"
            )
            states[layer] = f"h{own}", f"c{own}"
            given = f"h{own}"
    lines.append(f"y = Concat <axis = 1> ({', '.join(f'hb{t}' for t in range(steps))})")
    head = f"(float[N,{steps},4] x) => (float[N,{4 * steps}] y) <float one = {{1}}, int64[1] one_axis = {{1}}, "
    given = {f"kernel_{layer}": RANDOM.normal(size=(8, 16)).astype(np.float32) for layer in "ab"}
    given |= {f"bias_{layer}": RANDOM.normal(size=16).astype(np.float32) for layer in "ab"}
    return model_of(f"{head}int64[1] width = {{4}}> {{ {' '.join(lines)} }}", **given)


def test_unrolled_cells_are_a_loop() -> None:
    rep = check_model(unrolled(6), [RANDOM.normal(size=(3, 6, 4)).astype(np.float32)])
    assert rep.script.count("ops.zeros((x.shape[0], 4)") == 1
    assert "hidden, cell = self." in rep.script
    assert len(rep.script.splitlines()) < 55
