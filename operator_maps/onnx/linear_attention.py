"""Linear attention, and the causal convolution before it: layers with a state that each token updates.

Source: https://onnx.ai/onnx/operators/.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import onnx_ir as ir

from converter.rows import Arg, Node, Operand, expr
from operator_maps.lib.padding import pad_axes
from operator_maps.lib.windows import Window
from operator_maps.onnx.attention import split_heads
from operator_maps.onnx.convolution import convolution

if TYPE_CHECKING:
    import mindspore as ms
    from mindspore import ops


def linear_attention(
    node: Node,
    query: Operand,
    key: Operand,
    value: Operand,
    state: Operand | None,
    decay: Operand | None,
    beta: Operand | None,
    *,
    chunk_size: int = 64,
    kv_num_heads: int = 0,
    q_num_heads: int = 0,
    scale: float = 0.0,
    update_rule: str = "gated_delta",
) -> Arg:
    """ONNX LinearAttention: a function with a loop over the tokens, in float32, as in ONNX."""
    inputs = (query, key, value, state, decay, beta)
    q, k, v, first, g, rate = (x if x is None or x.dtype == ir.DataType.FLOAT else _wide(x) for x in inputs)
    heads = [
        node.let(name, expr("{0}({1}, {2})", split_heads, x, number))
        for name, x, number in (("q", q, q_num_heads), ("k", k, kv_num_heads), ("v", v, kv_num_heads))
    ]
    gate = None if g is None else expr("{0}({1}, {2})", split_heads, g, kv_num_heads)
    rate = None if rate is None else expr("{0}.swapaxes(1, 2).unsqueeze(3)", rate)
    size = query.shape[-1] if query.shape else None
    factor = scale or (expr("{0}.shape[3] ** -0.5", heads[0]) if size is None else (size // q_num_heads) ** -0.5)
    y, last = node.unpack(
        ("y", "state"), expr("{0}({1}, {2}, {3}, {4}, {5}, {6})", attend_linearly, *heads, first, gate, rate)
    )
    results = expr("{0} * {1}", y, factor), last
    wanted = (query.dtype, (state or query).dtype)
    return tuple(
        result if dtype == ir.DataType.FLOAT else expr("({0}).astype({1})", result, node.mindspore_dtype(dtype))
        for result, dtype in zip(results, wanted, strict=True)
    )[: len(node.outputs)]


def _wide(x: Operand) -> Arg:
    return expr("{0}.astype(ms.float32)", x)


def attend_linearly(q, k, v, state, decay, beta):
    """Let every token change the state (batch, heads, size of a key, size of a value), then read it by its query.

    Queries, keys and values are (batch, heads, length, size); so are the logarithm of what the state keeps (decay)
    and the share of a value that it takes in (beta), where they are given. The answers are (batch, length, all heads).
    """
    if state is None:
        state = ops.zeros((k.shape[0], k.shape[1], k.shape[3], v.shape[3]), dtype=k.dtype)
    groups = q.shape[1] // k.shape[1]
    output = ops.zeros((q.shape[0], ms.mutable(0), q.shape[1] * v.shape[3]), dtype=q.dtype)
    for t in range(ms.mutable(q.shape[2])):  # mutable: graph mode compiles one round, not every one
        key, value = k[:, :, t].unsqueeze(3), v[:, :, t].unsqueeze(2)
        if decay is not None:
            state = state * ops.exp(decay[:, :, t]).unsqueeze(3)
        if beta is not None:
            value = beta[:, :, t].unsqueeze(2) * (value - ops.matmul(key.swapaxes(2, 3), state))
        state = state + key * value
        seen = state if groups == 1 else ops.repeat_interleave(state, groups, 1)
        answer = ops.matmul(q[:, :, t].unsqueeze(2), seen)
        output = ops.cat((output, answer.reshape((q.shape[0], 1, -1))), 1)
    return output.reshape((q.shape[0], q.shape[2], -1)), state  # graph mode takes the extent it grew to for 0


def causal_conv_with_state(
    node: Node,
    x: Operand,
    weight: Operand,
    bias: Operand | None,
    state: Operand | None,
    *,
    activation: str = "none",
) -> Arg:
    """ONNX CausalConvWithState: `nn.Conv1d` over state and input concatenated; the state is the input's past elements.

    Raises:
        Unsupported: the length of the kernel is unknown, or the activation is.
    """
    if weight.shape is None or None in weight.shape:
        raise node.decline("the extents of its kernel are unknown")
    if activation not in ("none", "silu", "swish"):
        raise node.decline(f"the activation '{activation}' is unknown")
    kernel = weight.shape[2] or 0
    window = Window((kernel,), (1,), (1,), (0,), (0,))
    padded: Arg = x
    if kernel > 1:
        with_past = (
            pad_axes(x, ((0, 0), (0, 0), (kernel - 1, 0)))
            if state is None
            else expr("ops.cat(({0}, {1}), 2)", state, x)
        )
        padded = node.let("padded", with_past)
    y = convolution(node, padded, weight, bias, window, group=weight.shape[0] or 1)
    y = y if activation == "none" else expr("ops.silu({0})", y)
    if len(node.outputs) == 1 or not node.used[1]:
        return y
    last = expr("{0}[:, :, {1}:]", padded, 1 - kernel) if kernel > 1 else expr("{0}[:, :, :0]", padded)
    return y, last


ROWS = {
    "CausalConvWithState": causal_conv_with_state,
    "LinearAttention": linear_attention,
}
