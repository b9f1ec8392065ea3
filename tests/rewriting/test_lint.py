"""The lint of the result."""

from __future__ import annotations

import ast
from types import SimpleNamespace

import pytest
from rewriting.conversion import converted

from converter.rewriting.lint import defined, lost_imports, symbols_of, unbound


def test_what_a_module_defines():
    text = "import a.b, c as d\nfrom e import f\ntry:\n    g = 1\nexcept E:\n    def h(): i = 2\nfor j in g: k, l = j\n"
    assert defined(symbols_of(text), text) == {"a", "d", "f", "g", "h", "j", "k", "l"}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("def f():\n    return torch.odd\n", {"torch"}),
        ("def f(torch):\n    return torch.odd\n", set()),
        ("def f():\n    import torch\n    return torch.odd\n", set()),
        ("torch = 3\ndef f():\n    return torch\n", set()),
        ("def f():\n    return 'torch'\n", set()),
    ],
)
def test_names_whose_import_has_gone(text, expected):
    assert unbound(symbols_of(text), {"torch"}) == expected


def test_imports_of_what_is_not_defined():
    names = SimpleNamespace(file=SimpleNamespace(package="pkg"))
    tree = ast.parse("from .a import x, y\nfrom other import z\nfrom . import a\n")
    assert list(lost_imports(names, tree, {"pkg.a": {"x"}, "pkg": set()})) == [("pkg.a", "y", 1)]


def test_a_result_without_faults_has_no_finding(tmp_path):
    file = converted(tmp_path, "import torch\nfrom torch import nn\ndef f():\n    return torch.zeros(3)\n")
    assert [record for record in file.records if record.use == "undefined"] == []


def test_a_relative_import_that_leads_nowhere(tmp_path):
    (tmp_path / "pkg" / "folder").mkdir(parents=True)
    (tmp_path / "pkg" / "__init__.py").write_text("")
    (tmp_path / "pkg" / "folder" / "c.py").write_text("import torch\n")
    source = "import torch\nfrom .nowhere import helper\nfrom .folder import c\n\nx = helper(c.y)\n"
    records = converted(tmp_path / "pkg", source).records
    found = {each.name: each.remedy for each in records if not each.converted}
    assert found == {"helper": "The result imports it in line 1, but there is no module pkg.nowhere."}
