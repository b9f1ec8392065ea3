"""Catalogue: the operators that the tables translate, as a page. `python -m converter.catalogue` prints it."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterable

import onnx

from converter import tables
from converter.tables import OPSET, Call, Row

_HEAD = """\
# Operators

Made from the tables by `python -m converter.catalogue > docs/operators.md`; a test fails when it is stale.

{rows} operators have a row: {known} of the {all} of ai.onnx at opset {opset}, and {others} of other domains. A row may
decline a case, which then becomes a stub; what it declines stands in its docstring in `operator_maps/`. An operator
without a row becomes a stub too, unless normalisation has replaced it by others.
"""


def page(rows: tables.Tables) -> str:
    """The catalogue as Markdown: a table for every family, then the operators that have no row."""
    schemas = {schema.name for schema in onnx.defs.get_all_schemas() if not schema.domain and not schema.deprecated}
    own = {name for name in rows if "." not in name}
    head = _HEAD.format(
        rows=len(rows), known=len(own & schemas), all=len(schemas), opset=OPSET, others=len(rows) - len(own)
    )
    parts = [head]
    for family in sorted({row.family for row in rows.values()}):
        members = [row for row in rows.values() if row.family == family]
        parts.append(f"## {family.replace('_', ' ').capitalize()}\n\n" + _table(members))
    missing = sorted(schemas - own)
    if missing:
        parts.append("## Without a row\n\n" + ", ".join(missing) + "\n")
    return "\n".join(parts)


def _table(rows: Iterable[Row]) -> str:
    lines = ["| operator | becomes |", "|---|---|"]
    lines += [f"| {row.operator} | {_summary(row)} |" for row in sorted(rows, key=lambda row: row.operator)]
    return "\n".join(lines) + "\n"


def _summary(row: Row) -> str:
    if isinstance(row.function, Call):
        only = ", ".join(f"{name} = {value!r}" for name, value in row.function.only.items())
        return f"`{row.function.template}`" + (f", only {only}" if only else "")
    paragraph = (inspect.getdoc(row.function) or "a function").split("\n\n")[0]
    return re.sub(r"\s+", " ", paragraph).replace("|", "\\|")


if __name__ == "__main__":
    print(page(tables.load()), end="")
