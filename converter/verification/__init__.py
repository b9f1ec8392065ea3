"""Verification: the source and the script run on the same inputs; how far apart their outputs are, and where."""

from converter.verification.metrics import NodeComparison, OutputComparison, Verdict
from converter.verification.result import VerificationResult

__all__ = ["NodeComparison", "OutputComparison", "Verdict", "VerificationResult"]
