"""The documents name files that there are."""

from __future__ import annotations

import re

import pytest
from paths import ROOT

PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]
PATH = re.compile(r"`((?:converter|operator_maps|templates|tests|docs|bench|samples)/[\w./-]*)`")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_files_that_a_page_names_exist(page):
    named = set(PATH.findall(page.read_text(encoding="utf-8")))
    assert [path for path in sorted(named) if not (ROOT / path).exists()] == []


def test_modules_of_a_room_that_the_architecture_names_exist():
    text = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    files = {path.name for folder in ("converter", "operator_maps", "tests") for path in (ROOT / folder).rglob("*.py")}
    named = set(re.findall(r"`(?:[\w]+/)*(\w+\.py)`", text))
    assert named <= files
