"""How a model of Keras was compiled: loss, optimizer and learning rate, as the file records them.

https://keras.io/api/optimizers/, https://keras.io/api/losses/
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from converter.base.names import Namespace
from converter.frontends.source import Endpoint, Source
from converter.frontends.training import PROBABILITIES, Change, Loss, Optimizer, Schedule, Training

_ALIASES = {"mse": "mean_squared_error", "mae": "mean_absolute_error", "bce": "binary_crossentropy"}

_OPTIMIZERS: Mapping[str, tuple[str, Mapping[str, str]]] = {
    "Adam": ("Adam", {"beta_1": "beta1", "beta_2": "beta2", "epsilon": "eps"}),
    "AdamW": ("Adam", {"beta_1": "beta1", "beta_2": "beta2", "epsilon": "eps"}),
    "Adamax": ("AdaMax", {"beta_1": "beta1", "beta_2": "beta2", "epsilon": "eps"}),
    "SGD": ("Momentum", {"momentum": "momentum", "nesterov": "use_nesterov"}),
    "RMSprop": (
        "RMSProp",
        {"rho": "decay", "momentum": "momentum", "epsilon": "epsilon", "centered": "centered"},
    ),
    "Adagrad": ("Adagrad", {"initial_accumulator_value": "accum"}),
}
"""Keras's class → MindSpore's, and the names of hyperparameters."""

_SCHEDULES: Mapping[str, tuple[str, Mapping[str, str]]] = {
    "ExponentialDecay": ("exponential", {"decay_rate": "decay_rate", "staircase": "staircase"}),
    "InverseTimeDecay": ("inverse_time", {"decay_rate": "decay_rate", "staircase": "staircase"}),
    "PolynomialDecay": ("polynomial", {"end_learning_rate": "end", "power": "power"}),
}


def training_of(compiled: Mapping[str, Any], source: Source, notes: tuple[str, ...] = ()) -> Training | None:
    """The training that a model was compiled for; None if it was not, or for one that MindSpore has no name for."""
    recorded = compiled.get("optimizer") or compiled.get("optimizer_config")  # of .keras and of .h5
    if not recorded:
        return None
    ends = source.outputs
    found, optimizer = _each_loss(compiled, [end.name for end in ends]), _optimizer(recorded)
    losses = [_loss(item, end) for (item, _), end in zip(found, ends, strict=False)]
    if len(losses) < len(ends) or None in losses or optimizer is None:
        return None
    known = [loss for loss in losses if loss is not None]
    if len({bool(loss.classes) for loss in known if loss.name == PROBABILITIES}) > 1:
        return None
    names = Namespace(frozenset(end.name for end in source.inputs))
    if len(ends) == 1:
        return Training(known[0], (_label(ends[0], known[0], names.new("label")),), optimizer, notes, in_graph=False)
    loss = Loss.of_several(known, [factor for _, factor in found])
    labels = tuple(_label(end, each, names.new(f"label_{end.name}")) for end, each in zip(ends, known, strict=True))
    return Training(loss, labels, optimizer, notes, in_graph=False)


def _each_loss(compiled: Mapping[str, Any], names: Sequence[str]) -> list[tuple[Any, float]]:
    """For each output the loss and its weight, as Keras wrote them; none if some output has no loss."""
    losses, factors = compiled.get("loss"), compiled.get("loss_weights")
    if isinstance(losses, Mapping) and "class_name" not in losses:
        losses = [losses[name] for name in names if losses.get(name)]
    elif not isinstance(losses, list | tuple):
        losses = [losses] * len(names)
    if isinstance(factors, Mapping):
        factors = [factors.get(name, 1) for name in names]
    elif not isinstance(factors, list | tuple):
        factors = [1] * len(names)
    if len(losses) != len(names) or len(factors) != len(names):
        return []
    return [(loss, 1 if factor == 1 else float(factor)) for loss, factor in zip(losses, factors, strict=True)]


def _label(end: Endpoint, loss: Loss, name: str) -> Endpoint:
    if not loss.classes:
        return replace(end, name=name)
    shape, example = end.shape and end.shape[:-1], end.example and end.example[:-1]
    return replace(end, name=name, dtype=np.dtype(np.int32), shape=shape, example=example)


def _named(item: Any) -> tuple[str, Mapping[str, Any]]:
    """Name and configuration of what Keras wrote as a string, or as class and configuration: `Custom>Adam` is Adam."""
    if isinstance(item, Mapping):
        config = item.get("config")
        return str(item.get("class_name", "")).rpartition(">")[2], config if isinstance(config, Mapping) else {}
    return str(item), {}


def _loss(item: Any, end: Endpoint) -> Loss | None:
    name, config = _named(item)
    if name == "function":
        name = str(item["config"])
    name = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name).lower()
    logits = bool(config.get("from_logits"))
    classes = end.shape[-1] if end.shape else 0
    match _ALIASES.get(name, name):
        case "mean_squared_error":
            return Loss("MSELoss")
        case "mean_absolute_error":
            return Loss("L1Loss")
        case "huber":
            return Loss("HuberLoss", {"delta": float(config.get("delta", 1.0))})
        case "binary_crossentropy":
            return Loss("BCEWithLogitsLoss" if logits else "BCELoss")
        case "sparse_categorical_crossentropy" if isinstance(classes, int) and len(end.shape or ()) == 2:
            return Loss("CrossEntropyLoss" if logits else PROBABILITIES, classes=classes)
        case "categorical_crossentropy" if len(end.shape or ()) == 2:
            return Loss("CrossEntropyLoss" if logits else PROBABILITIES)
    return None


def _optimizer(item: Any) -> Optimizer | None:
    name, config = _named(item)
    kind, names = _OPTIMIZERS.get(name, ("", {}))
    rate = _rate(config.get("learning_rate"))
    decay = config.get("weight_decay")
    if not kind or rate is None or config.get("amsgrad") or (decay and kind != "Adam"):
        return None
    numbers = {ours: config[theirs] for theirs, ours in names.items() if config.get(theirs) not in (None, False)}
    if decay:
        kind, numbers = "AdamW", {"decay": float(f"{decay:.6g}"), **numbers}
    if kind == "Momentum" and not numbers.get("momentum"):
        kind, numbers = "SGD", {}
    return Optimizer(kind, numbers, rate, changes=_changes(config))


def _rate(item: Any) -> Schedule | None:
    if isinstance(item, int | float):
        return Schedule("constant", {"value": float(f"{item:.6g}")})
    name, config = _named(item)
    if name == "PiecewiseConstantDecay":
        return Schedule("piecewise", {"boundaries": config["boundaries"], "values": config["values"]})
    if name == "CosineDecay" and not config.get("warmup_steps"):
        initial = config["initial_learning_rate"]
        numbers = {"initial": initial, "end": config.get("alpha", 0.0) * initial, "decay_steps": config["decay_steps"]}
        return Schedule("cosine", numbers)
    kind, names = _SCHEDULES.get(name, ("", {}))
    if not kind or config.get("cycle"):
        return None
    numbers = {ours: config[theirs] for theirs, ours in names.items()}
    return Schedule(kind, {"initial": config["initial_learning_rate"], "decay_steps": config["decay_steps"], **numbers})


def _changes(config: Mapping[str, Any]) -> tuple[Change, ...]:
    if config.get("global_clipnorm"):
        return (Change("global_norm", (float(config["global_clipnorm"]),)),)
    if config.get("clipnorm"):
        return (Change("norm", (float(config["clipnorm"]),)),)
    if config.get("clipvalue"):
        return (Change("value", (-float(config["clipvalue"]), float(config["clipvalue"]))),)
    return ()
