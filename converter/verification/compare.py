"""Compare: how far what the script computes is from what the source computes."""

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
class Difference:
    """How far a value is from its reference.

    Attributes:
        verdict: whether it equals the reference within its tolerance.
        max_abs, max_rel, mean_rel: errors, absolute and relative to the reference's element; None when there is no
            number.
        cosine: cosine similarity of the two as vectors; None when there is no number or one of them is all zeros.
        note: why it differs or is not comparable, when the numbers do not say so.
    """

    verdict: Verdict
    max_abs: float | None = None
    max_rel: float | None = None
    mean_rel: float | None = None
    cosine: float | None = None
    note: str = ""

    def line(self) -> str:
        """The difference for a reader."""
        line: str = self.verdict
        if self.max_abs is not None:
            line += (
                f"; maximum absolute error {self.max_abs:.2e}, maximum relative error {self.max_rel:.2e}, "
                f"mean relative error {self.mean_rel:.2e}"
            )
        if self.cosine is not None:
            line += f", cosine similarity {self.cosine:.6f}"
        return f"{line}; {self.note}" if self.note else line

    def as_dict(self) -> Mapping[str, Any]:
        """The same as plain data."""
        return asdict(self)


@dataclass(frozen=True, kw_only=True)
class OutputComparison(Difference):
    """One output in one mode.

    Attributes:
        output: its name in the source.
        mode: `PyNative` or `graph`.
    """

    output: str
    mode: str

    def line(self) -> str:
        """The comparison for a reader."""
        return f"output {self.output}, {self.mode} mode: {super().line()}"


@dataclass(frozen=True, kw_only=True)
class NodeComparison(Difference):
    """One output of one node, computed by script and source from identical inputs.

    Attributes:
        node: the name of the node's record.
        operator: `onnx::Conv`.
        value: the output's name in ONNX.
    """

    node: str
    operator: str
    value: str

    def line(self) -> str:
        """The comparison for a reader."""
        return f"'{self.operator}' ({self.node}), its output {self.value}: {super().line()}"


def difference(got: Any, want: Any) -> Difference:
    """Compare a value with its reference. Sequences and absent values are compared element by element."""
    if isinstance(want, (list, tuple)) or want is None:
        return _structure_difference(got, want)
    got, want = np.asarray(got), np.asarray(want)
    if got.shape != want.shape:
        return Difference("differs", note=f"its shape is {got.shape}, the source's {want.shape}")
    if want.dtype.kind not in "fcV":
        return _exact_difference(got, want)
    wide = np.complex128 if want.dtype.kind == "c" else np.float64
    tolerance = TOLERANCES.get(want.dtype.name, TOLERANCE)
    got, want = got.astype(wide), want.astype(wide)
    alike = (got == want) | (np.isnan(got) & np.isnan(want))  # infinities and NaN in the same places
    with np.errstate(invalid="ignore"):
        error = np.where(alike, 0.0, np.abs(got - want))
    if not np.isfinite(error).all():
        return Difference("differs", note="one has NaN or infinities where the other has numbers")
    finite = np.isfinite(want)
    largest = float(np.abs(want[finite]).max(initial=0.0))
    relative = error / np.maximum(np.where(finite, np.abs(want), 1.0), TINY)
    max_abs = float(error.max(initial=0.0))
    return Difference(
        "same" if max_abs <= tolerance * max(largest, TINY) else "differs",
        max_abs,
        float(relative.max(initial=0.0)),
        float(relative.mean()) if relative.size else 0.0,
        _cosine(got[finite], want[finite]),
    )


def _cosine(one: np.ndarray, other: np.ndarray) -> float | None:
    """Cosine similarity of two vectors of one length; None when one is all zeros."""
    scales = [float(np.abs(vector).max(initial=0.0)) for vector in (one, other)]
    if 0.0 in scales:
        return None
    one, other = one / scales[0], other / scales[1]  # squares of large numbers overflow
    cosine = np.vdot(one, other).real / (np.linalg.norm(one) * np.linalg.norm(other))
    return float(np.clip(cosine, -1.0, 1.0))


def _exact_difference(got: np.ndarray, want: np.ndarray) -> Difference:
    unequal = int((got != want).sum())
    note = f"{unequal} of {want.size} elements are unequal" if unequal else ""
    if want.dtype.kind not in "iub":
        return Difference("differs" if unequal else "same", note=note)
    got, want = got.astype(np.float64).reshape(-1), want.astype(np.float64).reshape(-1)
    error = np.abs(got - want)
    relative = error / np.maximum(np.abs(want), 1.0)
    return Difference(
        "differs" if unequal else "same",
        float(error.max(initial=0.0)),
        float(relative.max(initial=0.0)),
        float(relative.mean()) if relative.size else 0.0,
        _cosine(got, want),
        note,
    )


def _structure_difference(got: Any, want: Any) -> Difference:
    if want is None or got is None:
        same = want is None and got is None
        return Difference("same" if same else "differs", note="" if same else "one is absent")
    if len(got) != len(want):
        return Difference("differs", note=f"{len(got)} elements, the source has {len(want)}")
    parts = [difference(one, other) for one, other in zip(got, want, strict=True)]
    return max(parts, key=_badness, default=Difference("same"))


def _badness(part: Difference) -> tuple[bool, float]:
    return part.verdict == "differs", part.max_abs or 0.0
