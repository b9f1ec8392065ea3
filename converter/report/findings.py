"""Findings: the results of a conversion in any mode, from which every report is written."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from converter.base.stages import Stages
from converter.verification import NodeComparison, VerificationResult

Status = Literal["converted", "composed", "approximate", "unconverted"]


@dataclass(frozen=True, kw_only=True)
class Finding:
    """What became of one piece of the source: of a node of a graph, or of a call in a script.

    Attributes:
        operator: its type: `onnx::Conv`, with the source's domain when it is not ONNX's own; `torch.nn.Conv2d`.
        name: the node's name; empty if the piece has none.
        scope: its scope in the source.
        converted: whether it was translated; otherwise the script has a stub or the source's text in its place.
        became: its translation in short (`nn.Conv2d`, `ops.relu`, `x + y`); if not converted, the remedy.
        note: a remark for a reviewer (an approximation).
        line, column: its position in the script.
        parameters: the parameters that it uses, by their names in the checkpoint.
        composed: whether several statements, or a helper function, were needed for it.
    """

    operator: str
    name: str = ""
    scope: str = ""
    converted: bool = True
    became: str = ""
    note: str = ""
    line: int = 1
    column: int = 1
    parameters: tuple[str, ...] = ()
    composed: bool = False

    @property
    def status(self) -> Status:
        """`converted` to one call, `composed` of several, `approximate` (see `note`), or `unconverted`."""
        if not self.converted:
            return "unconverted"
        if self.note:
            return "approximate"
        return "composed" if self.composed else "converted"

    def text(self) -> str:
        """The finding as one line of text."""
        what = f"'{self.operator}' ({self.name})" if self.name else f"'{self.operator}'"
        if not self.converted:
            return f"line {self.line}:{self.column}: [UnConvert] {what} didn't convert. {self.became}"
        note = f" {self.note}" if self.note else ""
        return f"line {self.line}:{self.column}: [Convert] {what} is converted to {self.became}.{note}"


@dataclass(frozen=True, kw_only=True)
class SourceFiles:
    """The source as a report describes it.

    Attributes:
        path: the file or folder that the user named.
        files: all files and folders of the source.
        description: one phrase: `resnet50.onnx (torch 2.13, opset 20)`.
        kind: `onnx`, `tensorflow`.
        runs_on: the runtime that executes it, as a phrase.
    """

    path: Path
    files: tuple[Path, ...]
    description: str
    kind: str
    runs_on: str


@dataclass(frozen=True, kw_only=True)
class Findings:
    """A conversion, for its reports. A mode with more data derives a class of its own.

    Attributes:
        name: NAME, the stem of every file.
        source: the source that was converted.
        records: the finding of every piece of it.
        script: the text of the script.
        verification: the verification result; None when verification was turned off.
        options: the arguments of the conversion, by name.
        stages: the time of each stage, and the peak memory.
        files: every file of the result, at its destination.
        notes: what was chosen, cut off or guessed on the way, one sentence each.
    """

    name: str
    source: SourceFiles
    records: tuple[Finding, ...]
    script: str
    verification: VerificationResult | None
    options: Mapping[str, Any]
    stages: Stages
    files: tuple[Path, ...]
    notes: tuple[str, ...] = ()

    @property
    def verdict(self) -> str:
        """`same`, also `within the source's own sensitivity`, `differs`, `not comparable` or `not verified`."""
        return "not verified" if self.verification is None else self.verification.verdict

    @property
    def rate(self) -> float:
        """The fraction of pieces that were converted; 1 when there are none."""
        return sum(record.converted for record in self.records) / len(self.records) if self.records else 1.0

    def number_of(self, node: NodeComparison) -> int | None:
        """The number of the record that verification compared; None if it is no record."""
        found = (i for i, r in enumerate(self.records) if (r.name, r.operator) == (node.node, node.operator))
        return next(found, None)

    def place_of(self, node: NodeComparison) -> tuple[int, int]:
        """Line and column of what verification compared: of its record, or of the whole network."""
        if node.script_position is not None:
            return node.script_position
        number = self.number_of(node)
        return self.entry if number is None else (self.records[number].line, self.records[number].column)

    @property
    def entry(self) -> tuple[int, int]:
        """Line and column of the whole network, for nodes without a record."""
        return 1, 1

    def lines(self) -> Iterable[str]:
        """The lines of the text report about the pieces."""
        return (record.text() for record in self.records)

    def details(self, number: int) -> Mapping[str, Any]:
        """The keys that the mode adds to a record in the JSON, as in `docs/report.schema.json`."""
        return {}

    def sections(self) -> Mapping[str, Any]:
        """The sections that the mode adds to the JSON: `network`, `values`, `weights`."""
        return {}
