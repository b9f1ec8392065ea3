"""Flow: what a script calls the values between its layers, and where its lines end."""

from __future__ import annotations

import numpy as np
import onnx.parser
import pytest
from harness import check_model
from onnx import numpy_helper

RANDOM = np.random.default_rng(3)
X = RANDOM.standard_normal((2, 4)).astype(np.float32)
HEAD = '<ir_version: 10, opset_import: ["" : 20]> net (float[n, 4] image) => (float[n, 4] out)'


def construct(body: str) -> list[str]:
    """The lines of `construct` for a graph whose layers are `a = Gemm(…, wa, ba)`, `b = …`."""
    model = onnx.parser.parse_model(f"{HEAD} {{ {body} }}")
    for layer in "abcde":
        for name, shape in ((f"w{layer}", (4, 4)), (f"b{layer}", (4,))):
            if f"{name})" in body or f"{name}," in body:
                array = RANDOM.standard_normal(shape).astype(np.float32)
                model.graph.initializer.append(numpy_helper.from_array(array, name))
    script = check_model(model, [X]).script
    return [line.strip() for line in script[script.index("def construct") :].splitlines()[1:]]


@pytest.mark.parametrize(
    ("body", "lines"),
    [
        pytest.param(
            "a = Gemm(image, wa, ba) u = Relu(a) b = Gemm(u, wb, bb) v = Relu(b) c = Gemm(v, wc, bc) "
            "t = Relu(c) d = Gemm(t, wd, bd) s = Add(d, t) e = Gemm(s, we, be) out = Tanh(e)",
            [
                "x = ops.relu(self.gemm_1(ops.relu(self.gemm(image))))",
                "x = ops.relu(self.gemm_2(x))",
                "return ops.tanh(self.gemm_4(self.gemm_3(x) + x))",
            ],
            id="one after the other",
        ),
        pytest.param(
            "a = Gemm(image, wa, ba) u = Relu(a) b = Gemm(u, wb, bb) c = Gemm(u, wc, bc) p = Mul(b, c) q = Tanh(c) "
            "out = Add(p, q)",
            [
                "x = ops.relu(self.gemm(image))",
                "y = self.gemm_1(x)",
                "x = self.gemm_2(x)",
                "return y * x + ops.tanh(x)",
            ],
            id="what ends goes on, the other has a variable of its own",
        ),
        pytest.param(
            "a = Gemm(image, wa, ba) out = Elu <alpha = 0.5> (a)",
            ["x = self.gemm(image)", "return ops.relu(x) + 0.5 * ops.expm1(ops.clamp(x, max=0.0))"],
            id="what an expression has twice is computed once",
        ),
    ],
)
def test_names_and_lines(body, lines):
    assert construct(body) == lines


def test_nothing_flows_before_the_first_layer():
    lines = construct(
        "u = Sigmoid(image) v = Mul(u, u) w = Add(v, u) a = Gemm(w, wa, ba) t = Mul(a, u) out = Add(t, w)"
    )
    assert not any(line.startswith("x = ") for line in lines)
