"""The page as text: what a browser is given, whatever names a model has."""

from __future__ import annotations

import base64
import hashlib
import json
from html.parser import HTMLParser

import pytest
from report.conversions import HOSTILE
from report.large import report_of

from converter.report.html import LIBRARIES, VENDOR, html_report

NAMES = (HOSTILE, "<!--", "]]>", "&lt;b&gt;", "\u2028", "{{ 7 * 7 }}", "`${1}`", "'\"\\")


class Page(HTMLParser):
    """The elements of a page, and the text of its scripts."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.scripts: list[str] = []
        self._inside = False
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))
        self._inside = tag == "script"
        if self._inside:
            self.scripts.append("")

    def handle_data(self, data):
        if self._inside:
            self.scripts[-1] += data

    def handle_endtag(self, tag):
        self._inside = False


def hostile() -> str:
    data = report_of(len(NAMES))
    for node, name in zip(data["nodes"], NAMES, strict=True):
        node["name"] = node["scope"] = node["became"] = name
    data["network"]["inputs"][0]["name"] = HOSTILE
    data["verification"]["note"] = HOSTILE
    return "".join(html_report(data, f'"""{HOSTILE}"""\n'))


@pytest.fixture(scope="module")
def page() -> Page:
    return Page(hostile())


def test_names_stay_data(page):
    assert [tag for tag, _ in page.elements].count("script") == len(LIBRARIES) + 3
    assert not [tag for tag, _ in page.elements if tag in ("img", "b", "iframe", "link")]
    data = json.loads(page.scripts[0])
    assert tuple(node["name"] for node in data["nodes"]) == NAMES
    assert data["script"] == f'"""{HOSTILE}"""\n'


def test_only_the_scripts_that_are_written_here_may_run(page):
    (policy,) = (
        a["content"] or "" for tag, a in page.elements if tag == "meta" and "content" in a and "http-equiv" in a
    )
    rules = dict(rule.split(maxsplit=1) for rule in policy.split("; "))
    assert rules["default-src"] == "'none'"
    hashes = [base64.b64encode(hashlib.sha256(text.encode()).digest()).decode() for text in page.scripts[1:]]
    assert rules["script-src"].split() == [f"'sha256-{each}'" for each in hashes]


def test_nothing_is_fetched(page):
    assert not [a for _, a in page.elements if {"src", "href", "action", "data"} & set(a)]


def test_libraries_come_with_their_licences(page):
    licences = {each["name"]: each["text"] for each in json.loads(page.scripts[0])["licences"]}
    assert set(licences) == {file.split("/")[0] for file in LIBRARIES}
    assert all("ermission" in text and "opyright" in text for text in licences.values())
    for file in LIBRARIES:
        assert (VENDOR / file).read_text(encoding="utf-8") in page.scripts


def test_the_page_itself_is_small():
    assert len("".join(html_report(report_of(1), "\n")).encode()) < 400_000


def test_the_same_report_gives_the_same_page():
    assert hostile() == hostile()
