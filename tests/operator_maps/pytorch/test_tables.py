"""The tables: their rows are well-formed, name what MindSpore has, and the page lists them."""

from __future__ import annotations

import importlib.util

import pytest
from paths import ROOT
from rewriting.conversion import ROWS, converted

from converter.errors import OperatorMapError
from converter.rewriting import call
from converter.rewriting.helpers import adapter_of, text_of, written
from operator_maps import pytorch


def test_rows_have_no_problems():
    assert [f"{name}: {problem}" for name, row in ROWS.items() for problem in row.problems()] == []


def test_the_page_lists_them():
    spec = importlib.util.spec_from_file_location("api_page", ROOT / "tests/operator_maps/pytorch/api_page.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    assert module.page() == (ROOT / "docs/pytorch_api.md").read_text(encoding="utf-8")


def test_helpers_can_be_put_together():
    names = {name.rpartition(".")[2] for name, row in ROWS.items() if row.use != "method" and adapter_of(name, row)}
    namespace = {}
    exec(compile(text_of(names | set(written()), ROWS), "_torch_compat.py", "exec"), namespace)
    assert names <= namespace.keys()


@pytest.mark.parametrize(
    ("signature", "text", "problem"),
    [
        ("(x, y)", "ops.f({x})", "the parameter 'y' is not mentioned"),
        ("(x)", "ops.f({x}, {z})", "PyTorch has no parameter 'z'"),
        ("(x, y)", "ops.f({x}, y={y!})", "the parameter 'y' has no default to write"),
    ],
)
def test_a_malformed_row(signature, text, problem):
    assert problem in call(signature, text).problems()


def test_rows_of_the_user(tmp_path):
    own = tmp_path / "own.py"
    own.write_text("from converter.rewriting import call\nROWS = {'torch.odd': call('(x)', 'ops.even({x})')}\n")
    rows = pytorch.load(own)
    assert rows["torch.odd"].becomes == "ops.even({x})"
    own.write_text("from converter.rewriting import call\nROWS = {'torch.odd': call('(x, y)', 'ops.even({x})')}\n")
    with pytest.raises(OperatorMapError, match=r"torch.odd: the parameter 'y' is not mentioned"):
        pytorch.load(own)


def test_an_argument_that_would_be_lost_keeps_the_call(tmp_path):
    file = converted(tmp_path, "import torch\ndef f(x, y):\n    return torch.cat([x, y], out=x)\n")
    assert "torch.cat([x, y], out=x)" in file.text
    assert "no counterpart of its argument 'out'" in file.records[0].remedy
