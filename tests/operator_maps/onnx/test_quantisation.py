from __future__ import annotations

import logging
import re
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from harness import check, check_model, expected_of, model_of
from onnx import TensorProto, numpy_helper, parser
from onnx_backend import MindSporeBackend
from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_dynamic, quantize_static

RNG = np.random.default_rng(0)
X = RNG.normal(scale=3, size=(2, 3, 4)).astype(np.float32)
SCALE, SCALES = np.float32(0.05), np.array([0.02, 0.05, 0.1], np.float32)
TYPES = ["uint8", "int8", "uint16", "int16"]


def integers(dtype: str, *shape: int) -> np.ndarray:
    limits = np.iinfo(dtype)
    return RNG.integers(limits.min, limits.max, shape, dtype, endpoint=True)


# To integers and back


@pytest.mark.parametrize("dtype", TYPES)
@pytest.mark.parametrize("constants", [(), (1, 2)])
def test_quantize(dtype: str, constants: tuple[int, ...]) -> None:
    check("QuantizeLinear", X, SCALE, np.array(3, dtype), constants=constants, free=True)


@pytest.mark.parametrize("dtype", TYPES)
@pytest.mark.parametrize("constants", [(), (1, 2)])
def test_16_bits_and_back(dtype: str, constants: tuple[int, ...]) -> None:
    x, scale, zero_point = (X * 1000).astype(np.float16), np.float16(0.16), np.array(7, dtype)
    check("QuantizeLinear", x, scale, zero_point, constants=constants)
    check("DequantizeLinear", integers(dtype, 2, 40), scale, zero_point, constants=constants, rtol=1e-3)


@pytest.mark.parametrize("axis", [1, -1])
@pytest.mark.parametrize("constants", [(), (1, 2)])
def test_quantize_along_an_axis(axis: int, constants: tuple[int, ...]) -> None:
    x = X if axis == 1 else X.swapaxes(1, 2)
    zero_points = np.array([0, 3, 255], np.uint8)
    rep = check("QuantizeLinear", x, SCALES, zero_points, constants=constants, axis=axis, free=True)
    assert (".reshape((-1, 1))" in rep.script) == (axis == 1)


def test_quantize_rounds_half_to_even_and_saturates() -> None:
    x = np.array([-1e9, -2.5, -1.5, -0.5, 0.5, 1.5, 2.5, 1e9], np.float32)
    rep = check("QuantizeLinear", x, np.float32(1), np.int8(0), constants=(1, 2))
    np.testing.assert_array_equal(rep.run([x])[0], np.array([-128, -2, -2, 0, 0, 2, 2, 127], np.int8))


def test_quantize_without_a_zero_point() -> None:
    check("QuantizeLinear", np.abs(X), SCALE, constants=(1,))
    check("QuantizeLinear", X, SCALE, constants=(1,), output_dtype=TensorProto.INT16)


@pytest.mark.parametrize("constants", [(), (1, 2)])
def test_blocks(constants: tuple[int, ...]) -> None:
    scale = np.abs(X[:, :, :2]) + 0.1
    check("QuantizeLinear", X, scale, integers("int8", 2, 3, 2), constants=constants, axis=2, block_size=2)
    check("DequantizeLinear", integers("uint8", 2, 3, 4), scale, integers("uint8", 2, 3, 2), axis=-1, block_size=2)


@pytest.mark.parametrize("free", [True, False])
@pytest.mark.parametrize("block", [2, 3])
def test_the_last_block_may_be_incomplete(block: int, free: bool) -> None:
    """Or be so in the run, along a free axis."""
    scale = np.abs(X[:, :, :2]) + 0.1
    for operator, x in (("QuantizeLinear", X), ("DequantizeLinear", integers("uint8", 2, 3, 4))):
        model = model_of(operator, [x, scale], axis=2, block_size=block)
        if free:
            for value, name in zip([*model.graph.input, *model.graph.output], ("n", "blocks", "n"), strict=True):
                value.type.tensor_type.shape.dim[2].dim_param = name
        check_model(model, [x, scale], dynamic=True)


@pytest.mark.parametrize("dtype", TYPES)
@pytest.mark.parametrize("constants", [(), (1, 2)])
def test_dequantize(dtype: str, constants: tuple[int, ...]) -> None:
    check("DequantizeLinear", integers(dtype, 2, 5), SCALE, np.array(3, dtype), constants=constants, free=True)


def test_dequantize_a_weight_along_an_axis() -> None:
    w, zero_points = integers("int8", 3, 4, 5), np.zeros(3, np.int8)
    rep = check("DequantizeLinear", w, SCALES, zero_points, constants=(0, 1, 2), axis=0)
    assert re.search(r"return self\.\w+\.astype\(ms\.float32\) \* self\.\w+\.reshape\(\(-1, 1, 1\)\)", rep.script)


def test_dequantize_a_wide_integer() -> None:
    check("DequantizeLinear", np.array([-70000, 70000], np.int32), SCALE, constants=(1,))


@pytest.mark.parametrize("x", [X, np.abs(X), -np.abs(X), np.zeros((2, 3), np.float32)])
def test_dynamic_quantize(x: np.ndarray) -> None:
    check("DynamicQuantizeLinear", x, outputs=3, free=True)


# Products of integers

# Weights have 7 bits: without VNNI, onnxruntime saturates the sum of two products of uint8 and int8 at 16 bits.
A, B = integers("uint8", 2, 3, 4), integers("int8", 4, 5) // 2


@pytest.mark.parametrize(
    ("a_zero_point", "b_zero_point"),
    [(None, None), (np.uint8(7), np.int8(-3)), (np.uint8(7), integers("int8", 5)), (np.uint8(7), np.zeros(5, np.int8))],
)
@pytest.mark.parametrize("constants", [(), (1, 2, 3)])
def test_mat_mul_integer(a_zero_point: Any, b_zero_point: Any, constants: tuple[int, ...]) -> None:
    check("MatMulInteger", A, B, a_zero_point, b_zero_point, constants=constants, free=True)


@pytest.mark.parametrize("scales", [SCALE, np.linspace(0.01, 0.05, 5, dtype=np.float32)])
@pytest.mark.parametrize("constants", [(), (1, 2, 3, 4, 5, 6, 7)])
def test_qlinear_mat_mul(scales: np.ndarray, constants: tuple[int, ...]) -> None:
    zero_points = np.zeros_like(scales, np.int8)
    check(
        "QLinearMatMul", A, SCALE, np.uint8(120), B, scales, zero_points, np.float32(0.4), np.uint8(128),
        constants=constants, free=True,
    )  # fmt: skip


IMAGE, KERNEL = integers("uint8", 2, 4, 7, 7), integers("int8", 6, 2, 3, 3) // 2
WINDOWS: list[dict[str, Any]] = [
    {"group": 2},
    {"group": 2, "pads": [1, 1, 1, 1], "strides": [2, 1]},
    {"group": 2, "pads": [0, 1, 2, 1], "dilations": [2, 1]},
    {"group": 2, "auto_pad": "SAME_UPPER", "strides": [2, 2]},
]


@pytest.mark.parametrize("window", WINDOWS)
@pytest.mark.parametrize("constants", [(), (1, 2, 3)])
def test_conv_integer(window: dict[str, Any], constants: tuple[int, ...]) -> None:
    check("ConvInteger", IMAGE, KERNEL, np.uint8(100), np.int8(0), constants=constants, **window)


@pytest.mark.parametrize("scales", [SCALE, np.linspace(0.01, 0.05, 6, dtype=np.float32)])
@pytest.mark.parametrize("bias", [None, integers("int16", 6).astype(np.int32)])
@pytest.mark.parametrize("constants", [(), (1, 2, 3, 4, 5, 6, 7, 8)])
def test_qlinear_conv(scales: np.ndarray, bias: np.ndarray | None, constants: tuple[int, ...]) -> None:
    zero_points = np.zeros_like(scales, np.int8)
    check(
        "QLinearConv", IMAGE, SCALE, np.uint8(100), KERNEL, scales, zero_points, np.float32(2.3), np.uint8(128), bias,
        constants=constants, free=True, group=2, pads=[1, 1, 1, 1],
    )  # fmt: skip


# Whole models, as onnxruntime quantises them

NETWORK = """
<ir_version: 9, opset_import: ["" : 17]>
cnn (float[N, 3, 16, 16] x) => (float[N, 10] y) {
    c1 = Conv <pads = [1, 1, 1, 1], strides = [2, 2]> (x, w1, b1)
    r1 = Relu (c1)
    c2 = Conv <pads = [1, 1, 1, 1]> (r1, w2, b2)
    a = Add (r1, c2)
    m = MaxPool <kernel_shape = [2, 2], strides = [2, 2]> (a)
    c3 = Conv (m, w3)
    f = Flatten (c3)
    y = Gemm (f, w4, b4)
}
"""
WEIGHTS = {
    "w1": (8, 3, 3, 3),
    "b1": (8,),
    "w2": (8, 8, 3, 3),
    "b2": (8,),
    "w3": (5, 8, 1, 1),
    "w4": (80, 10),
    "b4": (10,),
}


def image() -> np.ndarray:
    return RNG.normal(size=(4, 3, 16, 16)).astype(np.float32)


class Images(CalibrationDataReader):
    def __init__(self) -> None:
        self._images = iter([image() for _ in range(8)])

    def get_next(self) -> dict[str, np.ndarray] | None:
        found = next(self._images, None)
        return None if found is None else {"x": found}


@pytest.fixture(scope="module")
def network(tmp_path_factory: pytest.TempPathFactory) -> Path:
    logging.getLogger().setLevel(logging.ERROR)  # onnxruntime advises to optimise the model first
    model = parser.parse_model(NETWORK)
    for name, shape in WEIGHTS.items():
        weight = RNG.normal(scale=0.3, size=shape).astype(np.float32)
        model.graph.initializer.append(numpy_helper.from_array(weight, name))
    path = tmp_path_factory.mktemp("quantised") / "network.onnx"
    onnx.save(model, path)
    return path


def differing(path: Path) -> float:
    """Convert a quantised model; return the share of its outputs that differ, at the most by one step."""
    model, x = onnx.load(path), image()
    (wanted,) = expected_of(model, [x])
    (got,) = MindSporeBackend.prepare(model).run([x])
    step = np.min(np.diff(np.unique(wanted)))
    assert np.abs(got - wanted).max() < 1.1 * step
    return float((np.abs(got - wanted) > 0.1 * step).mean())


@pytest.mark.parametrize("form", [QuantFormat.QDQ, QuantFormat.QOperator])
@pytest.mark.parametrize("per_channel", [False, True])
@pytest.mark.parametrize("activations", [QuantType.QUInt8, QuantType.QInt8])
def test_static_quantisation(network: Path, form: QuantFormat, per_channel: bool, activations: QuantType) -> None:
    quantised = network.with_name("static.onnx")
    quantize_static(
        network,
        quantised,
        Images(),
        quant_format=form,
        per_channel=per_channel,
        reduce_range=True,
        activation_type=activations,
    )
    assert differing(quantised) < 0.05  # sums in another order fall on the other side of a half now and then


def test_dynamic_quantisation(network: Path) -> None:
    quantised = network.with_name("dynamic.onnx")
    quantize_dynamic(network, quantised)
    x = image()
    check_model(onnx.load(quantised), [x])
