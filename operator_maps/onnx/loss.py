"""Losses, and the optimiser steps of ONNX's training domain.

Source: https://onnx.ai/onnx/operators/.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import onnx_ir as ir

from converter.rows import Arg, Expression, Node, Operand, Unpacked, expr, invoke, unless_default
from operator_maps.lib.precision import in_float32

if TYPE_CHECKING:
    from mindspore import ops

TRAINING = "ai.onnx.preview.training"


def negative_log_likelihood(
    node: Node,
    x: Operand,
    target: Operand,
    weight: Operand | None,
    *,
    ignore_index: int | None = None,
    reduction: str = "mean",
) -> Arg:
    """ONNX NegativeLogLikelihoodLoss: `ops.nll_loss`."""
    return _loss("ops.nll_loss", x.dtype, x, target, weight, ignore_index, reduction)


def softmax_cross_entropy(
    node: Node,
    scores: Operand,
    labels: Operand,
    weights: Operand | None,
    *,
    ignore_index: int | None = None,
    reduction: str = "mean",
) -> Arg:
    """ONNX SoftmaxCrossEntropyLoss: `ops.cross_entropy`; `ops.nll_loss` if the log-softmax is an output too."""
    if len(node.outputs) == 1 or not node.used[1]:
        return _loss("ops.cross_entropy", scores.dtype, scores, labels, weights, ignore_index, reduction)
    logs = node.let("log_prob", expr("ops.log_softmax({0}, 1)", scores))
    return _loss("ops.nll_loss", scores.dtype, logs, labels, weights, ignore_index, reduction), logs


def _loss(
    name: str,
    dtype: ir.DataType | None,
    x: Arg,
    target: Operand,
    weight: Operand | None,
    ignore_index: int | None,
    reduction: str,
) -> Expression:
    options = unless_default(
        ignore_index=(-100 if ignore_index is None else ignore_index, -100), reduction=(reduction, "mean")
    )

    def loss(x: Arg, weight: Arg) -> Expression:
        return invoke(name, x, target, *([] if weight is None else [weight]), **options)

    return in_float32(dtype, loss, x, weight)


# Optimisers: one step for every trained tensor


def adagrad(
    node: Node,
    rate: Operand,
    count: Operand,
    *tensors: Operand,
    decay_factor: float = 0.0,
    epsilon: float = 0.0,
    norm_coefficient: float = 0.0,
) -> Arg:
    """Adagrad of ai.onnx.preview.training."""
    return _steps(node, adagrad_step, rate, count, tensors, 3, (norm_coefficient, decay_factor, epsilon))


def adam(
    node: Node,
    rate: Operand,
    count: Operand,
    *tensors: Operand,
    alpha: float = 0.9,
    beta: float = 0.999,
    epsilon: float = 0.0,
    norm_coefficient: float = 0.0,
    norm_coefficient_post: float = 0.0,
) -> Arg:
    """Adam of ai.onnx.preview.training."""
    constants = (norm_coefficient, norm_coefficient_post, alpha, beta, epsilon)
    return _steps(node, adam_step, rate, count, tensors, 4, constants)


def momentum(
    node: Node,
    rate: Operand,
    count: Operand,
    *tensors: Operand,
    alpha: float,
    beta: float,
    mode: str,
    norm_coefficient: float,
) -> Arg:
    """Momentum of ai.onnx.preview.training, in standard or Nesterov mode."""
    constants = (norm_coefficient, alpha, beta, mode == "nesterov")
    return _steps(node, momentum_step, rate, count, tensors, 3, constants)


def _steps(
    node: Node, step: Arg, rate: Operand, count: Operand, tensors: tuple[Operand, ...], kinds: int, constants: Arg
) -> Arg:
    """Apply `step` to each trained tensor.

    `tensors`, and the outputs, are grouped by kind: all trained tensors, then all gradients, then all of each state.
    """
    number = len(tensors) // kinds
    holes = ", ".join(f"{{{i}}}" for i in range(1, kinds + 4))
    steps = [expr(f"{{0}}({holes})", step, rate, count, *tensors[i::number], constants) for i in range(number)]
    if number == 1:
        return Unpacked(steps[0])
    names = [node.unpack([f"new_{kind}" for kind in range(kinds - 1)], one) for one in steps]
    return tuple(names[i][kind] for kind in range(kinds - 1) for i in range(number))


def adagrad_step(rate, count, x, gradient, squares, constants):
    """The tensor, and the sum of its squared gradients, after a step."""
    norm, decay, epsilon = constants
    gradient = norm * x + gradient
    squares = squares + gradient * gradient
    return x - rate / (1 + count * decay) * gradient / (ops.sqrt(squares) + epsilon), squares


def adam_step(rate, count, x, gradient, mean, squares, constants):
    """The tensor, and the running means of its gradients and of their squares, after a step."""
    norm, norm_after, alpha, beta, epsilon = constants
    gradient = norm * x + gradient
    mean = alpha * mean + (1 - alpha) * gradient
    squares = beta * squares + (1 - beta) * gradient * gradient
    if count > 0:
        rate = rate * ops.sqrt(1 - ops.pow(beta, count)) / (1 - ops.pow(alpha, count))
    return (1 - norm_after) * (x - rate * mean / (ops.sqrt(squares) + epsilon)), mean, squares


def momentum_step(rate, count, x, gradient, velocity, constants):
    """The tensor and its velocity after a step."""
    norm, alpha, beta, nesterov = constants
    gradient = norm * x + gradient
    velocity = alpha * velocity + ops.where(count > 0, beta, 1.0) * gradient
    return x - rate * (gradient + alpha * velocity if nesterov else velocity), velocity


ROWS = {
    "NegativeLogLikelihoodLoss": negative_log_likelihood,
    "SoftmaxCrossEntropyLoss": softmax_cross_entropy,
    f"{TRAINING}.Adagrad": adagrad,
    f"{TRAINING}.Adam": adam,
    f"{TRAINING}.Momentum": momentum,
}
