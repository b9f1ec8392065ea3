"""The glossary: every term occurs in the files that its row names."""

import re

import pytest
from paths import ROOT

TERMS = [
    (term, re.findall(r"`([^`]+)`", where))
    for line in (ROOT / "docs/glossary.md").read_text(encoding="utf-8").splitlines()
    for term, _, where in re.findall(r"^\| (.+?) \| (.+) \| (`.+`) \|$", line)
]


@pytest.mark.parametrize(("term", "path"), [(term, path) for term, paths in TERMS for path in paths])
def test_a_term_occurs_where_the_glossary_says(term, path):
    files = [ROOT / path] if path.endswith(".py") else sorted((ROOT / path).glob("*.py"))
    words = [word for file in files for word in file.read_text(encoding="utf-8").lower().split()]
    assert term.lower() in " ".join(words)


def test_a_term_is_explained_once():
    terms = [term for term, _ in TERMS]
    assert len(terms) == len({*terms}) > 50
