from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from harness import check, check_model, compare, expected_of, model_of
from onnx import TensorProto, helper, numpy_helper
from onnx_backend import Unconverted

random = np.random.default_rng(0)


def normal(*shape: int) -> np.ndarray:
    return random.normal(size=shape).astype(np.float32)


X = normal(2, 4, 9, 8)
W, B = normal(6, 4, 3, 3), normal(6)

LAYERS = [
    (X, W, {}, "nn.Conv2d(4, 6, 3, pad_mode="),
    (
        X,
        W,
        {"pads": (1, 1, 1, 1), "strides": (2, 2)},
        'nn.Conv2d(4, 6, 3, stride=2, pad_mode="pad", padding=1, has_bias=True)',
    ),
    (X, W, {"pads": (1, 0, 2, 1)}, "padding=(1, 2, 0, 1)"),
    (X, W, {"strides": (2, 1), "dilations": (1, 2)}, "stride=(2, 1)"),
    (X, W, {"dilations": (2, 2)}, "dilation=2"),
    (X, W[:, :2], {"group": 2}, "group=2"),
    (X, W[:, :, :1, :1], {"kernel_shape": (1, 1)}, "nn.Conv2d(4, 6, 1, has_bias=True)"),
    (X, W, {"auto_pad": "SAME_UPPER", "strides": (2, 2)}, 'pad_mode="same"'),
    (X, W[:, :, :2], {"auto_pad": "SAME_LOWER"}, 'pad_mode="pad"'),
    (X, W, {"auto_pad": "VALID"}, 'pad_mode="valid"'),
    (X[:, :, 0], W[:, :, 0], {"pads": (1, 1)}, 'nn.Conv1d(4, 6, 3, pad_mode="pad", padding=1, has_bias=True)'),
    (X[:, :, 0], W[:, :, 0], {"pads": (2, 0)}, "ops.Pad(((0, 0), (0, 0), (2, 0)))(x0)"),
    (
        normal(1, 2, 4, 5, 6),
        normal(6, 2, 2, 3, 3),
        {"pads": (0, 1, 1, 1, 1, 1)},
        "nn.Conv3d(2, 6, (2, 3, 3)",
    ),
]


@pytest.mark.parametrize(("x", "w", "attributes", "text"), LAYERS, ids=[f"{c[0].ndim - 2}-{c[2]}" for c in LAYERS])
def test_constant_weights_are_a_layer_for_any_batch(
    x: np.ndarray, w: np.ndarray, attributes: dict[str, Any], text: str
) -> None:
    rep = check("Conv", x, w, B, constants=(1, 2), free=True, **attributes)
    assert text in rep.script
    assert [p.requires_grad for p in rep.net.get_parameters()] == [True, True]
    more = np.concatenate([x, 2 * x, x[:1]])
    wanted = expected_of(model_of("Conv", (more, w, B), constants=(1, 2), **attributes), [more])
    compare(rep.run([more])[0], wanted[0], 1e-4, 1e-5, rep.script)


def test_no_bias_is_a_layer_without_one() -> None:
    rep = check("Conv", X[:, :3], normal(4, 3, 3, 3), constants=(1,), pads=(1, 1, 1, 1), strides=(2, 2))
    assert 'nn.Conv2d(3, 4, 3, stride=2, pad_mode="pad", padding=1)' in rep.script
    assert len(list(rep.net.get_parameters())) == 1


def test_half_precision_is_the_layers_dtype() -> None:
    half = [a.astype(np.float16) for a in (X, W, B)]
    rep = check("Conv", *half, constants=(1, 2), pads=(1, 1, 1, 1), rtol=1e-2, atol=2e-2)
    assert "dtype=ms.float16" in rep.script


def test_a_computed_bias_is_added_to_the_layer() -> None:
    rep = check("Conv", X, W, B, constants=(1,))
    assert "has_bias" not in rep.script
    assert "+ x2.reshape((1, -1, 1, 1))" in rep.script


@pytest.mark.parametrize(
    ("x", "w", "attributes", "text"),
    [
        (X, W, {"pads": (1, 1, 1, 1), "strides": (2, 2)}, 'ops.conv2d(x0, x1, x2, stride=2, pad_mode="pad"'),
        (
            X,
            W,
            {"pads": (0, 1, 1, 0), "dilations": (2, 1)},
            "ops.conv2d(ops.Pad(((0, 0), (0, 0), (0, 1), (1, 0)))(x0), x1, x2",
        ),
        (X, W[:, :1], {"group": 4, "auto_pad": "SAME_UPPER", "strides": (2, 2)}, 'pad_mode="same", groups=4'),
        (X[:, :, 0], W[:, :, 0], {"dilations": (3,)}, "ops.conv1d(x0, x1, x2, dilation=3)"),
        (normal(1, 2, 3, 4, 5), normal(6, 2, 2, 2, 2), {"strides": (1, 2, 1)}, "ops.conv3d(x0, x1, x2, stride="),
    ],
)
def test_computed_weights_are_a_function(x: np.ndarray, w: np.ndarray, attributes: dict[str, Any], text: str) -> None:
    if "group" in attributes:
        w = np.concatenate([w, w[:2]])  # eight channels, two for each group
    assert text in check("Conv", x, w, np.resize(B, len(w)), **attributes).script


def test_auto_pad_follows_a_free_extent() -> None:
    image = np.moveaxis(X, 2, 0)  # the free axis is the height
    nodes = [
        helper.make_node("Transpose", ["x"], ["t"], "turn", perm=(1, 2, 0, 3)),
        helper.make_node("Conv", ["t", "w"], ["y"], "conv", auto_pad="SAME_LOWER", strides=(2, 3)),
    ]
    graph = helper.make_graph(
        nodes,
        "free",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["height", 2, 4, 8])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)],
        [numpy_helper.from_array(W, "w")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 22)], ir_version=10)
    rep = check_model(model, [image])
    (wanted,) = expected_of(model, [image[:6]])
    compare(rep.run([image[:6]])[0], wanted, 1e-4, 1e-5, rep.script)


def test_four_spatial_axes_are_declined() -> None:
    with pytest.raises(Unconverted, match="4 spatial axes"):
        check("Conv", normal(1, 1, 3, 3, 3, 3), normal(1, 1, 2, 2, 2, 2), constants=(1,), expect=[])


_NO_GROUP = "Its group, {group}, does not divide its channels"
_OTHER_CHANNELS = "Its weight is for {meant} channels, and its input has 3"


@pytest.mark.parametrize(
    ("operator", "channels", "group", "why"),
    [
        ("Conv", 3, -3, _NO_GROUP),
        ("Conv", 3, 2, _NO_GROUP),
        ("Conv", 3, 3, _OTHER_CHANNELS.format(meant=9)),
        ("ConvTranspose", 3, 0, _NO_GROUP),
        ("ConvTranspose", 4, 2, _OTHER_CHANNELS.format(meant=4)),
        ("DeformConv", 3, -3, _NO_GROUP),
        ("ConvInteger", 3, -3, _NO_GROUP),
        ("ConvInteger", 1, 1, _OTHER_CHANNELS.format(meant=2)),
    ],
)
def test_groups_and_channels_that_do_not_fit_are_declined(operator: str, channels: int, group: int, why: str) -> None:
    x, w = normal(1, 3, 5, 5), normal(channels, 2 if channels == 1 else 3, 2, 2)
    if operator == "ConvInteger":
        x, w = x.astype(np.uint8), w.astype(np.uint8)
    more = [np.zeros((1, 8, 4, 4), np.float32)] * (operator == "DeformConv")
    with pytest.raises(Unconverted, match=why.format(group=group)):
        check(operator, x, w, *more, constants=(1,), expect=[], group=group)


V = normal(4, 3, 3, 3)  # (in, out, height, width)

TRANSPOSED = [
    (X, V, {"strides": (2, 2), "pads": (1, 1, 1, 1)}, "nn.Conv2dTranspose(4, 3, 3, stride=2, pad_mode="),
    (X, V, {"strides": (2, 2), "pads": (1, 1, 1, 1), "output_padding": (1, 1)}, "padding=(1, 0, 1, 0)"),
    (X, V, {"strides": (2, 3), "output_padding": (0, 2)}, "ops.Pad("),
    (X, V, {"strides": (2, 2), "output_shape": (17, 18)}, "nn.Conv2dTranspose("),
    (X, V, {"strides": (2, 2), "output_shape": (24, 20), "auto_pad": "SAME_UPPER"}, "(3, 2), (2, 1)))("),
    (X, V, {"strides": (2, 2), "auto_pad": "SAME_UPPER"}, "nn.Conv2dTranspose("),
    (X, V, {"strides": (2, 2), "auto_pad": "SAME_LOWER"}, "nn.Conv2dTranspose("),
    (X, V, {"group": 2, "dilations": (2, 1)}, "group=2"),
    (X[:, :, 0], V[:, :, 0], {"strides": (2,), "pads": (0, 1)}, "nn.Conv1dTranspose(4, 3, 3, stride=2"),
    (normal(1, 4, 2, 3, 4), normal(4, 3, 2, 2, 2), {"strides": (1, 2, 1)}, "nn.Conv3dTranspose(4, 3, 2"),
]


@pytest.mark.parametrize(
    ("x", "v", "attributes", "text"), TRANSPOSED, ids=[f"{c[0].ndim - 2}-{c[2]}" for c in TRANSPOSED]
)
def test_transposed_convolution(x: np.ndarray, v: np.ndarray, attributes: dict[str, Any], text: str) -> None:
    bias = normal(v.shape[1] * attributes.get("group", 1))
    assert text in check("ConvTranspose", x, v, bias, constants=(1, 2), atol=2e-5, **attributes).script


@pytest.mark.parametrize(
    ("x", "v", "attributes"),
    [
        (X, V, {"strides": (2, 2), "pads": (1, 0, 0, 1)}),
        (X[:, :, 0], V[:, :, 0], {"dilations": (2,)}),
        (normal(1, 4, 2, 3, 4), normal(4, 3, 2, 2, 2), {"strides": (1, 2, 1)}),
    ],
)
def test_transposed_convolution_with_computed_weights(x: np.ndarray, v: np.ndarray, attributes: dict[str, Any]) -> None:
    rep = check("ConvTranspose", x, v, B[:3], atol=2e-5, **attributes)
    assert f"conv_transpose{x.ndim - 2}d(x0, x1" in rep.script


@pytest.mark.parametrize("layer", [True, False])
@pytest.mark.parametrize("rank", [1, 2, 3])
@pytest.mark.parametrize(
    "attributes",
    [
        {"output_shape": (7, 8, 6), "strides": (2, 2, 2)},
        {"output_shape": (10, 11, 7), "strides": (2, 2, 2), "auto_pad": "SAME_UPPER"},  # longer than the full result
        {"output_shape": (11, 12, 9), "strides": (2, 2, 2), "auto_pad": "SAME_UPPER"},  # by more than a stride
        {"output_shape": (6, 7, 5), "strides": (2, 1, 2), "output_padding": (1, 0, 1), "auto_pad": "SAME_LOWER"},
    ],
)
def test_an_output_shape_for_free_extents(attributes: dict[str, Any], rank: int, layer: bool) -> None:
    options = {key: value if key == "auto_pad" else value[:rank] for key, value in attributes.items()}
    x, v, bias = normal(2, 2, *(4, 5, 3)[:rank]), normal(2, 3, *(3, 2, 2)[:rank]), normal(3)
    model = model_of("ConvTranspose", (x, v, bias), constants=(1, 2) if layer else (), **options)
    for axis in range(rank):
        model.graph.input[0].type.tensor_type.shape.dim[2 + axis].dim_param = f"d{axis}"
    check_model(model, [x] if layer else [x, v, bias], atol=2e-5, dynamic=layer)


@pytest.mark.parametrize("rank", [1, 2, 3])
@pytest.mark.parametrize("attributes", [{}, {"strides": (2, 1, 2), "dilations": (1, 2, 1), "pads": (1, 0, 1, 0, 2, 1)}])
def test_a_kernel_of_free_extents(attributes: dict[str, Any], rank: int) -> None:
    options = {key: value[:rank] + (value[3 : 3 + rank] if key == "pads" else ()) for key, value in attributes.items()}
    x, w, bias = normal(2, 4, *(6, 7, 5)[:rank]), normal(6, 2, *(3, 2, 2)[:rank]), normal(6)
    model = model_of("Conv", (x, w, bias), group=2, **options)
    for value in model.graph.input[:2]:
        for axis in range(rank):
            value.type.tensor_type.shape.dim[2 + axis].dim_param = f"{value.name}{axis}"
    assert "convolve_by_taps" in check_model(model, [x, w, bias], atol=2e-5, dynamic=True).script


@pytest.mark.parametrize("group", [1, 2])
def test_a_transposed_convolution_dilates_the_depth(group: int) -> None:
    x, v, bias = normal(1, 4, 3, 3, 4), normal(4, 3, 2, 3, 2), normal(3 * group)
    options = {"dilations": (3, 2, 1), "strides": (2, 1, 1), "pads": (1, 0, 1, 0, 1, 0), "group": group}
    check("ConvTranspose", x, v, bias, constants=(1, 2), atol=2e-5, **options)


@pytest.mark.parametrize("masked", [False, True])
def test_deformable_convolution(masked: bool) -> None:
    offset = normal(2, 2 * 2 * 9, 5, 4)
    mask = np.abs(normal(2, 2 * 9, 5, 4)) if masked else None
    options = {"pads": (1, 1, 1, 1), "strides": (2, 2), "group": 2, "offset_group": 2}
    check("DeformConv", X, W[:, :2], offset, B if masked else None, mask, constants=(1, 3), atol=1e-4, **options)
