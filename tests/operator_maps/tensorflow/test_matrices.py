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


@pytest.mark.parametrize("adjoint", [0, 1])
@pytest.mark.parametrize("lower", [0, 1])
def test_a_triangle(lower: int, adjoint: int) -> None:
    a = np.tril(A) if lower else np.triu(A)
    expect = np.linalg.solve(a.swapaxes(1, 2) if adjoint else a, B)
    check("MatrixTriangularSolve", A, B, domain="tensorflow", lower=lower, adjoint=adjoint, expect=[expect])


def test_decompositions() -> None:
    square = A @ A.swapaxes(1, 2)
    check("Cholesky", square, domain="tensorflow", free=True, expect=[np.linalg.cholesky(square)])
    check("LogMatrixDeterminant", A, domain="tensorflow", outputs=2, expect=[*np.linalg.slogdet(A)])
    check("Qr", A[:, :, :2], domain="tensorflow", outputs=2, expect=[*np.linalg.qr(A[:, :, :2])])


def test_vectors() -> None:
    check("Cross", B, B[::-1], domain="tensorflow", free=True, expect=[np.cross(B, B[::-1])])
    check("Diag", B[0, 0], domain="tensorflow", expect=[np.diag(B[0, 0])])
    check("DiagPart", A[0], domain="tensorflow", expect=[np.diag(A[0])])
