from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from harness import check, check_model, compare, expected_of, model_of
from onnx.reference import ReferenceEvaluator
from onnx_backend import Unconverted

random = np.random.default_rng(0)


def normal(*shape: int) -> np.ndarray:
    return random.normal(size=shape).astype(np.float32)


@pytest.mark.parametrize(
    ("operator", "shape", "attributes", "text"),
    [
        ("DepthToSpace", (2, 8, 3, 4), {}, "ops.DepthToSpace(2)(x0)"),
        ("DepthToSpace", (2, 8, 3, 4), {"blocksize": 1}, "return x0"),
        ("SpaceToDepth", (2, 8, 3, 4), {"blocksize": 1}, "return x0"),
        ("DepthToSpace", (2, 8, 3, 4), {"mode": "CRD"}, "ops.pixel_shuffle(x0, 2)"),
        ("SpaceToDepth", (2, 3, 4, 6), {}, "ops.SpaceToDepth(2)(x0)"),
        ("SpaceToDepth", (2, 3, 4, 6), {"mode": "CRD", "opset": 28}, "ops.pixel_unshuffle(x0, 2)"),
    ],
)
def test_blocks_of_pixels(operator: str, shape: tuple[int, ...], attributes: dict[str, Any], text: str) -> None:
    x = normal(*shape)
    expect = None
    if attributes.get("opset") == 28:  # newer than onnxruntime
        expect = [x.reshape(2, 3, 2, 2, 3, 2).transpose(0, 1, 3, 5, 2, 4).reshape(2, 12, 2, 3)]
    attributes = {"blocksize": 2, **attributes}
    rep = check(operator, x, free=True, expect=expect, **attributes)
    assert text in rep.script
    if expect is None:
        (wanted,) = expected_of(model_of(operator, [x[:1]], **attributes), [x[:1]])
        compare(rep.run([x[:1]])[0], wanted, 0, 0, rep.script)


@pytest.mark.parametrize(
    ("shape", "attributes", "text"),
    [
        ((2, 2, 4), {}, "x0[:, "),
        ((7, 8), {"axes": (1, 2)}, "ops.Pad(((0, 0), (1, 1), (1, 2)))(x0)"),
        ((3, 8), {"axes": (-2, -1)}, "ops.Pad(((0, 0), (0, 0), (1, 2)))(x0[:, 1:4])"),
    ],
)
def test_centre_is_cropped_or_padded(shape: tuple[int, ...], attributes: dict[str, Any], text: str) -> None:
    rep = check("CenterCropPad", normal(2, 5, 5), np.array(shape), constants=(1,), **attributes)
    assert text in rep.script


def test_centre_of_nothing() -> None:
    model = model_of("CenterCropPad", [normal(2, 5, 4), np.array([3, 7])], constants=(1,), axes=[1, 2])
    model.graph.input[0].type.tensor_type.shape.dim[0].dim_param = "n"
    check_model(model, [normal(0, 5, 4)])


@pytest.mark.parametrize(("constants", "free"), [((1,), True), ((), False)])
def test_centre_of_extents_that_only_the_run_knows(constants: tuple[int, ...], free: bool) -> None:
    x = normal(2, 5, 6)
    assert "centre_along" in check("CenterCropPad", x, np.array([5, 2, 6]), constants=constants, free=free).script


@pytest.mark.parametrize(
    ("columns", "attributes"),
    [
        (12, {}),
        (30, {"pads": (1, 1, 1, 1)}),
        (6, {"strides": (1, 2)}),
        (6, {"dilations": (2, 2)}),
        (20, {"pads": (0, 1, 1, 0)}),
    ],
)
def test_columns_are_summed_into_an_image(columns: int, attributes: dict[str, Any]) -> None:
    constants = np.array([4, 5]), np.array([2, 2])
    check("Col2Im", normal(2, 3 * 4, columns), *constants, constants=(1, 2), **attributes)


@pytest.mark.parametrize("known", [True, False], ids=["known", "computed"])
@pytest.mark.parametrize(
    ("image", "block", "columns", "attributes"),
    [
        ((7,), (3,), 4, {"strides": (2,), "pads": (1, 1)}),
        ((4, 5), (2, 3), 4, {"pads": (0, 1, 1, 0), "strides": (2, 2)}),
        ((3, 4, 5), (1, 2, 3), 8, {"dilations": (1, 2, 1), "strides": (2, 1, 2)}),
    ],
)
def test_columns_of_any_rank(
    image: tuple[int, ...], block: tuple[int, ...], columns: int, attributes: dict[str, Any], known: bool
) -> None:
    constants = (1, 2) if known else ()
    shapes = np.array(image), np.array(block)
    inputs = normal(2, 3 * int(np.prod(block)), columns), *shapes
    model = model_of("Col2Im", inputs, **attributes)  # onnxruntime's result is wrong where 3-D blocks are dilated
    wanted = ReferenceEvaluator(model).run(None, dict(zip(("x0", "x1", "x2"), inputs, strict=True)))
    check("Col2Im", *inputs, constants=constants, expect=wanted, **attributes)


@pytest.mark.parametrize("align_corners", [0, 1])
@pytest.mark.parametrize("size", [(2, 3, 4, 5), (2, 3, 4, 5, 6)], ids=["2-D", "3-D"])
@pytest.mark.parametrize("kind", [np.float32, np.float64])
def test_affine_grid(size: tuple[int, ...], align_corners: int, kind: type) -> None:
    theta = normal(2, len(size) - 2, len(size) - 1).astype(kind)
    rep = check("AffineGrid", theta, np.array(size), constants=(1,), align_corners=align_corners)
    assert ("align_corners=True" in rep.script) == bool(align_corners)


@pytest.mark.parametrize("align_corners", [0, 1])
@pytest.mark.parametrize("padding_mode", ["zeros", "border", "reflection"])
@pytest.mark.parametrize("mode", ["linear", "nearest", "cubic"])
def test_grid_sample(mode: str, padding_mode: str, align_corners: int) -> None:
    x, grid = normal(2, 3, 5, 6), random.uniform(-1.6, 1.6, (2, 4, 3, 2)).astype(np.float32)
    attributes = {"mode": mode, "padding_mode": padding_mode, "align_corners": align_corners}
    rep = check("GridSample", x, grid, atol=1e-4, free=True, **attributes)
    assert ("ops.grid_sample(x0, x1" in rep.script) == (mode == "linear")


@pytest.mark.parametrize("mode", ["linear", "nearest"])
def test_grid_sample_in_3d(mode: str) -> None:
    x, grid = normal(2, 3, 3, 5, 6), random.uniform(-1.2, 1.2, (2, 2, 4, 3, 3)).astype(np.float32)
    check("GridSample", x, grid, atol=1e-4, mode=mode)


def test_cubic_grid_sample_in_3d_is_declined() -> None:
    with pytest.raises(Unconverted, match="rank 5"):
        check("GridSample", normal(1, 1, 3, 3, 3), normal(1, 2, 2, 2, 3), mode="cubic", expect=[])


def test_image_files_are_not_decoded() -> None:
    with pytest.raises(Unconverted, match="decode before the network"):
        check("ImageDecoder", np.zeros(9, np.uint8), expect=[])


@pytest.mark.parametrize("constants", [(0,), (1,)])
def test_a_constant_image_or_grid(constants: tuple[int, ...]) -> None:
    """Graph mode does not take a parameter beside a tensor there."""
    random = np.random.default_rng(0)
    image, grid = (random.uniform(-1, 1, shape).astype(np.float32) for shape in ((1, 2, 5, 6), (1, 4, 3, 2)))
    assert ".value()" in check("GridSample", image, grid, constants=constants).script
