"""Attention: products of queries, keys and values, and rotary position embeddings."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import onnx_ir as ir

from converter.rows import Arg, Expression, Node, Operand, expr
from converter.shapes import dims_of
from operator_maps.lib.masked_softmax import masked_softmax

if TYPE_CHECKING:
    import mindspore as ms
    from mindspore import ops


def attention(
    node: Node,
    query: Operand,
    key: Operand,
    value: Operand,
    mask: Operand | None,
    past_key: Operand | None,
    past_value: Operand | None,
    key_counts: Operand | None,
    *,
    is_causal: int = 0,
    kv_num_heads: int | None = None,
    left_window_size: int = -1,
    q_num_heads: int | None = None,
    qk_matmul_output_mode: int = 0,
    right_window_size: int = -1,
    scale: float | None = None,
    softcap: float = 0.0,
    softmax_precision: int | None = None,
) -> Arg:
    """ONNX Attention: two matrix products with a softmax between them, and masks if it has any.

    Queries, keys and values are (batch, heads, length, size) or (batch, length, heads * size).

    Raises:
        Unsupported: the rank of the queries is unknown, or the number of heads within their last axis.
    """
    if query.rank not in (3, 4):
        raise node.decline("the rank of its queries is unknown")
    if query.rank == 3 and not (q_num_heads and kv_num_heads):
        raise node.decline("the number of its heads is unknown")
    q, k, v = (_heads(node, x, n) for x, n in ((query, q_num_heads), (key, kv_num_heads), (value, kv_num_heads)))
    if past_key is not None:
        k = node.let("keys", expr("ops.cat(({0}, {1}), 2)", past_key, k))
        v = node.let("values", expr("ops.cat(({0}, {1}), 2)", past_value, v))
    present = (k, v)
    k, v = _shared(query, key, (q, k, v), (q_num_heads, kv_num_heads))
    factor = scale if scale is not None else _default_scale(query, q_num_heads)
    stages: list[Arg] = [node.let("scores", _scores(query, q, k, factor))]
    stages.append(stages[-1] if not softcap else node.let("scores", _capped(stages[-1], softcap)))
    bounds = (bool(is_causal), left_window_size, right_window_size)
    offset: Arg = 0 if past_key is None else expr("{0}.shape[2]", past_key)
    stages.append(_masked(node, stages[-1], mask, key_counts, bounds, offset))
    stages.append(_softmax(node, stages[-1], softmax_precision, guarded=mask is not None or key_counts is not None))
    y = expr("ops.matmul({0}, {1})", stages[-1], v)
    if query.rank == 3:
        y = expr("{0}({1})", merge_heads, y)
    return (y, *present, stages[qk_matmul_output_mode])[: len(node.outputs)]


def _heads(node: Node, x: Operand, heads: int | None) -> Arg:
    return x if x.rank == 4 else node.let("heads", expr("{0}({1}, {2})", split_heads, x, heads))


def _shared(
    query: Operand, key: Operand, heads: tuple[Arg, Arg, Arg], counts: tuple[int | None, int | None]
) -> tuple[Arg, Arg]:
    """Keys and values of as many heads as there are queries: each serves the queries of a group."""
    q, k, v = heads
    if query.rank == 4:
        counts = _heads_of(query), _heads_of(key)
        dims, key_dims = dims_of(query.value.shape), dims_of(key.value.shape)
        if dims is not None and key_dims is not None and dims[1] is not None and dims[1] == key_dims[1]:
            return k, v  # also of a free extent
    many, few = counts
    if many is None or few is None:
        return expr("{0}({1}, {2}.shape[1])", share_heads, k, q), expr("{0}({1}, {2}.shape[1])", share_heads, v, q)
    if many == few:
        return k, v
    group = many // few
    return expr("ops.repeat_interleave({0}, {1}, 1)", k, group), expr("ops.repeat_interleave({0}, {1}, 1)", v, group)


def _heads_of(x: Operand) -> int | None:
    """The number of heads of (batch, heads, length, size); None if it is free."""
    return x.shape[1] if x.shape is not None else None


def share_heads(x, heads):
    """Repeat each head of `x` for a group of queries, so that there are as many heads."""
    return ops.gather(x, ops.arange(heads) * x.shape[1] // heads, 1)


def _default_scale(query: Operand, heads: int | None) -> Arg:
    """1 / sqrt(size), where size is the last extent of a head."""
    size = query.shape[-1] if query.shape else None
    if size is None:
        return (
            expr("{0}.shape[-1] ** -0.5", query)
            if query.rank == 4
            else expr("({0}.shape[-1] // {1}) ** -0.5", query, heads)
        )
    return (size if query.rank == 4 or heads is None else size // heads) ** -0.5


def _scores(query: Operand, q: Arg, k: Arg, factor: Arg) -> Expression:
    """The scaled scores (batch, heads, queries, keys); in float16 both factors are scaled by the square root of
    `factor`, as the ONNX specification does, against overflow.
    """
    if query.dtype == ir.DataType.FLOAT16 and isinstance(factor, float) and factor > 0:
        return expr("ops.matmul({0} * {2}, ({1} * {2}).swapaxes(2, 3))", q, k, math.sqrt(factor))
    return expr("ops.matmul({0}, {1}.swapaxes(2, 3)) * {2}", q, k, factor)


def _capped(scores: Arg, cap: float) -> Expression:
    return expr("ops.tanh({0} / {1}) * {1}", scores, cap)


def _masked(
    node: Node,
    scores: Arg,
    mask: Operand | None,
    key_counts: Operand | None,
    bounds: tuple[bool, int, int],
    offset: Arg,
) -> Arg:
    """Apply all masks to scores (batch, heads, queries, keys).

    A float mask is added; scores that a boolean mask, the causal order, the window or the padding excludes become -inf.
    """
    if mask is not None and mask.kind == "b":
        scores = node.let(
            "scores", expr("{0}({1}, {2})", keep_allowed, scores, expr("{0}({1}, {2})", pad_mask, mask, scores))
        )
    elif mask is not None:
        scores = node.let("scores", expr("{0} + {1}({2}, {0})", scores, pad_mask, mask))
    if key_counts is not None:
        counts = node.let("counts", expr("{0}.reshape((-1, 1, 1, 1))", key_counts))
        offset = expr("{0} - {1}.shape[2]", counts, scores)
        allowed = expr("ops.arange({0}.shape[3]) < {1}", scores, counts)
        scores = node.let("scores", expr("{0}({1}, {2})", keep_allowed, scores, allowed))
    if bounds != (False, -1, -1):
        allowed = expr("{0}({1}, {2}, {3}, {4}, {5})", allowed_keys, scores, offset, *bounds)
        scores = node.let("scores", expr("{0}({1}, {2})", keep_allowed, scores, allowed))
    return scores


def _softmax(node: Node, scores: Arg, precision: int | None, guarded: bool) -> Arg:
    wide = scores if precision is None else expr("{0}.astype({1})", scores, node.mindspore_dtype(precision))
    weights = expr("{0}({1})", masked_softmax, wide) if guarded else expr("ops.softmax({0}, -1)", wide)
    return node.let("weights", weights if precision is None else expr("{0}.astype({1})", weights, node.dtype()))


def split_heads(x, heads):
    """From (batch, length, heads * size) to (batch, heads, length, size)."""
    return x.reshape((x.shape[0], x.shape[1], heads, -1)).swapaxes(1, 2)


def merge_heads(x):
    """From (batch, heads, length, size) to (batch, length, heads * size)."""
    return x.swapaxes(1, 2).reshape((x.shape[0], x.shape[2], -1))


def allowed_keys(scores, offset, causal, left, right):
    """Which keys every query may see: none that comes later, none farther than the window, where these are given."""
    ahead = ops.arange(scores.shape[3]) - (ops.arange(scores.shape[2]).reshape((-1, 1)) + offset)
    allowed = ahead == ahead
    if causal:
        allowed = ahead <= 0
    if left >= 0:
        allowed = ops.logical_and(allowed, ahead >= -left)
    if right >= 0:
        allowed = ops.logical_and(allowed, ahead <= right)
    return allowed


def keep_allowed(scores, allowed):
    """Set the scores that do not count to -inf."""
    return ops.where(allowed, scores, ops.full_like(scores, float("-inf")))


def pad_mask(mask, scores):
    """Lengthen a mask to all keys; it excludes those that it does not mention."""
    missing = scores.shape[3] - mask.shape[-1]
    if missing == 0:
        return mask
    excluded = ops.zeros((*mask.shape[:-1], missing), dtype=mask.dtype)
    return ops.cat((mask, excluded if mask.dtype == ms.bool_ else excluded - float("inf")), -1)


def rotary_embedding(
    node: Node,
    x: Operand,
    cosines: Operand,
    sines: Operand,
    positions: Operand | None,
    *,
    interleaved: int = 0,
    num_heads: int | None = None,
    rotary_embedding_dim: int = 0,
) -> Arg:
    """ONNX RotaryEmbedding: pairs of elements rotated by an angle that depends on their position.

    Raises:
        Unsupported: the rank of the input, or the number of its heads, is unknown.
    """
    if x.rank not in (3, 4) or (x.rank == 3 and not num_heads):
        raise node.decline("the number of its heads is unknown")
    heads = x if x.rank == 4 else expr("{0}({1}, {2})", split_heads, x, num_heads)
    tables = [
        item if positions is None else expr("ops.gather({0}, {1}, 0)", item, positions) for item in (cosines, sines)
    ]
    y = expr("{0}({1}, {2}, {3}, {4}, {5})", rotate, heads, *tables, rotary_embedding_dim, bool(interleaved))
    return y if x.rank == 4 else expr("{0}({1})", merge_heads, y)


def rotate(x, cosines, sines, size, interleaved):
    """Turn pairs among the first `size` elements (0: all) of every head (batch, heads, length, size)."""
    size = size or x.shape[-1]
    turned, rest = x[..., :size], x[..., size:]
    if interleaved:
        a, b = turned[..., ::2], turned[..., 1::2]
    else:
        a, b = turned[..., : size // 2], turned[..., size // 2 :]
    cosines, sines = cosines.unsqueeze(1), sines.unsqueeze(1)
    a, b = a * cosines - b * sines, a * sines + b * cosines
    turned = ops.stack((a, b), -1).reshape(turned.shape) if interleaved else ops.cat((a, b), -1)
    return turned if size == x.shape[-1] else ops.cat((turned, rest), -1)


def flex_attention(
    node: Node,
    query: Operand,
    key: Operand,
    value: Operand,
    *,
    prob_mod: ir.Graph | None = None,
    scale: float | None = None,
    score_mod: ir.Graph | None = None,
    softmax_precision: int | None = None,
) -> Arg:
    """FlexAttention of ai.onnx.preview: attention with sub-graphs that change the scores and their softmax."""
    k, v = _shared(query, key, (query, key, value), (None, None))
    factor = scale if scale is not None else _default_scale(query, None)
    double = ir.DataType.DOUBLE
    precision = ir.DataType(softmax_precision or (double if query.dtype == double else ir.DataType.FLOAT))
    scores = expr("ops.matmul({0}, {1}.swapaxes(2, 3)) * {2}", query, k, factor)
    if precision != query.dtype:
        scores = expr("({0}).astype({1})", scores, node.mindspore_dtype(precision))
    if score_mod is not None:
        (scores,) = node.inline(score_mod, (node.let("scores", scores),))
    weights: Arg = expr("ops.softmax({0}, -1)", scores)
    if prob_mod is not None:
        (weights,) = node.inline(prob_mod, (node.let("weights", weights),))
    if precision != query.dtype:
        weights = expr("{0}.astype({1})", weights, node.dtype())
    return expr("ops.matmul({0}, {1})", weights, v)


ROWS = {
    "Attention": attention,
    "ai.onnx.preview.FlexAttention": flex_attention,
    "RotaryEmbedding": rotary_embedding,
}
