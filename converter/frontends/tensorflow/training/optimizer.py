"""The optimizer of a training graph: its class, its hyperparameters, what it does to gradients before."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from converter.frontends.endpoints import listed
from converter.frontends.tensorflow import graph as graphs
from converter.frontends.tensorflow.training.changes import changes_of
from converter.frontends.tensorflow.training.flow import Flow
from converter.frontends.tensorflow.training.freeze import Values
from converter.frontends.tensorflow.training.scalars import Numbers, Scalars
from converter.frontends.tensorflow.training.schedule import GUESS, counters_of, rounded, schedule_of
from converter.frontends.tensorflow.training.written_steps import scattered_steps, written_steps
from converter.frontends.training import Change, Optimizer, Schedule

if TYPE_CHECKING:
    from tensorflow.core.framework.node_def_pb2 import NodeDef


@dataclass(frozen=True)
class _Rule:
    """What the inputs of TensorFlow's operator are, by position; the first is the variable.

    https://www.tensorflow.org/api_docs/python/tf/raw_ops/ApplyAdam, and so on.

    Attributes:
        name: MindSpore's class.
        rate, gradient: the positions of the learning rate and of the gradient.
        numbers: MindSpore's name of a hyperparameter → position.
        state: MindSpore's name of a state → position.
        fixed: hyperparameters that the operator implies.
        initial: MindSpore's name of the number that the first state begins with.
        decay: the position of the factor by which the weights shrink, which may be missing.
        steady: whether MindSpore's class takes one rate that does not change.
    """

    name: str
    rate: int
    gradient: int
    numbers: Mapping[str, int] = field(default_factory=dict)
    state: Mapping[str, int] = field(default_factory=dict)
    fixed: Mapping[str, bool] = field(default_factory=dict)
    initial: str = ""
    decay: int = 0
    steady: bool = False


_RULES: Mapping[str, _Rule] = {
    "GradientDescent": _Rule("SGD", 1, 2),
    "Momentum": _Rule("Momentum", 2, 3, {"momentum": 4}, {"moments": 1}),
    "Adam": _Rule("Adam", 5, 9, {"beta1": 6, "beta2": 7, "eps": 8}, {"moment1": 1, "moment2": 2}),
    "AdaMax": _Rule("AdaMax", 4, 8, {"beta1": 5, "beta2": 6, "eps": 7}, {"moment1": 1, "moment2": 2}),
    "AdamWeightDecay": _Rule(
        "AdamWeightDecay", 3, 7, {"beta1": 4, "beta2": 5, "eps": 6}, {"adam_m": 1, "adam_v": 2}, decay=8
    ),
    "ProximalGradientDescent": _Rule("ProximalGradientDescent", 1, 4, {"l1": 2, "l2": 3}),
    "RMSProp": _Rule("RMSProp", 3, 7, {"decay": 4, "momentum": 5, "epsilon": 6}, {"mean_square": 1, "moment": 2}),
    "CenteredRMSProp": _Rule(
        "RMSProp",
        4,
        8,
        {"decay": 5, "momentum": 6, "epsilon": 7},
        {"mean_grad": 1, "mean_square": 2, "moment": 3},
        {"centered": True},
    ),
    "Adagrad": _Rule("Adagrad", 2, 3, {}, {"accum": 1}, initial="accum"),
    "AdagradV2": _Rule("Adagrad", 2, 4, {}, {"accum": 1}, initial="accum"),
    "ProximalAdagrad": _Rule("ProximalAdagrad", 2, 5, {"l1": 3, "l2": 4}, {"accum": 1}, initial="accum"),
    "Ftrl": _Rule(
        "FTRL",
        4,
        3,
        {"l1": 5, "l2": 6, "lr_power": 7},
        {"moments": 1, "linear": 2},
        initial="initial_accum",
        steady=True,
    ),
    "SparseFtrl": _Rule(
        "FTRL",
        5,
        3,
        {"l1": 6, "l2": 7, "lr_power": 8},
        {"moments": 1, "linear": 2},
        initial="initial_accum",
        steady=True,
    ),
    "Adadelta": _Rule("Adadelta", 3, 6, {"rho": 4, "epsilon": 5}, {"accum": 1, "accum_update": 2}),
}
_POWERS: Mapping[str, Mapping[str, int]] = {"Adam": {"beta1": 3, "beta2": 4}, "AdaMax": {"beta1": 3}}
"""The positions of powers of a hyperparameter, which grow with the steps."""

_SAME_WHEN_SPARSE = ("SGD", "Adagrad", "Adam")
"""Optimizers that do the same to a row whose gradient is zero as to one that is left out."""

_APPLY = re.compile(r"(?:Resource)?(Sparse)?Apply(\w+)")


@dataclass(frozen=True)
class _Step:
    """The update of one variable."""

    node: NodeDef
    rule: _Rule
    variable: str
    sparse: bool


def why_none(flow: Flow) -> str:
    """Why `optimizer_of` finds no optimizer, for the user."""
    names = {match[2] for node in flow.graph.node if (match := _APPLY.fullmatch(node.op))}
    if not names:
        return "The graph has a loss, but no optimizer that is known"
    if not names & _RULES.keys():
        return f"The graph's optimizer is {listed(sorted(names))}, which training scripts do not have"
    return f"The graph has several optimizers, {listed(sorted(names))}, and a training script has one"


def optimizer_of(flow: Flow, known: Numbers, values: Values | None, notes: list[str]) -> Optimizer | None:
    """Read the optimizer; None if there is none that MindSpore has.

    Args:
        flow: the training graph.
        known: the values of switches in training.
        values: the values of its variables.
        notes: sentences for the user are added.
    """
    steps = list(_steps(flow))
    if all(step.rule.name == "SGD" for step in steps):
        steps += _scattered(flow)
    names = {step.rule.name for step in steps}
    if len(names) != 1:
        return None
    settings = {**known, **_settings(flow, values)}
    scalars = Scalars(flow, settings)
    now = Scalars(flow, {**settings, **dict.fromkeys(counters_of(flow), _taken(flow, values))})
    first = next((step for step in steps if not step.sparse), steps[0])
    numbers: dict[str, float | bool] = dict(first.rule.fixed)
    for name, position in first.rule.numbers.items() if not first.sparse else ():
        number = now.number(first.node.input[position])
        if number is None:
            notes.append(f"The graph does not say the optimizer's {name}: it has MindSpore's default.")
        else:
            numbers[name] = rounded(number)
    if first.node.attr["use_nesterov"].b:
        numbers["use_nesterov"] = True
    if first.rule.initial:
        numbers[first.rule.initial] = _initial(flow, first.node.input[1], scalars)
    unlike = [name for name in first.rule.numbers if len(_distinct(now, steps, first, name)) > 1]
    if unlike:
        notes.append(
            f"Weights have a different {listed(unlike)} in the graph; the script trains all with the first one."
        )
    rate = schedule_of(flow, first.node.input[first.rule.rate], settings)
    if rate.kind == "unknown":
        fed = graphs.split(first.node.input[first.rule.rate])[0]
        notes.append(f"The graph does not say the learning rate ('{fed}'): {rate.numbers['value']} is a guess.")
    if first.rule.name == "FTRL" and numbers.get("l1"):
        notes.append("MindSpore's kernel of nn.FTRL on the CPU takes l1 with the wrong sign: train on another device.")
    if first.rule.steady and rate.kind not in ("constant", "unknown"):
        rate = Schedule("constant", {"value": rounded(now.number(first.node.input[first.rule.rate]) or GUESS)})
        notes.append(f"nn.{first.rule.name} takes no learning rate that changes: it stays at {rate.numbers['value']}.")
    rates = {step.variable: schedule_of(flow, step.node.input[step.rule.rate], settings) for step in steps}
    rates = {variable: own for variable, own in rates.items() if own != rates[first.variable]}
    if first.rule.steady and rates:
        notes.append("Weights have different learning rates in the graph; the script trains all with the first one.")
        rates = {}
    sparse = [step.variable for step in steps if step.sparse]
    if sparse and first.rule.name not in _SAME_WHEN_SPARSE:
        notes.append(f"The graph updates only those rows of {listed(sparse)} that were read; the script, all rows.")
    own = {step.variable for step in steps}
    others = _with_state(flow, own, first) if first.rule.state else set()
    plain = first.rule.name == "ProximalGradientDescent" and not any(numbers.values())
    return Optimizer(
        "SGD" if plain else first.rule.name,
        {} if plain else numbers,
        rate,
        {_name(values, variable): own for variable, own in rates.items()},
        {_name(values, variable): factor for variable, factor in _decays(steps, now)},
        trained=frozenset(_name(values, variable) for variable in own | others),
        changes=_changes(flow, steps, first, scalars, values, notes),
        state=_state(flow, steps, others, values),
        counters=_counters(first, flow, values, numbers),
        step=_taken(flow, values),
    )


def _steps(flow: Flow) -> Iterator[_Step]:
    for node in flow.graph.node:
        match = _APPLY.fullmatch(node.op)
        rule = (_RULES.get(f"{match[1] or ''}{match[2]}") or _RULES.get(match[2])) if match else None
        if match and rule is not None:
            yield _Step(node, rule, flow.origin(node.input[0]).name, bool(match[1]))
    for node in written_steps(flow):
        yield _Step(node, _RULES[node.op.removeprefix("Apply")], flow.origin(node.input[0]).name, sparse=False)


def _scattered(flow: Flow) -> Iterator[_Step]:
    for node in scattered_steps(flow):
        yield _Step(node, _RULES["GradientDescent"], flow.origin(node.input[0]).name, sparse=True)


def _distinct(scalars: Scalars, steps: list[_Step], first: _Step, name: str) -> set[float | None]:
    """The values of a hyperparameter."""
    alike = [step for step in steps if step.rule is first.rule and step.sparse == first.sparse]
    return {scalars.number(step.node.input[step.rule.numbers[name]]) for step in alike}


def _decays(steps: list[_Step], scalars: Scalars) -> Iterator[tuple[str, float]]:
    """The variables that shrink, and the factors."""
    for step in steps:
        if 0 < step.rule.decay < len(step.node.input):
            factor = scalars.number(step.node.input[step.rule.decay])
            if factor:
                yield step.variable, rounded(factor)


def _name(values: Values | None, variable: str) -> str:
    return values.name(variable) if values is not None else variable


def _settings(flow: Flow, values: Values | None) -> dict[str, Any]:
    """The values of numbers in variables that no optimizer counts: `lr` as a variable."""
    found: dict[str, Any] = {}
    counters = counters_of(flow)
    for node in flow.graph.node if values is not None else ():
        if node.op in graphs.VARIABLES and not node.attr["shape"].shape.dim and values is not None:
            value = values.get(node.name) if node.name not in counters else None
            if value is not None and value.size == 1 and value.dtype.kind == "f":
                found[node.name] = value
    return found


def _changes(
    flow: Flow, steps: list[_Step], first: _Step, scalars: Scalars, values: Values | None, notes: list[str]
) -> tuple[Change, ...]:
    """What is done to the gradients before they are applied: that of the first, with a note where others differ."""
    all_ = {step.variable: changes_of(flow, step.node.input[step.rule.gradient], scalars) for step in steps}
    changes, unknown = all_[first.variable]
    if unknown:
        notes.append(f"The graph changes the gradients before it applies them ('{unknown}'); the script does not.")
    elif not any(rest for _, rest in all_.values()) and (
        alike := _alike({variable: found for variable, (found, _) in all_.items()}, first.variable)
    ):
        return tuple(
            replace(change, own={_name(values, variable): factor for variable, factor in change.own.items()})
            for change in alike
        )
    elif others := [variable for variable, found in all_.items() if found != (changes, "")]:
        notes.append(
            f"The graph changes the gradients of {listed(others)} otherwise than the others before it applies them; "
            "the script changes all alike."
        )
    return changes


def _alike(changes: Mapping[str, Sequence[Change]], first: str) -> tuple[Change, ...]:
    """The changes of all gradients as those of the first, if they differ in a factor only; else none."""
    kept = {variable: [each for each in own if each.kind != "scale"] for variable, own in changes.items()}
    places = {
        sum(before.kind != "scale" for before in own[:i])
        for own in changes.values()
        for i, each in enumerate(own)
        if each.kind == "scale"
    }
    if len(places) != 1 or any(own != kept[first] for own in kept.values()):
        return ()
    factors = {
        variable: math.prod(each.numbers[0] for each in own if each.kind == "scale")
        for variable, own in changes.items()
    }
    others = {variable: factor for variable, factor in factors.items() if factor != factors[first]}
    place = places.pop()
    return (*kept[first][:place], Change("scale", (factors[first],), others), *kept[first][place:])


def _initial(flow: Flow, tensor: str, scalars: Scalars) -> float:
    """The number that a state begins with; 0.1 is TensorFlow's default."""
    variable = flow.origin(tensor).name
    for node in flow.written_to(variable):
        if node.op in ("Assign", "AssignVariableOp"):
            value = scalars.value(node.input[1])
            source = flow.origin(node.input[1])
            if value is None and source.op == "Fill":
                value = scalars.value(source.input[1])
            if value is not None and np.unique(value).size == 1:
                return rounded(float(np.ravel(value)[0]))
    return 0.1


def _with_state(flow: Flow, variables: set[str], step: _Step) -> set[str]:
    """Variables with a state of the same optimizer, which are updated row by row: `embedding` has `embedding/Adam`."""
    end = _ending(flow, step, min(step.rule.state.values(), default=0))
    return {
        name.removesuffix(end)
        for name in flow.nodes
        if end and name.endswith(end) and name.removesuffix(end) in flow.nodes
    } - variables


def _ending(flow: Flow, step: _Step, position: int) -> str:
    """What is added to a variable's name in that of its state: `/Adam_1`; empty if it is named otherwise."""
    state = flow.origin(step.node.input[position]).name
    return state.removeprefix(step.variable) if state.startswith(f"{step.variable}/") else ""


def _state(
    flow: Flow, steps: list[_Step], others: set[str], values: Values | None
) -> dict[str, dict[str, Callable[[], np.ndarray]]]:
    """What the checkpoint has of the optimizer's state; `others` are variables without a step of their own."""
    found: dict[str, dict[str, Callable[[], np.ndarray]]] = {}
    if values is None:
        return found
    for name, position in steps[0].rule.state.items():
        states = {step.variable: flow.origin(step.node.input[position]).name for step in steps}
        ending = _ending(flow, steps[0], position)
        states |= {variable: f"{variable}{ending}" for variable in others}
        found[name] = {
            values.name(variable): partial(_read, values, state)
            for variable, state in states.items()
            if values.has(state)
        }
    return {name: known for name, known in found.items() if known}


def _read(values: Values, variable: str) -> np.ndarray:
    value = values.get(variable)
    assert value is not None, variable
    return value


def _counters(step: _Step, flow: Flow, values: Values | None, numbers: Mapping[str, float | bool]) -> dict[str, float]:
    """Powers of beta: TensorFlow multiplies them after a step, MindSpore before it."""
    found = {}
    if values is not None and not step.sparse:
        for name, position in _POWERS.get(step.rule.name, {}).items():
            power = values.get(flow.origin(step.node.input[position]).name)
            if power is not None and numbers.get(name):
                found[f"{name}_power"] = float(power) / float(numbers[name])
    return found


def _taken(flow: Flow, values: Values | None) -> int:
    """The number of steps that were taken."""
    for name in counters_of(flow) if values is not None else ():
        value = values.get(name) if values is not None else None
        if value is not None:
            return int(value)
    return 0
