from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from harness import check, check_model, compare, expected_of, model_of
from onnx_backend import MindSporeBackend, Unconverted

random = np.random.default_rng(0)
X = random.normal(size=(2, 3, 6, 5)).astype(np.float32)


def scales(*factors: float) -> np.ndarray:
    return np.array(factors, np.float32)


DOUBLE, UNEVEN = scales(1, 1, 2, 2), scales(1, 1, 0.6, 1.7)
CORNER = {"coordinate_transformation_mode": "asymmetric"}
ALIGNED = {"coordinate_transformation_mode": "align_corners"}
TORCH = {"coordinate_transformation_mode": "pytorch_half_pixel"}
SYMMETRIC = {"coordinate_transformation_mode": "half_pixel_symmetric"}
LINEAR, CUBIC = {"mode": "linear"}, {"mode": "cubic"}

BY_SCALE = [
    (X, DOUBLE, CORNER | {"nearest_mode": "floor"}, 'ops.interpolate(x0, (12, 10), mode="nearest")'),
    (X, DOUBLE, {"nearest_mode": "round_prefer_ceil"}, 'ops.interpolate(x0, (12, 10), mode="nearest'),
    (X, UNEVEN, CORNER | {"nearest_mode": "ceil"}, "ops.gather("),
    (X, DOUBLE, LINEAR, 'ops.interpolate(x0, (12, 10), mode="bilinear")'),
    (X, DOUBLE, LINEAR | TORCH, 'ops.interpolate(x0, (12, 10), mode="bilinear")'),
    (X, DOUBLE, LINEAR | ALIGNED, 'mode="bilinear", align_corners=True)'),
    (X, UNEVEN, LINEAR | ALIGNED, 'mode="bilinear", align_corners=True)'),
    (X, UNEVEN, CUBIC | ALIGNED, "resample("),
    (X, DOUBLE, LINEAR | CORNER, "ops.ResizeBilinearV2()(x0, (12, 10))"),
    (X, UNEVEN, LINEAR, "resample("),
    (X, UNEVEN, LINEAR | SYMMETRIC, "resample("),
    (X, scales(1, 1, 0.5, 0.4), LINEAR | {"antialias": 1}, "resample("),
    (X, UNEVEN, CUBIC, "resample("),
    (X, UNEVEN, CUBIC | {"cubic_coeff_a": -0.5, "exclude_outside": 1}, "resample("),
    (X, scales(1, 2, 1, 1), LINEAR, "resample("),
    (X[:, :, 0], scales(1, 1, 2), LINEAR, 'mode="linear")'),
    (X[:, :, None], scales(1, 1, 2, 2, 2), LINEAR, 'mode="trilinear")'),
]


@pytest.mark.parametrize(
    ("x", "factors", "attributes", "text"), BY_SCALE, ids=[f"{c[0].ndim - 2}-{c[1]}-{c[2]}" for c in BY_SCALE]
)
def test_scales(x: np.ndarray, factors: np.ndarray, attributes: dict[str, Any], text: str) -> None:
    rep = check("Resize", x, None, factors, constants=(2,), free=True, atol=1e-4, **attributes)
    assert text in rep.script
    more = np.concatenate([x, 2 * x, x[:1]])
    model = model_of("Resize", [more, None, factors], constants=(2,), **attributes)
    (wanted,) = expected_of(model, [more])
    compare(rep.run([more])[0], wanted, 1e-4, 1e-4, rep.script)


@pytest.mark.parametrize(
    ("sizes", "attributes"),
    [
        ((2, 3, 4, 9), LINEAR),
        ((2, 3, 4, 9), {"nearest_mode": "floor"}),
        ((2, 3, 1, 1), LINEAR | TORCH),
        ((4, 9), CUBIC | {"axes": (2, 3)}),
        ((4, 9), LINEAR | {"axes": (2, 3), "keep_aspect_ratio_policy": "not_larger"}),
        ((4, 9), LINEAR | {"axes": (2, 3), "keep_aspect_ratio_policy": "not_smaller"}),
    ],
    ids=str,
)
def test_sizes(sizes: tuple[int, ...], attributes: dict[str, Any]) -> None:
    check("Resize", X, None, None, np.array(sizes), constants=(3,), atol=1e-4, **attributes)


COMPUTED = [
    (2, scales(1, 1, 0.55, 0.4), LINEAR | {"antialias": 1}),
    (2, scales(1, 1, 0.55, 1.7), CUBIC | {"antialias": 1}),
    (2, scales(1, 1, 1.1, 1.7), LINEAR),
    (3, np.array([4, 9]), {"axes": (2, 3), "keep_aspect_ratio_policy": "not_larger"}),
    (3, np.array([4, 9]), {"axes": (2, 3), "keep_aspect_ratio_policy": "not_smaller"}),
    (3, np.array([5, 7]), LINEAR | {"axes": (2, 3), "keep_aspect_ratio_policy": "not_larger"}),
]


@pytest.mark.parametrize(("position", "factors", "attributes"), COMPUTED, ids=[f"{c[1]}-{c[2]}" for c in COMPUTED])
def test_computed_scales_and_sizes(position: int, factors: np.ndarray, attributes: dict[str, Any]) -> None:
    inputs = [X, *[None] * (position - 1), factors]
    model = model_of("Resize", inputs, **attributes)
    for dim in model.graph.output[0].type.tensor_type.shape.dim:
        dim.dim_value = 8  # the model states another shape of the result: it is not believed
    check_model(model, [X, factors], atol=1e-4)


@pytest.mark.parametrize("mode", ["nearest", "linear", "cubic"])
def test_a_region_is_cropped_and_resized(mode: str) -> None:
    region = np.array([0.1, 0.2, 1.3, 0.8], np.float32)  # beyond the image at one end
    options = {"coordinate_transformation_mode": "tf_crop_and_resize", "extrapolation_value": 7.0, "axes": (2, 3)}
    check("Resize", X, region, None, np.array([4, 7]), constants=(1, 3), mode=mode, atol=1e-4, **options)


@pytest.mark.parametrize("mode", ["nearest", "linear"])
@pytest.mark.parametrize(("factors", "sizes"), [(None, np.array([1, 2, 7, 3])), (scales(1, 1, 1.5, 0.5), None)])
def test_only_the_run_knows_the_size(mode: str, factors: np.ndarray | None, sizes: np.ndarray | None) -> None:
    image = np.random.default_rng(0).normal(size=(1, 2, 4, 6)).astype(np.float32)
    check("Resize", image, None, factors, sizes, mode=mode, free=True)
    check("Resize", image, None, factors, sizes, mode=mode, constants=(0,))


@pytest.mark.parametrize("factor", [np.inf, -np.inf, np.nan, 0.0, -2.0])
def test_scales_that_are_no_positive_numbers_are_declined(factor: float) -> None:
    model = model_of("Resize", [X, None, scales(1, 1, factor, 2)], constants=(2,), mode="linear")
    with pytest.raises(Unconverted, match="A scale is no positive number"):
        MindSporeBackend.prepare(model)


@pytest.mark.parametrize("scales", [(1, 1, 2, 1.5), (1, 1, 0.5, 0.6), (1, 1, 0.5, 2)])
def test_version_10_with_scales_that_are_fed(scales: tuple[float, ...]) -> None:
    """The nearest pixel is the one below where they enlarge, the one above where they shrink."""
    check("Resize", np.arange(24, dtype=np.float32).reshape(1, 1, 4, 6), np.array(scales, np.float32), opset=10)
