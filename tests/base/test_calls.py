"""Calls: what a text may be, what it names, and what is said about one that does not fit."""

from __future__ import annotations

import sys

import pytest

from converter.base.calls import parse_call, searched_first
from converter.errors import BadParamError


@pytest.mark.parametrize(
    ("text", "module", "path", "arguments", "keywords"),
    [
        ("mynet:Net", "mynet", "Net", None, {}),
        ("my.nets:Net.small", "my.nets", "Net.small", None, {}),
        ("mynet:Net()", "mynet", "Net", (), {}),
        ("mynet:Net(10, [1, -2], deep=True)", "mynet", "Net", (10, [1, -2]), {"deep": True}),
        ("mynet:net('a:b (c)')", "mynet", "net", ("a:b (c)",), {}),
    ],
)
def test_a_call(text, module, path, arguments, keywords):
    call = parse_call(text)
    assert (call.module, call.path, call.arguments, call.keywords) == (module, path, arguments, keywords)
    assert call.name == path.split(".")[-1]


@pytest.mark.parametrize("text", ["mynet", "mynet:", ":Net", "my net:Net", "mynet:Net(", "mynet:Net()()", "a/b:Net"])
def test_what_is_no_call(text):
    with pytest.raises(BadParamError, match=r"is no call\. Write PACKAGE\.MODULE:CALLABLE"):
        parse_call(text)


@pytest.mark.parametrize("text", ["mynet:Net(open('x'))", "mynet:Net(width)", "mynet:Net(**{'a': 1})"])
def test_arguments_are_literals(text):
    with pytest.raises(BadParamError, match=r"(is no literal|stands before an argument)"):
        parse_call(text)


def test_the_target_is_found(tmp_path):
    (tmp_path / "found_here.py").write_text("class Net:\n    def small(): ...\n", encoding="utf-8")
    before = list(sys.path)
    with searched_first(tmp_path):
        assert parse_call("found_here:Net.small").target().__qualname__ == "Net.small"
    assert sys.path == before
    with pytest.raises(BadParamError, match=r"'found_here' has no 'Nets'. Did you mean 'Net'?"):
        parse_call("found_here:Nets").target()
    with pytest.raises(BadParamError, match=r"'json' has no 'JSONDecodeErrors'. Did you mean 'JSONDecodeError'?"):
        parse_call("json:JSONDecodeErrors").target()
    with pytest.raises(BadParamError, match=r"'json' has no 'scanstring'. Did you mean 'json.decoder:scanstring'?"):
        parse_call("json:scanstring").target()
    with pytest.raises(BadParamError, match=r"'Net' has no 'large'"):
        parse_call("found_here:Net.large").target()


def test_a_module_that_is_not_there(tmp_path):
    with pytest.raises(BadParamError, match=r"no module 'not_there'.*--project_path"):
        parse_call("not_there.nets:Net").target()
    (tmp_path / "reads_another.py").write_text("import not_there\n", encoding="utf-8")
    with searched_first(tmp_path), pytest.raises(ModuleNotFoundError, match="not_there"):
        parse_call("reads_another:Net").target()
