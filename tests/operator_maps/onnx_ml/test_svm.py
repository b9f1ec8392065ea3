from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from harness import check

X = np.random.default_rng(0).normal(size=(4, 3)).astype(np.float32)
MACHINE: dict[str, Any] = {
    "coefficients": [0.5, -1.0],
    "kernel_params": [0.5, 0.25, 3.0],
    "n_supports": 2,
    "rho": [0.1],
    "support_vectors": [1.0, 2.0, 3.0, 0.0, 1.0, 2.0],
}


@pytest.mark.parametrize("one_class", [0, 1])
@pytest.mark.parametrize("kernel_type", ["LINEAR", "POLY", "RBF", "SIGMOID"])
def test_kernels(kernel_type: str, one_class: int) -> None:
    check("SVMRegressor", X, domain="ai.onnx.ml", free=True, kernel_type=kernel_type, one_class=one_class, **MACHINE)


def test_without_support_vectors() -> None:
    check("SVMRegressor", X, domain="ai.onnx.ml", coefficients=[0.5, -1.0, 2.0], rho=[0.1])
