"""Handlers of losses."""

from __future__ import annotations

from collections.abc import Mapping

from converter.frontends.tensorflow.handlers.node_builder import Handler, NodeBuilder


def _cross_entropy(build: NodeBuilder) -> None:
    """The negative sum of labels times the logarithms of the softmax, for each row."""
    scores, labels = build.inputs
    product = build.add("Mul", labels, build.add("LogSoftmax", scores, axis=-1))
    build.finish("Neg", build.add("ReduceSum", product, build.int64([-1]), keepdims=0))


def _sparse_cross_entropy(build: NodeBuilder) -> None:
    """SoftmaxCrossEntropyLoss of each row of scores (N, C), with class indices (N,)."""
    build.finish("SoftmaxCrossEntropyLoss", *build.inputs, reduction="none")


def _half_of_squares(build: NodeBuilder) -> None:
    """Half the sum of the squares of all elements."""
    build.finish("Mul", build.add("ReduceSumSquare", build.inputs[0], keepdims=0), build.number(0.5))


HANDLERS: Mapping[str, Handler] = {
    "L2Loss": _half_of_squares,
    "SoftmaxCrossEntropyWithLogits": _cross_entropy,
    "SparseSoftmaxCrossEntropyWithLogits": _sparse_cross_entropy,
}
