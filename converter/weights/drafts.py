"""Drafts: a tensor for a parameter, before it is decided in which of several layouts it is read."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal, TypeAlias

from converter.artifacts import TensorSpec
from converter.weights.layouts import Layout
from converter.weights.roles import Parameter

Confidence: TypeAlias = Literal["certain", "likely", "ambiguous", "missing"]


@dataclass(frozen=True)
class Draft:
    """A parameter, the tensor that it is made of, and the layouts in which this fits.

    Attributes:
        parameter: of the network.
        source: the tensor.
        layouts: of which one is to be chosen, most plausible first.
        confidence: that this tensor is meant, see `Pairing`.
        reason: what decided, or what did not.
        others: the names of tensors that fit as well.
    """

    parameter: Parameter
    source: TensorSpec
    layouts: tuple[Layout, ...]
    confidence: Confidence
    reason: str
    others: tuple[str, ...] = ()

    def with_layout(self, layout: Layout, reason: str, *, ambiguous: bool = False) -> Draft:
        """The same draft with one layout, and the reason for it."""
        confidence: Confidence = "ambiguous" if ambiguous or self.confidence == "ambiguous" else "likely"
        return replace(self, layouts=(layout,), confidence=confidence, reason=f"{self.reason}; {reason}")
