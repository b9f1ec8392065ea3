"""Verification: run the source and the script on the same inputs; measure and locate the differences of outputs."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

from converter.verification.comparisons import (
    Difference,
    LayerComparison,
    NodeComparison,
    OutputComparison,
    Verdict,
    badness,
)
from converter.verification.edge_journal import EdgeFinding
from converter.verification.processes import Ending, run_module
from converter.verification.result import Edges, VerificationResult

if TYPE_CHECKING:
    from converter.verification.metrics import difference
    from converter.verification.proof_kit import ProofKit, kit_script
    from converter.verification.rounding import rounding_note
    from converter.verification.verify import verify_script

__all__ = [
    "Difference",
    "EdgeFinding",
    "Edges",
    "Ending",
    "LayerComparison",
    "NodeComparison",
    "OutputComparison",
    "ProofKit",
    "Verdict",
    "VerificationResult",
    "badness",
    "difference",
    "kit_script",
    "rounding_note",
    "run_module",
    "verify_script",
]


_AT_FIRST_USE = {
    "difference": "metrics",
    "verify_script": "verify",
    "ProofKit": "proof_kit",
    "kit_script": "proof_kit",
    "rounding_note": "rounding",
}
"""Name → module of what is imported at first use: results alone need neither ONNX nor NumPy."""


def __getattr__(name: str) -> object:
    if name in _AT_FIRST_USE:
        return getattr(importlib.import_module(f"{__name__}.{_AT_FIRST_USE[name]}"), name)
    raise AttributeError(f"module '{__name__}' has no attribute '{name}'")
