"""Weights: from which tensors of another framework the parameters of a MindSpore network are to be taken."""

from __future__ import annotations

from converter.weights import mapping_file, readers, writers
from converter.weights.cells import made_by, network_of, parameters_of
from converter.weights.inversion import Inverted, NotInvertibleError, inverted
from converter.weights.layouts import Framework
from converter.weights.making import entries_of, parameters_from
from converter.weights.matching import propose
from converter.weights.names import framework_of, layer_of, natural
from converter.weights.pairing import Pairing, Part, Proposal
from converter.weights.roles import Parameter

__all__ = [
    "Framework",
    "Inverted",
    "NotInvertibleError",
    "Pairing",
    "Parameter",
    "Part",
    "Proposal",
    "entries_of",
    "framework_of",
    "inverted",
    "layer_of",
    "made_by",
    "mapping_file",
    "natural",
    "network_of",
    "parameters_from",
    "parameters_of",
    "propose",
    "readers",
    "writers",
]
