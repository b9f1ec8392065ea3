"""By pass: which pass made the graph something else than its source, and at which node.

Where the graph is off the source, the passes are run again, up to one of them, and the graph behind it is evaluated:
the first pass behind which an output is off is found by bisection. Its node is the first one whose value was another
before it.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import onnx
import onnx_ir as ir

from converter.graph.fusions import FusedOperator, Replay
from converter.verification.evaluate import runner_of
from converter.verification.metrics import difference
from converter.verification.reference import Reference, values_read_by


class Suspect(NamedTuple):
    """A pass, and the operator and the name of the node that it left with another value; empty if none has one."""

    name: str
    operator: str = ""
    node: str = ""

    def __str__(self) -> str:
        return f"the pass '{self.name}'" + (f", '{self.operator}' ({self.node})" if self.node else "")


def suspect_of(
    replay: Replay, feeds: Sequence[Any], outputs: Sequence[Any], operators: Iterable[FusedOperator] = ()
) -> Suspect | None:
    """The first pass behind which an output is off; None if none is off behind the last, or one is before the first.

    Args:
        replay: the passes.
        feeds: the inputs, in order.
        outputs: those of the source, in order.
        operators: the operators that ONNX does not have.

    Raises:
        NoReference: a graph cannot be evaluated.
    """
    known: dict[int, tuple[ir.Model, dict[str, Any]]] = {}

    def evaluated(count: int) -> tuple[ir.Model, dict[str, Any]]:
        if count not in known:
            graph, newest = replay.graph_behind(count)
            inputs = (value.name or "" for value in graph.graph.inputs if not value.is_initializer())
            given = dict(zip(inputs, feeds, strict=True))
            known[count] = graph, _node_by_node(graph, given, operators) if newest else _at_once(graph, given)
        return known[count]

    def is_off(count: int) -> bool:
        graph, values = evaluated(count)
        pairs = zip(graph.graph.outputs, outputs, strict=True)
        return any(_differ(values[value.name or ""], output) for value, output in pairs)

    last = len(replay.names)
    if is_off(0) or not is_off(last):
        return None
    first = bisect_left(range(last + 1), True, lo=1, key=is_off)
    (graph, values), (_, before) = evaluated(first), evaluated(first - 1)
    for node in graph.graph:
        for name in (value.name for value in node.outputs if value.name in before):
            if name and name in values and _differ(values[name], before[name]):
                return Suspect(replay.names[first - 1], f"{node.domain or 'onnx'}::{node.op_type}", node.name or "")
    return Suspect(replay.names[first - 1])


def _differ(one: Any, other: Any) -> bool:
    return difference(one, other).verdict != "same"


def _at_once(graph: ir.Model, given: Mapping[str, Any]) -> dict[str, Any]:
    """All values of a graph of the source's opset, which a runtime knows."""
    whole = ir.to_proto(ir.external_data.load_to_model(graph))
    ends = {value.name: value for value in whole.graph.output}
    made = {name: onnx.helper.make_empty_tensor_value_info(name) for node in whole.graph.node for name in node.output}
    made.pop("", None)
    del whole.graph.output[:]
    whole.graph.output.extend({**made, **ends}.values())
    results = runner_of(whole)(given)
    return {**given, **{value.name: result for value, result in zip(whole.graph.output, results, strict=True)}}


def _node_by_node(graph: ir.Model, given: Mapping[str, Any], operators: Iterable[FusedOperator]) -> dict[str, Any]:
    """All values of a graph of the newest opset, which no runtime knows."""
    reference, values = Reference(graph, operators), dict(given)
    for value in graph.graph.outputs:
        if value.const_value is not None:
            values[value.name or ""] = value.const_value.numpy()
    for node in graph.graph:
        names = [value.name or "" for value in node.outputs]
        read = [value.name or "" for value in values_read_by(node) if value.const_value is None]
        made = reference.outputs(next(filter(None, names)), {name: values[name] for name in read})
        values.update(zip(names, made, strict=True))
    return values
