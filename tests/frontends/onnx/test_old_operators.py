"""Operators before opset 7 are run as their documents say."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import onnx
import pytest
from onnx.reference import ReferenceEvaluator

from converter.frontends.onnx.old_operators import old_operators

IMAGE = np.random.default_rng(0).normal(size=(2, 3, 4, 4)).astype(np.float32)
MATRIX = IMAGE.reshape(-1)[:12].reshape(3, 4)
SCALE, BIAS, MEAN, VARIANCE = (np.array(each, np.float32) for each in ([1, 2, 3], [0, 1, 0], [1, 0, -1], [1, 4, 9]))
OF_NORM = {"s": SCALE, "b": BIAS, "m": MEAN, "v": VARIANCE}
PER_ACTIVATION = {name: np.broadcast_to(array[:, None, None], (3, 4, 4)) for name, array in OF_NORM.items()}


def run(text: str, opset: int, feeds: dict[str, np.ndarray], count: int = 1) -> list[np.ndarray]:
    """The first results of a node whose inputs are all given."""
    ends = ", ".join(f"r{index}" for index in range(count))
    values = ", ".join(
        f"{onnx.TensorProto.DataType.Name(onnx.helper.np_dtype_to_tensor_dtype(array.dtype)).lower()}"
        f"[{','.join(map(str, array.shape))}] {name}"
        for name, array in feeds.items()
    )
    declared = ", ".join(f"float[{chr(97 + index)}] r{index}" for index in range(count))
    header = f'<ir_version: 3, opset_import: ["" : {opset}]>'
    model = onnx.parser.parse_model(f"{header} net ({values}) => ({declared}) {{ {ends} = {text} }}")
    for value in model.graph.output:
        value.type.tensor_type.ClearField("shape")
    return ReferenceEvaluator(model, new_ops=old_operators(model)).run(None, feeds)


def column(vector: np.ndarray) -> np.ndarray:
    return vector[:, None, None]


def normalized(x: np.ndarray, mean: np.ndarray, variance: np.ndarray) -> np.ndarray:
    return (x - column(mean)) / np.sqrt(column(variance) + 1e-5) * column(SCALE) + column(BIAS)


def halfway(x: np.ndarray, axis: int) -> np.ndarray:
    """Twice the extent: between two elements their mean, behind the last one itself."""
    last = x.shape[axis] - 1
    between = (x + x.take([*range(1, last + 1), last], axis)) / 2
    both = np.stack([x, between], axis + 1)
    return both.reshape(*x.shape[:axis], -1, *x.shape[axis + 1 :])


def padded_average(x: np.ndarray) -> np.ndarray:
    """Of windows of three, without the padding of one."""
    extent = x.shape[-1]
    parts = [slice(max(i - 1, 0), i + 2) for i in range(extent)]
    return np.stack([np.stack([x[..., a, b].mean((-1, -2)) for b in parts], -1) for a in parts], -2)


Function = Callable[[np.ndarray], np.ndarray]
OF_MATRICES: dict[str, Function] = {
    "Clip <min = -0.5> (x)": lambda x: np.maximum(x, -0.5),
    "Clip <max = 0.5> (x)": lambda x: np.minimum(x, 0.5),
    "Concat (x, x)": lambda x: np.concatenate([x, x], 1),
    "Dropout <is_test = 1, ratio = 0.5> (x)": lambda x: x,
    "Gemm <alpha = 2.0, beta = 3.0, transB = 1, broadcast = 1> (x, w, k)": lambda x: 2 * x @ np.ones((4, 2)) + 3,
    "Reshape <shape = [0, -1, 2]> (x)": lambda x: x.reshape(3, 2, 2),
    'Cast <to = "INT32"> (x)': lambda x: x.astype(np.int32),
    "Sum <consumed_inputs = [0, 0]> (x, x)": lambda x: 2 * x,
    "Tile (x, three, one)": lambda x: np.tile(x, (1, 3)),
    "ConstantFill <value = 2.0, extra_shape = [2]> (x)": lambda x: np.full((3, 4, 2), 2),
    "ConstantFill <value = 2.0, input_as_shape = 1> (shape)": lambda x: np.full((2, 1), 2),
    "ConstantFill <value = 2.0, shape = [2, 3], dtype = 6> ()": lambda x: np.full((2, 3), 2),
    "GivenTensorFill <values = [1.0, 2.0], input_as_shape = 1> (shape)": lambda x: np.array([[1], [2]]),
}
MATRICES = {
    "x": MATRIX,
    "w": np.ones((2, 4), np.float32),
    "k": np.ones(1, np.float32),
    "three": np.float32(3),
    "one": np.float32(1),
    "shape": np.array([2, 1]),
}


@pytest.mark.parametrize("text", OF_MATRICES)
def test_matrices(text: str) -> None:
    (y,) = run(text, 1, MATRICES)
    expected = OF_MATRICES[text](MATRIX)
    assert y.shape == expected.shape
    np.testing.assert_allclose(y, expected, 1e-6)


@pytest.mark.parametrize(("attributes", "cut"), [("axis = 1, split = [3, 1]", 3), ("axis = 1", 2)])
def test_split(attributes: str, cut: int) -> None:
    y, z = run(f"Split <{attributes}> (x)", 1, {"x": MATRIX}, 2)
    np.testing.assert_array_equal(y, MATRIX[:, :cut])
    np.testing.assert_array_equal(z, MATRIX[:, cut:])


def test_split_by_lengths_that_are_an_input() -> None:
    y, z = run("Split <axis = 1> (x, l)", 1, {"x": MATRIX, "l": np.array([3, 1], np.float32)}, 2)
    assert (y.shape, z.shape) == ((3, 3), (3, 1))


OF_IMAGES: dict[str, Function] = {
    "AveragePool <kernel_shape = [3, 3], pads = [1, 1, 1, 1]> (x)": padded_average,
    "GlobalLpPool <p = 3.0> (x)": lambda x: (np.abs(x) ** 3).sum((2, 3), keepdims=True) ** (1 / 3),
    "InstanceNormalization <consumed_inputs = [0, 0, 0]> (x, s, b)": lambda x: np.stack(
        [normalized(each, each.mean((1, 2)), each.var((1, 2))) for each in x]
    ),
    "Upsample <height_scale = 2.0, width_scale = 3.0> (x)": lambda x: x.repeat(2, 2).repeat(3, 3),
    'Upsample <height_scale = 2.0, width_scale = 2.0, mode = "bilinear"> (x)': lambda x: halfway(halfway(x, 2), 3),
    "BatchNormalization <is_test = 1, consumed_inputs = [0, 0, 0, 1, 1]> (x, s, b, m, v)": lambda x: normalized(
        x, MEAN, VARIANCE
    ),
}


@pytest.mark.parametrize("text", OF_IMAGES)
def test_images(text: str) -> None:
    (y,) = run(text, 1, {"x": IMAGE, **OF_NORM})
    np.testing.assert_allclose(y, OF_IMAGES[text](IMAGE), 1e-4, 1e-5)


@pytest.mark.parametrize("operator", ["Add", "Sub", "Mul", "Div"])
def test_a_broadcast_along_an_axis(operator: str) -> None:
    (y,) = run(f"{operator} <axis = 1, broadcast = 1> (x, k)", 6, {"x": IMAGE, "k": SCALE})
    function = {"Add": np.add, "Sub": np.subtract, "Mul": np.multiply, "Div": np.divide}[operator]
    np.testing.assert_allclose(y, function(IMAGE, column(SCALE)), 1e-6)


def test_a_batch_norm_of_one_output_is_inference() -> None:
    (y,) = run("BatchNormalization (x, s, b, m, v)", 6, {"x": IMAGE, **OF_NORM})
    np.testing.assert_allclose(y, normalized(IMAGE, MEAN, VARIANCE), 1e-4, 1e-5)


def test_a_batch_norm_of_several_outputs_is_training() -> None:
    y, mean, variance = run("BatchNormalization <momentum = 0.75> (x, s, b, m, v)", 6, {"x": IMAGE, **OF_NORM}, 3)
    now = IMAGE.mean((0, 2, 3)), IMAGE.var((0, 2, 3))
    np.testing.assert_allclose(y, normalized(IMAGE, *now), 1e-4, 1e-5)
    np.testing.assert_allclose(mean, 0.75 * MEAN + 0.25 * now[0], 1e-5)
    np.testing.assert_allclose(variance, 0.75 * VARIANCE + 0.25 * now[1], 1e-5)


def test_a_batch_norm_with_statistics_for_each_activation() -> None:
    (y,) = run("BatchNormalization <spatial = 0> (x, s, b, m, v)", 1, {"x": IMAGE, **PER_ACTIVATION})
    np.testing.assert_allclose(y, normalized(IMAGE, MEAN, VARIANCE), 1e-4, 1e-5)


def test_recurrent_layers_with_an_attribute_that_is_gone() -> None:
    """`output_sequence` says whether Y is wanted at all."""
    feeds = {
        "x": np.ones((5, 2, 4), np.float32),
        "w": np.ones((1, 3, 4), np.float32),
        "r": np.eye(3, dtype=np.float32)[None],
    }
    y, last = run("RNN <hidden_size = 3, output_sequence = 1> (x, w, r)", 1, feeds, 2)
    assert y.shape == (5, 1, 2, 3)
    np.testing.assert_allclose(y[0], np.full((1, 2, 3), np.tanh(4)), 1e-6)
    np.testing.assert_array_equal(y[-1], last)


def test_newer_models_need_none() -> None:
    model = onnx.parser.parse_model(
        '<ir_version: 3, opset_import: ["" : 7]> n (float[2] x) => (float[2] y) { y = Neg(x) }'
    )
    assert old_operators(model) == []
