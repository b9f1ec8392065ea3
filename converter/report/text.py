"""The report as text: a line for every finding, the rate, the verification result."""

from __future__ import annotations

from converter.errors import visible
from converter.report.findings import Findings
from converter.verification import VerificationResult


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
    lines += _edges(result) if result else []
    return "".join(f"{visible(line)}\n" for line in lines)


def _edges(result: VerificationResult) -> list[str]:
    """The lines about edge inputs."""
    lines = []
    if result.edges:
        lines.append(f"[Edge inputs] {_count(result)}.")
        lines += [finding.line() for finding in result.edges]
    return lines + ([result.edges_note] if result.edges_note else [])


def _count(result: VerificationResult) -> str:
    kernels = sum(bool(finding.kernel) for finding in result.edges)
    same = sum(finding.verdict == "same" for finding in result.edges)
    counts = [f"{same} of {len(result.edges)} kinds are the same"]
    counts += [f"{len(result.edge_warnings)} differ"] if result.edge_warnings else []
    counts += [f"{kernels} differ by MindSpore's CPU kernels alone"] if kernels else []
    return ", ".join(counts)
