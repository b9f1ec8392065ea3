"""Operators of PyTorch that ONNX does not have, against torch, in both modes."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from harness import check

RANDOM = np.random.default_rng(0)
X = RANDOM.normal(size=(2, 5, 4)).astype(np.float32)
SQUARE = (X @ X.swapaxes(1, 2) + 3 * np.eye(5)).astype(np.float32)
BOUNDS = np.linspace(-1, 1, 5, dtype=np.float32)
ATEN, PRIMS = torch.ops.aten, torch.ops.prims

CASES: list[tuple[Any, tuple[np.ndarray, ...], dict[str, Any], int]] = [
    (ATEN.median.dim, (X,), {"dim": 1}, 2),
    (ATEN.median.dim, (X,), {"dim": -1, "keepdim": 1}, 2),
    (ATEN.median.default, (X,), {}, 1),
    (ATEN.kthvalue.default, (X,), {"k": 2}, 2),
    (ATEN.kthvalue.default, (X,), {"k": 5, "dim": 1, "keepdim": 1}, 2),
    (ATEN.cummax.default, (X,), {"dim": 1}, 2),
    (ATEN.cummin.default, (X,), {"dim": -1}, 2),
    (ATEN.cummin.default, (np.round(X).astype(np.int32),), {"dim": 0}, 2),
    (ATEN._cdist_forward.default, (X, X + 0.5), {"p": 2.0}, 1),
    (ATEN._cdist_forward.default, (X, X + 0.5), {"p": 1.0}, 1),
    (ATEN.searchsorted.Tensor, (BOUNDS, X), {}, 1),
    (ATEN.searchsorted.Tensor, (BOUNDS, np.append(X, BOUNDS)), {"right": 1}, 1),
    (ATEN.adaptive_max_pool2d.default, (X[None],), {"output_size": [2, 3]}, 1),
    (ATEN.unsqueeze.default, (X,), {"dim": 1}, 1),
    (PRIMS.prod.default, (X,), {"dims": [1]}, 1),
    (PRIMS.lgamma.default, (abs(X) + 0.5,), {}, 1),
    (PRIMS.digamma.default, (abs(X) + 0.5,), {}, 1),
    (PRIMS.erf_inv.default, (np.tanh(X * 3),), {}, 1),
    (PRIMS.hypot.default, (X, X + 1), {}, 1),
    (PRIMS.gcd.default, (np.array([4, 6, 0]), np.array([6, 9, 5])), {}, 1),
    (ATEN.linalg_inv_ex.default, (SQUARE,), {}, 1),
    (ATEN.linalg_cholesky_ex.default, (SQUARE,), {}, 1),
    (ATEN._linalg_solve_ex.default, (SQUARE, X), {}, 1),
    (ATEN._linalg_slogdet.default, (SQUARE,), {}, 2),
    (ATEN.linalg_qr.default, (X,), {"mode": "reduced"}, 2),
    (ATEN.linalg_pinv.atol_rtol_float, (X,), {}, 1),
    (ATEN.linalg_solve_triangular.default, (SQUARE, X), {"upper": True}, 1),
    (ATEN.linalg_solve_triangular.default, (SQUARE, X), {"upper": False}, 1),
    (ATEN.cholesky_solve.default, (X, np.linalg.cholesky(SQUARE)), {}, 1),
    (ATEN.heaviside.default, (np.round(X), abs(X)), {}, 1),
    (ATEN.polygamma.default, (abs(X) + 0.5,), {"n": 1}, 1),
    *[(getattr(PRIMS, f"bessel_{kind}").default, (X,), {}, 1) for kind in ("i0", "i0e", "i1", "i1e")],
    (PRIMS.fmax.default, (X, np.where(X > 0, np.nan, X + 1)), {}, 1),
    (PRIMS.fmin.default, (X, X + np.round(X)), {}, 1),
    (PRIMS.signbit.default, (X,), {}, 1),
    (PRIMS.zeta.default, (abs(X) + 1.5, abs(X) + 0.5), {}, 1),
]


@pytest.mark.parametrize(
    ("operator", "inputs", "attributes", "outputs"), CASES, ids=[f"{c[0].__name__}-{i}" for i, c in enumerate(CASES)]
)
def test_becomes(operator: Any, inputs: tuple[np.ndarray, ...], attributes: dict[str, Any], outputs: int) -> None:
    schema = operator._schema
    domain, _, name = schema.name.partition("::")
    names = [each.name for each in schema.arguments if each.name not in attributes]
    tensors = dict(zip(names, map(torch.tensor, inputs), strict=False))
    rest = {each.name: None for each in schema.arguments if each.name == "compute_mode"}
    results = operator(**tensors, **attributes, **rest)
    expect = [each.numpy() for each in (results if isinstance(results, tuple) else (results,))[:outputs]]
    check(name, *inputs, domain=domain, free=True, outputs=outputs, expect=expect, **attributes)
