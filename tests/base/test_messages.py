"""The catalogue of messages: no message of the commands and of the page is missing, and none is left over."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from converter.base import messages
from converter.base.graph_mode import STAGES
from converter.report import html

ROOT = Path(__file__).parents[2]
CATALOGUE = messages.catalogue("zh")
LITERAL = re.compile(r'"((?:[^"\\]|\\.)*)"')


def calls_of_tr() -> Iterator[str]:
    """The texts in `tr("…")` anywhere in `converter/`, and those that a loop hands to it from a list of literals."""
    for file in (ROOT / "converter").rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "tr":
                yield from (part.value for part in node.args if isinstance(part, ast.Constant))


def page_messages() -> Iterator[str]:
    """Literals in calls of `t(…)`, titles of columns and statuses, and the texts of elements that carry `data-t`."""
    scripts = "\n".join((ROOT / f"templates/report/{name}.js").read_text(encoding="utf-8") for name in html.OWN)
    scripts = re.sub(r"/\*.*?\*/|(?m:^\s*//[^\n]*$)", "", scripts, flags=re.DOTALL)
    for start in re.finditer(r"\bt\(", scripts):
        yield from (text for text in literals_of_first_argument(scripts[start.end() :]) if re.search("[a-z]{2}", text))
    yield from re.findall(r'title: "([a-z ]+)"', scripts)
    yield from re.findall(r'^  \w+: "(.*)",$', scripts, flags=re.MULTILINE)
    yield from (f"{noun}(s)" for noun in re.findall(r'count\([^"]*, "(\w+)"\)', scripts))
    yield from LITERAL.findall(re.search(r"STATUSES = \[(.*)\]", scripts)[1])
    page = (ROOT / "templates/report.html.jinja").read_text(encoding="utf-8").replace("&amp;", "&")
    yield from re.findall(r"data-t>([^<]+)<", page)
    for found in re.finditer(r'<[^<>]*data-t="([^"]+)"[^<>]*>', page):
        yield from (re.search(rf' {name}="([^"]*)"', found[0])[1] for name in found[1].split())


def literals_of_first_argument(text: str) -> list[str]:
    """The string literals of a call's first argument; `text` begins behind the call's opening parenthesis."""
    depth, position = 0, 0
    while depth >= 0 and not (depth == 0 and text[position] == ","):
        if text[position] == '"':
            position = LITERAL.match(text, position).end()
            continue
        depth += {"(": 1, "{": 1, "[": 1, ")": -1, "}": -1, "]": -1}.get(text[position], 0)
        position += 1
    return [literal for literal in LITERAL.findall(text[:position]) if f'=== "{literal}"' not in text[:position]]


def needed() -> set[str]:
    found = (*calls_of_tr(), *page_messages(), *STAGES)
    return set(found)


@pytest.fixture(scope="module")
def texts() -> set[str]:
    return needed()


def test_no_message_is_missing(texts):
    assert sorted(texts - set(CATALOGUE)) == []


def test_no_message_is_left_over(texts):
    page = "".join(file.read_text(encoding="utf-8") for file in (ROOT / "templates" / "report").glob("*.js"))
    assert [text for text in CATALOGUE if text not in texts and f'"{text}"' not in page] == []


@pytest.mark.parametrize("text", CATALOGUE)
def test_a_translation_keeps_placeholders_and_options(text):
    translated = CATALOGUE[text]
    for pattern in (r"\{\w+\}", r"(?<!\w)--\w+", r"%\(\w+\)s"):
        assert sorted(re.findall(pattern, translated)) == sorted(re.findall(pattern, text))


def test_the_page_has_its_own_messages(texts):
    assert set(page_messages()) <= set(html._catalogue(STAGES))


@pytest.mark.parametrize(
    ("environment", "language"),
    [
        ({"LANG": "zh_CN.UTF-8"}, "zh"),
        ({"LANG": "zh"}, "zh"),
        ({"LANG": "en_US.UTF-8"}, "en"),
        ({"LANG": "de_DE.UTF-8"}, "en"),
        ({"LANG": "C"}, "en"),
        ({"LC_ALL": "C", "LANG": "zh_CN.UTF-8"}, "en"),
        ({"LANGUAGE": "zh_CN:en", "LANG": "en_US.UTF-8"}, "zh"),
        ({}, "en"),
    ],
)
def test_the_environment_decides(monkeypatch, environment, language):
    for name in ("LANGUAGE", "LC_ALL", "LC_MESSAGES", "LANG"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert messages.language() == language
