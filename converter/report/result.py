"""The result of a conversion, in any mode: what `converter.convert` returns, and what the command prints."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from converter.report.findings import Finding
from converter.verification import VerificationResult


class Outcome(Protocol):
    """What the command prints at the end, whatever it did."""

    @property
    def verdict(self) -> str:
        """`differs` where a script differs from its source."""


@dataclass(frozen=True)
class Exported:
    """What `--onnx_only` wrote: the cut, normalised model.

    Attributes:
        name: NAME, the stem of every file.
        files: the model, and its weights where they are too large for one file.
        notes: what was chosen, cut off or guessed on the way, one sentence each.
    """

    name: str
    files: tuple[Path, ...]
    notes: tuple[str, ...] = ()
    verdict: str = "not verified"


@dataclass(frozen=True)
class Result:
    """The files of a conversion, its records and the verification result.

    Attributes:
        name: NAME, the stem of every file.
        files: everything written, in the order script, checkpoint, weight map, reports.
        records: the finding of every node.
        verification: the verification result, or None when verification was turned off.
        unit: the word for the records, such as `nodes`.
        notes: what was chosen, cut off or guessed on the way, one sentence each.
    """

    name: str
    files: tuple[Path, ...]
    records: tuple[Finding, ...]
    verification: VerificationResult | None
    unit: str = "nodes"
    notes: tuple[str, ...] = ()

    @property
    def nodes_total(self) -> int:
        """The number of nodes of the normalised graph."""
        return len(self.records)

    @property
    def unconverted(self) -> tuple[Finding, ...]:
        """The nodes that became stubs."""
        return tuple(record for record in self.records if not record.converted)

    @property
    def nodes_converted(self) -> int:
        """The number of nodes that were translated."""
        return self.nodes_total - len(self.unconverted)

    @property
    def verdict(self) -> str:
        """`same`, also `within the source's own sensitivity`, `differs`, `not comparable` or `not verified`."""
        return "not verified" if self.verification is None else self.verification.verdict
