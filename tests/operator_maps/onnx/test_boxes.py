from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from harness import check, compare, expected_of, model_of

random = np.random.default_rng(0)
X = random.normal(size=(2, 3, 10, 12)).astype(np.float32)
REGIONS = np.array([[0, 0, 7, 5], [2, 3, 4.5, 9], [6, 1, 6.3, 1.2], [-3, -2, 5, 4]], np.float32)
BATCH = np.array([0, 1, 1, 0], np.int64)


@pytest.mark.parametrize(
    "attributes",
    [
        {},
        {"sampling_ratio": 2, "mode": "max"},
        {"coordinate_transformation_mode": "output_half_pixel", "sampling_ratio": 2, "spatial_scale": 0.7},
    ],
    ids=str,
)
def test_regions_are_aligned(attributes: dict[str, Any]) -> None:
    check("RoiAlign", X, REGIONS, BATCH, output_height=5, output_width=4, **attributes)


def test_any_number_of_regions_is_aligned() -> None:
    options = {"output_height": 2, "output_width": 3, "sampling_ratio": 1}
    rep = check("RoiAlign", X, REGIONS, BATCH, free=True, **options)
    fewer = [X, REGIONS[1:3], BATCH[1:3]]
    (wanted,) = expected_of(model_of("RoiAlign", fewer, **options), fewer)
    compare(rep.run(fewer)[0], wanted, 1e-4, 1e-5, rep.script)


@pytest.mark.parametrize("scale", [1.0, 0.5])
def test_maxima_over_regions(scale: float) -> None:
    regions = np.array([[0, 0, 0, 7, 5], [1, 2, 3, 4, 9], [1, 6, 1, 6, 1], [0, 3, 3, 30, 30]], np.float32)
    check("MaxRoiPool", X, regions, free=True, opset=21, pooled_shape=(3, 2), spatial_scale=scale)


CENTRES = random.uniform(0, 4, (2, 12, 2))
BOXES = np.concatenate([CENTRES, CENTRES + random.uniform(0.5, 3, (2, 12, 2))], 2).astype(np.float32)
SCORES = random.permutation(72).reshape(2, 3, 12).astype(np.float32) / 72  # no two are equal


@pytest.mark.parametrize(
    ("limit", "overlap", "lowest", "centred"),
    [(4, 0.5, None, 0), (12, 0.2, 0.3, 0), (3, None, None, 0), (12, 0.3, 0.1, 1), (0, 0.5, None, 0)],
)
def test_best_boxes_are_selected(limit: int, overlap: float | None, lowest: float | None, centred: int) -> None:
    thresholds = [None if value is None else np.array([value], np.float32) for value in (overlap, lowest)]
    inputs = [BOXES, SCORES, np.array([limit]), *thresholds]
    check("NonMaxSuppression", *inputs, constants=(2, 3, 4), center_point_box=centred)


@pytest.mark.parametrize("lowest", [None, 0.1])
def test_infinite_scores_are_the_least_and_the_largest(lowest: float | None) -> None:
    """Boxes with a score of minus infinity are selected, too, if there is no threshold."""
    scores = np.where(SCORES > 0.8, np.float32(np.inf), np.where(SCORES < 0.5, np.float32(-np.inf), SCORES))
    thresholds = [np.array([0.5], np.float32), None if lowest is None else np.array([lowest], np.float32)]
    check("NonMaxSuppression", BOXES, scores, np.array([12]), *thresholds, constants=(2, 3, 4))


def test_limits_may_be_computed_and_corners_in_any_order() -> None:
    boxes = BOXES[..., [2, 1, 0, 3]]
    check("NonMaxSuppression", boxes, SCORES, np.array([5]), np.array([0.4], np.float32), np.array([0.2], np.float32))


def test_no_limit_selects_nothing() -> None:
    check("NonMaxSuppression", BOXES, SCORES)
