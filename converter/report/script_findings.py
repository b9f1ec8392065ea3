"""Findings of script mode: what became of each use of PyTorch in the scripts of a project."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from converter.report.findings import Finding, Findings
from converter.report.sides import FileSides
from converter.verification import NodeComparison


@dataclass(frozen=True, kw_only=True)
class ScriptFinding(Finding):
    """What became of one use of PyTorch. Line and column are those of the source, from 1 and from 0.

    Attributes:
        file: the file below the output.
        written: the name as the source writes it.
        severity: `info`, `check` for a reviewer, `by hand` where nothing was converted.
    """

    file: str
    written: str
    severity: str

    def text(self) -> str:
        """The finding as one line of text, in MindConverter's words."""
        place = f"line {self.line}:{self.column}:"
        if not self.converted:
            return f"{place} [UnConvert] '{self.operator}' didn't convert. {self.became}"
        note = f" {self.note}" if self.note else ""
        return f"{place} [Convert] '{self.operator}' is converted to '{self.became}'.{note}"


@dataclass(frozen=True, kw_only=True)
class ScriptFindings(Findings):
    """A conversion of scripts.

    Attributes:
        inserted: the lines that were inserted into each file.
        sides: the files before and after.
    """

    inserted: Mapping[str, tuple[str, ...]]
    sides: tuple[FileSides, ...] = ()

    def lines(self) -> Iterator[str]:
        """The lines of the text report: those of each file behind its name, where there are several files."""
        by_file: dict[str, list[Finding]] = {file: [] for file in self.inserted}
        for record in self.records:
            assert isinstance(record, ScriptFinding)
            by_file.setdefault(record.file, []).append(record)
        for file, records in by_file.items():
            if len(by_file) > 1:
                yield f"[File] {file}"
            yield from (f"[Insert] '{line}' is inserted to the converted file." for line in self.inserted.get(file, ()))
            yield from (record.text() for record in records)

    def number_of(self, node: NodeComparison) -> int | None:
        """The number of the use of PyTorch in the line that the comparison of a module names."""
        here = [i for i, record in enumerate(self.records) if self._position(record) == node.position]
        alike = [i for i in here if self.records[i].operator == node.operator]
        return next(iter((*alike, *here)), None)

    def place_of(self, node: NodeComparison) -> tuple[int, int]:
        """Line and column of the use of PyTorch there, or of the line alone."""
        line = node.position.rpartition(" ")[2]
        return super().place_of(node) if self.number_of(node) is not None or not line else (int(line), 0)

    @staticmethod
    def _position(record: Finding) -> str:
        assert isinstance(record, ScriptFinding)
        return f"{record.file}, line {record.line}"

    def details(self, number: int) -> Mapping[str, Any]:
        """The file, the name as written, the severity."""
        record = self.records[number]
        assert isinstance(record, ScriptFinding)
        return {"file": record.file, "written": record.written, "severity": record.severity}


def scan_table(records: tuple[ScriptFinding, ...]) -> str:
    """The table of a scan, as CSV: one line for each use of PyTorch."""
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    table.writerow(("file", "line", "column", "name", "outcome", "becomes", "remedy"))
    for each in records:
        outcome = "converted" if each.converted else "unconverted"
        becomes, remedy = (each.became, "") if each.converted else ("", each.became)
        table.writerow((each.file, each.line, each.column, each.operator, outcome, becomes, remedy))
    return text.getvalue()
