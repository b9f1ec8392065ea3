"""Weights: from which tensors of another framework the parameters of a MindSpore network are to be taken."""

from __future__ import annotations

from converter.weights.cells import parameters_of
from converter.weights.matching import Framework, Pairing, Part, Proposal, propose
from converter.weights.roles import Parameter

__all__ = ["Framework", "Pairing", "Parameter", "Part", "Proposal", "parameters_of", "propose"]
