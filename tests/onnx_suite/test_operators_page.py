"""The page of operators is current."""

from __future__ import annotations

from paths import ROOT

from onnx_suite import operators_page


def test_operators_page_is_current() -> None:
    path = ROOT / "docs" / "operators.md"
    assert path.read_text(encoding="utf-8") == operators_page.page(), (
        "run: python tests/onnx_suite/operators_page.py > docs/operators.md"
    )
