"""The training of a source as plain data: its loss, its optimizer, its learning rate."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np


OWN_DECAY = ("AdamWeightDecay",)
"""Optimizers that shrink the weights themselves instead of adding a penalty to their gradients."""

PROBABILITIES = "CrossEntropyOfProbabilities"
"""The name of a loss that MindSpore does not have: the cross entropy of the probabilities that a softmax makes."""


SUM = "SumOfLosses"
"""The name of a loss that MindSpore does not have: of several outputs."""


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


def choices(boundaries: Sequence[int], values: Sequence[float]) -> str:
    """A piecewise constant function of `step` as text: nested choices, from the last piece to the first."""
    text = repr(values[-1])
    for limit, value in zip(boundaries[::-1], values[-2::-1], strict=True):
        text = f"ops.where(step <= {limit}, {value!r}, {text})"
    return text


@dataclass(frozen=True)
class Change:
    """What is done to the gradients before the optimizer gets them.

    Attributes:
        kind: how they are clipped (`global_norm` of all gradients together, `norm` of each, `average_norm` of each
            over the number of its elements, or `value` of each element), or `scale`.
        numbers: the largest norm; for `value` the least and the largest value; for `scale` the factor.
        own: for `scale` the weights of the source that have another factor.
    """

    kind: str
    numbers: tuple[float, ...]
    own: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Optimizer:
    """An optimizer.

    Attributes:
        name: MindSpore's class: `Adam`, `Momentum`, `RMSProp`, `Adagrad`, `SGD`, …
        numbers: its hyperparameters by MindSpore's names, without rate and decay.
        rate: the learning rate.
        rates: the weights of the source that have another learning rate.
        decays: weight of the source → the factor of its L2 penalty, `factor / 2 * sum(weight ** 2)`; for
            `AdamWeightDecay` that of its decay, which is no part of the gradient.
        trained: the weights of the source that it trains; None for all.
        changes: what is done to the gradients before, in this order.
        state: MindSpore's name of a state (`moments`) → weight of the source → what reads its value.
        counters: MindSpore's name of a number of the optimizer (`beta1_power`) → its value.
        step: the number of steps that were taken.
    """

    name: str
    numbers: Mapping[str, float | bool]
    rate: Schedule
    rates: Mapping[str, Schedule] = field(default_factory=dict)
    decays: Mapping[str, float] = field(default_factory=dict)
    trained: frozenset[str] | None = None
    changes: tuple[Change, ...] = ()
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
        parts: of `SUM`, the loss of each output and its label, in the order of the outputs.
        factors: the weight of each part in the sum.
    """

    name: str = ""
    numbers: Mapping[str, Any] = field(default_factory=dict)
    source: Any = None
    classes: int = 0
    parts: tuple[Loss, ...] = ()
    factors: tuple[float, ...] = ()

    @classmethod
    def of_several(cls, parts: Sequence[Loss], factors: Sequence[float] = ()) -> Loss:
        """The loss of several outputs: that of each, times its factor, which is 1 by default."""
        return cls(SUM, parts=tuple(parts), factors=tuple(factors) or (1,) * len(parts))

    def of_label(self, place: int) -> Loss:
        """The loss that reads a label."""
        return self.parts[place] if self.parts else self


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
