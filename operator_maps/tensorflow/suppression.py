"""TensorFlow's choice of boxes whose scores fall where they overlap those chosen before; ONNX's drops these.

Source: https://www.tensorflow.org/api_docs/python/tf/raw_ops/NonMaxSuppressionV5.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from converter.rows import Arg, Node, Operand, Unpacked, expr

if TYPE_CHECKING:
    import mindspore as ms
    from mindspore import ops


def non_max_suppression(
    node: Node,
    boxes: Operand,
    scores: Operand,
    max_output_size: Operand,
    iou_threshold: Operand,
    score_threshold: Operand,
    soft_nms_sigma: Operand,
    *,
    pad_to_max_output_size: int = 0,
) -> Arg:
    """NonMaxSuppressionV5: boxes (N, 4), scores (N,) → the places chosen, their scores, and their number.

    With a sigma TensorFlow does not look at `iou_threshold`; without one it is ONNX's operator.

    Raises:
        Unsupported: the number of boxes to choose is computed, or the results are filled up to it.
    """
    limit, lowest, sigma = (x.number_or_tensor() for x in (max_output_size, score_threshold, soft_nms_sigma))
    if not isinstance(limit, int) or not isinstance(sigma, float) or sigma == 0 or pad_to_max_output_size:
        raise node.decline("its sigma or the number of boxes is computed, or it fills up the results")
    return Unpacked(expr("{0}({1}, {2}, {3}, {4}, {5})", choose_softly, boxes, scores, limit, lowest, sigma))


def choose_softly(boxes, scores, limit, score_threshold, sigma):
    """Choose the best box again and again; each choice lowers the scores of the boxes that it overlaps.

    boxes (N, 4) are corners in any order. Returns the places chosen, their scores, and their number.
    """
    low, high = ops.minimum(boxes[:, :2], boxes[:, 2:]), ops.maximum(boxes[:, :2], boxes[:, 2:])
    area = (high[:, 0] - low[:, 0]) * (high[:, 1] - low[:, 1])
    sides = ops.relu(ops.minimum(high.unsqueeze(1), high) - ops.maximum(low.unsqueeze(1), low))
    shared = sides[..., 0] * sides[..., 1]
    overlap = ops.where(shared > 0, shared / (area.unsqueeze(1) + area - shared), 0.0)
    factors = ops.exp(-0.5 / sigma * overlap * overlap)
    places, taken = ops.arange(scores.shape[0]), ops.zeros_like(scores) > 0
    chosen, best_scores = [], []
    for _ in range(limit):
        best = ops.argmax(ops.where(taken, float("-inf"), scores))
        chosen.append(best)
        best_scores.append(ops.where(ops.gather(taken, best, 0), float("-inf"), ops.gather(scores, best, 0)))
        scores = scores * ops.gather(factors, best, 0)
        taken = ops.logical_or(taken, places == best)
    best_scores = ops.stack(best_scores)
    kept = ops.nonzero(best_scores > score_threshold).squeeze(1)
    number = (best_scores > score_threshold).astype(ms.int32).sum().astype(ms.int32)
    return ops.gather(ops.stack(chosen), kept, 0).astype(ms.int32), ops.gather(best_scores, kept, 0), number


ROWS = {"tensorflow.NonMaxSuppressionV5": non_max_suppression}
