"""Verification: run the source and the script on the same inputs; measure and locate the differences of outputs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from converter.verification.edge_journal import EdgeFinding
from converter.verification.metrics import Difference, NodeComparison, OutputComparison, Verdict, badness, difference
from converter.verification.processes import Ending, run_module
from converter.verification.result import Edges, VerificationResult

if TYPE_CHECKING:
    from converter.verification.rounding import rounding_note
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
    "rounding_note",
    "run_module",
    "verify_script",
]


def __getattr__(name: str) -> object:
    """Import what runs models at its first use: a mode without a graph has results without importing ONNX."""
    if name == "rounding_note":
        from converter.verification.rounding import rounding_note

        return rounding_note
    if name == "verify_script":
        from converter.verification.verify import verify_script

        return verify_script
    raise AttributeError(f"module '{__name__}' has no attribute '{name}'")
