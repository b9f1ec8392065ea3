"""The training of a source as plain data: its loss, its optimizer, its learning rate."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np


PROBABILITIES = "CrossEntropyOfProbabilities"
"""The name of a loss that MindSpore does not have: the cross entropy of the probabilities that a softmax makes."""


@dataclass(frozen=True)
class Schedule:
    """A learning rate as a function of the number of steps that were taken.

    Attributes:
        kind: one of

            - `constant`: value
            - `exponential`: initial, decay_rate, decay_steps, staircase
            - `natural_exponential`, `inverse_time`: the same
            - `polynomial`: initial, end, decay_steps, power
            - `cosine`: initial, end, decay_steps
            - `piecewise`: boundaries (the last step with each value but the last), values
            - `formula`: text, a Python expression of `step`, a tensor, with functions of `ops`
            - `unknown`: the source does not say it; value is a guess
        numbers: its arguments by name.
    """

    kind: str
    numbers: Mapping[str, Any]


@dataclass(frozen=True)
class Clipping:
    """How gradients are clipped.

    Attributes:
        kind: `global_norm` of all gradients together, `norm` of each, or `value` of each element.
        numbers: the norm; for `value` the least and the largest value.
    """

    kind: str
    numbers: tuple[float, ...]


@dataclass(frozen=True)
class Optimizer:
    """An optimizer.

    Attributes:
        name: MindSpore's class: `Adam`, `Momentum`, `RMSProp`, `Adagrad`, `SGD`, …
        numbers: its hyperparameters by MindSpore's names, without rate and decay.
        rate: the learning rate.
        decays: weight of the source → the factor of its L2 penalty, `factor / 2 * sum(weight ** 2)`.
        trained: the weights of the source that it trains; None for all.
        clipping: how gradients are clipped, if they are.
        state: MindSpore's name of a state (`moments`) → weight of the source → what reads its value.
        counters: MindSpore's name of a number of the optimizer (`beta1_power`) → its value.
        step: the number of steps that were taken.
    """

    name: str
    numbers: Mapping[str, float | bool]
    rate: Schedule
    decays: Mapping[str, float] = field(default_factory=dict)
    trained: frozenset[str] | None = None
    clipping: Clipping | None = None
    state: Mapping[str, Mapping[str, Callable[[], np.ndarray]]] = field(default_factory=dict)
    counters: Mapping[str, float] = field(default_factory=dict)
    step: int = 0


@dataclass(frozen=True)
class Loss:
    """A loss of the network's outputs and of labels: a known one by name, or any other as a `Source`.

    Attributes:
        name: MindSpore's class if it is known: `CrossEntropyLoss`.
        numbers: its arguments by name.
        source: the graph of the loss: its inputs are the network's outputs, then the labels; None if it is known.
        classes: the number of classes if the labels are class indices, else 0.
    """

    name: str = ""
    numbers: Mapping[str, Any] = field(default_factory=dict)
    source: Any = None
    classes: int = 0


@dataclass(frozen=True)
class Training:
    """How a source was trained.

    Attributes:
        loss: the loss.
        labels: what it reads besides the network's outputs, an `Endpoint` each.
        optimizer: the optimizer.
        notes: what was guessed, and what the source does that the script does not, one sentence each.
        guessed: whether the source does not say how it was trained.
        in_graph: whether the source holds the training itself; else a script is written only where it is asked for.
    """

    loss: Loss
    labels: tuple[Any, ...]
    optimizer: Optimizer
    notes: tuple[str, ...] = ()
    guessed: bool = False
    in_graph: bool = True
