"""Members: constants of the graph as literals and parameters."""

from __future__ import annotations

import numpy as np
import pytest
from graph.fusions.recognition import model_of
from harness import check_model


@pytest.mark.parametrize(
    ("constant", "written"),
    [
        (np.zeros((1, 8), np.int64), "ops.zeros((1, 8), ms.int64)"),
        (np.ones(8, bool), "ops.ones((8,), ms.bool_)"),
        (np.array([0, 0, 0, 0, 0, 0, 0, 1]), "ms.Tensor([0, 0, 0, 0, 0, 0, 0, 1], ms.int64)"),
        (np.array([[1], [1]]), "ms.Tensor([[1], [1]], ms.int64)"),
        (np.zeros((3, 1, 8), np.int32), "ms.Parameter(ops.zeros((3, 1, 8), ms.int32), requires_grad=False)"),
    ],
    ids=["zeros", "ones", "numbers", "few", "many"],
)
def test_constants(constant: np.ndarray, written: str) -> None:
    kind, ends = constant.dtype.name, "a,b,c"[: 2 * max(constant.ndim, 2) - 1]
    text = f"({kind}[2,8] x) => ({kind}[{ends}] y) {{ c = Cast <to = 9> (x) y = Where(c, x, w) }}"
    x = np.arange(16).reshape(2, 8).astype(constant.dtype)
    assert written in check_model(model_of(text, w=constant), [x]).script
