from __future__ import annotations

from typing import Any

import numpy as np
import onnx
import pytest
from harness import check, check_model

RNG = np.random.default_rng(0)


def floats(*shape: int, dtype: Any = np.float32) -> np.ndarray:
    return RNG.normal(size=shape).astype(dtype)


@pytest.mark.parametrize("shape", [(2, 4), (2, 3, 4), (2, 3, 5, 4)])
@pytest.mark.parametrize("dtype", [np.float32, np.float16, np.float64])
def test_a_matrix_of_weights_is_a_layer(shape: tuple[int, ...], dtype: Any) -> None:
    x, w = floats(*shape, dtype=dtype), floats(4, 3, dtype=dtype)
    rep = check("MatMul", x, w, constants=(1,), free=True, rtol=1e-2, atol=1e-2 if dtype == np.float16 else 1e-5)
    ((name, weight),) = rep.translation.program.parameters()
    assert name.endswith(".weight")
    assert weight.shape == (3, 4)
    assert "nn.Linear(4, 3, bias=False" in rep.script


@pytest.mark.parametrize(
    ("a", "b", "constants"),
    [
        (floats(2, 3, 4), floats(2, 4, 5), ()),
        (floats(4), floats(4, 5), ()),
        (floats(2, 3, 4), floats(4), ()),
        (floats(2, 4), floats(3, 4, 5), (1,)),
        (floats(3, 2), floats(2, 5), (0,)),
        (RNG.integers(0, 9, (2, 3)), RNG.integers(0, 9, (3, 4)), (1,)),
    ],
)
def test_other_products_are_functions(a: np.ndarray, b: np.ndarray, constants: tuple[int, ...]) -> None:
    assert "ops.matmul(" in check("MatMul", a, b, constants=constants).script


A, B, C = floats(2, 4), floats(4, 3), floats(3)
GEMMS = [
    ((A, B, C), {}, "nn.Linear(4, 3)"),
    ((A, B.T, C), {"transB": 1}, "nn.Linear(4, 3)"),
    ((A.T, B), {"transA": 1}, "self.node(x0.T)"),
    ((A, B, C), {"alpha": 0.5, "beta": 2.0}, "self.node(x0) * 0.5 + self.constant * 2.0"),
    ((A, B, C), {"beta": 0.0}, "return self.node(x0)"),
    ((A, B, floats(2, 3)), {}, "self.node(x0) + self.constant"),
    ((A, B, floats(1, 3)), {}, "self.node(x0) + self.constant"),
    ((A, B, floats(1)), {}, "self.node(x0) + "),
]


@pytest.mark.parametrize(("inputs", "options", "text"), GEMMS, ids=[str(i) for i in range(len(GEMMS))])
def test_gemm_of_weights(inputs: tuple[np.ndarray, ...], options: dict[str, Any], text: str) -> None:
    assert text in check("Gemm", *inputs, constants=(1, 2), **options).script


@pytest.mark.parametrize("trans", [(0, 0), (0, 1), (1, 0), (1, 1)])
def test_gemm_of_tensors(trans: tuple[int, int]) -> None:
    a, b = A.T if trans[0] else A, B.T if trans[1] else B
    check("Gemm", a, b, C, transA=trans[0], transB=trans[1], alpha=0.5, beta=0.25, constants=())


def test_det() -> None:
    assert "ops.det(x0)" in check("Det", floats(2, 3, 3), free=True, rtol=1e-3).script
    check("Det", floats(2, 1, 1), free=True)


@pytest.mark.parametrize("size", [1, 3])
def test_determinants_of_matrices_of_free_extents(size: int) -> None:
    text = """<ir_version: 10, opset_import: ["" : 21]> g (float[n,k,k] x) => (float[n] y) { y = Det (x) }"""
    check_model(onnx.parser.parse_model(text), [floats(2, size, size)], dynamic=True, rtol=1e-3)


@pytest.mark.parametrize("operator", ["MatMul", "Gemm"])
def test_a_product_over_no_elements_is_zero(operator: str) -> None:
    check(operator, np.ones((2, 0), np.float32), np.ones((0, 3), np.float32), constants=(1,), free=True)


def test_a_vector_of_no_elements_times_a_matrix_of_none() -> None:
    constants = "<int64[1] zero = {0}, int64[1] end = {-4}, float[0,2] w = {}>"
    nodes = "t = Relu (x) s = Slice (t, zero, end, zero) y = MatMul (s, w)"
    text = f'<ir_version: 10, opset_import: ["" : 21]> g (float[n] x) => (float[2] y) {constants} {{ {nodes} }}'
    assert "> 0" in check_model(onnx.parser.parse_model(text), [floats(3)]).script


@pytest.mark.parametrize("shape", [(3, 3), (2, 3, 3)])
def test_inverse(shape: tuple[int, ...]) -> None:
    x = floats(*shape) + 3 * np.eye(3, dtype=np.float32)
    rep = check("Inverse", x, domain="com.microsoft", free=len(shape) > 2, opset=17)
    assert "ops.matrix_solve(x0, " in rep.script
