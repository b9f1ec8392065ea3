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
    with pytest.raises(Unconverted, match="different questions"):
        check_trees([0, 0, 1, 0])


def test_other_aggregates() -> None:
    with pytest.raises(Unconverted, match="Only a mean or a sum"):
        check_trees([0] * 4, aggregate_function=2)
