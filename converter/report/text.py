"""The report as text: a line for every finding, the rate, the verification result."""

from __future__ import annotations

from converter.errors import visible
from converter.report.findings import Findings


def text_report(findings: Findings) -> str:
    """Write `report_of_NAME.txt`."""
    result = findings.verification
    lines = ["[Start Convert]", *(f"[Note] {note}" for note in findings.notes)]
    lines += findings.lines()
    lines += ["[Convert Over]", f"Converted Rate: {findings.rate:.2%}.", ""]
    lines += [f"[Verification] {findings.verdict}.", *(result.lines() if result else ())]
    first = result.first_difference if result else None
    number = findings.number_of(first) if first else None
    if first and number is not None and not first.position:
        record = findings.records[number]
        lines.append(f"it stands in the script at line {record.line}:{record.column}")
    return "".join(f"{visible(line)}\n" for line in lines)
