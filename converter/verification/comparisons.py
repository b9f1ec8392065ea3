"""Comparisons of values as data, without the arrays that were compared: importing it imports no NumPy."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal

THE_SOURCE = "source"
"""What has computed an output that is compared with the one that came with the model, if it is not the script."""

Verdict = Literal["same", "differs", "not comparable"]

SENSITIVE = "same within the source's own sensitivity"
"""The verdict where outputs differ no more than the source moves."""

NEAR = 0.99
"""Cosine similarity above which a difference may be one of rounding."""


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


def badness(found: Difference) -> tuple[bool, float]:
    """Sort key of differences: the worst has the largest."""
    return found.verdict == "differs", found.max_abs or 0.0
