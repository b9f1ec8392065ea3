"""TensorFlow's Fourier transforms and complex numbers against NumPy, in both modes."""

from __future__ import annotations

import numpy as np
import pytest
from harness import check

RANDOM = np.random.default_rng(0)
X = RANDOM.uniform(-1, 1, (2, 6, 8)).astype(np.float32)
C = (X + 1j * X[::-1, ::-1]).astype(np.complex64)
HALF = np.fft.rfft(X).astype(np.complex64)

CASES = [
    ("RFFT", (X, np.int32([8])), np.fft.rfft(X), "ops.rfft(x0)"),
    ("RFFT", (X, np.int32([10])), np.fft.rfft(X, 10), "ops.rfft(x0, 10)"),
    ("RFFT2D", (X, np.int32([6, 4])), np.fft.rfft2(X, (6, 4)), "ops.rfft2(x0, (6, 4))"),
    ("IRFFT", (HALF, np.int32([8])), X, "ops.irfft(x0, 8)"),
    ("IRFFT2D", (HALF, np.int32([6, 7])), np.fft.irfft2(HALF, (6, 7)), "ops.irfft2(x0, (6, 7))"),
    ("FFT", (C,), np.fft.fft(C), "ops.fft(x0)"),
    ("FFT2D", (C,), np.fft.fft2(C), "ops.fft2(x0)"),
    ("IFFT", (C,), np.fft.ifft(C), "ops.ifft(x0)"),
    ("IFFT2D", (C,), np.fft.ifft2(C), "ops.ifft2(x0)"),
    ("ComplexAbs", (C,), np.abs(C), "ops.real(ops.abs(x0))"),
    ("Angle", (C,), np.angle(C), "ops.angle(x0)"),
    ("Real", (C,), C.real, "ops.real(x0)"),
    ("Imag", (C,), C.imag, "ops.imag(x0)"),
    ("Conj", (C,), np.conj(C), "ops.conj(x0)"),
    ("Complex", (X, X * 2), X + 2j * X, "ops.Complex()(x0, x1)"),
    (
        "Complex",
        (X, X[0, 0, :1]),
        X + 1j * X[0, 0, :1],
        "ops.Complex()(x0 + ops.zeros_like(x1), x1 + ops.zeros_like(x0))",
    ),
]


@pytest.mark.parametrize(("operator", "inputs", "expected", "text"), CASES, ids=[f"{c[0]}-{c[3]}" for c in CASES])
def test_an_operator(operator, inputs, expected, text) -> None:
    narrow = expected.astype(np.complex64 if expected.dtype.kind == "c" else np.float32)
    constants = (1,) if inputs[-1].dtype == np.int32 else ()
    assert text in check(operator, *inputs, domain="tensorflow", constants=constants, expect=[narrow]).script
