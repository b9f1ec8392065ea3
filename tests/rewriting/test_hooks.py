"""Hooks, and what training scripts do with all parameters at once."""

from __future__ import annotations

import importlib
import sys

import numpy as np
import pytest
from rewriting.conversion import converted, project

ms = pytest.importorskip("mindspore")

HOOKS = """
import torch
from torch import nn

net = nn.Linear(3, 3)
net.register_forward_hook(print)
net.register_full_backward_hook(print)
net.register_load_state_dict_post_hook(print)
y = net(torch.ones(1, 3))
y.register_hook(print)
y.retain_grad()
"""


def test_hooks_are_listed(tmp_path):
    """Those of the forward pass stay, with a note; each other one has a remedy."""
    records = {each.name.rpartition(".")[2]: each for each in converted(tmp_path, HOOKS).records}
    assert records["register_forward_hook"].note == "Graph mode runs no hooks."
    left = [name for name, each in records.items() if not each.converted]
    assert sorted(left) == [
        "register_full_backward_hook", "register_hook", "register_load_state_dict_post_hook", "retain_grad",
    ]  # fmt: skip
    assert all("No row" not in records[name].remedy for name in left)


PACKED = """
import torch
from torch.nn.utils import parameters_to_vector, vector_to_parameters
from torch.nn.utils.rnn import pack_padded_sequence

packed = pack_padded_sequence(torch.zeros(3, 4, 2), torch.tensor([2, 4, 1]), batch_first=True, enforce_sorted=False)
sizes, order, back = packed.batch_sizes, packed.sorted_indices, packed.unsorted_indices
net = torch.nn.Linear(2, 2)
vector = parameters_to_vector(net.parameters())
vector_to_parameters(vector * 0 + torch.arange(6.0), net.parameters())
weight, bias = net.weight, net.bias
"""


def test_packed_sequences_and_vectors_of_parameters(tmp_path, monkeypatch):
    texts = project(tmp_path, {"packs.py": PACKED}, "packs.py")
    (tmp_path / "out").mkdir()
    for path, text in texts.items():
        (tmp_path / "out" / path).write_text(text)
    monkeypatch.syspath_prepend(tmp_path / "out")
    monkeypatch.delitem(sys.modules, "_torch_compat", raising=False)
    found = importlib.import_module("packs")
    assert found.sizes.asnumpy().tolist() == [3, 2, 1, 1]
    assert found.order.asnumpy().tolist() == [1, 0, 2]
    assert found.back.asnumpy().tolist() == [1, 0, 2]
    assert np.allclose(found.weight.asnumpy(), [[0, 1], [2, 3]])
    assert found.bias.asnumpy().tolist() == [4, 5]
