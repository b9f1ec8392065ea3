"""Metrics: the errors of the script's values relative to the source's."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np

THE_SOURCE = "source"
"""What has computed an output that is compared with the one that came with the model, if it is not the script."""

Verdict = Literal["same", "differs", "not comparable"]

TOLERANCES = {"float16": 2e-3, "bfloat16": 2e-2, "int8": 2e-2}
"""Largest error of an output relative to its largest value, by element type."""
TOLERANCE = 1e-4
"""The same for every other floating type; integers, bools and strings must be equal."""

TINY = float(np.finfo(np.float32).tiny)
FLUSHED = 1024 * TINY
"""What is missing from a sum of so many products that are flushed to zero."""
BLOCK = 2**16
"""Number of elements that are compared at a time."""


@dataclass(frozen=True)
class Difference:
    """The errors of a value relative to its reference.

    Attributes:
        verdict: whether it equals the reference within its tolerance.
        max_abs, max_rel, mean_rel: errors, absolute and relative to the reference's element where that is not 0; None
            if they were not computed.
        cosine: cosine similarity of the two as vectors; None if it was not computed or one of them is all zeros.
        note: why it differs or is not comparable, if the numbers do not show it.
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
        mode: `PyNative` or `graph`, or `THE_SOURCE`.
    """

    output: str
    mode: str

    def line(self) -> str:
        """The comparison for a reader."""
        who = "the source" if self.mode == THE_SOURCE else f"{self.mode} mode"
        return f"output {self.output}, {who}: {super().line()}"


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

    @property
    def position(self) -> str:
        """Where the source says what the node is, as a phrase; empty if the report finds it by its record."""
        return ""

    @property
    def script_position(self) -> tuple[int, int] | None:
        """Line and column of the script; None if the report finds them by its record."""
        return None

    def line(self) -> str:
        """The comparison for a reader."""
        return f"'{self.operator}' ({self.node}), its output {self.value}: {super().line()}"


@dataclass(frozen=True, kw_only=True)
class LayerComparison(NodeComparison):
    """One instance of a class of the script in one mode, on the inputs that it has in the source.

    Its `node` is its path in the network (`model.layers.3.mlp`), its `operator` the class, its `value` the output.

    Attributes:
        mode: `PyNative` or `graph`.
        line_number, last_line: the lines of the script where its own statements stand.
        inputs_differ: whether an argument is none of the source's values, so that what stands before may be at fault.
    """

    mode: str
    line_number: int = 0
    last_line: int = 0
    inputs_differ: bool = False

    @property
    def position(self) -> str:
        """The lines of the script, and the mode, as a phrase."""
        lines = f"lines {self.line_number} to {self.last_line}"
        if self.line_number == self.last_line:
            lines = f"line {self.line_number}" if self.line_number else ""
        return ", ".join(filter(None, [lines, f"{self.mode} mode"]))

    @property
    def script_position(self) -> tuple[int, int] | None:
        """The line and the column of the script to look at."""
        return (self.line_number, 1) if self.line_number else None

    def line(self) -> str:
        """The comparison for a reader."""
        output = f", its output {self.value}" if self.value else ""
        name = self.node or "the network itself"
        return f"{name} ({self.operator}), {self.position}{output}: {super(NodeComparison, self).line()}"


def difference(got: Any, want: Any, precision: str = "") -> Difference:
    """Compare a value with its reference, arrays of any shape. Sequences are compared element by element.

    `precision` is the element type in which they were computed, if it is not their own.
    """
    if isinstance(want, (list, tuple)) or want is None:
        return _structure_difference(got, want, precision)
    got, want = np.asarray(got), np.asarray(want)
    if got.shape != want.shape:
        return Difference("differs", note=f"its shape is {got.shape}, the source's {want.shape}")
    if want.dtype.kind not in "fciubV":
        return Difference("same" if bool((got == want).all()) else "differs")
    exact = want.dtype.kind in "iub"
    errors = _Errors()
    for start in range(0, want.size, BLOCK):
        errors.add(*(_wide(array.reshape(-1)[start : start + BLOCK]) for array in (got, want)))
    if not np.isfinite(errors.largest_error):
        return Difference("differs", note="one has NaN or infinities where the other has numbers")
    tolerance = TOLERANCES.get(precision or want.dtype.name, TOLERANCE)
    allowed = 0.0 if exact else max(tolerance * errors.largest, FLUSHED)  # some kernels flush small numbers to zero
    return Difference(
        "same" if errors.largest_error <= allowed else "differs",
        errors.largest_error,
        errors.largest_relative,
        errors.relative / want.size if want.size else 0.0,
        errors.cosine,
        f"{errors.unequal} of {want.size} elements are unequal" if exact and errors.unequal else "",
    )


def _wide(array: np.ndarray) -> np.ndarray:
    return array.astype(np.complex128 if array.dtype.kind == "c" else np.float64)


class _Errors:
    """Maxima and sums, updated block by block, so that large values need little memory."""

    def __init__(self) -> None:
        self.largest = self.largest_error = self.largest_relative = self.relative = 0.0
        self.unequal = 0
        self._products = np.zeros(3)  # of got and want, got and got, want and want

    def add(self, got: np.ndarray, want: np.ndarray) -> None:
        """Add a block: `got` and `want` are vectors of one shape (n,)."""
        finite, one, other = np.isfinite(want), got, want
        if finite.all():
            error, numbers = np.abs(got - want), np.abs(want)
            largest = numbers
        else:  # infinities and NaN must be at the same positions
            alike = (got == want) | (np.isnan(got) & np.isnan(want))
            with np.errstate(invalid="ignore"):
                error, numbers = np.where(alike, 0.0, np.abs(got - want)), np.where(finite, np.abs(want), 1.0)
            error = np.where(alike | finite, error, np.inf)
            largest, one, other = numbers[finite], got[finite], want[finite]
        relative = np.divide(error, numbers, out=np.zeros_like(error), where=numbers > 0)
        largest_error = float(error.max())  # NaN if any is NaN
        self.largest_error = max(self.largest_error, np.inf if np.isnan(largest_error) else largest_error)
        self.largest = max(self.largest, float(largest.max(initial=0.0)))
        self.largest_relative = max(self.largest_relative, float(relative.max()))
        self.relative += float(relative.sum())
        self.unequal += int(np.count_nonzero(error))
        self._products += [np.vdot(one, other).real, np.vdot(one, one).real, np.vdot(other, other).real]

    @property
    def cosine(self) -> float | None:
        """Cosine similarity; None when one is all zeros, or too large to be squared."""
        both, one, other = (float(product) for product in self._products)
        scale = np.sqrt(one) * np.sqrt(other)
        return float(np.clip(both / scale, -1.0, 1.0)) if 0.0 < scale < np.inf else None


def _structure_difference(got: Any, want: Any, precision: str) -> Difference:
    if want is None or got is None:
        same = want is None and got is None
        return Difference("same" if same else "differs", note="" if same else "one is absent")
    if len(got) != len(want):
        return Difference("differs", note=f"{len(got)} elements, the source has {len(want)}")
    parts = [difference(one, other, precision) for one, other in zip(got, want, strict=True)]
    return max(parts, key=badness, default=Difference("same"))


def badness(found: Difference) -> tuple[bool, float]:
    """Sort key of differences: the worst has the largest."""
    return found.verdict == "differs", found.max_abs or 0.0
