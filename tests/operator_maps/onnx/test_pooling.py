from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from graph.normalize.harness import parse
from harness import check, check_model, compare, expected_of, model_of
from onnx_backend import Unconverted

random = np.random.default_rng(0)
X = random.normal(size=(2, 3, 9, 8)).astype(np.float32) - 2  # nearly all negative: padding with 0 would show
LINE, VOLUME = X[:, :, 0], X.reshape(1, 3, 4, 6, 6)

MAXIMA = [
    (X, {"kernel_shape": (2, 2), "strides": (2, 2)}, "nn.MaxPool2d(2, 2)"),
    (X, {"kernel_shape": (3, 3), "strides": (2, 2), "pads": (1, 1, 1, 1)}, 'nn.MaxPool2d(3, 2, pad_mode="pad", pad'),
    (X, {"kernel_shape": (3, 2), "pads": (1, 0, 0, 1)}, "pad_with(x0, ((0, 0), (0, 0), (1, 0), (0, 1)), "),
    (X, {"kernel_shape": (2, 3), "dilations": (2, 1)}, "dilation=(2, 1)"),
    (X, {"kernel_shape": (3, 3), "strides": (3, 3), "ceil_mode": 1}, "ceil_mode=True"),
    (X, {"kernel_shape": (3, 3), "strides": (2, 2), "auto_pad": "SAME_UPPER"}, 'nn.MaxPool2d(3, 2, pad_mode="same")'),
    (X, {"kernel_shape": (3, 3), "strides": (2, 3), "auto_pad": "SAME_LOWER"}, "pad_with("),
    (X, {"kernel_shape": (3, 3), "auto_pad": "VALID"}, "nn.MaxPool2d(3, 1)"),
    (LINE, {"kernel_shape": (3,), "strides": (2,), "pads": (1, 1)}, "nn.MaxPool1d(3, 2"),
    (VOLUME, {"kernel_shape": (2, 3, 3), "pads": (1, 1, 1, 1, 1, 1)}, "nn.MaxPool3d((2, 3, 3)"),
]


def same_at_another_batch(operator: str, x: np.ndarray, rep: Any, attributes: dict[str, Any]) -> None:
    more = np.concatenate([x, 2 * x, x[:1]])
    (wanted,) = expected_of(model_of(operator, [more], **attributes), [more])
    compare(rep.run([more])[0], wanted, 1e-4, 1e-5, rep.script)


@pytest.mark.parametrize(("x", "attributes", "text"), MAXIMA, ids=[f"{c[0].ndim - 2}-{c[1]}" for c in MAXIMA])
@pytest.mark.usefixtures("behind_layers")
def test_maximum(x: np.ndarray, attributes: dict[str, Any], text: str) -> None:
    rep = check("MaxPool", x, free=True, **attributes)
    assert text in rep.script
    same_at_another_batch("MaxPool", x, rep, attributes)


@pytest.mark.parametrize(
    "attributes",
    [
        {"strides": (2, 2)},
        {"strides": (2, 2), "pads": (1, 1, 1, 1)},
        {"pads": (1, 0, 0, 1)},
        {"strides": (2, 2), "storage_order": 1},
    ],
)
def test_indices_count_within_the_whole_tensor(attributes: dict[str, Any]) -> None:
    check("MaxPool", X, outputs=2, kernel_shape=(3, 3), **attributes)


def test_indices_of_the_windows_that_begin_in_a_free_extent() -> None:
    node = "y, i = MaxPool <ceil_mode = 1, kernel_shape = [1, 2], strides = [2, 3]> (x)"
    model = parse(f"g (float[n,3,h,w] x) => (float[n,3,a,b] y, int64[n,3,a,b] i) {{ {node} }}", 22)
    check_model(model, [X[:, :, :5, :7]])


def test_maximum_of_integers() -> None:
    x = random.integers(-128, -1, (1, 2, 5, 5)).astype(np.int8)
    check("MaxPool", x, kernel_shape=(3, 3), pads=(1, 1, 1, 1))


def test_dilated_same_padding_is_declined() -> None:
    with pytest.raises(Unconverted, match="with dilations"):
        check("MaxPool", X, kernel_shape=(2, 2), dilations=(2, 2), auto_pad="SAME_UPPER", expect=[])


MEANS = [
    (X, {"kernel_shape": (2, 2), "strides": (2, 2)}, "nn.AvgPool2d(2, 2)"),
    (X, {"kernel_shape": (3, 3), "pads": (1, 1, 1, 1)}, 'nn.AvgPool2d(3, 1, pad_mode="same")'),
    (X, {"kernel_shape": (3, 3), "strides": (2, 2), "pads": (1, 1, 1, 1)}, "count_include_pad=False"),
    (X, {"kernel_shape": (3, 3), "pads": (1, 1, 1, 1), "count_include_pad": 1}, "ops.avg_pool2d(x0, 3, 1, 1)"),
    (X, {"kernel_shape": (3, 2), "pads": (1, 0, 0, 1)}, "ops.avg_pool2d("),
    (X, {"kernel_shape": (3, 3), "strides": (2, 2), "ceil_mode": 1, "pads": (1, 1, 1, 1)}, "ceil_mode=True"),
    (X, {"kernel_shape": (2, 3), "dilations": (2, 2), "pads": (0, 1, 1, 1)}, "window_sums"),
    (X, {"kernel_shape": (3, 3), "strides": (2, 2), "auto_pad": "SAME_UPPER"}, 'nn.AvgPool2d(3, 2, pad_mode="same")'),
    (X, {"kernel_shape": (3, 3), "strides": (2, 2), "auto_pad": "SAME_LOWER"}, "avg_pool2d("),
    (LINE, {"kernel_shape": (3,), "strides": (2,), "pads": (1, 1)}, "ops.avg_pool1d("),
    (LINE, {"kernel_shape": (3,), "pads": (2, 0), "count_include_pad": 1}, "window_sums"),
    (LINE[..., :3], {"kernel_shape": (2,), "strides": (2,), "auto_pad": "SAME_UPPER"}, "nn.AvgPool2d((1, 2), (1, 2)"),
    (LINE[..., :4], {"kernel_shape": (4,), "auto_pad": "SAME_UPPER"}, "nn.AvgPool2d((1, 4), (1, 1)"),
    (LINE, {"kernel_shape": (2,), "strides": (2,), "auto_pad": "SAME_UPPER"}, "nn.AvgPool1d(2, 2"),
    (VOLUME, {"kernel_shape": (2, 2, 3), "pads": (1, 0, 1, 1, 0, 1)}, "ops.avg_pool3d("),
]


@pytest.mark.usefixtures("behind_layers")
@pytest.mark.parametrize(("x", "attributes", "text"), MEANS, ids=[f"{c[0].ndim - 2}-{c[1]}" for c in MEANS])
def test_mean(x: np.ndarray, attributes: dict[str, Any], text: str) -> None:
    rep = check("AveragePool", x, free=True, **attributes)
    assert text in rep.script
    same_at_another_batch("AveragePool", x, rep, attributes)


@pytest.mark.parametrize(
    ("x", "attributes"),
    [
        (X, {"kernel_shape": (3, 3), "strides": (2, 2), "pads": (1, 1, 1, 1)}),
        (X, {"kernel_shape": (2, 2), "p": 1}),
        (LINE, {"kernel_shape": (3,), "p": 3}),
    ],
)
def test_norm(x: np.ndarray, attributes: dict[str, Any]) -> None:
    check("LpPool", x, free=True, **attributes)


@pytest.mark.parametrize(
    ("operator", "attributes", "text"),
    [
        ("GlobalAveragePool", {}, "ops.mean(x0, (2, 3), True)"),
        ("GlobalMaxPool", {}, "ops.amax(x0, (2, 3), True)"),
        ("GlobalLpPool", {"opset": 21}, "ops.sqrt(ops.sum(ops.square(x0)"),
        ("GlobalLpPool", {"opset": 21, "p": 3}, "ops.pow(ops.abs(x0), 3)"),
    ],
)
def test_whole_images_are_reductions(operator: str, attributes: dict[str, Any], text: str) -> None:
    rep = check(operator, X, free=True, **attributes)
    assert text in rep.script
    same_at_another_batch(operator, X, rep, attributes)


@pytest.mark.parametrize("pads", [(0, 1), (2, 1)])
@pytest.mark.parametrize("extent", [7, 9, 10])
def test_no_window_begins_behind_a_free_extent(pads: tuple[int, int], extent: int) -> None:
    node = f"MaxPool <ceil_mode = 1, kernel_shape = [3], strides = [3], pads = [{pads[0]}, {pads[1]}]>"
    model = parse(f"g (float[n,3,t] x) => (float[n,3,s] y) {{ y = {node} (x) }}", 18)
    check_model(model, [np.random.default_rng(0).normal(size=(2, 3, extent)).astype(np.float32)])


@pytest.mark.parametrize("constants", [(), (2,)])
@pytest.mark.parametrize("shape", [None, np.array([1, 1, 5, 5])])
def test_unpooling_puts_values_back(shape: np.ndarray | None, constants: tuple[int, ...]) -> None:
    x = np.array([[[[1, 2], [3, 4]]]], np.float32)
    indices = np.array([[[[5, 7], [13, 15]]]])
    check("MaxUnpool", x, indices, shape, constants=constants, kernel_shape=(2, 2), strides=(2, 2))


@pytest.mark.parametrize("operator", ["AveragePool", "LpPool"])
def test_doubles(operator: str) -> None:
    """MindSpore has no convolution of them, onnxruntime no pooling."""
    how = {"kernel_shape": (3, 2), "dilations": (2, 1), "strides": (2, 3)}
    (wanted,) = expected_of(model_of(operator, [X], **how), [X])
    check(operator, X.astype(np.float64), expect=[wanted.astype(np.float64)], **how)


@pytest.mark.parametrize("p", [2, 3])
def test_powers_that_float16_does_not_hold(p: int) -> None:
    x = np.full((1, 2, 4, 4), 600, np.float16)
    check("LpPool", x, p=p, kernel_shape=[2, 2], pads=[1, 1, 0, 0], rtol=1e-2)
    check("GlobalLpPool", x, p=p, opset=21, rtol=1e-2)
