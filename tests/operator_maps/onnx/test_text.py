from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from harness import check, check_model
from onnx import TensorProto, helper
from onnx_backend import Unconverted

TOKENS = np.array([[1, 1, 3, 3, 3, 7], [8, 6, 7, 5, 6, 8]], np.int32)
TABLE = {
    "ngram_counts": [0, 4],
    "ngram_indexes": [6, 1, 2, 3, 4, 5, 0],
    "pool_int64s": [2, 3, 5, 4, 5, 6, 7, 8, 6, 7],
    "min_gram_length": 1,
    "max_gram_length": 2,
    "max_skip_count": 0,
    "mode": "TF",
}


@pytest.mark.parametrize("x", [TOKENS, TOKENS[0].astype(np.int64), TOKENS[:, :1]], ids=["rows", "one row", "one token"])
@pytest.mark.parametrize(
    "attributes",
    [
        {},
        {"min_gram_length": 2},
        {"max_gram_length": 1},
        {"max_skip_count": 3},
        {"mode": "IDF", "weights": [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7]},
        {"mode": "TFIDF", "weights": [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7], "max_skip_count": 1},
    ],
    ids=str,
)
def test_counts_n_grams(x: np.ndarray, attributes: dict[str, Any]) -> None:
    check("TfIdfVectorizer", x, opset=17, **{**TABLE, **attributes})


@pytest.mark.parametrize(
    ("name", "inputs", "outputs", "attributes"),
    [
        ("RegexFullMatch", 1, 1, {"pattern": "a+"}),
        ("StringConcat", 2, 1, {}),
        ("StringNormalizer", 1, 1, {"case_change_action": "LOWER"}),
        ("StringSplit", 1, 2, {"delimiter": ","}),
    ],
)
def test_strings_are_declined(name: str, inputs: int, outputs: int, attributes: dict[str, Any]) -> None:
    names, results = [f"x{i}" for i in range(inputs)], [f"y{i}" for i in range(outputs)]
    graph = helper.make_graph(
        [helper.make_node(name, names, results, **attributes)],
        "g",
        [helper.make_tensor_value_info(x, TensorProto.STRING, [2]) for x in names],
        [helper.make_empty_tensor_value_info(y) for y in results],
    )
    with pytest.raises(Unconverted, match="no tensor of strings"):
        check_model(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)]), [], expect=[])
