"""Notebooks convert cell by cell."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import converter
from converter.errors import ModelLoadingError


def cell(source: str | list[str], kind: str = "code", **more: object) -> dict[str, object]:
    return {"cell_type": kind, "metadata": {}, "source": source, **more}


CELLS = [
    cell(["# A network\n", "of torch"], "markdown"),
    cell(
        ["%matplotlib inline\n", "!pip install torch\n", "import torch\n", "from torch import nn"], outputs=[{"x": 1}]
    ),
    cell("class Net(nn.Module):\n    def forward(self, x):\n        return x.transpose(1, 2)\n\n"),
    cell("%%bash\nls torch\n"),
    cell(["y = Net()(torch.zeros(2, 3, 4))  # zeros\n", "torch.nothing(y)\n", "print('%d'\n", "      % y.size(0))"]),
]


def convert(folder: Path, cells: list[dict[str, object]]) -> dict[str, object]:
    content = {"cells": cells, "metadata": {"kernelspec": {"name": "k"}}, "nbformat": 4, "nbformat_minor": 5}
    (folder / "demo.ipynb").write_text(json.dumps(content))
    converter.convert_script(folder / "demo.ipynb", output=folder / "out", comments=False)
    return json.loads((folder / "out" / "demo.ipynb").read_text(encoding="utf-8"))


def test_each_cell_is_converted_and_the_others_stay(tmp_path):
    made = convert(tmp_path, CELLS)
    assert made["metadata"] == {"kernelspec": {"name": "k"}}
    assert [each["source"] for each in made["cells"]] == [
        ["# A network\n", "of torch"],
        [
            *("%matplotlib inline\n", "!pip install torch\n"),
            *("from mindspore import nn, ops\n", "import _torch_compat as compat"),
        ],
        "class Net(nn.Cell):\n    def construct(self, x):\n        return x.swapaxes(1, 2)\n\n",
        "%%bash\nls torch\n",
        [
            "y = Net()(ops.zeros((2, 3, 4)))  # zeros\n",
            'compat.missing("torch.nothing")(y)\n',
            *("print('%d'\n", "      % y.shape[0])"),
        ],
    ]
    assert made["cells"][1]["outputs"] == []


def test_lines_of_ipythons_stay(tmp_path):
    lines = ["files = !ls\n", "torch.cat?\n", "?net\n", "here = %pwd\n", "%time y = torch.zeros(2)\n", "a = 7 % 3\n"]
    made = convert(tmp_path, [cell("import torch"), cell(lines)])
    assert made["cells"][1]["source"] == [*lines[:4], "%time y = ops.zeros((2,))\n", lines[5]]


def test_findings_name_the_cell(tmp_path):
    convert(tmp_path, CELLS)
    report = (tmp_path / "out" / "report_of_demo.txt").read_text(encoding="utf-8")
    assert "[File] demo.ipynb, cell 5\nline 1:10: [Convert] 'torch.zeros'" in report
    assert "line 2:0: [UnConvert] 'torch.nothing' didn't convert." in report


def test_a_second_conversion_changes_nothing(tmp_path):
    made = convert(tmp_path, CELLS[:3])
    assert convert(tmp_path, made["cells"])["cells"] == made["cells"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "is no notebook"),
        ('{"worksheets": []}', "nbformat 4"),
        (
            '{"cells": [{"cell_type": "code", "source": "import torch"}, {"cell_type": "code", "source": "x = ("}]}',
            "cell 2",
        ),
    ],
)
def test_what_is_no_notebook(tmp_path, text, message):
    (tmp_path / "demo.ipynb").write_text(text)
    with pytest.raises(ModelLoadingError, match=message):
        converter.convert_script(tmp_path / "demo.ipynb", output=tmp_path / "out")
    assert not (tmp_path / "out").exists()
