"""The page of operators is current."""

from __future__ import annotations

from pathlib import Path

from converter import catalogue, tables


def test_operators_page_is_current() -> None:
    page = Path(__file__).parents[1] / "docs" / "operators.md"
    assert page.read_text(encoding="utf-8") == catalogue.page(tables.load()), (
        "run: python -m converter.catalogue > docs/operators.md"
    )
