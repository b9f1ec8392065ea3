from __future__ import annotations

from typing import Any

import numpy as np
import onnx
import pytest
from harness import check_model, model_of
from onnx import numpy_helper
from onnx_backend import Unconverted

X = np.array([[1.2, 0.0], [3.14, 5.0], [4.2, -1.0], [9.0, 1.5]], np.float32)


def tensor(*values: float, dtype: str = "float32") -> onnx.TensorProto:
    return numpy_helper.from_array(np.array(values, dtype))


def check_trees(modes: list[int], **attributes: Any) -> None:
    """Check two trees: one of two levels with leaves of two targets, and one of a single question."""
    options: dict[str, Any] = {
        "tree_roots": [0, 3],
        "n_targets": 2,
        "nodes_featureids": [0, 0, 0, 1],
        "nodes_splits": tensor(3.14, 1.2, 4.2, 1.5),
        "nodes_modes": tensor(*modes, dtype="uint8"),
        "nodes_truenodeids": [1, 0, 2, 4],
        "nodes_trueleafs": [0, 1, 1, 1],
        "nodes_falsenodeids": [2, 1, 3, 5],
        "nodes_falseleafs": [0, 1, 1, 1],
        "leaf_targetids": [0, 1, 0, 1, 0, 1],
        "leaf_weights": tensor(5.23, 12.12, -12.23, 7.21, 1.0, -2.0),
    }
    model = model_of("TreeEnsemble", [X], domain="ai.onnx.ml", **(options | attributes))
    next(opset for opset in model.opset_import if opset.domain == "ai.onnx.ml").version = 5
    check_model(model, [X])


@pytest.mark.parametrize("mode", range(6))
def test_trees(mode: int) -> None:
    check_trees([mode] * 4)


def test_mean_of_trees() -> None:
    check_trees([0] * 4, aggregate_function=0)


def test_different_questions() -> None:
    check_trees([0, 3, 1, 5])


def test_other_aggregates() -> None:
    with pytest.raises(Unconverted, match="Only a mean or a sum"):
        check_trees([0] * 4, aggregate_function=2)


OLD: dict[str, Any] = {
    "nodes_treeids": [0, 0, 0, 0, 0, 7, 7, 7],
    "nodes_nodeids": [0, 1, 2, 3, 4, 0, 1, 2],
    "nodes_featureids": [0, 0, 0, 0, 0, 1, 0, 0],
    "nodes_values": [3.14, 1.2, 0.0, 0.0, 0.0, 1.5, 0.0, 0.0],
    "nodes_truenodeids": [1, 3, 0, 0, 0, 1, 0, 0],
    "nodes_falsenodeids": [2, 4, 0, 0, 0, 2, 0, 0],
}
"""Two trees, of which one has two levels, as the older operators write them; the leaves are 2, 3, 4 and 1, 2."""

LEAVES = {"treeids": [0, 0, 0, 7, 7], "nodeids": [2, 3, 4, 1, 2]}


def check_old(operator: str, mode: str = "BRANCH_LEQ", **attributes: Any) -> str:
    modes = [
        mode if yes or no else "LEAF"
        for yes, no in zip(OLD["nodes_truenodeids"], OLD["nodes_falsenodeids"], strict=True)
    ]
    options = OLD | {"nodes_modes": modes} | attributes
    count = 2 if "Classifier" in operator else 1
    model = model_of(operator, [X], domain="ai.onnx.ml", outputs=count, free=True, **options)
    if count == 2:
        model.graph.output[0].type.tensor_type.elem_type = onnx.TensorProto.INT64
    next(opset for opset in model.opset_import if opset.domain == "ai.onnx.ml").version = 3
    return check_model(model, [X]).script


def regressor(**attributes: Any) -> str:
    leaves = {f"target_{name}": numbers for name, numbers in LEAVES.items()}
    chosen = (
        {"n_targets": 1, "target_ids": [0] * 5, "target_weights": [5.23, 12.12, -12.23, 7.21, 1.0]}
        | leaves
        | attributes
    )
    return check_old("TreeEnsembleRegressor", **chosen)


@pytest.mark.parametrize("mode", ["BRANCH_LEQ", "BRANCH_LT", "BRANCH_GTE", "BRANCH_GT", "BRANCH_EQ", "BRANCH_NEQ"])
def test_older_trees(mode: str) -> None:
    regressor(mode=mode)


@pytest.mark.parametrize("aggregate_function", ["AVERAGE", "MIN", "MAX"])
def test_older_trees_aggregated(aggregate_function: str) -> None:
    regressor(aggregate_function=aggregate_function, base_values=[0.5])


@pytest.mark.parametrize("post_transform", ["NONE", "LOGISTIC", "SOFTMAX", "SOFTMAX_ZERO", "PROBIT"])
def test_older_trees_of_several_targets(post_transform: str) -> None:
    regressor(n_targets=3, target_ids=[0, 1, 2, 2, 2], base_values=[0.0, 0.0, 0.5], post_transform=post_transform)


def test_missing_values(monkeypatch: pytest.MonkeyPatch) -> None:
    """They follow the true branch at some nodes, the false one at the others."""
    monkeypatch.setattr(f"{__name__}.X", np.concatenate([X, np.full_like(X, np.nan), X * np.float32([np.nan, 1])]))
    missing = {"nodes_missing_value_tracks_true": [1, 0, 0, 0, 0, 1, 0, 0]}
    for mode in ("BRANCH_LEQ", "BRANCH_GT", "BRANCH_NEQ"):
        regressor(mode=mode, **missing)
    with pytest.raises(Unconverted, match="A missing value equals a number"):
        regressor(mode="BRANCH_EQ", **missing)
    check_trees([0, 1, 2, 3], nodes_missing_value_tracks_true=[0, 1, 1, 1])


def test_an_older_tree_of_one_target_that_is_transformed() -> None:
    """Whether it is, ONNX and onnxruntime do not agree."""
    with pytest.raises(Unconverted, match="Onnxruntime applies no LOGISTIC to a single target"):
        regressor(post_transform="LOGISTIC")


@pytest.mark.parametrize("post_transform", ["NONE", "LOGISTIC"])
@pytest.mark.parametrize(
    ("ids", "labels", "weights"),
    [
        ([0, 2, 1, 2, 0], [0, 1, 2], [0.2, 0.3, 0.5, 0.9, -0.3]),
        ([0, 2, 1, 2, 0], [5, -3, 8], [0.2, 0.3, 0.5, 0.9, 0.3]),
        ([1, 2, 1, 2, 1], [0, 1, 2], [-0.2, -0.3, -0.5, -0.9, -0.3]),  # a class without a weight is never taken
        ([0, 2, 2, 2, 0], [5, -3, 8], [-0.2, 0.3, -0.5, -0.9, -0.3]),
        ([0, 1, 1, 1, 0], [0, 1], [0.2, 0.3, 0.5, 0.9, 0.3]),
        ([0, 1, 1, 1, 0], [4, 9], [0.2, -0.3, -0.5, 0.1, -0.3]),
        ([0, 1, 0, 0, 1], [0, 1], [-0.2, 0.3, 0.5, -0.9, 0.3]),  # some leaves have none for the second class
        ([1, 1, 1, 1, 1], [0, 1], [0.2, 0.3, 0.1, 0.1, 0.3]),
        ([0, 0, 0, 0, 0], [4, 9], [0.2, -0.3, 0.1, 0.1, -0.3]),
        ([0, 0, 0, 0, 0], [4, 9], [0.2, 0.3, 0.1, 0.1, 0.6]),
    ],
)
def test_older_trees_as_classifiers(
    ids: list[int], labels: list[int], weights: list[float], post_transform: str
) -> None:
    leaves = {f"class_{name}": numbers for name, numbers in LEAVES.items()}
    chosen = {
        "class_ids": ids,
        "class_weights": weights,
        "classlabels_int64s": labels,
        "post_transform": post_transform,
    }
    check_old("TreeEnsembleClassifier", **leaves, **chosen)


@pytest.mark.parametrize("post_transform", ["NONE", "LOGISTIC"])
@pytest.mark.parametrize("weights", [[0.2, 0.3, 0.1, 0.1, 0.3], [0.2, -0.3, 0.1, 0.1, -0.3]])
def test_two_classes_with_one_base_value(weights: list[float], post_transform: str) -> None:
    """As XGBoost's classifiers are written: the weights are those of class 0, and the score that of the other."""
    leaves = {f"class_{name}": numbers for name, numbers in LEAVES.items()}
    chosen = {"class_ids": [0] * 5, "class_weights": weights, "classlabels_int64s": [4, 9]}
    check_old("TreeEnsembleClassifier", **leaves, **chosen, post_transform=post_transform, base_values=[0.25])


def test_older_trees_of_no_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(f"{__name__}.X", X[:0])
    leaves = {f"class_{name}": numbers for name, numbers in LEAVES.items()}
    chosen = {"class_ids": [0, 2, 1, 2, 0], "class_weights": [0.2, 0.3, 0.5, 0.9, 0.3], "classlabels_int64s": [5, 3, 8]}
    check_old("TreeEnsembleClassifier", **leaves, **chosen)


@pytest.mark.parametrize(
    ("yes", "no", "why"),
    [
        ([1, 2, 1, 0], [3, 3, 3, 0], "Its trees have a cycle"),
        ([1, 2, 0, 0], [3, 3, 3, 0], "The numbers of its nodes do not fit"),  # it has no root
        ([1, 3, 1, 0], [3, 3, 3, 0], "The numbers of its nodes do not fit"),  # it has two
    ],
)
def test_trees_without_an_end(yes: list[int], no: list[int], why: str) -> None:
    """The translation had none either, or onnxruntime has none."""
    nodes = {
        "nodes_treeids": [0] * 4,
        "nodes_nodeids": [0, 1, 2, 3],
        "nodes_featureids": [0] * 4,
        "nodes_values": [0.0] * 4,
        "nodes_modes": [*["BRANCH_LEQ"] * 3, "LEAF"],
        "nodes_truenodeids": yes,
        "nodes_falsenodeids": no,
    }
    targets = {"target_treeids": [0], "target_nodeids": [3], "target_ids": [0], "target_weights": [1.0], "n_targets": 1}
    model = model_of("TreeEnsembleRegressor", [X], domain="ai.onnx.ml", **nodes, **targets)
    next(opset for opset in model.opset_import if opset.domain == "ai.onnx.ml").version = 3
    with pytest.raises(Unconverted, match=why):
        check_model(model, [X], expect=[])
