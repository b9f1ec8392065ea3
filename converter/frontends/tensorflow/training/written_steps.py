"""Optimizers that a training graph writes out, read as if each step were one operator of TensorFlow's.

BERT's AdamWeightDecayOptimizer assigns to a weight and to its two moments what it computed:

    m_new = beta1 * m + (1 - beta1) * gradient
    v_new = beta2 * v + (1 - beta2) * gradient ** 2
    weight_new = weight - rate * (m_new / (sqrt(v_new) + eps) + decay * weight)

TensorFlow's own gradient descent scatters its step into the rows of an embedding.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from converter.frontends.tensorflow import graph as graphs
from converter.frontends.tensorflow.training.flow import Flow

if TYPE_CHECKING:
    from tensorflow.core.framework.node_def_pb2 import NodeDef

_ASSIGNS = ("Assign", "AssignVariableOp")
_SCATTERS = ("ScatterSub", "ResourceScatterSub", "ResourceScatterAdd")
_SUMS = ("Add", "AddV2")


def written_steps(flow: Flow) -> Iterator[NodeDef]:
    """A node `ApplyAdamWeightDecay` for each step that the graph writes out.

    Its inputs are weight, m, v, rate, beta1, beta2, epsilon, gradient, and decay where there is one.
    """
    for node in [node for node in flow.graph.node if node.op in _ASSIGNS]:
        weight = flow.origin(node.input[0])
        if weight.op in graphs.VARIABLES and weight.attr["shape"].shape.dim:
            inputs = _adam(flow, weight.name, flow.origin(node.input[1]))
            if inputs is not None:
                yield type(node)(op="ApplyAdamWeightDecay", name=node.name, input=[node.input[0], *inputs])


def scattered_steps(flow: Flow) -> Iterator[NodeDef]:
    """A node `SparseApplyGradientDescent` for each step of gradient descent on rows, which the graph scatters.

    Its inputs are weight, rate and gradient of `weight[rows] -= rate * gradient`.
    """
    for node in flow.graph.node:
        if node.op not in _SCATTERS or node.name not in flow.backward:
            continue
        product, negated = flow.origin(node.input[2]), node.op.endswith("Add")
        factors = list(product.input[:2]) if product.op == "Mul" else []
        gradients = [name for name in factors if graphs.split(name)[0] in flow.backward]
        rates = [name for name in factors if name not in gradients]
        if len(gradients) == len(rates) == 1:
            inner = flow.origin(gradients[0])
            if negated and inner.op != "Neg":
                continue
            gradient = inner.input[0] if negated else gradients[0]
            step = type(node)(op="SparseApplyGradientDescent", name=node.name)
            step.input[:] = [node.input[0], rates[0], gradient]
            yield step


def _adam(flow: Flow, weight: str, value: NodeDef) -> list[str] | None:
    """The inputs behind the weight, if its new value is that of a step of Adam without correction of the bias."""
    product = flow.origin(value.input[1]) if value.op == "Sub" and _reads(flow, value.input[0], weight) else None
    if product is None or product.op != "Mul":
        return None
    updates = [name for name in product.input[:2] if graphs.split(name)[0] in flow.backward]
    rates = [name for name in product.input[:2] if name not in updates]
    if len(updates) != 1:
        return None
    ratio, decay = flow.origin(updates[0]), ""
    if ratio.op in _SUMS:
        decays = [factor for name in ratio.input[:2] if (factor := _factor(flow, name, weight))]
        ratios = [node for name in ratio.input[:2] if (node := flow.origin(name)).op == "RealDiv"]
        if len(decays) != 1 or len(ratios) != 1:
            return None
        decay, ratio = decays[0], ratios[0]
    below = flow.origin(ratio.input[1]) if ratio.op == "RealDiv" else ratio
    roots = [node for name in below.input[:2] if (node := flow.origin(name)).op == "Sqrt"] if below.op in _SUMS else []
    if len(roots) != 1:
        return None
    first, second = _moment(flow, ratio.input[0]), _moment(flow, roots[0].input[0])
    if first is None or second is None or not _is_square(flow, second[2], first[2]):
        return None
    epsilon = next(name for name in below.input[:2] if flow.origin(name) is not roots[0])
    moments, betas = (first[0], second[0]), (first[1], second[1])
    return [*moments, rates[0], *betas, epsilon, first[2], *([decay] if decay else [])]


def _moment(flow: Flow, tensor: str) -> tuple[str, str, str] | None:
    """The variable, beta and what is averaged in `beta * variable + (1 - beta) * averaged`."""
    node = flow.origin(tensor)
    products = [flow.origin(name) for name in node.input[:2]] if node.op in _SUMS else []
    if [product.op for product in products] != ["Mul", "Mul"]:
        return None
    for own, other in (products, products[::-1]):
        for variable, beta in (own.input[:2], list(own.input[:2])[::-1]):
            averaged = [name for name in other.input[:2] if graphs.split(name)[0] in flow.backward]
            if flow.origin(variable).op in graphs.VARIABLES and len(averaged) == 1:
                return variable, beta, averaged[0]
    return None


def _is_square(flow: Flow, tensor: str, root: str) -> bool:
    node, name = flow.origin(tensor), flow.origin(root).name
    factors = {flow.origin(factor).name for factor in node.input[:2]}
    return node.op in ("Square", "Mul") and factors == {name}


def _factor(flow: Flow, tensor: str, weight: str) -> str:
    """The other factor of a product with a weight; empty if it is none."""
    node = flow.origin(tensor)
    factors = list(node.input[:2]) if node.op == "Mul" else []
    others = [name for name in factors if not _reads(flow, name, weight)]
    return others[0] if len(factors) == 2 and len(others) == 1 else ""


def _reads(flow: Flow, tensor: str, variable: str) -> bool:
    return flow.origin(tensor).name == variable
