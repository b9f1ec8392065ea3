"""The loss of a training graph: its L2 penalties apart, a known loss by name, any other as a graph of its own."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from converter.frontends.tensorflow import graph as graphs
from converter.frontends.tensorflow.training.flow import SAME, Flow
from converter.frontends.tensorflow.training.scalars import Scalars
from converter.frontends.training import Loss

if TYPE_CHECKING:
    from tensorflow.core.framework.graph_pb2 import GraphDef
    from tensorflow.core.framework.node_def_pb2 import NodeDef

_CALL = ("Identity", "StopGradient", "PreventGradient", "Cast", "Squeeze", "ExpandDims")


@dataclass
class Terms:
    """A loss as a sum.

    Attributes:
        data: terms that depend on data, and their factors.
        decays: variable → the factor of its L2 penalty.
        others: terms that depend on weights alone and are no L2 penalty.
    """

    data: list[tuple[str, float]] = field(default_factory=list)
    decays: dict[str, float] = field(default_factory=dict)
    others: list[str] = field(default_factory=list)


def terms_of(flow: Flow, loss: str, scalars: Scalars, data: set[str]) -> Terms:
    """Take a loss apart. `data` are the nodes that depend on data."""
    found = Terms()
    _collect(flow, loss, 1.0, scalars, data, found)
    if not found.decays and not found.others:
        return Terms([(loss, 1.0)])
    return found


def _collect(flow: Flow, tensor: str, factor: float, scalars: Scalars, data: set[str], found: Terms) -> None:
    node = flow.origin(tensor)
    inputs = [name for name in node.input if name[0] != "^"]
    if node.op in ("Add", "AddV2", "AddN"):
        for name in inputs:
            _collect(flow, name, factor, scalars, data, found)
        return
    if node.op == "Sub":
        _collect(flow, inputs[0], factor, scalars, data, found)
        _collect(flow, inputs[1], -factor, scalars, data, found)
        return
    if node.op in ("Mul", "RealDiv"):
        numbers = [scalars.number(name) for name in inputs]
        if numbers[1] is not None and numbers[0] is None:
            scale = numbers[1] if node.op == "Mul" else 1 / numbers[1]
            _collect(flow, inputs[0], factor * scale, scalars, data, found)
            return
        if numbers[0] is not None and numbers[1] is None and node.op == "Mul":
            _collect(flow, inputs[1], factor * numbers[0], scalars, data, found)
            return
    if node.name in data:
        found.data.append((tensor, factor))
        return
    penalised, scale = _penalty(flow, node)
    if penalised:
        found.decays[penalised] = found.decays.get(penalised, 0.0) + factor * scale
    elif scalars.number(tensor) is None:
        found.others.append(tensor)


def _penalty(flow: Flow, node: NodeDef) -> tuple[str, float]:
    """The variable of an L2 penalty, and its factor: `L2Loss(w)` has 1, `sum(w ** 2)` 2."""
    if node.op == "L2Loss":
        variable = flow.origin(node.input[0])
        return (variable.name, 1.0) if variable.op in graphs.VARIABLES else ("", 0.0)
    if node.op == "Sum":
        squared = flow.origin(node.input[0])
        same = squared.op == "Square" or (squared.op == "Mul" and squared.input[0] == squared.input[1])
        variable = flow.origin(squared.input[0]) if same else node
        return (variable.name, 2.0) if variable.op in graphs.VARIABLES else ("", 0.0)
    return "", 0.0


def join(graph: GraphDef, data: Sequence[tuple[str, float]]) -> str:
    """The tensor that is the sum of these terms; nodes are added to the graph where it has none."""
    if len(data) == 1 and data[0][1] == 1:
        return data[0][0]
    scaled = []
    for k, (tensor, factor) in enumerate(data):
        if factor == 1:
            scaled.append(tensor)
            continue
        number = _constant(graph, f"loss_terms/factor_{k}", factor)
        scaled.append(_float_node(graph, "Mul", f"loss_terms/term_{k}", [tensor, number]))
    total = scaled[0]
    for k, other in enumerate(scaled[1:]):
        total = _float_node(graph, "AddV2", f"loss_terms/sum_{k}", [total, other])
    return f"{graphs.split(total)[0]}:{graphs.split(total)[1]}"


def _constant(graph: GraphDef, name: str, value: float) -> str:
    import tensorflow as tf

    node = graph.node.add(op="Const", name=name)
    node.attr["value"].tensor.CopyFrom(tf.make_tensor_proto(np.float32(value)))
    node.attr["dtype"].type = node.attr["value"].tensor.dtype
    return name


def _float_node(graph: GraphDef, operator: str, name: str, inputs: list[str]) -> str:
    from tensorflow.core.framework.types_pb2 import DT_FLOAT

    node = graph.node.add(op=operator, name=name, input=inputs)
    node.attr["T"].type = DT_FLOAT
    return name


def known_loss(
    flow: Flow, loss: str, output: str, labels: Sequence[str], scalars: Scalars, shapes: Mapping[str, int]
) -> Loss | None:
    """The loss as MindSpore's class, if it is a known function of the network's one output and its one label.

    Args:
        flow: the graph.
        loss: the loss.
        output: the network's output.
        labels: its labels.
        scalars: the graph's numbers.
        shapes: tensor → its rank.
    """
    if len(labels) != 1:
        return None
    reduced = _reduced(flow, loss, scalars)
    if reduced is None:
        return None
    node, reduction = reduced
    numbers = {} if reduction == "mean" else {"reduction": reduction}
    ends = {output, labels[0]}
    if node.op.endswith("SoftmaxCrossEntropyWithLogits") and shapes.get(output) == 2:
        sparse = node.op.startswith("Sparse")
        indices = node.input[1] if sparse else _one_hot(flow, node.input[1], scalars)
        if not _leads(flow, node.input[0], output, () if sparse else ("Reshape",)):
            return None
        if _leads(flow, indices, labels[0], _CALL):
            return Loss("CrossEntropyLoss", numbers, classes=1)
        dense = not sparse and _leads(flow, node.input[1], labels[0], ("Reshape", *_CALL))
        return Loss("CrossEntropyLoss", numbers) if dense else None
    if shapes.get(output) != shapes.get(labels[0]):
        return None
    pair = _difference(flow, node)
    if pair is not None and {_end(flow, name) for name in pair[1:]} == ends:
        return Loss(pair[0], numbers)
    if _logistic(flow, node, output, labels[0]):
        return Loss("BCEWithLogitsLoss", numbers)
    return None


def _reduced(flow: Flow, loss: str, scalars: Scalars) -> tuple[NodeDef, str] | None:
    """The node whose elements are reduced to the loss, and how: `mean` or `sum`; also as `tf.losses` writes it."""
    node = flow.origin(loss)
    while node.op == "Mul":  # by one
        rest = [name for name in node.input[:2] if scalars.number(name) != 1]
        if len(rest) != 1:
            return None
        node = flow.origin(rest[0])
    averaged = _averaged(flow, node, scalars)
    if averaged is not None:
        return _through(flow, averaged), "mean"
    if node.op not in ("Mean", "Sum") or node.attr["keep_dims"].b:
        return None
    return _through(flow, node.input[0]), node.op.lower()


def _averaged(flow: Flow, node: NodeDef, scalars: Scalars) -> str | None:
    """What `tf.losses` takes the mean of: `sum(losses * 1) / num_present`, or 0 if there are none."""
    if node.op in ("Select", "SelectV2") and node.name.endswith("value"):
        node = flow.origin(node.input[1])
    if node.op not in ("DivNoNan", "RealDiv") or not any("num_present" in n for n in flow.ancestors([node.name])):
        return None
    total = flow.origin(node.input[0])
    while total.op == "Sum":
        total = flow.origin(total.input[0])
    return total.input[0] if total.op == "Mul" and scalars.number(total.input[1]) == 1 else None


def simplified(graph: GraphDef, loss: str, scalars: Scalars) -> str:
    """A loss that `tf.losses` averaged as a Mean; nodes are added to the graph."""
    import tensorflow as tf

    flow = Flow(graph)
    averaged = _averaged(flow, flow.origin(loss), scalars)
    if averaged is None:
        return loss
    for name, value in (("loss_terms/flat", [-1]), ("loss_terms/axis", [0])):
        node = graph.node.add(op="Const", name=name)
        node.attr["value"].tensor.CopyFrom(tf.make_tensor_proto(np.array(value, np.int32)))
        node.attr["dtype"].type = node.attr["value"].tensor.dtype
    flat = _float_node(graph, "Reshape", "loss_terms/losses", [averaged, "loss_terms/flat"])
    return _float_node(graph, "Mean", "loss_terms/mean", [flat, "loss_terms/axis"])


def _through(flow: Flow, tensor: str) -> NodeDef:
    node = flow.origin(tensor)
    while node.op in ("Reshape", "Cast", *SAME):
        node = flow.origin(node.input[0])
    return node


def _end(flow: Flow, tensor: str, passed: Sequence[str] = ("Identity", "StopGradient")) -> str:
    name, index = graphs.split(tensor)
    while flow.nodes[name].op in passed:
        name, index = graphs.split(flow.nodes[name].input[0])
    return f"{name}:{index}"


def _leads(flow: Flow, tensor: str | None, end: str, passed: Sequence[str] = ()) -> bool:
    """Whether a tensor is an end of the network, behind operators that do not change its numbers."""
    if tensor is None:
        return False
    return end in _upwards(flow, tensor, (*passed, "Identity", "StopGradient"))


def _upwards(flow: Flow, tensor: str, passed: Sequence[str]) -> Iterator[str]:
    name, index = graphs.split(tensor)
    yield f"{name}:{index}"
    while flow.nodes[name].op in passed:
        name, index = graphs.split(flow.nodes[name].input[0])
        yield f"{name}:{index}"


def _one_hot(flow: Flow, tensor: str, scalars: Scalars) -> str | None:
    """The class indices of a one-hot tensor."""
    node = _through(flow, tensor)
    if node.op != "OneHot" or (scalars.number(node.input[2]), scalars.number(node.input[3])) != (1, 0):
        return None
    return node.input[0]


def _difference(flow: Flow, node: NodeDef) -> tuple[str, str, str] | None:
    """The loss of a difference, and what is subtracted from what."""
    if node.op == "SquaredDifference":
        return "MSELoss", node.input[0], node.input[1]
    if node.op in ("Square", "Abs"):
        inner = flow.origin(node.input[0])
        if inner.op == "Sub":
            return ("MSELoss" if node.op == "Square" else "L1Loss"), inner.input[0], inner.input[1]
    return None


def _logistic(flow: Flow, node: NodeDef, output: str, label: str) -> bool:
    """Whether a node is `tf.nn.sigmoid_cross_entropy_with_logits`: `max(x, 0) - x * z + log(1 + exp(-|x|))`."""
    if node.op not in ("Add", "AddV2"):
        return False
    operands = [flow.origin(name) for name in node.input[:2]]
    if sorted(operand.op for operand in operands) != ["Log1p", "Sub"]:
        return False
    product = flow.origin(next(operand for operand in operands if operand.op == "Sub").input[1])
    return product.op == "Mul" and {_end(flow, name) for name in product.input[:2]} == {output, label}
