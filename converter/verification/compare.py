"""Compare: how far an output of the script is from the source's."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np

Verdict = Literal["same", "differs", "not comparable"]

TOLERANCES = {"float16": 2e-3, "bfloat16": 2e-2}
"""Largest error of an output relative to its largest value, by element type."""
TOLERANCE = 1e-4
"""The same for every other floating type; integers, bools and strings must be equal."""

TINY = float(np.finfo(np.float32).tiny)


@dataclass(frozen=True)
class OutputComparison:
    """One output in one mode.

    Attributes:
        output: its name in the source.
        mode: `PyNative` or `graph`.
        verdict: whether it equals the source's within its tolerance.
        max_abs, max_rel, mean_rel: errors, absolute and relative to the source's element; None when there is no number.
        note: why it differs or is not comparable, when the numbers do not say so.
    """

    output: str
    mode: str
    verdict: Verdict
    max_abs: float | None = None
    max_rel: float | None = None
    mean_rel: float | None = None
    note: str = ""

    def line(self) -> str:
        """The comparison for a reader."""
        line = f"output {self.output}, {self.mode} mode: {self.verdict}"
        if self.max_abs is not None:
            line += (
                f"; maximum absolute error {self.max_abs:.2e}, maximum relative error {self.max_rel:.2e}, "
                f"mean relative error {self.mean_rel:.2e}"
            )
        return f"{line}; {self.note}" if self.note else line

    def as_dict(self) -> Mapping[str, Any]:
        """The same as plain data."""
        return asdict(self)


def compare(output: str, mode: str, got: Any, want: Any) -> OutputComparison:
    """Compare one output with the source's. Sequences and absent values are compared element by element."""
    if isinstance(want, (list, tuple)) or want is None:
        return _compare_structure(output, mode, got, want)
    got, want = np.asarray(got), np.asarray(want)
    if got.shape != want.shape:
        return OutputComparison(output, mode, "differs", note=f"its shape is {got.shape}, the source's {want.shape}")
    if want.dtype.kind not in "fcV":
        return _compare_exactly(output, mode, got, want)
    wide = np.complex128 if want.dtype.kind == "c" else np.float64
    tolerance = TOLERANCES.get(want.dtype.name, TOLERANCE)
    got, want = got.astype(wide), want.astype(wide)
    alike = (got == want) | (np.isnan(got) & np.isnan(want))  # infinities and NaN in the same places
    with np.errstate(invalid="ignore"):
        error = np.where(alike, 0.0, np.abs(got - want))
    if not np.isfinite(error).all():
        return OutputComparison(output, mode, "differs", note="one has NaN or infinities where the other has numbers")
    largest = float(np.abs(want[np.isfinite(want)]).max(initial=0.0))
    relative = error / np.maximum(np.where(np.isfinite(want), np.abs(want), 1.0), TINY)
    max_abs = float(error.max(initial=0.0))
    same = max_abs <= tolerance * max(largest, TINY)
    mean = float(relative.mean()) if relative.size else 0.0
    return OutputComparison(
        output, mode, "same" if same else "differs", max_abs, float(relative.max(initial=0.0)), mean
    )


def _compare_exactly(output: str, mode: str, got: np.ndarray, want: np.ndarray) -> OutputComparison:
    if want.dtype.kind not in "iub":
        same = bool((got == want).all())
        return OutputComparison(output, mode, "same" if same else "differs")
    error = np.abs(got.astype(np.float64) - want.astype(np.float64))
    relative = error / np.maximum(np.abs(want.astype(np.float64)), 1.0)
    unequal = int((got != want).sum())
    return OutputComparison(
        output,
        mode,
        "differs" if unequal else "same",
        float(error.max(initial=0.0)),
        float(relative.max(initial=0.0)),
        float(relative.mean()) if relative.size else 0.0,
        f"{unequal} of {want.size} elements are unequal" if unequal else "",
    )


def _compare_structure(output: str, mode: str, got: Any, want: Any) -> OutputComparison:
    if want is None or got is None:
        same = want is None and got is None
        return OutputComparison(output, mode, "same" if same else "differs", note="" if same else "one is absent")
    if len(got) != len(want):
        return OutputComparison(output, mode, "differs", note=f"{len(got)} elements, the source has {len(want)}")
    parts = [compare(output, mode, one, other) for one, other in zip(got, want, strict=True)]
    return (
        max(parts, key=lambda part: (part.verdict == "differs", part.max_abs or 0.0))
        if parts
        else OutputComparison(output, mode, "same")
    )
