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


def classifier(classes: int, **more: Any) -> dict[str, Any]:
    """Attributes of a classifier with two support vectors for a class, three for the first one."""
    rng = np.random.default_rng(classes)
    vectors = [3, *[2] * (classes - 1)]
    pairs = classes * (classes - 1) // 2
    return {
        "classlabels_ints": list(range(classes)),
        "coefficients": rng.normal(size=(classes - 1) * sum(vectors)).tolist(),
        "kernel_params": [0.5, 0.25, 3.0],
        "kernel_type": "RBF",
        "rho": rng.normal(size=pairs).tolist(),
        "support_vectors": rng.normal(size=3 * sum(vectors)).tolist(),
        "vectors_per_class": vectors,
        **more,
    }


def with_probabilities(classes: int, **more: Any) -> dict[str, Any]:
    pairs = classes * (classes - 1) // 2
    slopes, shifts = np.linspace(-2, -1, pairs).tolist(), np.linspace(0.1, 0.3, pairs).tolist()
    return classifier(classes, prob_a=slopes, prob_b=shifts, **more)


LINEAR = {
    "classlabels_ints": [4, 2],
    "coefficients": [0.5, -1.0, 2.0, 0.25, 1.0, -0.5],
    "kernel_params": [0.0, 0.0, 0.0],  # onnxruntime takes no machine without
    "kernel_type": "LINEAR",
    "rho": [0.1],
}


@pytest.mark.parametrize(
    "attributes",
    [
        classifier(2),
        classifier(2, post_transform="SOFTMAX"),
        classifier(2, post_transform="LOGISTIC"),
        classifier(3, classlabels_ints=[7, 3, 5]),
        classifier(4, kernel_type="POLY", post_transform="LOGISTIC"),
        with_probabilities(2),
        with_probabilities(3),
        with_probabilities(4, post_transform="SOFTMAX"),
        LINEAR,
        {**LINEAR, "coefficients": [0.5, 1.0, 2.0, 0.25, 1.0, 0.5]},
        {**LINEAR, "classlabels_ints": [0, 1, 2], "post_transform": "LOGISTIC"},
    ],
    ids=[
        "two",
        "two-softmax",
        "two-logistic",
        "three",
        "four",
        "two-prob",
        "three-prob",
        "four-prob",
        "line",
        "positive",
        "lines",
    ],
)
def test_classifiers(attributes: dict[str, Any]) -> None:
    x = np.random.default_rng(1).normal(size=(6, 2 if attributes.get("classlabels_ints") == [0, 1, 2] else 3))
    x = x if "vectors_per_class" not in attributes else np.random.default_rng(1).normal(size=(6, 3))
    check("SVMClassifier", x.astype(np.float32), domain="ai.onnx.ml", free=True, outputs=2, **attributes)


def test_a_classifier_of_doubles() -> None:
    check("SVMClassifier", X.astype(np.float64), domain="ai.onnx.ml", outputs=2, **classifier(3))
