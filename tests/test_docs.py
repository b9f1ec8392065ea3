"""The documents name files that there are."""

from __future__ import annotations

import re

import pytest
from paths import ROOT

from converter.commands.mindconverter import parser

PAGES = [ROOT / "README.md", ROOT / "README_CN.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]
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


@pytest.mark.parametrize("page", ["README.md", "README_CN.md"])
def test_the_readme_lists_every_option(page):
    cells = re.findall(r"^\| (`--[^|]+)", (ROOT / page).read_text(encoding="utf-8"), flags=re.MULTILINE)
    listed = [option for cell in cells for option in re.findall(r"`(--\w+)", cell)]
    shown = {option for action in parser()._actions for option in action.option_strings if option.startswith("--")}
    assert len(listed) == len(set(listed))
    assert set(listed) == shown - {"--help", "--version"}


def test_the_chinese_readme_has_the_same_examples():
    """Every command in the Chinese page stands in the English one."""
    commands = [
        re.findall(r"^(?:mindconverter|pip|\./dev)\b[^#\n]*", (ROOT / page).read_text(encoding="utf-8"), re.MULTILINE)
        for page in ("README.md", "README_CN.md")
    ]
    english, chinese = ({command.strip() for command in found} for found in commands)
    assert chinese <= english
