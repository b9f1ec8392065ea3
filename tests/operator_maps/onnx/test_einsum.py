from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from graph.normalize.harness import parse as parse_model
from harness import check, check_model

from converter.rows import Unsupported
from operator_maps.onnx.einsum import parse

CASES = [
    ("ij,jk->ik", [(2, 3), (3, 4)], "ops.matmul(x0, x1)"),
    ("bhqd,bhkd->bhqk", [(2, 2, 3, 4), (2, 2, 5, 4)], "ops.matmul(x0, x1.transpose((0, 1, 3, 2)))"),
    (
        "bqhd,bkhd->bhqk",
        [(2, 3, 2, 4), (2, 5, 2, 4)],
        "ops.matmul(x0.transpose((0, 2, 1, 3)), x1.transpose((0, 2, 3, 1)))",
    ),
    ("bhqk,bkhd->bqhd", [(2, 2, 3, 5), (2, 5, 2, 4)], ".transpose((0, 2, 1, 3))"),
    ("...ij,...jk", [(2, 3, 4), (4, 5)], "ops.matmul(x0, x1)"),
    (
        "aecd,abcd->acbe",
        [(2, 5, 3, 4), (2, 6, 3, 4)],
        "ops.matmul(x1.transpose((0, 2, 1, 3)), x0.transpose((0, 2, 3, 1)))",
    ),
    ("bhwc,hkc->bhwk", [(2, 3, 4, 5), (3, 6, 5)], "x0.shape[0] * 4"),
    ("bij,bj->bi", [(2, 3, 4), (2, 4)], ".squeeze(-1)"),
    ("j,ij->i", [(3,), (2, 3)], "ops.matmul(x1, x0)"),
    ("i,j->ij", [(3,), (4,)], "ops.unsqueeze(x0, 1) * x1"),
    ("b...,b...->b", [(2, 3, 4), (2, 3, 4)], "(x0 * x1).sum((1, 2))"),
    ("i,i->", [(3,), (3,)], "(x0 * x1).sum(0)"),
    ("bii->b", [(2, 3, 3)], "ops.diagonal(x0, 0, 1, 2).sum(1)"),
    ("ij->j", [(2, 3)], "x0.sum(0)"),
    ("ba", [(2, 3)], "x0.transpose((1, 0))"),
    ("ij,jk,kl->il", [(2, 3), (3, 4), (4, 5)], "ops.matmul(ops.matmul(x0, x1), x2)"),
    ("bi,bj,bk->bijk", [(2, 3), (2, 4), (2, 5)], "ops.unsqueeze"),
]


@pytest.mark.parametrize(("equation", "shapes", "text"), CASES, ids=[c[0] for c in CASES])
def test_becomes(equation: str, shapes: list[tuple[int, ...]], text: str) -> None:
    rng = np.random.default_rng(0)
    inputs = [rng.normal(size=shape).astype(np.float32) for shape in shapes]
    assert text in check("Einsum", *inputs, equation=equation, free=True, constants=()).script


@pytest.mark.parametrize(
    ("equation", "shapes", "text"),
    [
        ("bsd,dhk->bshk", [(2, 3, 8), (8, 2, 4)], "nn.Linear(8, 8, bias=False)"),
        ("bshk,hkd->bsd", [(2, 3, 2, 4), (2, 4, 6)], "nn.Linear(8, 6, bias=False)"),
        ("ij,kj->ik", [(2, 3), (4, 3)], "nn.Linear(3, 4, bias=False)"),
    ],
)
def test_weights_are_layers(equation: str, shapes: list[tuple[int, ...]], text: str) -> None:
    rng = np.random.default_rng(0)
    inputs = [rng.normal(size=shape).astype(np.float32) for shape in shapes]
    assert text in check("Einsum", *inputs, equation=equation, constants=(1,), free=True).script


def test_integers_stay_what_they_are() -> None:
    check("Einsum", np.arange(6, dtype=np.int32).reshape(2, 3), equation="ij->i")


@pytest.mark.parametrize(("equation", "ranks"), [("ij,jk->ik", [2]), ("ij->i", [3]), ("ij->i", [None])])
def test_declines_what_does_not_fit(equation: str, ranks: list[Any]) -> None:
    with pytest.raises(Unsupported):
        parse(SimpleNamespace(decline=Unsupported), equation, ranks)  # type: ignore[arg-type]


def test_integers_of_free_extents() -> None:
    """A product over nothing is 0, of their type."""
    x, y = np.arange(6, dtype=np.int32).reshape(1, 2, 3), np.arange(6, dtype=np.int32).reshape(3, 2)
    node = 'Einsum <equation = "abc,cd->abd"> (x, y)'
    check_model(parse_model(f"g (int32[a,b,c] x, int32[d,e] y) => (int32[f,g,h] z) {{ z = {node} }}", 22), [x, y])
