"""Verification: run the source and the script on the same inputs; measure and locate the differences of outputs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from converter.verification.edge_journal import EdgeFinding
from converter.verification.metrics import Difference, NodeComparison, OutputComparison, Verdict, badness, difference
from converter.verification.processes import Ending, run_module
from converter.verification.result import Edges, VerificationResult

if TYPE_CHECKING:
    from converter.verification.verify import verify_script

__all__ = [
    "Difference",
    "EdgeFinding",
    "Edges",
    "Ending",
    "NodeComparison",
    "OutputComparison",
    "Verdict",
    "VerificationResult",
    "badness",
    "difference",
    "run_module",
    "verify_script",
]


def __getattr__(name: str) -> object:
    """Import `verify_script` at its first use: a mode without a graph has results without importing ONNX."""
    if name == "verify_script":
        from converter.verification.verify import verify_script

        return verify_script
    raise AttributeError(f"module '{__name__}' has no attribute '{name}'")
