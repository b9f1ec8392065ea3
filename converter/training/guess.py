"""A guess at a training for a source that does not say how it was trained: the loss follows from the outputs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import onnx

from converter.base.names import Namespace
from converter.frontends import PROBABILITIES, Endpoint, Loss, Optimizer, Schedule, Source, Training

_RATE = 0.001


def guess(source: Source) -> Training:
    """Adam, and a loss that fits the shape of the outputs and the operator that makes them."""
    ends = source.outputs
    losses = [_loss(end, _last_operator(source.model.graph, end.value)) for end in ends]
    loss = losses[0] if len(losses) == 1 else Loss.of_several(losses)
    names = Namespace(frozenset(end.name for end in source.inputs))
    hints = ["label"] if len(losses) == 1 else [f"label_{k}" for k in range(len(losses))]
    labels = tuple(_label(end, each, names.new(hint)) for end, each, hint in zip(ends, losses, hints, strict=True))
    note = (
        f"The loss, {loss.name}, and the optimizer, nn.Adam, are guesses: the source does not say how it was trained, "
        "or it says what a training script does not have."
    )
    return Training(loss, labels, Optimizer("Adam", {}, Schedule("constant", {"value": _RATE})), (note,), guessed=True)


def _loss(end: Endpoint, operator: str) -> Loss:
    """The loss of one output: of classes for scores (N, C), else of numbers."""
    shape = end.shape
    scores = shape is not None and len(shape) == 2 and end.dtype.kind == "f" and shape[1] != 1
    if operator == "Sigmoid":
        return Loss("BCELoss")
    if scores and shape is not None:
        classes = shape[1] if isinstance(shape[1], int) else 2
        name = {"Softmax": PROBABILITIES, "LogSoftmax": "NLLLoss"}.get(operator, "CrossEntropyLoss")
        return Loss(name, classes=classes)
    return Loss("MSELoss")


def _label(end: Endpoint, loss: Loss, name: str) -> Endpoint:
    """What the loss compares an output with: class indices (N,), or a tensor of the output's shape."""
    if loss.classes:
        shape, example = end.shape and end.shape[:1], end.example and end.example[:1]
        return replace(end, name=name, dtype=np.dtype(np.int32), shape=shape, example=example)
    return replace(end, name=name)


def _last_operator(graph: onnx.GraphProto, value: str) -> str:
    """The operator that makes a value, looking through views."""
    makers: dict[str, onnx.NodeProto] = {name: node for node in graph.node for name in node.output}
    views: Sequence[str] = ("Identity", "Reshape", "Squeeze", "Flatten", "Cast")
    while value in makers and makers[value].op_type in views:
        value = makers[value].input[0]
    return makers[value].op_type if value in makers else ""
