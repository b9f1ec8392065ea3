from __future__ import annotations

from typing import Any

import numpy as np
import onnx.parser
import pytest
from harness import check, check_model, model_of
from onnx import TensorProto, helper, numpy_helper
from onnx_backend import Unconverted

RNG = np.random.default_rng(0)
X = RNG.normal(scale=2, size=(2, 3, 4)).astype(np.float32)
Y = RNG.normal(scale=2, size=(3, 1)).astype(np.float32)
POSITIVE, SMALL = np.abs(X) + 0.1, np.tanh(X)
INTEGERS, DIVISORS = np.array([-7, -1, 0, 7, 8, 9]), np.array([2, -2, 3, 3, -3, 4])

UNARY = [
    ("Abs", X), ("Acos", SMALL), ("Acosh", POSITIVE + 1), ("Asin", SMALL), ("Asinh", X), ("Atan", X), ("Atanh", SMALL),
    ("Ceil", X), ("Cos", X), ("Cosh", X), ("Erf", X), ("Exp", X), ("Floor", X), ("Log", POSITIVE), ("Neg", X),
    ("Reciprocal", X), ("Sign", X), ("Sin", X), ("Sinh", X), ("Sqrt", POSITIVE), ("Tan", X),
    ("Round", np.array([-2.5, -1.5, -0.5, 0.5, 1.5, 2.5, 2.6], np.float32)),
    ("Abs", INTEGERS), ("Neg", INTEGERS.astype(np.int32)), ("Sign", INTEGERS),
]  # fmt: skip


@pytest.mark.parametrize(("operator", "x"), UNARY, ids=[f"{op}-{x.dtype}" for op, x in UNARY])
def test_unary(operator: str, x: np.ndarray) -> None:
    check(operator, x, free=True)


@pytest.mark.parametrize("operator", ["Add", "Sub", "Mul", "Div", "Max", "Min", "Mod"])
@pytest.mark.parametrize("dtype", ["float32", "float64", "int32", "int64", "uint8"])
def test_binary_with_broadcasting(operator: str, dtype: str) -> None:
    shift = 9 if dtype == "uint8" else 0
    x, y = (INTEGERS + shift).astype(dtype).reshape(2, 3), (DIVISORS[:3] + shift).astype(dtype)
    check(operator, x, y, free=operator != "Mod", **({"fmod": 1} if operator == "Mod" and dtype[0] == "f" else {}))


SCALARS = [
    ("Mul", X, np.float32(0.5), "x0 * 0.5"),
    ("Add", X, np.full((1,), 1, np.float32), "x0 + 1.0"),
    ("Sub", X, np.full((1, 1, 1), 0.1, np.float32), "x0 - 0.1"),
    ("Div", X, np.float32(2), "x0 / 2.0"),
    ("Max", X, np.float32(0.1), "ops.maximum(0.1, x0)"),
    ("Pow", X, np.float32(2), "x0**2"),
    ("Pow", X, np.int64(3), "x0**3"),
    ("Pow", POSITIVE, np.float32(-1.5), "x0**-1.5"),
    ("Pow", POSITIVE, np.float32(0.5), "ops.sqrt(x0)"),
    ("Add", INTEGERS, np.int64(3), "x0 + 3"),
    ("Mul", INTEGERS.astype(np.int32), np.int32(3), "x0 * 3"),
    ("Div", INTEGERS, np.int64(2), "ops.truncate_div(x0, 2)"),
    ("Mod", INTEGERS, np.int64(3), "x0 % 3"),
    ("Mul", X.astype(np.float16), np.float16(0.1), "x0 * 0.1"),
    ("Mul", X.astype(np.float64), np.float64(0.5), "x0 * 0.5"),
]


@pytest.mark.parametrize(("operator", "x", "number", "text"), SCALARS, ids=[f"{c[3]}-{c[1].dtype}" for c in SCALARS])
@pytest.mark.usefixtures("behind_layers")
def test_a_constant_of_one_element_is_a_number(operator: str, x: np.ndarray, number: np.ndarray, text: str) -> None:
    rep = check(operator, x, number, constants=(1,), free=True)
    assert text in rep.script
    assert not list(rep.net.get_parameters())


@pytest.mark.parametrize(("operator", "text"), [("Sub", "1.5 - x1"), ("Div", "1.5 / x1"), ("Pow", "ops.pow(1.5, x1)")])
def test_a_number_can_stand_in_front(operator: str, text: str) -> None:
    assert text in check(operator, np.float32(1.5), X, constants=(0,), free=True).script


TENSORS = [
    ("Mul", X.astype(np.float64), np.float64(0.1)),  # beside float64, MindSpore rounds a number to float32
    ("Add", INTEGERS.astype(np.uint32), np.uint32(3)),  # it mixes no number with uint32
    ("Add", X[0, 0, 0], np.full((1,), 2, np.float32)),  # the result has an axis that x lacks
]


@pytest.mark.parametrize(("operator", "x", "y"), TENSORS)
def test_a_constant_stays_a_tensor_where_a_number_changes_the_result(
    operator: str, x: np.ndarray, y: np.ndarray
) -> None:
    check(operator, x, y, constants=(1,), rtol=1e-12, atol=0)


def test_a_constant_vector_is_a_trainable_parameter() -> None:
    (parameter,) = check("Add", X, Y, constants=(1,), free=True).net.get_parameters()
    assert parameter.requires_grad
    assert parameter.shape == (3, 1)


@pytest.mark.parametrize("never", [-1e9, -np.inf, np.finfo(np.float32).min])
def test_a_mask_is_not_trained(never: float) -> None:
    mask = np.triu(np.full((5, 5), never, np.float32), 1)
    scores = np.zeros((2, 5, 5), np.float32)
    (parameter,) = check("Add", scores, mask, constants=(1,), free=True).net.get_parameters()
    assert not parameter.requires_grad


def test_any_batch() -> None:
    rep = check("Sub", X, Y, constants=(1,), free=True)
    np.testing.assert_allclose(rep.run([np.repeat(X, 3, 0)])[0], np.repeat(X, 3, 0) - Y, 1e-5)


@pytest.mark.parametrize("dtype", ["int32", "int64"])
def test_fmod_of_integers_has_the_sign_of_the_dividend(dtype: str) -> None:
    check("Mod", INTEGERS.astype(dtype), DIVISORS.astype(dtype), fmod=1)


@pytest.mark.parametrize(
    ("base", "exponent"),
    [
        (INTEGERS, np.array(2, np.int64)),
        (INTEGERS, np.array([0, 1, 2, 3, 1, 2], np.int32)),
        (np.array([1, 4, 9], np.int32), np.float32(1.5)),
        (POSITIVE, np.array([2, 0, -1, 3], np.int32)),
        (POSITIVE, np.array([0.5, 0, -1, 3], np.float32)),
    ],
)
@pytest.mark.parametrize("constants", [(), (1,)])
def test_pow_has_the_type_of_its_base(base: np.ndarray, exponent: np.ndarray, constants: tuple[int, ...]) -> None:
    check("Pow", base, exponent, constants=constants)


@pytest.mark.parametrize("operator", ["Max", "Min", "Sum", "Mean"])
@pytest.mark.parametrize("count", [1, 3])
def test_variadic(operator: str, count: int) -> None:
    check(operator, *[X, Y, 2 * X][:count])


LOW, HIGH = np.float32(-0.5), np.float32(1.25)
CLIPS = [
    ((X, LOW, HIGH), (1, 2), "ops.clamp(x0, -0.5, 1.25)"),
    ((X, LOW), (1,), "ops.clamp(x0, min=-0.5)"),
    ((X, None, HIGH), (2,), "ops.clamp(x0, max=1.25)"),
    ((X, np.float32(0), np.float32(6)), (1, 2), "ops.relu6(x0)"),
    ((X, HIGH, LOW), (1, 2), "ops.clamp(x0, 1.25, -0.5)"),
    ((X, LOW, HIGH), (), "ops.clamp(x0, x1, x2)"),
    ((X, LOW, HIGH), (2,), "ops.clamp(x0, x1, self."),
    ((INTEGERS, np.int64(-1), np.int64(7)), (1, 2), "ops.clamp(x0, -1, 7)"),
    ((X,), (), "return x0"),
]


@pytest.mark.parametrize(("inputs", "constants", "text"), CLIPS, ids=[clip[2] for clip in CLIPS])
@pytest.mark.usefixtures("behind_layers")
def test_clip(inputs: tuple[Any, ...], constants: tuple[int, ...], text: str) -> None:
    assert text in check("Clip", *inputs, constants=constants, free=True).script


@pytest.mark.parametrize("to", ["FLOAT", "FLOAT16", "DOUBLE", "INT8", "INT32", "INT64", "UINT8", "BOOL"])
@pytest.mark.parametrize("x", [np.array([-1.7, 0, 0.2, 100.6], np.float32), np.array([0, 1, 100]), np.array([True])])
def test_cast(x: np.ndarray, to: str) -> None:
    if to == "UINT8":
        x = np.abs(x)  # how a negative float becomes unsigned is up to the machine
    check("Cast", x, to=getattr(TensorProto, to))


def test_cast_to_its_own_type_is_nothing() -> None:
    assert "return x0" in check("Cast", X, to=TensorProto.FLOAT).script


def test_cast_like() -> None:
    assert "x0.astype(ms.int32)" in check("CastLike", X, INTEGERS.astype(np.int32)).script


def test_cast_declines_what_mindspore_lacks() -> None:
    with pytest.raises(Unconverted, match="no element type FLOAT8E5M2"):
        check_model(model_of("Cast", [X], to=TensorProto.FLOAT8E5M2), [X], expect=[])


BITS = np.array([1, 2, 40, 200])


@pytest.mark.parametrize("direction", ["LEFT", "RIGHT"])
@pytest.mark.parametrize("dtype", ["uint8", "uint32"])
def test_bit_shift(direction: str, dtype: str) -> None:
    x, count = BITS.astype(dtype), np.array([0, 1, 3, 7], dtype)
    assert (
        f"ops.bitwise_{direction.lower()}_shift"
        in check("BitShift", x, count, constants=(1,), direction=direction, free=True).script
    )


@pytest.mark.parametrize("direction", ["LEFT", "RIGHT"])
@pytest.mark.parametrize("constants", [(), (1,)])
def test_bit_shift_by_more_than_there_are_bits(direction: str, constants: tuple[int, ...]) -> None:
    x, count = np.array([5, -5, -5, 5], np.int32), np.array([32, 32, 1, -1], np.int32)
    expect = [0, 0, -10, 0] if direction == "LEFT" else [0, -1, -3, 0]
    check("BitShift", x, count, constants=constants, direction=direction, opset=28, expect=[np.array(expect, np.int32)])


def test_bit_cast_between_integers() -> None:
    check("BitCast", np.array([-1, 5], np.int32), to=TensorProto.UINT32, expect=[np.array([2**32 - 1, 5], np.uint32)])


@pytest.mark.parametrize(("kind", "bits"), [(np.float32, np.int32), (np.float64, np.int64), (np.float16, np.uint16)])
def test_bit_cast_of_floats(kind: type[np.generic], bits: type[np.generic]) -> None:
    least = np.finfo(kind).tiny
    x = np.array([1.0, -2.5, 0.0, -0.0, np.inf, -np.inf, np.nan, least, np.finfo(kind).max, 0.1], kind)
    data_types = (
        {"to": helper.np_dtype_to_tensor_dtype(np.dtype(bits))},
        {"to": helper.np_dtype_to_tensor_dtype(x.dtype)},
    )
    check("BitCast", x, expect=[x.view(bits)], **data_types[0])
    check("BitCast", x.view(bits), expect=[x], **data_types[1])


@pytest.mark.parametrize(
    ("name", "dtype"),
    [("Sub", "uint32"), ("Sub", "uint64"), ("Max", "uint16"), ("Min", "uint16")]
    + [("Mod", dtype) for dtype in ("uint16", "uint32")],
)
def test_unsigned_types_that_kernels_lack(name: str, dtype: str) -> None:
    x, y = np.array([7, 1, 65535, 0], dtype), np.array([3, 2, 5, 1], dtype)
    wanted = {"Sub": x - y, "Max": np.maximum(x, y), "Min": np.minimum(x, y), "Mod": x % y}[name]
    assert f".astype(ms.{dtype})" in check(name, x, y, expect=[wanted]).script


@pytest.mark.parametrize("constants", [(), (1, 2)])
def test_clip_of_a_type_that_kernels_lack(constants: tuple[int, ...]) -> None:
    x = np.array([7, 1, 65535, 0], np.uint16)
    check("Clip", x, np.uint16(2), np.uint16(300), constants=constants, expect=[np.clip(x, 2, 300)])


def test_fmod_of_float16_with_a_large_quotient() -> None:
    x, y = np.array([6000.0, -3000.5], np.float16), np.array([0.75, 7.0], np.float16)
    check("Mod", x, y, fmod=1, atol=1e-2)


@pytest.mark.parametrize("constants", [(), (1,)])
def test_fmod_with_a_large_quotient(constants: tuple[int, ...]) -> None:
    x = np.array([1e10, -1e10, 123456792, 3e38, -5.5, 0], np.float32)
    y = np.array([3, 7, 0.1, 1e-30, 2, 3.7], np.float32)
    check("Mod", x, y, fmod=1, constants=constants, atol=0)


@pytest.mark.parametrize("fmod", [0, 1])
def test_rest_of_a_division_by_infinity(fmod: int) -> None:
    x = np.array([3, 3, -1, -1, 0, np.inf, np.nan, 5.5], np.float32)
    y = np.array([np.inf, -np.inf, np.inf, -np.inf, np.inf, 2, 1, -2], np.float32)
    with np.errstate(invalid="ignore"):
        wanted = np.fmod(x, y) if fmod else np.mod(x, y)
    check("Mod", x, y, fmod=fmod, opset=13, expect=[wanted])


PRODUCT = "(float[n,4,6,32] q, float[n,4,32,6] k) => (float[n,4,6,6] y) { p = MatMul(q, k) y = Mul(p, c) }"
BEFORE = """(float[n,6,128] q, float[n,4,32,6] k) => (float[n,4,6,6] y) <int64[4] heads = {0, 6, 4, 32}> {
    s = Div(q, c) r = Reshape(s, heads) t = Transpose <perm = [0, 2, 1, 3]> (r) y = MatMul(t, k) }"""
ALONE = "(float[n,4,6,32] q, float[n,4,6,32] k) => (float[n,4,6,32] y) { p = Add(q, k) y = Mul(p, c) }"


@pytest.mark.parametrize(
    ("text", "scale", "written"),
    [
        (PRODUCT, 32**-0.5, "* 32**-0.5"),
        (BEFORE, 32**0.5, "/ 32**0.5"),
        (PRODUCT, 31**-0.5, "* 0.179605"),
        (ALONE, 32**-0.5, "* 0.176776"),
    ],
    ids=["behind", "before", "of nothing", "of no product"],
)
def test_the_scale_of_attention_is_a_root_of_its_head(text: str, scale: float, written: str) -> None:
    model = onnx.parser.parse_model(f'<ir_version: 10, opset_import: ["": 20]> scaled {text}')
    model.graph.initializer.append(numpy_helper.from_array(np.float32(scale), "c"))
    shapes = [[2, *[dim.dim_value for dim in each.type.tensor_type.shape.dim][1:]] for each in model.graph.input]
    feeds = [RNG.normal(size=shape).astype(np.float32) for shape in shapes]
    assert written in check_model(model, feeds).script
