"""TensorFlow's linear systems against NumPy, in both modes."""

from __future__ import annotations

import numpy as np
import pytest
from harness import check

RANDOM = np.random.default_rng(0)
A = (RANDOM.uniform(-1, 1, (2, 4, 4)) + 3 * np.eye(4)).astype(np.float32)
B = RANDOM.uniform(-1, 1, (2, 4, 3)).astype(np.float32)


@pytest.mark.parametrize("adjoint", [0, 1])
def test_a_linear_system(adjoint: int) -> None:
    a = A.swapaxes(1, 2) if adjoint else A
    check("MatrixSolve", A, B, domain="tensorflow", adjoint=adjoint, expect=[np.linalg.solve(a, B)])
    check("MatrixInverse", A, domain="tensorflow", adjoint=adjoint, free=True, expect=[np.linalg.inv(a)])
