"""The catalogue of messages: no message of the commands and of the page is missing, and none is left over."""

from __future__ import annotations

import argparse
import ast
import inspect
import re
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from base import composed as composed_texts

from converter import errors
from converter.base import messages
from converter.base.messages import composed
from converter.commands import mindconverter, report
from converter.commands.weights import command as weights
from converter.report import html

ROOT = Path(__file__).parents[2]
CATALOGUE = messages.catalogue("zh")
LITERAL = re.compile(r'"((?:[^"\\]|\\.)*)"')


def help_of(command: argparse.ArgumentParser) -> Iterator[str | None]:
    yield from (command.description, command.epilog)
    for group in command._action_groups:
        yield from (group.title, group.description)
    for action in command._actions:
        yield action.help
        if isinstance(action, argparse._SubParsersAction):
            yield from (choice.help for choice in action._choices_actions)
            for each in action.choices.values():
                yield from help_of(each)


def calls_of_tr() -> Iterator[str]:
    """The texts in `tr("…")` anywhere in `converter/`, and those that a loop hands to it from a list of literals."""
    for file in (ROOT / "converter").rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "tr":
                yield from (part.value for part in node.args if isinstance(part, ast.Constant))


def errors_texts() -> Iterator[str]:
    for _, cls in inspect.getmembers(errors, inspect.isclass):
        if issubclass(cls, errors.ConverterError) and cls is not errors.ConverterError:
            yield errors.meaning(cls)
            yield cls.remedy


def page_messages() -> Iterator[str]:
    """Literals in calls of `t(…)`, titles of columns and statuses, and the texts of elements that carry `data-t`."""
    scripts = "\n".join(
        (ROOT / f"templates/report/{name}.js").read_text(encoding="utf-8")
        for name in sorted({*html.OWN, *html.OWN_OF_SCRIPTS})
    )
    scripts = re.sub(r"/\*.*?\*/|(?m:^\s*//[^\n]*$)", "", scripts, flags=re.DOTALL)
    for start in re.finditer(r"\bt\(", scripts):
        yield from (text for text in literals_of_first_argument(scripts[start.end() :]) if re.search("[a-z]{2}", text))
    yield from re.findall(r'title: "([a-z ]+)"', scripts)
    yield from re.findall(r'^  \w+: "(.*)",$', scripts, flags=re.MULTILINE)
    yield from (f"{noun}(s)" for noun in re.findall(r'count\([^"]*, "(\w+)"\)', scripts))
    for listed in re.findall(r"(?:STATUSES|SEVERITIES) = \[(.*)\]", scripts):
        yield from LITERAL.findall(listed)
    page = "".join((ROOT / f"templates/{name}").read_text(encoding="utf-8") for name in html.PAGES)
    page = page.replace("&amp;", "&")
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


STAGES = {stage for mode in mindconverter.MODES for stage in mode.stages}
UNITS = ("nodes", "calls")  # of `Result.unit`
COMMANDS = {
    "mindconverter": mindconverter.parser,
    "mindconverter-report": report.parser,
    "mindconverter-weights": weights.parser,
}


def needed() -> set[str]:
    """The texts that are translated as they stand."""
    texts = [text for parser in COMMANDS.values() for text in help_of(parser())]
    found = (*texts, *calls_of_tr(), *errors_texts(), *page_messages(), *STAGES, *UNITS)
    return {text for text in found if text and text not in {argparse.SUPPRESS}}


@pytest.fixture(scope="module")
def texts() -> set[str]:
    return needed()


def test_no_message_is_missing(texts):
    assert sorted((texts | composed_texts.needed()) - set(CATALOGUE)) == []


def test_no_message_is_left_over(texts):
    page = "".join(file.read_text(encoding="utf-8") for file in (ROOT / "templates" / "report").glob("*.js"))
    rest = [text for text in CATALOGUE if text not in texts and f'"{text}"' not in page]
    written = "\n".join(composed_texts.written())
    assert [text for text in rest if text not in written] == []


COMPOSED = {
    "'net.onnx' is empty. Export or copy it again.": "'net.onnx' 是空文件。请重新导出或复制。",
    "It has 4 spatial axes (2 are supported). Attributes: none; inputs (float[2]); outputs (float[2]). Write it at "
    "this line, or give a row for x.Y with --operator_map.": "有 4 个空间轴（支持 2 个）。属性：none；"
    "inputs (float[2]); outputs (float[2])。请在此行写出它，或用 --operator_map 给出 x.Y 的行。",
    "input node 'no' is not in the graph. Nearest names: 'x'. The graph's own inputs: 'x'.": (
        "计算图中没有输入节点 'no'。最接近的名称：'x'。计算图自身的输入：'x'。"
    ),
    "torch refuses these inputs: (2, 3): no such {0}. Look.": "torch 拒绝这些输入：(2, 3): no such {0}. Look.",
    "no message of ours. Nothing was written.": "no message of ours. 没有写入任何文件。",
}


@pytest.mark.parametrize("text", COMPOSED)
def test_messages_that_are_composed(text):
    assert composed.translated(text, "zh") == COMPOSED[text]
    assert composed.translated(text, "en") == text


def test_a_long_message_takes_no_time():
    start = time.perf_counter()
    composed.translated("'a' has a 'b', which: " * 150, "zh")
    assert time.perf_counter() - start < 1


@pytest.mark.parametrize("text", CATALOGUE)
def test_a_translation_keeps_placeholders_and_options(text):
    translated = CATALOGUE[text]
    for pattern in (r"\{\w+\}", r"(?<!\w)--\w+", r"%\(\w+\)s"):
        assert sorted(re.findall(pattern, translated)) == sorted(re.findall(pattern, text))


def test_the_page_has_its_own_messages(texts):
    assert set(page_messages()) <= {text for page in html.PAGES for text in html._catalogue(page, STAGES)}


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


@pytest.mark.parametrize("name", COMMANDS)
def test_help_in_chinese(monkeypatch, name):
    monkeypatch.setenv("LANGUAGE", "zh_CN")
    command = COMMANDS[name]()
    messages.translate_help(command)
    chinese = re.compile("[\u4e00-\u9fff]")
    assert all(chinese.search(text) for text in help_of(command) if text and text != argparse.SUPPRESS)
    assert chinese.search(command.format_help())


def test_a_conversion_in_chinese(tmp_path, monkeypatch, capfd):
    """The summary and an error; what a library or the source is called stays as it is."""
    monkeypatch.setenv("LANGUAGE", "zh_CN")
    model = ROOT / "samples" / "mnist" / "mnist.onnx"
    assert mindconverter.main(["--model_file", str(model), "--output", str(tmp_path), "--no_verify"]) == 0
    printed = capfd.readouterr().out
    assert "12 / 12 节点（100.00%）" in printed
    assert "未验证" in printed
    assert mindconverter.main(["--model_file", str(model), "--shape", "1,2", "--output", str(tmp_path)]) == 1
    failed = capfd.readouterr().err
    assert failed.startswith("[BadParamError] code: 0000003")
    assert "形状 (1, 2) 有 2 维" in failed
