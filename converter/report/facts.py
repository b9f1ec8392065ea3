"""What a report tells of: everything that a conversion knows when its files are about to be placed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from converter.base.stages import Stages
from converter.frontends.source import Source
from converter.graph.snapshot import SourceGraph
from converter.script.emit import Position, Script
from converter.script.program import Program, Record
from converter.verification import NodeComparison, VerificationResult

KINDS = ("txt", "json", "html")
"""The reports, by their suffixes."""


@dataclass(frozen=True, kw_only=True)
class Facts:
    """A conversion, for its reports.

    Attributes:
        name: NAME, the stem of every file.
        source: the model; graph: its nodes before patterns were recognised in them.
        program: what it became; script: the same as text.
        proof: the verification; None when it was turned off.
        options: the arguments of the conversion, by name.
        stages: how long each stage took, and the memory.
        written: the files before the reports, the weight map last, at their destination.
    """

    name: str
    source: Source
    graph: SourceGraph
    program: Program
    script: Script
    proof: VerificationResult | None
    options: Mapping[str, Any]
    stages: Stages
    written: Sequence[Path]

    @property
    def files(self) -> list[Path]:
        """Every file of the result; the reports stand beside the weight map."""
        return [*self.written, *(self.written[-1].with_name(f"report_of_{self.name}.{kind}") for kind in KINDS)]

    def position(self, record: Record) -> Position:
        """Line and column of a node in the script."""
        return self.script.position(record.anchor) or self.script.entry

    @property
    def verdict(self) -> str:
        """`same`, `differs`, `not comparable` or `not verified`."""
        return "not verified" if self.proof is None else self.proof.verdict

    @property
    def rate(self) -> float:
        """Converted nodes over all; 1 when there are none."""
        records = self.program.records
        return sum(record.converted for record in records) / len(records) if records else 1.0

    def record_of(self, node: NodeComparison) -> Record | None:
        """The record of a node that verification compared."""
        found = (r for r in self.program.records if (r.name, r.operator) == (node.node, node.operator))
        return next(found, None)


def status_of(record: Record) -> str:
    """How a node was translated: `converted` to one call, `composed` of several, `approximate`, or `unconverted`."""
    if not record.converted:
        return "unconverted"
    if record.note:
        return "approximate"
    return "composed" if record.composed else "converted"
