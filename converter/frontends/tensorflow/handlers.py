"""TensorFlow operators that tf2onnx lacks, or says in a roundabout way, and ONNX can say.

Handlers in tf2onnx's form: they change `node`, of its graph `graph`, to the last operator of the composition.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

Handler = Callable[..., None]


def _becomes(operator: str) -> Handler:
    """The same under another name."""

    def handle(graph: Any, node: Any, **kwargs: Any) -> None:
        node.type = operator

    return handle


def _erfc(graph: Any, node: Any, **kwargs: Any) -> None:
    """1 - erf(x)."""
    erf = _make(graph, node, "Erf", node.input[0])
    node.type = "Sub"
    graph.replace_inputs(node, [_number(graph, node, 1), erf])


def _select(graph: Any, node: Any, **kwargs: Any) -> None:
    """Where. A vector as the condition of Select chooses rows."""
    condition, rank = node.input[0], graph.get_rank(node.input[1])
    if node.type == "Select" and graph.get_rank(condition) == 1 and rank and rank > 1:
        shape = graph.make_const(f"{node.name}/rows", np.array([-1] + [1] * (rank - 1), np.int64)).output[0]
        graph.replace_inputs(node, [_make(graph, node, "Reshape", condition, shape), *node.input[1:]])
    node.type = "Where"


def _expm1(graph: Any, node: Any, **kwargs: Any) -> None:
    """exp(x) - 1."""
    exp = _make(graph, node, "Exp", node.input[0])
    node.type = "Sub"
    graph.replace_inputs(node, [exp, _number(graph, node, 1)])


def _log1p(graph: Any, node: Any, **kwargs: Any) -> None:
    """log(1 + x)."""
    added = _make(graph, node, "Add", node.input[0], _number(graph, node, 1))
    node.type = "Log"
    graph.replace_inputs(node, [added])


def _zero_where(index: int, compute: Callable[[Any, Any], str]) -> Handler:
    """0 where an input is 0, whatever the other one is; else `compute`."""

    def handle(graph: Any, node: Any, **kwargs: Any) -> None:
        zero = _number(graph, node, 0)
        is_zero = _make(graph, node, "Equal", node.input[index], zero)
        value = compute(graph, node)
        node.type = "Where"
        graph.replace_inputs(node, [is_zero, zero, value])

    return handle


def _quotient(graph: Any, node: Any) -> str:
    return _make(graph, node, "Div", *node.input)


def _product(graph: Any, node: Any) -> str:
    return _make(graph, node, "Mul", *node.input)


def _times_log(graph: Any, node: Any) -> str:
    return _make(graph, node, "Mul", node.input[0], _make(graph, node, "Log", node.input[1]))


def _make(graph: Any, node: Any, operator: str, *inputs: str) -> str:
    """Add a node in the scope of `node`; return its output."""
    from tf2onnx import utils

    return graph.make_node(operator, list(inputs), name=utils.make_name(f"{node.name}/{operator}")).output[0]


def _number(graph: Any, node: Any, value: float) -> str:
    from tf2onnx import utils

    dtype = utils.map_onnx_to_numpy_type(graph.get_dtype(node.output[0]))
    return graph.make_const(utils.make_name(f"{node.name}/number"), np.array(value, dtype)).output[0]


HANDLERS: Mapping[str, Handler] = {
    "AccumulateNV2": _becomes("Sum"),
    "Erfc": _erfc,
    "Expm1": _expm1,
    "GuaranteeConst": _becomes("Identity"),
    "Inv": _becomes("Reciprocal"),
    "Log1p": _log1p,
    "MulNoNan": _zero_where(1, _product),
    "Select": _select,
    "SelectV2": _select,
    "Snapshot": _becomes("Identity"),
    "Xdivy": _zero_where(0, _quotient),
    "Xlogy": _zero_where(0, _times_log),
}
