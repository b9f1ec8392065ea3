"""Report: what became of every node, and the proof; as text, as JSON for programs and as a page for a browser."""

from __future__ import annotations

from collections.abc import Iterator

from converter.graph.snapshot import SourceGraph, source_graph
from converter.report.data import json_report, report_data
from converter.report.facts import Facts
from converter.report.html import html_report
from converter.report.text import docstring, text_report

__all__ = ["Facts", "SourceGraph", "docstring", "reports", "source_graph"]


def reports(facts: Facts) -> Iterator[tuple[str, str]]:
    """Every report: the name of its file, and its text."""
    data = report_data(facts)
    yield f"report_of_{facts.name}.txt", text_report(facts)
    yield f"report_of_{facts.name}.json", json_report(data)
    yield f"report_of_{facts.name}.html", html_report(data, facts.script.text)
