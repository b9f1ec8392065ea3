"""Recurrent cells, the layers of transformers, and norms, with PyTorch's names of the parameters."""

import copy
import math

import mindspore as ms
import numpy as np
from mindspore import Parameter, Tensor, nn, ops


class RecurrentCell(nn.Cell):
    """The weights of torch.nn.RNNCell, LSTMCell and GRUCell."""

    def __init__(self, input_size, hidden_size, bias, gates):
        super().__init__()
        self.input_size = input_size
        self.hidden_size = hidden_size
        self.bias = bias
        bound = 1.0 / math.sqrt(hidden_size)
        rows = gates * hidden_size
        for name, shape in (("ih", (rows, input_size)), ("hh", (rows, hidden_size))):
            drawn = np.random.uniform(-bound, bound, shape)
            setattr(self, f"weight_{name}", Parameter(Tensor(drawn, ms.float32), name=f"weight_{name}"))
        for name in ("ih", "hh"):
            drawn = Parameter(Tensor(np.random.uniform(-bound, bound, (rows,)), ms.float32), name=f"bias_{name}")
            setattr(self, f"bias_{name}", drawn if bias else None)

    def zeros(self, input):
        return ops.zeros((*input.shape[:-1], self.hidden_size), input.dtype)


class RNNCell(RecurrentCell):
    """torch.nn.RNNCell."""

    def __init__(self, input_size, hidden_size, bias=True, nonlinearity="tanh", device=None, dtype=None):
        super().__init__(input_size, hidden_size, bias, 1)
        self.nonlinearity = nonlinearity

    def construct(self, input, hx=None):
        hx = self.zeros(input) if hx is None else hx
        gates = ops.dense(input, self.weight_ih, self.bias_ih) + ops.dense(hx, self.weight_hh, self.bias_hh)
        return ops.tanh(gates) if self.nonlinearity == "tanh" else ops.relu(gates)


class LSTMCell(RecurrentCell):
    """torch.nn.LSTMCell."""

    def __init__(self, input_size, hidden_size, bias=True, device=None, dtype=None):
        super().__init__(input_size, hidden_size, bias, 4)

    def construct(self, input, hx=None):
        h, c = (self.zeros(input), self.zeros(input)) if hx is None else hx
        gates = ops.dense(input, self.weight_ih, self.bias_ih) + ops.dense(h, self.weight_hh, self.bias_hh)
        entered, forgotten, made, shown = ops.chunk(gates, 4, -1)
        c = ops.sigmoid(forgotten) * c + ops.sigmoid(entered) * ops.tanh(made)
        return ops.sigmoid(shown) * ops.tanh(c), c


class GRUCell(RecurrentCell):
    """torch.nn.GRUCell."""

    def __init__(self, input_size, hidden_size, bias=True, device=None, dtype=None):
        super().__init__(input_size, hidden_size, bias, 3)

    def construct(self, input, hx=None):
        hx = self.zeros(input) if hx is None else hx
        given = ops.chunk(ops.dense(input, self.weight_ih, self.bias_ih), 3, -1)
        kept = ops.chunk(ops.dense(hx, self.weight_hh, self.bias_hh), 3, -1)
        update = ops.sigmoid(given[1] + kept[1])
        new = ops.tanh(given[2] + ops.sigmoid(given[0] + kept[0]) * kept[2])
        return new + update * (hx - new)


class RMSNorm(nn.Cell):
    """torch.nn.RMSNorm."""

    def __init__(self, normalized_shape, eps=None, elementwise_affine=True, device=None, dtype=None):
        super().__init__()
        self.normalized_shape = tuple_of(normalized_shape, 1)
        self.eps = eps
        self.weight = Parameter(ops.ones(self.normalized_shape, ms.float32)) if elementwise_affine else None

    def construct(self, x):
        return rms_norm(x, self.normalized_shape, self.weight, self.eps)


class InstanceNorm(nn.Cell):
    """torch.nn.InstanceNorm1d, 2d and 3d: the statistics are those of each sample and channel."""

    def __init__(
        self, num_features, eps=1e-05, momentum=0.1, affine=False, track_running_stats=False, device=None, dtype=None
    ):
        super().__init__()
        if track_running_stats:
            raise NotImplementedError("InstanceNorm with track_running_stats=True was not converted")
        self.num_features = num_features
        self.eps = eps
        self.affine = affine
        self.weight = Parameter(ops.ones((num_features,), ms.float32)) if affine else None
        self.bias = Parameter(ops.zeros((num_features,), ms.float32)) if affine else None

    def construct(self, x):
        flat = x.reshape((x.shape[0], x.shape[1], -1))
        centred = flat - flat.mean(-1, keep_dims=True)
        out = (centred * ops.rsqrt((centred * centred).mean(-1, keep_dims=True) + self.eps)).reshape(x.shape)
        if not self.affine:
            return out
        shape = (1, -1) + (1,) * (x.ndim - 2)
        return out * self.weight.reshape(shape) + self.bias.reshape(shape)


class InstanceNorm1d(InstanceNorm):
    """torch.nn.InstanceNorm1d."""


class InstanceNorm2d(InstanceNorm):
    """torch.nn.InstanceNorm2d."""


class InstanceNorm3d(InstanceNorm):
    """torch.nn.InstanceNorm3d."""


class LocalResponseNorm(nn.Cell):
    """torch.nn.LocalResponseNorm."""

    def __init__(self, size, alpha=0.0001, beta=0.75, k=1.0):
        super().__init__()
        self.size, self.alpha, self.beta, self.k = size, alpha, beta, k

    def construct(self, x):
        return local_response_norm(x, self.size, self.alpha, self.beta, self.k)


def local_response_norm(input, size, alpha=0.0001, beta=0.75, k=1.0):
    """torch.nn.functional.local_response_norm: over neighbouring channels."""
    squares = (input * input).swapaxes(1, -1)
    padded = ops.pad(squares, (size // 2, (size - 1) // 2))
    total = ops.zeros_like(squares)
    for offset in range(size):
        total = total + ops.narrow(padded, -1, offset, input.shape[1])
    return input / (k + alpha * total.swapaxes(1, -1) / size) ** beta


def activation_of(activation):
    """What a transformer takes as its activation."""
    if activation == "relu":
        return ops.relu
    return exact_gelu if activation == "gelu" else activation


def exact_gelu(x):
    """GELU by the error function."""
    return ops.gelu(x, approximate="none")


class TransformerEncoderLayer(nn.Cell):
    """torch.nn.TransformerEncoderLayer."""

    def __init__(
        self, d_model, nhead, dim_feedforward=2048, dropout=0.1, activation="relu", layer_norm_eps=1e-05,
        batch_first=False, norm_first=False, bias=True, device=None, dtype=None,
    ):  # fmt: skip
        super().__init__()
        self.self_attn = MultiheadAttention(d_model, nhead, dropout, bias, batch_first=batch_first)
        self.linear1 = nn.Dense(d_model, dim_feedforward, has_bias=bias)
        self.dropout = nn.Dropout(p=dropout)
        self.linear2 = nn.Dense(dim_feedforward, d_model, has_bias=bias)
        self.norm_first = norm_first
        self.norm1 = LayerNorm(d_model, layer_norm_eps, bias=bias)
        self.norm2 = LayerNorm(d_model, layer_norm_eps, bias=bias)
        self.dropout1 = nn.Dropout(p=dropout)
        self.dropout2 = nn.Dropout(p=dropout)
        self.activation = activation_of(activation)

    def construct(self, src, src_mask=None, src_key_padding_mask=None, is_causal=False):
        x = src
        if self.norm_first:
            x = x + self._attend(self.norm1(x), src_mask, src_key_padding_mask)
            return x + self._feed(self.norm2(x))
        x = self.norm1(x + self._attend(x, src_mask, src_key_padding_mask))
        return self.norm2(x + self._feed(x))

    def _attend(self, x, mask, hidden):
        return self.dropout1(self.self_attn(x, x, x, hidden, False, mask)[0])

    def _feed(self, x):
        return self.dropout2(self.linear2(self.dropout(self.activation(self.linear1(x)))))


class TransformerDecoderLayer(nn.Cell):
    """torch.nn.TransformerDecoderLayer."""

    def __init__(
        self, d_model, nhead, dim_feedforward=2048, dropout=0.1, activation="relu", layer_norm_eps=1e-05,
        batch_first=False, norm_first=False, bias=True, device=None, dtype=None,
    ):  # fmt: skip
        super().__init__()
        self.self_attn = MultiheadAttention(d_model, nhead, dropout, bias, batch_first=batch_first)
        self.multihead_attn = MultiheadAttention(d_model, nhead, dropout, bias, batch_first=batch_first)
        self.linear1 = nn.Dense(d_model, dim_feedforward, has_bias=bias)
        self.dropout = nn.Dropout(p=dropout)
        self.linear2 = nn.Dense(dim_feedforward, d_model, has_bias=bias)
        self.norm_first = norm_first
        self.norm1 = LayerNorm(d_model, layer_norm_eps, bias=bias)
        self.norm2 = LayerNorm(d_model, layer_norm_eps, bias=bias)
        self.norm3 = LayerNorm(d_model, layer_norm_eps, bias=bias)
        self.dropout1 = nn.Dropout(p=dropout)
        self.dropout2 = nn.Dropout(p=dropout)
        self.dropout3 = nn.Dropout(p=dropout)
        self.activation = activation_of(activation)

    def construct(
        self, tgt, memory, tgt_mask=None, memory_mask=None, tgt_key_padding_mask=None, memory_key_padding_mask=None,
        tgt_is_causal=False, memory_is_causal=False,
    ):  # fmt: skip
        x = tgt
        if self.norm_first:
            x = x + self._attend(self.norm1(x), tgt_mask, tgt_key_padding_mask)
            x = x + self._remember(self.norm2(x), memory, memory_mask, memory_key_padding_mask)
            return x + self._feed(self.norm3(x))
        x = self.norm1(x + self._attend(x, tgt_mask, tgt_key_padding_mask))
        x = self.norm2(x + self._remember(x, memory, memory_mask, memory_key_padding_mask))
        return self.norm3(x + self._feed(x))

    def _attend(self, x, mask, hidden):
        return self.dropout1(self.self_attn(x, x, x, hidden, False, mask)[0])

    def _remember(self, x, memory, mask, hidden):
        return self.dropout2(self.multihead_attn(x, memory, memory, hidden, False, mask)[0])

    def _feed(self, x):
        return self.dropout3(self.linear2(self.dropout(self.activation(self.linear1(x)))))


def copies(layer, count):
    """Several layers that begin with the same weights, as PyTorch's stacks of transformer layers do."""
    made = [copy.deepcopy(layer) for _ in range(count)]
    return CellList(made)


class TransformerEncoder(nn.Cell):
    """torch.nn.TransformerEncoder."""

    def __init__(self, encoder_layer, num_layers, norm=None, enable_nested_tensor=True, mask_check=True):
        super().__init__()
        self.layers = copies(encoder_layer, num_layers)
        self.num_layers = num_layers
        self.norm = norm

    def construct(self, src, mask=None, src_key_padding_mask=None, is_causal=None):
        x = src
        for layer in self.layers:
            x = layer(x, mask, src_key_padding_mask)
        return x if self.norm is None else self.norm(x)


class TransformerDecoder(nn.Cell):
    """torch.nn.TransformerDecoder."""

    def __init__(self, decoder_layer, num_layers, norm=None):
        super().__init__()
        self.layers = copies(decoder_layer, num_layers)
        self.num_layers = num_layers
        self.norm = norm

    def construct(
        self, tgt, memory, tgt_mask=None, memory_mask=None, tgt_key_padding_mask=None, memory_key_padding_mask=None,
        tgt_is_causal=None, memory_is_causal=False,
    ):  # fmt: skip
        x = tgt
        for layer in self.layers:
            x = layer(x, memory, tgt_mask, memory_mask, tgt_key_padding_mask, memory_key_padding_mask)
        return x if self.norm is None else self.norm(x)


class Transformer(nn.Cell):
    """torch.nn.Transformer."""

    def __init__(
        self, d_model=512, nhead=8, num_encoder_layers=6, num_decoder_layers=6, dim_feedforward=2048, dropout=0.1,
        activation="relu", custom_encoder=None, custom_decoder=None, layer_norm_eps=1e-05, batch_first=False,
        norm_first=False, bias=True, device=None, dtype=None,
    ):  # fmt: skip
        super().__init__()
        options = (d_model, nhead, dim_feedforward, dropout, activation, layer_norm_eps, batch_first, norm_first, bias)
        norms = [LayerNorm(d_model, layer_norm_eps, bias=bias) for _ in range(2)]
        encoder = TransformerEncoder(TransformerEncoderLayer(*options), num_encoder_layers, norms[0])
        decoder = TransformerDecoder(TransformerDecoderLayer(*options), num_decoder_layers, norms[1])
        self.encoder = encoder if custom_encoder is None else custom_encoder
        self.decoder = decoder if custom_decoder is None else custom_decoder
        for parameter in self.get_parameters():
            if parameter.ndim > 1:
                xavier_uniform_(parameter)
        self.d_model = d_model
        self.nhead = nhead
        self.batch_first = batch_first

    def construct(
        self, src, tgt, src_mask=None, tgt_mask=None, memory_mask=None, src_key_padding_mask=None,
        tgt_key_padding_mask=None, memory_key_padding_mask=None, src_is_causal=None, tgt_is_causal=None,
        memory_is_causal=False,
    ):  # fmt: skip
        memory = self.encoder(src, src_mask, src_key_padding_mask)
        return self.decoder(
            tgt, memory, tgt_mask, memory_mask, tgt_key_padding_mask, memory_key_padding_mask
        )  # fmt: skip

    @staticmethod
    def generate_square_subsequent_mask(sz, device=None, dtype=None):
        return ops.triu(ops.full((sz, sz), float("-inf"), dtype=ms.float32), diagonal=1)


def causal_mask(sz):
    """torch.nn.Transformer.generate_square_subsequent_mask."""
    return ops.triu(ops.full((sz, sz), float("-inf"), dtype=ms.float32), diagonal=1)


class Fold(nn.Cell):
    """torch.nn.Fold."""

    def __init__(self, output_size, kernel_size, dilation=1, padding=0, stride=1):
        super().__init__()
        self.how = (output_size, kernel_size, dilation, padding, stride)

    def construct(self, input):
        return fold(input, *self.how)


def fold(input, output_size, kernel_size, dilation=1, padding=0, stride=1):
    """torch.nn.functional.fold: windows, as columns, are added where they lie."""
    height, width = tuple_of(output_size, 2)
    kernel, dilation = tuple_of(kernel_size, 2), tuple_of(dilation, 2)
    padding, stride = tuple_of(padding, 2), tuple_of(stride, 2)
    rows = (height + 2 * padding[0] - dilation[0] * (kernel[0] - 1) - 1) // stride[0] + 1
    columns = (width + 2 * padding[1] - dilation[1] * (kernel[1] - 1) - 1) // stride[1] + 1
    windows = input.reshape((input.shape[0], -1, *kernel, rows, columns))
    out = ops.zeros((input.shape[0], windows.shape[1], height + 2 * padding[0], width + 2 * padding[1]), input.dtype)
    for i in range(kernel[0]):
        for j in range(kernel[1]):
            at = ops.arange(rows) * stride[0] + i * dilation[0]
            across = ops.arange(columns) * stride[1] + j * dilation[1]
            placed = index_add(
                ops.zeros((*out.shape[:2], out.shape[2], columns), input.dtype), 2, at, windows[:, :, i, j]
            )
            out = index_add(out, 3, across, placed)
    return out[:, :, padding[0] : padding[0] + height, padding[1] : padding[1] + width]


class EmbeddingBag(nn.Cell):
    """torch.nn.EmbeddingBag: the sum, mean or maximum of the rows of each bag."""

    def __init__(
        self, num_embeddings, embedding_dim, max_norm=None, norm_type=2.0, scale_grad_by_freq=False, mode="mean",
        sparse=False, _weight=None, include_last_offset=False, padding_idx=None, device=None, dtype=None,
    ):  # fmt: skip
        super().__init__()
        self.weight = Parameter(Tensor(np.random.normal(size=(num_embeddings, embedding_dim)), ms.float32))
        self.mode = mode

    def construct(self, input, offsets=None):
        found = ops.gather(self.weight, input, 0)
        if offsets is None:
            return {"sum": found.sum(1), "mean": found.mean(1), "max": found.max(1)}[self.mode]
        after = (ops.arange(input.shape[0]).reshape((1, -1)) >= offsets.reshape((-1, 1))).astype(ms.float32)
        later = ops.cat((after[1:], ops.zeros((1, input.shape[0]), ms.float32)))
        inside = after - later
        total = ops.matmul(inside, found)
        if self.mode == "max":
            raise NotImplementedError("EmbeddingBag with mode='max' and offsets was not converted")
        return total if self.mode == "sum" else total / ops.maximum(inside.sum(1, keepdims=True), Tensor(1.0))


class ConvTranspose2d(nn.Conv2dTranspose):
    """torch.nn.ConvTranspose2d with any padding: with `output_padding`, or another one for each axis."""

    def __init__(
        self, in_channels, out_channels, kernel_size, stride=1, padding=0, output_padding=0, groups=1, bias=True,
        dilation=1, padding_mode="zeros", device=None, dtype=None,
    ):  # fmt: skip
        super().__init__(
            in_channels, out_channels, tuple_of(kernel_size, 2), tuple_of(stride, 2), "valid", group=groups,
            dilation=tuple_of(dilation, 2), has_bias=bias,
        )  # fmt: skip
        self.how = (stride, padding, output_padding, groups, dilation)

    def construct(self, x):
        return conv_transpose2d(x, self.weight, self.bias, *self.how)


def conv_transpose2d(input, weight, bias=None, stride=1, padding=0, output_padding=0, groups=1, dilation=1):
    """torch.nn.functional.conv_transpose2d: a convolution of the input with zeros between its elements."""
    stride, padding, extra = tuple_of(stride, 2), tuple_of(padding, 2), tuple_of(output_padding, 2)
    dilation = tuple_of(dilation, 2)
    batch, channels, height, width = input.shape
    spread = input.reshape((batch, channels, height, 1, width, 1))
    spread = ops.pad(spread, (0, stride[1] - 1, 0, 0, 0, stride[0] - 1)) if max(stride) > 1 else spread
    spread = spread.reshape((batch, channels, height * stride[0], width * stride[1]))
    spread = spread[:, :, : (height - 1) * stride[0] + 1, : (width - 1) * stride[1] + 1]
    sides = [dilation[axis] * (weight.shape[2 + axis] - 1) - padding[axis] for axis in range(2)]
    if min(sides) < 0:
        raise NotImplementedError("conv_transpose2d with padding larger than its kernel was not converted")
    spread = ops.pad(spread, (sides[1], sides[1] + extra[1], sides[0], sides[0] + extra[0]))
    flipped = weight.flip((2, 3)).reshape((groups, channels // groups, -1, *weight.shape[2:])).swapaxes(1, 2)
    flipped = flipped.reshape((-1, channels // groups, *weight.shape[2:]))
    return ops.conv2d(spread, flipped, bias, dilation=dilation, groups=groups, pad_mode="valid")


def conv_transpose1d(input, weight, bias=None, stride=1, padding=0, output_padding=0, groups=1, dilation=1):
    """torch.nn.functional.conv_transpose1d."""
    how = [(1, tuple_of(each, 1)[0]) for each in (stride, dilation)]
    edge = [(0, tuple_of(each, 1)[0]) for each in (padding, output_padding)]
    wide = conv_transpose2d(
        input.expand_dims(2), weight.expand_dims(2), bias, how[0], edge[0], edge[1], groups, how[1]
    )  # fmt: skip
    return wide.squeeze(2)


def max_pool1d(input, kernel_size, stride=None, padding=0, dilation=1, ceil_mode=False):
    """torch.nn.functional.max_pool1d."""
    kernel = tuple_of(kernel_size, 1)[0]
    step = kernel if stride is None else tuple_of(stride, 1)[0]
    edge = (0, tuple_of(padding, 1)[0])
    return max_pool2d(input.expand_dims(2), (1, kernel), (1, step), edge, (1, dilation), ceil_mode).squeeze(2)


def avg_pool1d(input, kernel_size, stride=None, padding=0, ceil_mode=False, count_include_pad=True):
    """torch.nn.functional.avg_pool1d."""
    kernel = tuple_of(kernel_size, 1)[0]
    step = kernel if stride is None else tuple_of(stride, 1)[0]
    edge = (0, tuple_of(padding, 1)[0])
    pooled = avg_pool2d(input.expand_dims(2), (1, kernel), (1, step), edge, ceil_mode, count_include_pad)
    return pooled.squeeze(2)
