"""Support vector machines of ai.onnx.ml: a kernel of every row and every support vector, weighted.

Sources: https://onnx.ai/onnx/operators/onnx_aionnxml_SVMRegressor.html and onnx_aionnxml_SVMClassifier.html.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import onnx_ir as ir

from converter.rows import Arg, Node, Operand, expr
from operator_maps.lib.scores import transformed

if TYPE_CHECKING:
    import mindspore as ms
    from mindspore import ops


def svm_regressor(
    node: Node,
    x: Operand,
    *,
    coefficients: tuple[float, ...] = (),
    kernel_params: tuple[float, ...] = (),
    kernel_type: str = "LINEAR",
    n_supports: int = 0,
    one_class: int = 0,
    post_transform: str = "NONE",
    rho: tuple[float, ...] = (),
    support_vectors: tuple[float, ...] = (),
) -> Arg:
    """SVMRegressor: the weighted sum of kernels, plus rho; of one class its sign, 1 or -1.

    Raises:
        Unsupported: the input is no matrix, numbers are missing, or the result is transformed.
    """
    if x.rank != 2 or post_transform != "NONE" or len(rho) != 1 or not coefficients:
        raise node.decline("its input is no matrix, or its coefficients or its transform have no counterpart")
    kernels = _as_float(x)
    if n_supports:
        if len(coefficients) != n_supports:
            raise node.decline("its support vectors do not fit its coefficients")
        kernels = _kernels(node, x, support_vectors, n_supports, kernel_type, kernel_params)
    weight = node.constant(np.array(coefficients, np.float32).reshape(-1, 1), "coefficients")
    y = expr("ops.matmul({0}, {1}) + {2}", kernels, weight, rho[0])
    if not one_class:
        return y
    return expr("ops.where({0} > 0, 1.0, -1.0)", y)


def svm_classifier(
    node: Node,
    x: Operand,
    *,
    classlabels_ints: tuple[int, ...] | None = None,
    classlabels_strings: tuple[str, ...] | None = None,
    coefficients: tuple[float, ...] = (),
    kernel_params: tuple[float, ...] = (),
    kernel_type: str = "LINEAR",
    post_transform: str = "NONE",
    prob_a: tuple[float, ...] = (),
    prob_b: tuple[float, ...] = (),
    rho: tuple[float, ...] = (),
    support_vectors: tuple[float, ...] = (),
    vectors_per_class: tuple[int, ...] = (),
) -> Arg:
    """SVMClassifier: the label, and scores, as onnxruntime computes them.

    With support vectors every two classes have a decision, positive for the first one, and the class with most
    decisions is the label; the scores are the decisions, or the probabilities that fit them. Without, each class has a
    row of coefficients.

    Raises:
        Unsupported: the input is no matrix, labels are strings and read, numbers do not fit, or PROBIT is of one score.
    """
    labels = classlabels_ints or classlabels_strings or ()
    if classlabels_ints is None and node.used[0]:
        raise node.decline("its labels are strings, which MindSpore does not have")
    if x.rank != 2 or len(labels) < 2 or not coefficients or not rho:
        raise node.decline("its input is no matrix, or it has not two classes")
    if not sum(vectors_per_class):
        weight = node.constant(np.array(coefficients, np.float32).reshape(len(labels), -1).T, "coefficients")
        scores = node.let("scores", expr("ops.matmul({0}, {1}) + {2}", _as_float(x), weight, rho[0]))
        best: Arg = expr("ops.argmax({0}, -1)", scores)
        if len(labels) == 2 and not prob_a:  # onnxruntime takes the second label as soon as any score is large
            least = ">= 0.5" if min(coefficients) >= 0 else "> 0"
            best = expr(
                f"ops.logical_or({{0}}[:, 1] > {{0}}[:, 0], ops.amax({{0}}, 1) {least}).astype(ms.int64)", scores
            )
        return _labelled(node, labels, best), transformed(node, scores, post_transform)
    classes, pairs = len(labels), [(i, j) for i in range(len(labels)) for j in range(i + 1, len(labels))]
    count = sum(vectors_per_class)
    if len(vectors_per_class) != classes or len(coefficients) != (classes - 1) * count or len(rho) < len(pairs):
        raise node.decline("its support vectors do not fit its coefficients")
    weight = node.constant(_pair_weights(coefficients, vectors_per_class, pairs), "coefficients")
    kernels = _kernels(node, x, support_vectors, count, kernel_type, kernel_params)
    bias = rho[0] if len(pairs) == 1 else node.constant(np.array(rho[: len(pairs)], np.float32), "rho")
    decisions = node.let("decisions", expr("ops.matmul({0}, {1}) + {2}", kernels, weight, bias))
    if classes == 2:
        best = expr("({0}[:, 0] <= 0).astype(ms.int64)", decisions)
    else:
        best = expr("{0}({1}, {2}, {3})", most_votes, decisions, *_firsts_and_seconds(pairs))
    return _labelled(node, labels, best), _scores(node, decisions, pairs, classes, post_transform, (prob_a, prob_b))


def _labelled(node: Node, labels: Sequence[int | str], best: Arg) -> Arg:
    if not node.used[0] or labels == tuple(range(len(labels))):
        return best if node.used[0] else None
    return expr("ops.gather({0}, {1}, 0)", node.constant(np.array(labels), "labels"), best)


def _scores(
    node: Node,
    decisions: Arg,
    pairs: Sequence[tuple[int, int]],
    classes: int,
    post_transform: str,
    prob: tuple[Sequence[float], Sequence[float]],
) -> Arg:
    """The scores: probabilities where the machine has any, else the decisions; both signs of a single one."""
    if prob[0]:
        slope, shift = (node.constant(np.array(part[: len(pairs)], np.float32), "prob") for part in prob)
        certain = expr("ops.clamp(ops.sigmoid(-({0} * {1} + {2})), 1e-7, 1 - 1e-7)", decisions, slope, shift)
        places = np.zeros((classes, classes), np.int32)
        for place, (i, j) in enumerate(pairs):
            places[i, j], places[j, i] = place, len(pairs) + place
        table = node.constant(places.reshape(-1), "places")
        return transformed(node, expr("{0}({1}, {2}, {3})", couple, certain, table, classes), post_transform)
    if classes > 2:
        return transformed(node, decisions, post_transform)
    if post_transform == "PROBIT":
        raise node.decline("post_transform PROBIT of a single score has no counterpart")
    other = "-{0}" if post_transform in ("NONE", "LOGISTIC") else "1 - {0}"
    both = expr(f"ops.cat(({other}, {{0}}), 1)", decisions)
    return transformed(node, both, post_transform) if post_transform == "LOGISTIC" else both


def _pair_weights(
    coefficients: Sequence[float], vectors_per_class: Sequence[int], pairs: Sequence[tuple[int, int]]
) -> np.ndarray:
    """What each support vector weighs in the decision of each pair of classes, (vectors, pairs)."""
    given = np.array(coefficients, np.float32).reshape(len(vectors_per_class) - 1, -1)
    stops = np.cumsum(vectors_per_class)
    weights = np.zeros((given.shape[1], len(pairs)), np.float32)
    for place, (i, j) in enumerate(pairs):
        for one, row in ((i, j - 1), (j, i)):
            vectors = slice(stops[one] - vectors_per_class[one], stops[one])
            weights[vectors, place] = given[row, vectors]
    return weights


def _firsts_and_seconds(pairs: Sequence[tuple[int, int]]) -> tuple[tuple[int, ...], tuple[int, ...]]:
    return tuple(i for i, _ in pairs), tuple(j for _, j in pairs)


def most_votes(decisions, firsts, seconds):
    """The class (N,) that wins most decisions (N, pairs); a positive one is a vote for the pair's first class."""
    votes = []
    for one in range(max(seconds) + 1):
        won = [decisions[:, k] > 0 for k in range(len(firsts)) if firsts[k] == one]
        won += [decisions[:, k] <= 0 for k in range(len(firsts)) if seconds[k] == one]
        votes.append(ops.stack(won, 1).astype(ms.float32).sum(1))
    return ops.argmax(ops.stack(votes, 1), 1)


def couple(certain, places, classes):
    """The probabilities (N, classes) that fit best the certainties (N, pairs) of the first of two classes.

    Source: Wu, Lin and Weng, Probability estimates for multi-class classification by pairwise coupling, algorithm 2,
    which ends at an error of 0.005 / classes.
    """
    both = ops.cat((certain, 1 - certain), 1)
    of_pairs = ops.gather(both, places, 1).reshape((-1, classes, classes)) * (1 - ops.eye(classes, dtype=certain.dtype))
    transposed = of_pairs.transpose((0, 2, 1))
    diagonal = ops.square(of_pairs).sum(1)
    matrix = ops.diag_embed(diagonal) - of_pairs * transposed
    p = ops.full_like(diagonal, 1 / classes)
    units = ops.eye(classes, dtype=certain.dtype)
    left, step = ops.ones_like(diagonal[:, :1]) > 0, ops.zeros((), dtype=ms.int32)
    while ops.logical_and(step < 100, ops.any(left)):
        product = (matrix * p.unsqueeze(1)).sum(2)
        total = (p * product).sum(1, keepdims=True)
        left = ops.logical_and(left, ops.amax(ops.abs(product - total), 1, True) >= 0.005 / classes)
        better = p
        for t in range(classes):
            corner = diagonal[:, t : t + 1]
            more = (total - product[:, t : t + 1]) / corner
            total = (total + more * (more * corner + 2 * product[:, t : t + 1])) / ops.square(1 + more)
            better = (better + more * units[t]) / (1 + more)
            product = (product + more * matrix[:, t]) / (1 + more)
        p = ops.where(left, better, p)
        step = step + 1
    return p


def _as_float(x: Operand) -> Arg:
    return x if x.dtype == ir.DataType.FLOAT else expr("{0}.astype(ms.float32)", x)


def _kernels(
    node: Node,
    x: Operand,
    support_vectors: Sequence[float],
    count: int,
    kernel_type: str,
    kernel_params: Sequence[float],
) -> Arg:
    """The kernel of every row and each of `count` support vectors, (N, count)."""
    if len(support_vectors) % count or kernel_type not in KERNELS:
        raise node.decline("its support vectors do not fit its coefficients")
    vectors = node.constant(np.array(support_vectors, np.float32).reshape(count, -1), "support_vectors")
    gamma, coef0, degree = (*kernel_params, 0.0, 0.0, 0.0)[:3]
    return expr(KERNELS[kernel_type], _as_float(x), vectors, gamma, coef0, degree)


KERNELS = {
    "LINEAR": "ops.matmul({0}, {1}.T)",
    "POLY": "ops.pow({2} * ops.matmul({0}, {1}.T) + {3}, {4})",
    "RBF": "ops.exp(-{2} * ops.sum(ops.square(ops.unsqueeze({0}, 1) - {1}), -1))",
    "SIGMOID": "ops.tanh({2} * ops.matmul({0}, {1}.T) + {3})",
}
"""Of the rows {0} (N, features) and the support vectors {1} (M, features), with gamma {2}, coef0 {3} and degree {4}."""

ROWS = {"ai.onnx.ml.SVMClassifier": svm_classifier, "ai.onnx.ml.SVMRegressor": svm_regressor}
