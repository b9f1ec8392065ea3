"""Report: what became of every node, and the proof; as text, as JSON for programs and as a page for a browser."""

from converter.report.text import docstring
from converter.report.text import write as text_report

__all__ = ["docstring", "text_report"]
