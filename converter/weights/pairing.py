"""Pairing: a parameter of a network, and the tensors of a source that it is made of."""

from __future__ import annotations

from dataclasses import dataclass

from converter.artifacts import TensorSpec
from converter.base.weight_steps import Step
from converter.weights.drafts import Confidence
from converter.weights.roles import Parameter


@dataclass(frozen=True)
class Part:
    """A tensor of the source, and the weight steps from it to the parameter, or to a part of it."""

    source: TensorSpec
    steps: tuple[Step, ...] = ()


@dataclass(frozen=True)
class Pairing:
    """Where one parameter is taken from.

    Attributes:
        parameter: of the network.
        parts: what makes the parameter, joined along the first axis; empty where nothing fits.
        confidence: certain where names or shapes leave no choice, likely where the names decide, ambiguous where
            several tensors or layouts fit, missing where none does.
        reason: what decided, or what did not.
        others: the names of tensors that fit as well.
    """

    parameter: Parameter
    parts: tuple[Part, ...]
    confidence: Confidence
    reason: str
    others: tuple[str, ...] = ()


@dataclass(frozen=True)
class Proposal:
    """The pairings of a network, in its order, and the tensors of the source that none of them reads."""

    pairings: tuple[Pairing, ...]
    unused: tuple[TensorSpec, ...]
