from __future__ import annotations

from typing import Any

import numpy as np
import onnx
import pytest
from harness import check, check_model, compare, expected_of, model_of
from onnx import TensorProto, helper
from onnx_backend import Unconverted

random = np.random.default_rng(0)


def normal(*shape: int) -> np.ndarray:
    return random.normal(size=shape).astype(np.float32)


Q, K, V = normal(2, 4, 3, 8), normal(2, 4, 5, 8), normal(2, 4, 5, 6)
ALLOWED = np.array([[1, 1, 0, 1, 1], [0, 1, 1, 1, 0], [0, 0, 0, 0, 1]], bool)


@pytest.mark.parametrize(
    "attributes",
    [{}, {"is_causal": 1}, {"scale": 0.3}, {"softcap": 2.0}, {"softmax_precision": 1}],
    ids=str,
)
def test_attention(attributes: dict[str, Any]) -> None:
    rep = check("Attention", Q, K, V, opset=23, free=True, atol=2e-4, **attributes)  # tanh is good to 1e-4
    more = [np.concatenate([item, 2 * item[:1]]) for item in (Q, K, V)]
    (wanted,) = expected_of(model_of("Attention", more, opset=23, **attributes), more)
    compare(rep.run(more)[0], wanted, 1e-4, 2e-4, rep.script)


@pytest.mark.parametrize(
    "mask", [ALLOWED, normal(3, 5), normal(2, 1, 3, 5), normal(2, 4, 3, 5)], ids=["bools", "2-D", "batch", "heads"]
)
def test_mask(mask: np.ndarray) -> None:
    check("Attention", Q, K, V, mask, opset=23)


def test_half_precision_stays_in_range() -> None:
    q, k = (np.full((1, 2, length, 64), 45, np.float16) for length in (3, 5))  # 64 * 45 * 45 is beyond float16
    rep = check("Attention", q, k, normal(1, 2, 5, 6).astype(np.float16), opset=23, rtol=1e-3, atol=1e-3)
    assert "x0 * 0.35" in rep.script


def test_fewer_heads_of_keys() -> None:
    check("Attention", Q, K[:, :2], V[:, :2], opset=23)


@pytest.mark.parametrize(("key_heads", "same"), [(4, True), (4, False), (2, False), (1, False)])
def test_as_many_heads_as_the_run_brings(key_heads: int, same: bool) -> None:
    """Also where each head of keys serves several of queries, which only the run knows."""
    inputs = Q, K[:, :key_heads], V[:, :key_heads]
    model = model_of("Attention", inputs, opset=23, scale=0.5)
    for value, name in zip(model.graph.input, ("h", "h", "h") if same else ("h", "k", "k"), strict=True):
        value.type.tensor_type.shape.dim[1].dim_param = name
    model.graph.output[0].type.tensor_type.ClearField("shape")
    assert ("share_heads" in check_model(model, inputs, dynamic=True).script) != same


@pytest.mark.parametrize("key_heads", [2, 1])
def test_heads_within_the_last_axis(key_heads: int) -> None:
    q, k, v = normal(2, 3, 16), normal(2, 5, 8 * key_heads), normal(2, 5, 6 * key_heads)
    rep = check("Attention", q, k, v, opset=23, free=True, q_num_heads=2, kv_num_heads=key_heads)
    assert "merge_heads" in rep.script


@pytest.mark.parametrize("causal", [0, 1])
def test_past_keys_come_first(causal: int) -> None:
    past = normal(2, 4, 2, 8), normal(2, 4, 2, 6)
    check("Attention", Q, K, V, None, *past, outputs=3, opset=23, is_causal=causal)


@pytest.mark.parametrize("stage", [0, 1, 2, 3])
def test_scores_are_an_output(stage: int) -> None:
    options = {"softcap": 2.0, "qk_matmul_output_mode": stage}
    past = normal(2, 4, 2, 8), normal(2, 4, 2, 6)
    mask = normal(3, 7)
    check("Attention", Q, K, V, mask, *past, outputs=4, opset=24, atol=5e-4, **options)


def test_counts_of_keys_exclude_the_padding() -> None:
    counts = np.array([5, 3], np.int64)
    check("Attention", Q, K, V, None, None, None, counts, opset=24)


def test_heads_must_be_known() -> None:
    with pytest.raises(Unconverted, match="number of its heads is unknown"):
        check("Attention", normal(2, 3, 8), normal(2, 5, 8), normal(2, 5, 8), opset=23, expect=[])


COSINES, SINES = normal(10, 4), normal(10, 4)
POSITIONS = np.array([[0, 3, 9], [1, 2, 5]], np.int64)


@pytest.mark.parametrize(
    ("x", "attributes"),
    [
        (Q, {}),
        (Q, {"interleaved": 1}),
        (normal(2, 3, 16), {"num_heads": 2}),
        (normal(2, 3, 16), {"num_heads": 2, "interleaved": 1}),
        (normal(2, 4, 3, 12), {"rotary_embedding_dim": 8}),
        (normal(2, 4, 3, 12), {"rotary_embedding_dim": 8, "interleaved": 1}),
    ],
)
def test_rotary_embedding(x: np.ndarray, attributes: dict[str, Any]) -> None:
    check("RotaryEmbedding", x, COSINES, SINES, POSITIONS, constants=(1, 2), opset=23, **attributes)


def test_rotary_embedding_with_tables_for_each_place() -> None:
    check("RotaryEmbedding", Q, normal(2, 3, 4), normal(2, 3, 4), opset=23, free=True)


def flex(attributes: dict[str, Any], key_heads: int = 4, dtype: type = np.float32) -> tuple[Any, list[Any]]:
    inputs: list[Any] = [x.astype(dtype) for x in (Q, K[:, :key_heads], V[:, :key_heads])]
    model = model_of("FlexAttention", inputs, domain="ai.onnx.preview", opset=26, **attributes)
    return model, inputs


def modifier(name: str) -> onnx.GraphProto:
    values = [helper.make_tensor_value_info(x, TensorProto.FLOAT, [None] * 4) for x in ("x", "y")]
    return helper.make_graph([helper.make_node(name, ["x"], ["y"])], name, values[:1], values[1:])


@pytest.mark.parametrize(
    ("attributes", "key_heads", "dtype"),
    [
        ({}, 4, np.float32),
        ({"scale": 0.3}, 2, np.float32),
        ({"score_mod": modifier("Abs")}, 4, np.float32),
        ({"prob_mod": modifier("Sqrt")}, 4, np.float32),
        ({}, 4, np.float16),
        ({}, 1, np.float64),
    ],
)
def test_flex_attention(attributes: dict[str, Any], key_heads: int, dtype: type) -> None:
    model, inputs = flex(attributes, key_heads, dtype)
    rounding = 1e-2 if dtype == np.float16 else 1e-4
    check_model(model, inputs, rtol=rounding, atol=rounding / 10)
