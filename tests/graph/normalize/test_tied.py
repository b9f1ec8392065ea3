"""One initializer for an embedding that the file holds twice."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from graph.normalize.harness import assert_equals_original, parse

from converter.graph.normalize import tied

TABLE = np.random.default_rng(0).normal(size=(40, 8)).astype(np.float32)
TURNED = np.ascontiguousarray(TABLE.T)


def model(head: str, matrix: np.ndarray, *, looked_up: bool = False) -> onnx.ModelProto:
    """A table that is looked up, and a head, or another table, behind it."""
    last = "y = Gather (head, i)" if looked_up else "y = MatMul (e, head)"
    width = "n,8" if looked_up else f"n,{matrix.shape[1]}"
    made = parse(f"g (int64[n] i) => (float[n,8] e, float[{width}] y) {{ e = Gather (table, i) {last} }}", 17)
    made.graph.node[1].input[0 if looked_up else 1] = head
    made.graph.node[0].input[0] = "wte.weight"
    tensors = {"wte.weight": TABLE, head: matrix}
    made.graph.initializer.extend(onnx.numpy_helper.from_array(array, name) for name, array in tensors.items())
    return made


@pytest.mark.parametrize("name", ["onnx::MatMul_9", "lm_head.weight"])
def test_a_head_that_is_the_turned_table_reads_the_table(name: str) -> None:
    graph = assert_equals_original(model(name, TURNED)).graph
    assert list(graph.initializers) == ["wte.weight"]
    assert [node.op_type for node in graph] == ["Gather", "Transpose", "MatMul"]


def test_a_second_table_of_equal_elements_is_the_first() -> None:
    made = model("decoder.embed_tokens.weight", TABLE, looked_up=True)
    assert list(assert_equals_original(made).graph.initializers) == ["wte.weight"]


LAST = TURNED.copy()
LAST[-1, -1] += 1


@pytest.mark.parametrize("matrix", [TURNED, LAST])
def test_large_tables_are_compared_in_pieces(monkeypatch: pytest.MonkeyPatch, matrix: np.ndarray) -> None:
    monkeypatch.setattr(tied, "_PIECE", 500)
    assert len(assert_equals_original(model("lm_head.weight", matrix)).graph.initializers) == 1 + (matrix is LAST)


@pytest.mark.parametrize(
    ("name", "matrix"), [("layers.0.fc.weight", TURNED), ("lm_head.weight", np.nextafter(TURNED, np.float32(9)))]
)
def test_others_stay_two(name: str, matrix: np.ndarray) -> None:
    assert set(assert_equals_original(model(name, matrix)).graph.initializers) == {"wte.weight", name}
