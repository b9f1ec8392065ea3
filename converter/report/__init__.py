"""Report: the finding of every piece of the source, and the verification result; as text, as JSON and as a page."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

from converter.base.output import Output
from converter.report.data import json_report, report_data
from converter.report.findings import Finding, Findings, SourceFiles
from converter.report.html import html_report, html_scripts
from converter.report.proofs import add_proofs
from converter.report.result import Exported, Outcome, Result
from converter.report.script_findings import ScriptFinding, ScriptFindings, scan_table
from converter.report.sides import FileSides
from converter.report.text import text_report

if TYPE_CHECKING:
    from converter.report.docstring import docstring_of, inferred_outputs
    from converter.report.graph_findings import findings_of
    from converter.report.inspection import Inspection, inspection_of, kinds_of, write_inspection

__all__ = [
    "Exported",
    "FileSides",
    "Finding",
    "Findings",
    "Inspection",
    "Outcome",
    "Result",
    "ScriptFinding",
    "ScriptFindings",
    "SourceFiles",
    "add_proofs",
    "docstring_of",
    "findings_of",
    "inferred_outputs",
    "inspection_of",
    "kinds_of",
    "scan_table",
    "write_inspection",
    "write_reports",
]

_OF_GRAPHS = {
    "docstring_of": "docstring",
    "inferred_outputs": "docstring",
    "findings_of": "graph_findings",
    **dict.fromkeys(("Inspection", "inspection_of", "kinds_of", "write_inspection"), "inspection"),
}
"""Name → module of what is imported at first use: a mode without a graph reports without importing ONNX."""


def __getattr__(name: str) -> object:
    if name in _OF_GRAPHS:
        return getattr(importlib.import_module(f"{__name__}.{_OF_GRAPHS[name]}"), name)
    raise AttributeError(f"module '{__name__}' has no attribute '{name}'")


def write_reports(out: Output, findings: Findings) -> None:
    """Write the three reports.

    Raises:
        ReportGenerationError: one cannot be written.
    """
    data = report_data(findings)
    out.report("txt", text_report(findings))
    out.report("json", json_report(data))
    if isinstance(findings, ScriptFindings):
        out.report("html", html_scripts(data, findings.sides))
    else:
        out.report("html", html_report(data, findings.script))
