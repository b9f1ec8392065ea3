"""What operators of ai.onnx.ml make of their scores, `post_transform`, as onnxruntime computes it.

Source: https://onnx.ai/onnx/operators/onnx_aionnxml_LinearClassifier.html.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from converter.rows import Arg, Node, expr

if TYPE_CHECKING:
    from mindspore import ops


def transformed(node: Node, scores: Arg, post_transform: str) -> Arg:
    """The scores of each row, transformed.

    Raises:
        Unsupported: ONNX knows no such transform.
    """
    match post_transform:
        case "NONE":
            return scores
        case "SOFTMAX":
            return expr("ops.softmax({0}, -1)", scores)
        case "LOGISTIC":
            return expr("ops.sigmoid({0})", scores)
        case "SOFTMAX_ZERO":
            return expr("{0}({1})", softmax_of_others_than_zero, scores)
        case "PROBIT":
            return expr("{0}({1})", probit, scores)
    raise node.decline(f"post_transform {post_transform} has no counterpart")


def softmax_of_others_than_zero(scores):
    """A softmax over the scores that are not 0; those stay 0."""
    largest = ops.amax(scores, -1, True)
    others = ops.abs(scores) > 1e-7
    powers = ops.where(others, ops.exp(scores - largest), ops.zeros_like(scores))
    rest = ops.where(others, ops.zeros_like(scores), scores * ops.exp(-largest))
    return (powers + rest) / ops.sum(powers, -1, keepdim=True)


def probit(scores):
    """The inverse of the normal distribution, by the approximation that onnxruntime uses (Winitzki, 2008)."""
    x = 2 * scores - 1
    log = ops.log((1 - x) * (1 + x))
    half = 2 / (3.14159265 * 0.147) + 0.5 * log
    return 1.41421356 * ops.where(x < 0, -1.0, 1.0) * ops.sqrt(ops.sqrt(half * half - log / 0.147) - half)
