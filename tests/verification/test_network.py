"""A written script as a live network."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from harness import save
from mindspore.train import serialization

from converter.verification import network

SCRIPT = """
import mindspore as ms
from mindspore import nn, ops


class MindSporeModel(nn.Cell):
    def __init__(self):
        super().__init__()
        self.weight = ms.Parameter(ops.zeros((2,), ms.float32))

    def construct(self, x):
        return x * self.weight
"""


def test_memory_that_holds_cached_files_is_free(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """MindSpore refuses a checkpoint that is larger than what no file takes."""
    monkeypatch.setattr(serialization, "_get_available_memory", lambda: 1)
    (tmp_path / "net.py").write_text(SCRIPT, encoding="utf-8")
    save({"weight": np.float32([1, 2])}, tmp_path / "net.ckpt")
    net = network.load(tmp_path / "net.py", tmp_path / "net.ckpt")
    assert net.weight.asnumpy().tolist() == [1, 2]
