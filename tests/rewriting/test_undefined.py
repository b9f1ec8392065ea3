"""Variables that only some branches assign."""

from __future__ import annotations

import ast
import textwrap

import pytest

from converter.rewriting.undefined import undefined


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("if a:\n    x = 1\nif b:\n    a = x\n", {0: ["x"]}),
        ("if a:\n    x = 1\nelse:\n    x = 2\na = x\n", {}),
        ("if a:\n    x = 1\n", {}),
        ("x = 0\nif a:\n    x = 1\na = x\n", {}),
        ("if a:\n    b = 1\na = b\n", {}),
        ("if a:\n    x = 1\nelse:\n    raise ValueError\na = x\n", {}),
        ("if a:\n    x = 1\nelif b:\n    y = 1\na = x\nb = y\n", {0: ["x", "y"]}),
        ("if a:\n    if b:\n        x = 1\n    b = x\n", {0: ["x"]}),
        ("for a in b:\n    if a:\n        x = 1\n    b = x\n", {0: ["x"]}),
        ("if a:\n    return b\nelse:\n    x = 1\nreturn x\n", {}),
        ("for a in b:\n    x = 1\na = x\n", {0: ["x"]}),
        ("for a in b:\n    x = 1\n    a = x\n", {}),
        ("for a in b:\n    pass\nb = a\n", {}),
        ("if a:\n    x = [y for y in b]\n    a = x\n", {}),
    ],
)
def test_undefined(text, names):
    function = ast.parse("def f(a, b):\n" + textwrap.indent(text, "    ")).body[0]
    found = undefined(function)
    assert {function.body.index(statement): each for statement, each in found.items()} == names
