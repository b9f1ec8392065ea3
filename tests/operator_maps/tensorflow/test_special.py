"""TensorFlow's special functions, decompositions and bits against SciPy and NumPy, in both modes."""

from __future__ import annotations

import numpy as np
import pytest
from harness import check

RANDOM = np.random.default_rng(0)
X = RANDOM.uniform(0.5, 2, (2, 4, 3)).astype(np.float32)


def test_incomplete_gamma_functions() -> None:
    """For a = 1 they are 1 - exp(-x) and exp(-x)."""
    a = np.ones_like(X)
    check("Igamma", a, X, domain="tensorflow", expect=[1 - np.exp(-X)])
    check("Igammac", a, X, domain="tensorflow", expect=[np.exp(-X)])


def test_singular_values() -> None:
    check("Svd", X, domain="tensorflow", compute_uv=0, expect=[np.linalg.svd(X, compute_uv=False)])


def test_bits() -> None:
    check("Bitcast", X, domain="tensorflow", type=6, expect=[X.view(np.int32)])
    check("Bitcast", X.view(np.int32), domain="tensorflow", type=1, expect=[X])


@pytest.mark.parametrize("name", ["BesselI0", "BesselI0e", "BesselI1", "BesselI1e", "Digamma", "Lgamma"])
def test_a_function(name: str) -> None:
    tf = pytest.importorskip("tensorflow")
    x = X / 2.5
    check(name, x, domain="tensorflow", free=True, expect=[getattr(tf.raw_ops, name)(x=x).numpy()])


def test_two_arguments() -> None:
    tf = pytest.importorskip("tensorflow")
    check("Zeta", X + 1, X, domain="tensorflow", expect=[tf.math.zeta(X + 1, X).numpy()])
    check("NextAfter", X, X + 1, domain="tensorflow", expect=[np.nextafter(X, X + 1)])


def test_the_inverse_of_the_error_function() -> None:
    """Also where its argument is near 1, where `ops.erfinv` is wrong on the CPU."""
    import mindspore as ms

    tf = pytest.importorskip("tensorflow")
    x = np.array([0, 0.3, -0.9, 0.99, -0.998, 0.99999, -0.9999998, 1, -1, 1.5], np.float32)
    rep = check("Erfinv", x, domain="tensorflow", free=True, expect=[tf.math.erfinv(x).numpy()])
    inside = x[:6]
    for mode in (ms.PYNATIVE_MODE, ms.GRAPH_MODE):
        ms.set_context(mode=mode)
        gradient = ms.grad(rep.net)(ms.Tensor(inside)).asnumpy()
        np.testing.assert_allclose(gradient, np.sqrt(np.pi) / 2 * np.exp(tf.math.erfinv(inside).numpy() ** 2), 1e-2)
