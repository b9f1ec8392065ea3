"""The learning rate of a training graph: a number, or an expression of the global step."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING

from converter.frontends.tensorflow import graph as graphs
from converter.frontends.tensorflow.training.flow import SAME, Flow
from converter.frontends.tensorflow.training.scalars import Numbers, Scalars
from converter.frontends.training import Schedule, choices

if TYPE_CHECKING:
    from tensorflow.core.framework.node_def_pb2 import NodeDef

GUESS = 0.001
"""The learning rate where the graph does not say it."""

_COMPARISONS = ("Less", "LessEqual", "Greater", "GreaterEqual")
_BINARY: Mapping[str, str] = {
    "Add": "+",
    "AddV2": "+",
    "Sub": "-",
    "Mul": "*",
    "RealDiv": "/",
    "Div": "/",
    "Pow": "**",
    "FloorDiv": "//",
    "FloorMod": "%",
    "Less": "<",
    "LessEqual": "<=",
    "Greater": ">",
    "GreaterEqual": ">=",
    "Equal": "==",
    "NotEqual": "!=",
}
_UNARY: Mapping[str, str] = {
    "Floor": "ops.floor",
    "Ceil": "ops.ceil",
    "Exp": "ops.exp",
    "Cos": "ops.cos",
    "Sin": "ops.sin",
    "Tanh": "ops.tanh",
    "Abs": "ops.abs",
    "Sqrt": "ops.sqrt",
    "Rsqrt": "ops.rsqrt",
    "Square": "ops.square",
    "Neg": "-",
    "Log": "ops.log",
}
_FUNCTIONS: Mapping[str, str] = {
    "Minimum": "ops.minimum",
    "Maximum": "ops.maximum",
    "LogicalAnd": "ops.logical_and",
    "LogicalOr": "ops.logical_or",
}


class _UnreadableError(Exception):
    """The rate depends on something else than the step."""


def schedule_of(flow: Flow, tensor: str, known: Numbers) -> Schedule:
    """The learning rate that a tensor holds.

    Args:
        flow: the training graph.
        tensor: the learning rate.
        known: values of switches in training, and of scalar variables that nothing changes.
    """
    number = Scalars(flow, known).number(tensor)
    step = _step(flow, tensor)
    if number is not None and step is None:
        return Schedule("constant", {"value": rounded(number)})
    if step is None:
        return Schedule("unknown", {"value": GUESS})
    return (
        _known(flow, tensor, step, known)
        or _piecewise(flow, tensor, step, known)
        or _formula(flow, tensor, step, known)
    )


def rounded(value: float) -> float:
    """A float32 as the decimal number that was written."""
    return float(f"{value:.6g}")


def _step(flow: Flow, tensor: str) -> str | None:
    """The variable that counts the steps, if the tensor depends on it."""
    above = flow.ancestors([graphs.split(tensor)[0]])
    return next((name for name in counters_of(flow) if name in above), None)


def counters_of(flow: Flow) -> list[str]:
    """The variables that count steps: a number to which something adds."""
    found = [flow.origin(node.input[0]) for node in flow.graph.node if _adds(flow, node)]
    numbers = {node.name for node in found if node.op in graphs.VARIABLES and not node.attr["shape"].shape.dim}
    return sorted(numbers, key=lambda name: ("global_step" not in name, name))


def _adds(flow: Flow, node: NodeDef) -> bool:
    """Whether a node adds to a variable, also as `variable.assign(variable + 1)`."""
    if node.op in ("Assign", "AssignVariableOp"):
        value, variable = flow.origin(node.input[1]), flow.origin(node.input[0]).name
        return value.op in ("Add", "AddV2") and variable in [flow.origin(name).name for name in value.input[:2]]
    return node.op in ("AssignAdd", "AssignAddVariableOp")


def _piecewise(flow: Flow, tensor: str, step: str, known: Numbers) -> Schedule | None:
    """Constants between boundaries, whatever control flow chooses them."""
    boundaries = set()
    for name in flow.ancestors([graphs.split(tensor)[0]]):
        node = flow.nodes[name]
        if node.op in _COMPARISONS:
            limits = [Scalars(flow, known).number(source) for source in node.input[:2]]
            boundaries |= {math.floor(limit) for limit in limits if limit is not None}
    if not boundaries:
        return None

    def at(value: int) -> float | None:
        return Scalars(flow, {**known, step: value}).number(tensor)

    ordered = sorted(boundaries)
    changes = [value for limit in ordered for value in (limit - 1, limit) if value >= 0 and at(value) != at(value + 1)]
    ends = [*changes, ordered[-1] + 1000]
    starts = [0, *(change + 1 for change in changes)]
    values = [(at(start), at((start + end) // 2), at(end)) for start, end in zip(starts, ends, strict=True)]
    if any(None in group or len(set(group)) > 1 for group in values):
        return None
    found = [rounded(group[0]) for group in values if group[0] is not None]
    return Schedule("piecewise", {"boundaries": changes, "values": found})


def _known(flow: Flow, tensor: str, step: str, known: Numbers) -> Schedule | None:
    """A decay that MindSpore has a class for."""
    scalars = Scalars(flow, known)
    node = flow.origin(tensor)
    if node.op == "Mul":
        for rate, factor in (node.input[:2], list(node.input[:2])[::-1]):
            initial, power = scalars.number(rate), flow.origin(factor)
            if initial is None:
                continue
            if power.op == "Pow":
                base, progress = scalars.number(power.input[0]), _progress(flow, power.input[1], step, scalars)
                if base is not None and progress is not None:
                    return _decay("exponential", initial, base, progress)
            if power.op == "Exp":
                product = flow.origin(power.input[0])
                for left, right in (product.input[:2], list(product.input[:2])[::-1]) if product.op == "Mul" else ():
                    base, progress = scalars.number(left), _progress(flow, right, step, scalars)
                    if base is not None and progress is not None:
                        return _decay("natural_exponential", initial, -base, progress)
    if node.op == "RealDiv":
        initial, below = scalars.number(node.input[0]), flow.origin(node.input[1])
        if initial is not None and below.op in ("Add", "AddV2"):
            for one, term in (below.input[:2], list(below.input[:2])[::-1]):
                product = flow.origin(term)
                if scalars.number(one) != 1 or product.op != "Mul":
                    continue
                for left, right in (product.input[:2], list(product.input[:2])[::-1]):
                    base, progress = scalars.number(left), _progress(flow, right, step, scalars)
                    if base is not None and progress is not None:
                        return _decay("inverse_time", initial, base, progress)
    return _polynomial(flow, tensor, step, known)


def _decay(kind: str, initial: float, rate: float, progress: tuple[float, bool]) -> Schedule:
    steps, staircase = progress
    numbers = {"initial": rounded(initial), "decay_rate": rounded(rate), "decay_steps": int(steps)}
    return Schedule(kind, {**numbers, "staircase": staircase})


def _progress(flow: Flow, tensor: str, step: str, scalars: Scalars) -> tuple[float, bool] | None:
    """The number of steps, and whether it is a staircase, of `step / steps` and `floor(step / steps)`."""
    node = flow.origin(tensor)
    stairs = node.op == "Floor"
    if stairs:
        node = flow.origin(node.input[0])
    if node.op not in ("RealDiv", "Div"):
        return None
    above, steps = _uncast(flow, node.input[0]), scalars.number(node.input[1])
    return (steps, stairs) if above == step and steps is not None and steps == int(steps) else None


def _uncast(flow: Flow, tensor: str) -> str:
    name = graphs.split(tensor)[0]
    while flow.nodes[name].op in (*SAME, "Cast"):
        name = graphs.split(flow.nodes[name].input[0])[0]
    return name


def _polynomial(flow: Flow, tensor: str, step: str, known: Numbers) -> Schedule | None:
    """`(initial - end) * (1 - min(step, steps) / steps) ** power + end`, or a cosine, checked by its values."""
    limits = [
        Scalars(flow, known).number(source)
        for name in flow.ancestors([graphs.split(tensor)[0]])
        if flow.nodes[name].op == "Minimum"
        for source in flow.nodes[name].input[:2]
    ]
    steps = [int(limit) for limit in limits if limit is not None and limit >= 2]
    if len(set(steps)) != 1:
        return None

    def at(value: int) -> float | None:
        return Scalars(flow, {**known, step: value}).number(tensor)

    last = steps[0]
    places = [0, last // 2, last, last // 3, 2 * last]
    initial, half, end, third, after = (at(place) for place in places)
    if initial is None or half is None or end is None or third is None or after is None or initial == end:
        return None
    share, shown = (half - end) / (initial - end), (third - end) / (initial - end)
    progress, middle = places[3] / last, places[1] / last
    numbers = {"initial": rounded(initial), "end": rounded(end), "decay_steps": last}
    if abs(after - end) > 1e-6 * initial or not 0 < share < 1:
        return None
    power = math.log(share) / math.log(1 - middle)
    if abs((1 - progress) ** power - shown) < 1e-4:
        return Schedule("polynomial", {**numbers, "power": rounded(round(power, 3))})
    if abs((1 + math.cos(math.pi * progress)) / 2 - shown) < 1e-4:
        return Schedule("cosine", numbers)
    return None


def _formula(flow: Flow, tensor: str, step: str, known: Numbers) -> Schedule:
    scalars = Scalars(flow, known)
    try:
        return Schedule("formula", {"text": _written(flow, tensor, step, scalars, 40)})
    except _UnreadableError:
        return Schedule("unknown", {"value": GUESS})


def _written(flow: Flow, tensor: str, step: str, scalars: Scalars, depth: int) -> str:
    """The Python expression of a tensor."""
    number = scalars.number(tensor)
    if number is not None:
        return repr(rounded(number))
    node = flow.origin(tensor)
    if not depth:
        raise _UnreadableError
    if node.name == step:
        return "step"

    def inner(source: str) -> str:
        return _written(flow, source, step, scalars, depth - 1)

    inputs = [name for name in node.input if name[0] != "^"]
    if node.op == "Cast":
        truth = flow.origin(inputs[0]).op in _COMPARISONS
        return f"{inner(inputs[0])}.astype(ms.float32)" if truth else inner(inputs[0])
    if node.op in _BINARY:
        return f"({inner(inputs[0])} {_BINARY[node.op]} {inner(inputs[1])})"
    if node.op in _FUNCTIONS:
        return f"{_FUNCTIONS[node.op]}({inner(inputs[0])}, {inner(inputs[1])})"
    if node.op in _UNARY:
        return f"{_UNARY[node.op]}({inner(inputs[0])})"
    if node.op in ("Select", "SelectV2", "Merge") and (found := _piecewise(flow, tensor, step, scalars.known)):
        return choices(found.numbers["boundaries"], found.numbers["values"])
    if node.op in ("Select", "SelectV2"):
        return f"ops.where({', '.join(map(inner, inputs))})"
    if node.op == "Merge":
        condition, then, other = _branches(flow, inputs)
        holds = scalars.value(condition)
        if holds is not None:
            return inner(then if holds else other)
        return f"ops.where({inner(condition)}, {inner(then)}, {inner(other)})"
    if node.op == "Switch":
        return inner(inputs[0])
    raise _UnreadableError


def _branches(flow: Flow, inputs: list[str]) -> tuple[str, str, str]:
    """The condition of a Merge, and the inputs that it takes where that is true and false."""
    sides: dict[bool, str] = {}
    condition = ""
    for source in inputs:
        waiting, seen = [source], set()
        while waiting:
            name, index = graphs.split(waiting.pop(0).removeprefix("^"))
            node = flow.nodes[name]
            if node.op == "Switch":
                condition = node.input[1]
                sides[bool(index)] = source
                break
            if name not in seen:
                seen.add(name)
                waiting += list(node.input)
    if len(sides) != 2:
        raise _UnreadableError
    return condition, sides[True], sides[False]
