from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from harness import check, compare, expected_of, model_of
from onnx_backend import Unconverted

random = np.random.default_rng(0)
OPSET = 27


def normal(*shape: int) -> np.ndarray:
    return random.normal(size=shape).astype(np.float32)


Q, K, V = normal(2, 3, 16), normal(2, 3, 8), normal(2, 3, 12)
STATE, DECAY, BETA = normal(2, 2, 4, 6), -np.abs(normal(2, 3, 8)), np.abs(normal(2, 3, 2))
HEADS = {"q_num_heads": 4, "kv_num_heads": 2}


@pytest.mark.parametrize(
    ("state", "decay", "beta", "attributes"),
    [
        (None, None, None, {"update_rule": "linear"}),
        (STATE, DECAY, None, {"update_rule": "gated"}),
        (None, DECAY[..., :2], None, {"update_rule": "gated", "scale": 0.3}),
        (STATE, None, BETA, {"update_rule": "delta"}),
        (STATE, DECAY, BETA[..., :1], {}),
    ],
    ids=["linear", "gated", "one gate per head", "delta", "gated delta"],
)
def test_linear_attention(
    state: np.ndarray | None, decay: np.ndarray | None, beta: np.ndarray | None, attributes: dict[str, Any]
) -> None:
    check("LinearAttention", Q, K, V, state, decay, beta, outputs=2, opset=OPSET, **HEADS, **attributes)


def test_linear_attention_over_any_length() -> None:
    options = {"opset": OPSET, "outputs": 2, "update_rule": "linear", **HEADS}
    rep = check("LinearAttention", Q, K, V, free=True, **options)
    more = [np.concatenate([x, x], 1) for x in (Q, K, V)]
    for got, want in zip(rep.run(more), expected_of(model_of("LinearAttention", more, **options), more), strict=True):
        compare(got, want, 1e-4, 1e-5, rep.script)


def test_16_bits_are_added_up_in_32() -> None:
    inputs = [x.astype(np.float16) for x in (Q, K, V)]
    rep = check("LinearAttention", *inputs, opset=OPSET, outputs=2, rtol=2e-3, update_rule="linear", **HEADS)
    assert "x0.astype(ms.float32)" in rep.script


X, W, B, PAST = normal(2, 4, 5), normal(4, 1, 3), normal(4), normal(2, 4, 2)


@pytest.mark.parametrize(
    ("bias", "past", "constants", "attributes"),
    [
        (None, None, (1,), {}),
        (B, PAST, (1, 2), {"activation": "silu"}),
        (B, None, (1, 2), {"activation": "swish"}),
        (B, PAST, (), {}),
    ],
)
def test_causal_conv(
    bias: np.ndarray | None,
    past: np.ndarray | None,
    constants: tuple[int, ...],
    attributes: dict[str, str],
) -> None:
    options = {"constants": constants, "outputs": 2, "opset": OPSET, **attributes}
    rep = check("CausalConvWithState", X, W, bias, past, free=bool(constants), **options)
    assert ("nn.Conv1d(4, 4, 3, " in rep.script) == bool(constants)


def test_causal_conv_of_a_kernel_of_one() -> None:
    check("CausalConvWithState", X, W[..., :1], constants=(1,), opset=OPSET, outputs=2)


def test_causal_conv_with_an_unknown_activation_is_declined() -> None:
    with pytest.raises(Unconverted, match="activation 'tanh' is unknown"):
        check("CausalConvWithState", X, W, constants=(1,), opset=OPSET, outputs=2, activation="tanh", expect=[])
