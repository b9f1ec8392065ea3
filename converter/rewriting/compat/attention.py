"""torch.nn.MultiheadAttention."""

import mindspore as ms
from mindspore import Parameter, nn, ops


class MultiheadAttention(nn.Cell):
    """torch.nn.MultiheadAttention, with its own names of the parameters."""

    def __init__(
        self, embed_dim, num_heads, dropout=0.0, bias=True, add_bias_kv=False, add_zero_attn=False, kdim=None,
        vdim=None, batch_first=False, device=None, dtype=None,
    ):  # fmt: skip
        super().__init__()
        if add_bias_kv or add_zero_attn or kdim not in (None, embed_dim) or vdim not in (None, embed_dim):
            raise NotImplementedError("MultiheadAttention with add_bias_kv, add_zero_attn, kdim or vdim")
        self.embed_dim = embed_dim
        self.num_heads = num_heads
        self.dropout = dropout
        self.batch_first = batch_first
        self.head_dim = embed_dim // num_heads
        self.in_proj_weight = Parameter(ops.zeros((3 * embed_dim, embed_dim), ms.float32), name="in_proj_weight")
        self.in_proj_bias = Parameter(ops.zeros((3 * embed_dim,), ms.float32), name="in_proj_bias") if bias else None
        self.out_proj = nn.Dense(embed_dim, embed_dim, has_bias=bias)
        xavier_uniform_(self.in_proj_weight)
        if bias:
            zeros_(self.out_proj.bias)

    def construct(
        self, query, key, value, key_padding_mask=None, need_weights=True, attn_mask=None, average_attn_weights=True,
        is_causal=False,
    ):  # fmt: skip
        if not self.batch_first:
            query, key, value = query.swapaxes(0, 1), key.swapaxes(0, 1), value.swapaxes(0, 1)
        weights = ops.chunk(self.in_proj_weight, 3, 0)
        biases = (None, None, None) if self.in_proj_bias is None else ops.chunk(self.in_proj_bias, 3, 0)
        q = self._heads(ops.dense(query, weights[0], biases[0]))
        k = self._heads(ops.dense(key, weights[1], biases[1]))
        v = self._heads(ops.dense(value, weights[2], biases[2]))
        scores = ops.matmul(q * (self.head_dim**-0.5), k.swapaxes(-2, -1))
        if attn_mask is not None:
            if attn_mask.ndim == 3:
                attn_mask = attn_mask.reshape((-1, self.num_heads, *attn_mask.shape[-2:]))
            if attn_mask.dtype == ms.bool_:
                scores = scores.masked_fill(attn_mask, float("-inf"))
            else:
                scores = scores + attn_mask
        if key_padding_mask is not None:
            mask = key_padding_mask[:, None, None, :]
            if mask.dtype == ms.bool_:
                scores = scores.masked_fill(mask, float("-inf"))
            else:
                scores = scores + mask
        attention = ops.softmax(scores, axis=-1)
        dropped = ops.dropout(attention, self.dropout, training=self.training)
        out = ops.matmul(dropped, v).swapaxes(1, 2)
        out = self.out_proj(out.reshape((out.shape[0], out.shape[1], self.embed_dim)))
        if not self.batch_first:
            out = out.swapaxes(0, 1)
        if not need_weights:
            return out, None
        return out, attention.mean(1) if average_attn_weights else attention

    def _heads(self, x):
        return x.reshape((x.shape[0], x.shape[1], self.num_heads, self.head_dim)).swapaxes(1, 2)
