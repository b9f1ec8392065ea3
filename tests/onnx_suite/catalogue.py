"""Catalogue: the operators that the tables translate, as a page."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterable, Mapping

import onnx

from converter.graph.annotations import OPSET
from converter.graph.normalize.rewrites import RELATIVES, RELATIVES_DOMAIN
from converter.lowering import tables
from converter.lowering.tables import Row, TemplateRow

_HEAD = """\
# Operators

Made from the tables and from the ONNX project's own cases by `python tests/onnx_suite/operators_page.py >
docs/operators.md`; a test fails when it is stale.

{rows} operators have a row: {known} of the {all} of ai.onnx at opset {opset}, and {others} of other domains. A row may
decline a case, which then becomes a stub; what it declines stands in its docstring in `operator_maps/`. An operator
without a row becomes a stub too, unless normalisation has replaced it by others.
"""

Counts = Mapping[str, tuple[int, int]]
"""Operator → how many of the ONNX project's cases for it pass in both modes, and of how many."""


def page(rows: tables.Tables, counts: Counts, total: str) -> str:
    """The catalogue as Markdown: a table for every family, what is put together from others, and what has no row.

    Args:
        rows: the tables.
        counts: the cases that have one operator only.
        total: what all cases came to, in sentences.
    """
    schemas = {schema.name for schema in onnx.defs.get_all_schemas() if not schema.domain and not schema.deprecated}
    own = {name for name in rows if "." not in name}
    head = _HEAD.format(
        rows=len(rows), known=len(own & schemas), all=len(schemas), opset=OPSET, others=len(rows) - len(own)
    )
    parts = [head, total]
    for family in sorted({row.family for row in rows.values()}):
        members = [row for row in rows.values() if row.family == family]
        parts.append(f"## {family.replace('_', ' ').capitalize()}\n\n" + _table(members, counts))
    parts.append(f"## {RELATIVES_DOMAIN}\n\nPut together from the operators above: {', '.join(sorted(RELATIVES))}.\n")
    missing = sorted(schemas - own)
    if missing:
        parts.append("## Without a row\n\n" + ", ".join(name + _passed(name, counts) for name in missing) + "\n")
    return "\n".join(parts)


def _table(rows: Iterable[Row], counts: Counts) -> str:
    lines = ["| operator | becomes | cases passed |", "|---|---|---|"]
    for row in sorted(rows, key=lambda row: row.operator):
        lines.append(f"| {row.operator} | {_summary(row)} | {_passed(row.operator, counts).strip(' ()')} |")
    return "\n".join(lines) + "\n"


def _passed(operator: str, counts: Counts) -> str:
    """` (12 of 14)`, or nothing where there are no cases."""
    return " ({} of {})".format(*counts[operator]) if operator in counts else ""


def _summary(row: Row) -> str:
    if isinstance(row.function, TemplateRow):
        only = ", ".join(f"{name} = {value!r}" for name, value in row.function.only.items())
        return f"`{row.function.template}`" + (f", only {only}" if only else "")
    paragraph = (inspect.getdoc(row.function) or "a function").split("\n\n")[0]
    return re.sub(r"\s+", " ", paragraph).replace("|", "\\|")
