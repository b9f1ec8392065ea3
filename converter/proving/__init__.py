"""Proving: the network of a converted script beside that of its source, with the same weights on the same inputs."""

from __future__ import annotations

from converter.proving.prove import Network, Proof, prove
from converter.proving.result import ModuleComparison, NetworkResult

__all__ = ["ModuleComparison", "Network", "NetworkResult", "Proof", "prove"]
