"""Report: what became of every piece of the source, and the verification result; as text, as JSON and as a page."""

from __future__ import annotations

from converter.base.output import Output
from converter.report.data import json_report, report_data
from converter.report.findings import Finding, Findings, SourceFiles
from converter.report.html import html_report
from converter.report.result import Result
from converter.report.text import text_report

__all__ = ["Finding", "Findings", "Result", "SourceFiles", "write_reports"]


def write_reports(out: Output, findings: Findings) -> None:
    """Write the three reports.

    Raises:
        ReportGenerationError: one cannot be written.
    """
    data = report_data(findings)
    out.report("txt", text_report(findings))
    out.report("json", json_report(data))
    out.report("html", html_report(data, findings.script))
