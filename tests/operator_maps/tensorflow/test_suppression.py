"""Boxes that TensorFlow chooses by scores that fall, against TensorFlow, in both modes."""

from __future__ import annotations

import numpy as np
import pytest
from harness import check
from onnx_backend import Unconverted

BOXES = np.array(
    [[0, 0, 0.3, 0.3], [0.4, 0.4, 0, 0], [0, 0, 0.5, 0.5], [0.5, 0.5, 0.9, 0.9], [0.5, 0.5, 1, 1], [1, 1, 1, 1]],
    np.float32,
)
SCORES = np.array([0.9, 0.8, 0.7, 0.6, 0.65, 0.65], np.float32)
CONSTANTS = {"domain": "tensorflow", "constants": (2, 3, 4, 5), "outputs": 3}


@pytest.mark.parametrize(
    ("limit", "iou", "lowest", "sigma"),
    [(4, 0.9, 0.1, 0.5), (9, 1.0, 0.0, 0.2), (6, 0.5, 0.3, 0.5), (6, 0.4, -1.0, 0.1)],
)
def test_scores_that_fall(limit: int, iou: float, lowest: float, sigma: float) -> None:
    tf = pytest.importorskip("tensorflow")
    numbers = (np.int32(limit), np.float32(iou), np.float32(lowest), np.float32(sigma))
    wanted = tf.raw_ops.NonMaxSuppressionV5(
        boxes=BOXES, scores=SCORES, max_output_size=numbers[0], iou_threshold=numbers[1], score_threshold=numbers[2],
        soft_nms_sigma=numbers[3],
    )  # fmt: skip
    expect = [each.numpy() for each in wanted]
    check("NonMaxSuppressionV5", BOXES, SCORES, *numbers, expect=expect, free=True, dynamic=True, **CONSTANTS)


def test_results_that_are_filled_up_are_declined() -> None:
    numbers = (np.int32(2), np.float32(0.5), np.float32(0), np.float32(1))
    with pytest.raises(Unconverted, match="fills up the results"):
        check("NonMaxSuppressionV5", BOXES, SCORES, *numbers, expect=[], pad_to_max_output_size=1, **CONSTANTS)
