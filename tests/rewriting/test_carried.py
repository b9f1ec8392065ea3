"""What `forward` assigns to an attribute reaches the methods that it calls, in both modes."""

from __future__ import annotations

import importlib
import sys

import mindspore as ms
import numpy as np
import pytest
from rewriting.conversion import converted, project

torch = pytest.importorskip("torch")

TEXT = """
import torch
from torch import nn


class Cached(nn.Module):
    def __init__(self):
        super().__init__()
        self.register_buffer("table", torch.zeros(1, 2), persistent=False)

    def forward(self, x):
        if self.table is None or self.table.shape[1] != x.shape[1]:
            self.table = self.computed(x.shape[1])
        return self.shifted(x, scale=2.0)

    def computed(self, n):
        return torch.arange(int((n * n) ** 0.5), dtype=torch.float32).reshape(1, -1)

    def shifted(self, x, scale, **options):
        '''Add the table.'''
        return x * scale + self.table


class Step(nn.Module):
    def __init__(self):
        super().__init__()
        self.gate = None

    def forward(self, x):
        self.gate = torch.sigmoid(x)
        return self.outer(x)

    def outer(self, x):
        return self.inner(x) + 1

    def inner(self, x):
        return x * self.gate


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.blocks = nn.ModuleList([Cached(), Cached()])
        self.step = Step()

    def forward(self, x):
        for block in self.blocks:
            x = block(x)
        return self.step(x)
"""


@pytest.mark.parametrize("mode", [1, 0], ids=["pynative", "graph"])
def test_a_method_sees_what_forward_assigned(tmp_path, monkeypatch, mode):
    name = f"carried{mode}"
    texts = project(tmp_path, {f"{name}.py": TEXT}, f"{name}.py")
    own = tmp_path / "converted"
    own.mkdir()
    for path, text in texts.items():
        (own / path).write_text(text)
    exec(compile(TEXT, "net", "exec"), theirs := {})
    monkeypatch.syspath_prepend(own)
    monkeypatch.delitem(sys.modules, "_torch_compat", raising=False)
    net, expected = importlib.import_module(name).Net(), theirs["Net"]()
    ms.set_context(mode=mode)
    try:
        for size in (2, 5):
            x = np.linspace(-1, 1, 3 * size, dtype=np.float32).reshape(3, size)
            assert np.allclose(net(ms.Tensor(x)).asnumpy(), expected(torch.tensor(x)).numpy(), atol=1e-6)
    finally:
        ms.set_context(mode=1)


CLASS = """
from torch import nn

class Net(nn.Module):
    def forward(self, x):
        {body}
        return self.add(x)

    def add(self, x):
        return {read}
"""


@pytest.mark.parametrize(
    ("body", "read", "call"),
    [
        ("self.table = x * 2", "x + self.table", "self.add(x, table=table)"),
        ("self.table = x * 2", "x", "self.add(x)"),
        ("table = self.table = x * 2", "x + self.table", "self.add(x)"),  # two targets
    ],
)
def test_calls(tmp_path, body, read, call):
    file = converted(tmp_path, CLASS.format(body=body, read=read))
    assert f"return {call}\n" in file.text
    by_hand = [record for record in file.records if not record.converted]
    assert bool(by_hand) is ("table = self" in body)
    assert all("In graph mode add reads what it was before" in record.remedy for record in by_hand)


def test_a_method_that_another_class_replaces_is_given_nothing(tmp_path):
    text = CLASS.format(body="self.table = x", read="self.table")
    text += "\n\nclass Other(Net):\n    def add(self, x):\n        return x\n"
    file = converted(tmp_path, text)
    assert "return self.add(x)\n" in file.text
    assert [record.severity for record in file.records if "__setattr__" in record.name] == ["by hand"]
