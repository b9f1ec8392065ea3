from __future__ import annotations

from typing import Any

import numpy as np
import onnx
import pytest
from harness import check_model, model_of
from onnx import helper, numpy_helper
from onnx_backend import MindSporeRep, Unconverted

random = np.random.default_rng(0)
X = random.normal(size=(3, 4)).astype(np.float32)
HOLES = np.where(X > 0.3, np.float32("nan"), X)
COEFFICIENTS = random.normal(size=12).tolist()
INTERCEPTS = [0.5, -1.0, 2.0]


def check_ml(
    operator: str, *inputs: np.ndarray, outputs: int = 1, dtypes: tuple[int, ...] = (1,), **attributes: Any
) -> MindSporeRep:
    """Check a node of ai.onnx.ml in the version that onnxruntime has."""
    model = model_of(operator, inputs, domain="ai.onnx.ml", outputs=outputs, **attributes)
    for opset in model.opset_import:
        if opset.domain == "ai.onnx.ml":
            opset.version = 4
    for result, dtype in zip(model.graph.output, dtypes, strict=True):
        result.CopyFrom(helper.make_tensor_value_info(result.name, dtype, None))
    return check_model(model, list(inputs))


def test_elements_of_the_last_axis() -> None:
    index = np.array([3, 0, 3])
    assert "ops.gather(x0, x1, 1)" in check_ml("ArrayFeatureExtractor", X, index).script
    check_ml("ArrayFeatureExtractor", X[0], index)
    check_ml("ArrayFeatureExtractor", X, index[None])


def test_threshold() -> None:
    assert "(x0 > 0.5).astype(ms.float32)" in check_ml("Binarizer", X, threshold=0.5).script


SCALES = [([0.5], [2.0]), ([0.5, 1.0, 0.0, -1.0], [1.0, 2.0, 3.0, 4.0])]


@pytest.mark.parametrize(("offset", "scale"), SCALES)
@pytest.mark.parametrize("dtype", ["float32", "int64"])
def test_scales(offset: list[float], scale: list[float], dtype: str) -> None:
    check_ml("Scaler", (3 * X).astype(dtype), offset=offset, scale=scale)


@pytest.mark.parametrize("norm", ["MAX", "L1", "L2"])
@pytest.mark.parametrize("dtype", ["float32", "int64"])
def test_norms(norm: str, dtype: str) -> None:
    check_ml("Normalizer", np.concatenate([3 * X, 0 * X[:1], -np.abs(3 * X)]).astype(dtype), norm=norm)


def test_missing_values() -> None:
    nan = float("nan")
    check_ml("Imputer", HOLES, replaced_value_float=nan, imputed_value_floats=[1.5])
    check_ml("Imputer", HOLES, replaced_value_float=nan, imputed_value_floats=[1.5, 2.5, 3.5, 4.5])
    whole = np.array([[1, -1, 3], [-1, 2, -1]])
    check_ml("Imputer", whole, dtypes=(7,), replaced_value_int64=-1, imputed_value_int64s=[7])
    check_ml("Imputer", whole, dtypes=(7,), replaced_value_int64=-1, imputed_value_int64s=[7, 8, 9])


LABELS: list[tuple[np.ndarray, int, dict[str, Any]]] = [
    (np.array([[5, 1], [9, 5]]), 7, {"keys_int64s": [1, 5], "values_int64s": [10, 50]}),
    (np.array([5, 1, 9]), 1, {"keys_int64s": [1, 5], "values_floats": [0.5, 1.5], "default_float": 7.0}),
    (HOLES, 7, {"keys_floats": [float("nan"), float(X.min())], "values_int64s": [3, 4]}),
    (np.array([0.5, 2.0], np.float32), 1, {"keys_floats": [0.5, 1.5], "values_floats": [1.0, 2.0]}),
]


@pytest.mark.parametrize(("x", "dtype", "attributes"), LABELS)
def test_labels(x: np.ndarray, dtype: int, attributes: dict[str, Any]) -> None:
    check_ml("LabelEncoder", x, dtypes=(dtype,), **attributes)


def test_labels_of_tensors() -> None:
    def tensor(*values: float, dtype: str = "int64") -> onnx.TensorProto:
        return numpy_helper.from_array(np.array(values, dtype))

    attributes = {"keys_tensor": tensor(1, 5), "values_tensor": tensor(0.1, 0.5, dtype="float64")}
    x = np.array([5, 2, 1])
    check_ml("LabelEncoder", x, dtypes=(11,), default_tensor=tensor(9, dtype="float64"), **attributes)


def test_labels_that_are_strings() -> None:
    with pytest.raises(Unconverted, match="strings"):
        check_ml("LabelEncoder", np.array([1, 2]), dtypes=(8,), keys_int64s=[1], values_strings=["a"])


def test_categories() -> None:
    check_ml("OneHotEncoder", np.array([[1, 7], [4, 1]]), cats_int64s=[1, 4, 9])
    check_ml("OneHotEncoder", np.array([1.0, 4.0], np.float32), cats_int64s=[1, 4, 9])
    with pytest.raises(Unconverted, match="error"):
        check_ml("OneHotEncoder", np.array([1, 4]), cats_int64s=[1, 4], zeros=0)


@pytest.mark.parametrize("transform", ["NONE", "LOGISTIC", "SOFTMAX", "SOFTMAX_ZERO"])
@pytest.mark.parametrize("labels", [[0, 1], [7, 4]])
def test_two_classes_with_one_row_of_coefficients(transform: str, labels: list[int]) -> None:
    options = {"coefficients": COEFFICIENTS[:4], "intercepts": [0.5], "post_transform": transform}
    check_ml("LinearClassifier", X, outputs=2, dtypes=(7, 1), classlabels_ints=labels, **options)


@pytest.mark.parametrize("transform", ["NONE", "SOFTMAX", "LOGISTIC", "SOFTMAX_ZERO", "PROBIT"])
def test_linear_regression(transform: str) -> None:
    options = {"coefficients": COEFFICIENTS, "targets": 3, "post_transform": transform}
    check_ml("LinearRegressor", X, intercepts=INTERCEPTS, **options)


def test_linear_regression_of_one_target() -> None:
    check_ml("LinearRegressor", X, coefficients=COEFFICIENTS[:4])
    with pytest.raises(Unconverted, match="Onnxruntime applies no LOGISTIC to a single target"):
        check_ml("LinearRegressor", X, coefficients=COEFFICIENTS[:4], post_transform="LOGISTIC")


@pytest.mark.parametrize("transform", ["NONE", "SOFTMAX", "LOGISTIC", "SOFTMAX_ZERO", "PROBIT"])
@pytest.mark.parametrize("labels", [[0, 1, 2], [4, 2, 9]])
def test_linear_classification(transform: str, labels: list[int]) -> None:
    options = {"coefficients": COEFFICIENTS, "intercepts": INTERCEPTS, "post_transform": transform}
    check_ml("LinearClassifier", X, outputs=2, dtypes=(7, 1), classlabels_ints=labels, multi_class=1, **options)


def test_classes_of_no_rows() -> None:
    options = {"coefficients": COEFFICIENTS, "intercepts": INTERCEPTS, "classlabels_ints": [4, 2, 9], "free": True}
    for rows in (0, 2):
        check_ml("LinearClassifier", X[:rows], outputs=2, dtypes=(7, 1), **options)


def test_two_classes_of_one_row_that_are_no_scores() -> None:
    options = {"coefficients": COEFFICIENTS[:4], "intercepts": [0.5], "classlabels_ints": [0, 1]}
    with pytest.raises(Unconverted, match="2 classes have 1 row"):
        check_ml("LinearClassifier", X, outputs=2, dtypes=(7, 1), post_transform="PROBIT", **options)


@pytest.mark.parametrize("dtype", ["float32", "int64", "float64"])
@pytest.mark.parametrize("wanted", [(2, 3), (1, 3)])
def test_feature_vectorizer(dtype: str, wanted: tuple[int, int]) -> None:
    x, y = np.arange(8).reshape(4, 2).astype(dtype), np.arange(12).reshape(4, 3).astype(dtype)
    expect = [np.concatenate([x[:, : wanted[0]], y[:, : wanted[1]]], 1).astype(np.float32)]
    model = model_of("FeatureVectorizer", [x, y], domain="ai.onnx.ml", free=True, inputdimensions=wanted)
    check_model(model, [x, y], expect=expect)
