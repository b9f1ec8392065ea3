"""The tables: their rows are well-formed, name what MindSpore has, and the page lists them."""

from __future__ import annotations

import importlib.util

import pytest
from paths import ROOT
from rewriting.conversion import ROWS, converted

from converter.base.messages.composed import translated
from converter.errors import OperatorMapError
from converter.rewriting import call
from converter.rewriting.helpers import adapter_of, modules_by_name, text_of
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
    exec(compile(text_of(names | modules_by_name().keys(), ROWS), "_torch_compat.py", "exec"), namespace)
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


@pytest.mark.parametrize(
    ("name", "remedy"),
    [
        (
            "torch.mvlgamma",
            "convert to mindspore.ops.mvlgamma. It differs in data types. It is there on Ascend, GPU, CPU. Write",
        ),
        (
            "torch.distributed.gather_object",
            "to mindspore.mint.distributed.gather_object. It has the same meaning. It is there on Ascend. Write",
        ),
        ("torch.Tensor.one_hot", "torch.nn.functional.one_hot converts: write it in its place."),
        ("torch.jit.trace", "Remove it; mindspore.jit compiles a function"),
        ("torch.distributed.tensor.parallel.x", "mindspore.communication"),
        ("torch.nothing", "No row for it."),
        ("diffusers.UNet2DModel", "convert the files of diffusers"),
    ],
)
def test_remedies(name, remedy):
    assert remedy in pytorch.Remedies(ROWS)(name)


def test_counterparts_have_no_row():
    """What the tables of MindSpore name is a remedy only where there is no row."""
    text = (ROOT / "operator_maps/pytorch/counterparts.csv").read_text(encoding="utf-8")
    names = [line.partition(",")[0] for line in text.splitlines()[1:]]
    converted_names = {name for name, row in ROWS.items() if row.becomes is not None}
    assert sorted(set(names)) == sorted(names)
    assert [name for name in names if name in converted_names] == []


def test_remedies_have_their_chinese():
    remedies = pytorch.Remedies(ROWS)
    assert translated(remedies("torch.distributed.gather_object"), "zh") == (
        "或可转换为 mindspore.mint.distributed.gather_object。含义相同。支持的平台：Ascend。"
        "请手工改写，或用 --operator_map 添加一行映射。"
    )
    assert translated(remedies("torch.nothing"), "zh").startswith("没有对应的映射。")
