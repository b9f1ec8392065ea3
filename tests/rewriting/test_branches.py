"""Branches and contexts of which the result has only the statements."""

from __future__ import annotations

import textwrap

import pytest
from rewriting.conversion import converted

HEAD = "import torch\nfrom torch import nn, Tensor\n\n"
FORWARD = HEAD + "class Net(nn.Module):\n    def forward(self, x: Tensor):\n"


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("with torch.autocast('cuda'):\n    x = x + 1\n    x = x * 2\n", "x = x + 1\nx = x * 2\n"),
        ("with torch.no_grad():\n    x = x + 1\nx = x - 1\n", "x = x + 1\nx = ops.stop_gradient(x)\nx = x - 1\n"),
        (
            "with torch.no_grad():\n    if torch.jit.is_scripting():\n        return x\n    x = x + 1\nx = x - 1\n",
            "x = x + 1\nx = ops.stop_gradient(x)\nx = x - 1\n",
        ),
        ("with torch.autocast('cuda'):\n    if not torch.jit.is_scripting():\n        x = 2 * x\n", "x = 2 * x\n"),
        (
            "with torch.autocast('cuda'):\n    x = torch.zeros(\n        (2, 3),\n        device=x.device,\n    )\n",
            "x = ops.zeros(\n    (2, 3),\n)\n",
        ),
        ("with open(x):\n    x = x + 1\n", "with open(x):\n    x = x + 1\n"),
    ],
)
def test_a_with(tmp_path, before, after):
    text = converted(tmp_path, FORWARD + textwrap.indent(before, " " * 8)).text
    body = textwrap.dedent(text.partition("x: Tensor):\n")[2])
    assert body == after


def test_what_sets_up_a_module_keeps_its_with(tmp_path):
    text = converted(tmp_path, HEAD + "def init(x):\n    with torch.no_grad():\n        x.zero_()\n").text
    assert "    with compat.no_grad():\n" in text


def test_an_elif_that_never_runs_is_rewritten(tmp_path):
    body = "        if n:\n            y = 1\n        elif torch.jit.is_scripting():\n"
    body += "            y = torch.cat([x], dim=1)\n"
    text = converted(tmp_path, FORWARD + body + "        return y\n").text
    assert "elif False:\n            y = ops.cat([x], axis=1)\n" in text


def test_a_method_of_the_class_tensor_as_a_value(tmp_path):
    text = converted(tmp_path, HEAD + "METHODS = {torch.Tensor.pin_memory}\n").text
    assert 'METHODS = {compat.missing("torch.Tensor.pin_memory")}' in text


def test_what_would_be_inserted_in_a_branch_that_goes(tmp_path):
    source = """
        import torch
        from torch import nn
        if not torch.jit.is_scripting():
            import torch
            from torch import Tensor

        class Net(nn.Module):
            def forward(self, x):
                if torch.jit.is_scripting():
                    from layers import Layer
                if torch.jit.is_scripting():
                    if isinstance(self.kernel, Layer):
                        x = x + 1
                return x
    """
    text = converted(tmp_path, source).text
    assert "Layer" not in text
    assert "        return x" in text


def test_assignments_in_conditions_of_networks_stand_before_them(tmp_path):
    """Graph mode has none; one that is not always computed stays."""
    source = """
        import torch
        class Net(torch.nn.Module):
            def forward(self, x, m=None):
                if not isinstance(n := x.size(), dict):
                    x = x + 1
                if m is not None and (k := m.sum()) > 0:
                    x = x + k
                return x, n
    """
    text = converted(tmp_path, source).text
    assert "        n = x.shape\n        if not isinstance(n, dict):\n" in text
    assert "        if m is not None and (k := m.sum()) > 0:\n" in text


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (
            "if torch.jit.is_scripting():\n    x = 1\nelse:\n    import torch.utils.data\n    from math import pi\n",
            "from math import pi\n",
        ),
        (
            "if not torch.jit.is_scripting():\n    from math import pi\n    import torch.fx\nelse:\n    pi = 3\n",
            "from math import pi\n\n",
        ),
        (
            "if x:\n    import torch\n    if torch.cuda.is_available():\n        x = 1\ny = 2\n",
            "if x:\n    pass\ny = 2\n",
        ),
        (
            "if x:\n    if torch.cuda.is_available():\n        x = 1\n    import torch\ny = 2\n",
            "if x:\n    pass\ny = 2\n",
        ),
    ],
)
def test_imports_beside_branches_that_go(tmp_path, before, after):
    assert converted(tmp_path, "import torch\nx = 0\n" + before).text == "x = 0\n" + after


def test_arguments_on_several_lines_and_in_other_scripts(tmp_path):
    source = HEAD + "a, 宽 = 4, 8\npool = nn.AvgPool2d(\n    (\n        a // 2,  \n        宽 // 2,\n    )\n)\n"
    text = converted(tmp_path, source).text
    assert "stride=" in text
    compile(text, "net.py", "exec")
    inline = converted(tmp_path, HEAD + "宽 = 8\npool = nn.AvgPool2d(宽 // 2, ceil_mode=True)\n").text
    assert "nn.AvgPool2d(宽 // 2, stride=宽 // 2, pad_mode='pad', ceil_mode=True)" in inline
