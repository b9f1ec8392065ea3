"""Functions with PyTorch's signature that MindSpore lacks, or has with another meaning."""

import math

import mindspore as ms
import numpy as np
from mindspore import Parameter, Tensor, nn, ops


def topk(input, k, dim=-1, largest=True, sorted=True):
    """torch.topk, whose indices are of 64 bits: MindSpore joins no tensors of two types of integers."""
    values, indices = ops.topk(input, k, dim=dim, largest=largest, sorted=sorted)
    return values, indices.astype(ms.int64)


def elu(input, alpha=1.0, inplace=False):
    """torch.nn.functional.elu, with any alpha."""
    below = alpha * (ops.exp(ops.where(input > 0, ops.zeros_like(input), input)) - 1)
    return ops.where(input > 0, input, below)


def selu(input, inplace=False):
    """torch.nn.functional.selu, composed: the gradient of MindSpore's is wrong on the CPU."""
    return 1.0507009873554804934193349852946 * elu(input, 1.6732632423543772848170429916717)


def std(input, dim=None, unbiased=True, keepdim=False, *, correction=None):
    """torch.std; the second argument may be `unbiased`."""
    return var(input, dim, unbiased, keepdim, correction=correction).sqrt()


def var(input, dim=None, unbiased=True, keepdim=False, *, correction=None):
    """torch.var; the second argument may be `unbiased`."""
    if isinstance(dim, bool):
        dim, unbiased = None, dim
    axes = tuple(dim) if isinstance(dim, (list, tuple)) else dim
    return input.var(axes, int(unbiased) if correction is None else correction, keepdim)


def where_masked(x, mask, values):
    """`x` after `x[mask] = values[mask]`."""
    if mask.dtype != ms.bool_:
        x[mask] = values[mask]
        return x
    return ops.where(mask.reshape(mask.shape + (1,) * (x.ndim - mask.ndim)), values, x)


def larger(x, other, keepdim=False):
    """torch.max of a tensor, and of what is another one or an axis: their maximum, or values and indices."""
    return ops.maximum(x, other) if isinstance(other, ms.Tensor) else ops.max(x, other, keepdims=keepdim)


def smaller(x, other, keepdim=False):
    """torch.min of a tensor, and of what is another one or an axis: their minimum, or values and indices."""
    return ops.minimum(x, other) if isinstance(other, ms.Tensor) else ops.min(x, other, keepdims=keepdim)


def to(x, *args, dtype=None, **kwargs):
    """Tensor.to: a type, or that of a tensor; devices mean nothing here."""
    for each in (*args, dtype):
        if isinstance(each, ms.Tensor):
            x = x.astype(each.dtype)
        elif each is not None and not isinstance(each, (str, bool)):
            x = x.astype(each)
    return x


def diff(x, n=1, dim=-1, prepend=None, append=None):
    """torch.diff."""
    parts = [each for each in (prepend, x, append) if each is not None]
    x = ops.cat(parts, dim) if len(parts) > 1 else x
    for _ in range(n):
        x = ops.narrow(x, dim, 1, x.shape[dim] - 1) - ops.narrow(x, dim, 0, x.shape[dim] - 1)
    return x


def unique(x, sorted=True, return_inverse=False, return_counts=False, dim=None):
    """torch.unique of all elements, in order."""
    if dim is not None:
        raise NotImplementedError("unique along an axis was not converted")
    values = ops.sort(ops.unique(x.reshape((-1,)))[0])[0]
    if not return_inverse and not return_counts:
        return values
    same = (x.reshape((-1, 1)) == values.reshape((1, -1))).astype(ms.int32)
    found = (values,)
    if return_inverse:
        found = (*found, ops.argmax(same, 1).reshape(x.shape))
    if return_counts:
        found = (*found, same.sum(0))
    return found


def tensor_split(x, indices_or_sections=None, dim=0, indices=None, sections=None):
    """torch.tensor_split: at indices, or in sections of which the first are one longer where the rest needs it."""
    size = x.shape[dim]
    at = indices if indices is not None else indices_or_sections
    count = sections if sections is not None else at
    if isinstance(count, int):
        at = [size // count * each + min(each, size % count) for each in range(1, count)]
    ends = [min(each, size) if each >= 0 else max(each + size, 0) for each in at] + [size]
    starts = [0, *ends[:-1]]
    return tuple([ops.narrow(x, dim, start, max(end - start, 0)) for start, end in zip(starts, ends)])


def number_of_elements(shape):
    """torch.Size.numel."""
    return math.prod(shape)


def without_leading(x):
    """A tensor without its leading axes of length 1, which an assignment to a part of another tensor must not have."""
    while isinstance(x, Tensor) and x.ndim > 0 and x.shape[0] == 1:
        x = x[0]
    return x


def roll(x, shifts, dims=None):
    """torch.roll, of slices: ops.roll has no kernel on the CPU."""
    if dims is None:
        return roll(x.reshape((-1,)), shifts, 0).reshape(x.shape)
    if isinstance(shifts, int):
        shifts = (shifts,)
    if isinstance(dims, int):
        dims = (dims,)
    for shift, axis in zip(shifts, dims):
        size = x.shape[axis]
        shift = shift % size
        if shift != 0:
            x = ops.cat((ops.narrow(x, axis, size - shift, shift), ops.narrow(x, axis, 0, size - shift)), axis)
    return x


def unflatten(x, dim, sizes):
    """torch.unflatten."""
    dim = dim % x.ndim
    return x.reshape(x.shape[:dim] + tuple(sizes) + x.shape[dim + 1 :])


def norm(x, p="fro", dim=None, keepdim=False, dtype=None):
    """torch.norm: of vectors, over the axes that are given, or of all elements."""
    order = 2 if p in ("fro", None) else p
    if dim is None:
        x, dim = x.reshape((-1,)), -1
    if order == 2:
        return ops.sqrt((x * x).sum(dim, keepdims=keepdim))
    if order == 1:
        return x.abs().sum(dim, keepdims=keepdim)
    if order == float("inf"):
        return x.abs().amax(dim, keepdim)
    return (x.abs() ** order).sum(dim, keepdims=keepdim) ** (1.0 / order)


def normalize(x, p=2.0, dim=1, eps=1e-12):
    """torch.nn.functional.normalize."""
    return x / ops.clamp(norm(x, p, dim, True), min=eps)


def layer_norm(x, normalized_shape, weight=None, bias=None, eps=1e-05):
    """torch.nn.functional.layer_norm."""
    rank = len(normalized_shape)
    weight = ops.ones(tuple(normalized_shape), x.dtype) if weight is None else weight
    bias = ops.zeros(tuple(normalized_shape), x.dtype) if bias is None else bias
    return ops.LayerNorm(-rank, -rank, epsilon=eps)(x, weight, bias)[0]


def batch_norm(x, running_mean, running_var, weight=None, bias=None, training=False, momentum=0.1, eps=1e-05):
    """torch.nn.functional.batch_norm; in training, the statistics of the batch move those that it is given."""
    shape = (1, -1) + (1,) * (x.ndim - 2)
    if training or running_mean is None:
        axes = (0, *range(2, x.ndim))
        mean = x.mean(axes)
        variance = ((x - mean.reshape(shape)) ** 2).mean(axes)
        if running_mean is not None:
            count = x.size // x.shape[1]
            unbiased = ops.stop_gradient(variance) * (count / max(count - 1, 1))
            assign(running_mean, running_mean * (1 - momentum) + ops.stop_gradient(mean) * momentum)
            assign(running_var, running_var * (1 - momentum) + unbiased * momentum)
    else:
        mean, variance = running_mean, running_var
    x = (x - mean.reshape(shape)) / ops.sqrt(variance.reshape(shape) + eps)
    if weight is not None:
        x = x * weight.reshape(shape)
    return x if bias is None else x + bias.reshape(shape)


def instance_norm(
    x, running_mean=None, running_var=None, weight=None, bias=None, use_input_stats=True, momentum=0.1, eps=1e-05
):
    """torch.nn.functional.instance_norm with the statistics of the input."""
    return ops.group_norm(x, x.shape[1], weight, bias, eps)


def interpolate(
    x, size=None, scale_factor=None, mode="nearest", align_corners=None, recompute_scale_factor=None, antialias=False
):
    """torch.nn.functional.interpolate; a scale becomes a size where that means the same."""
    if antialias:
        raise NotImplementedError("interpolate with antialias=True was not converted")
    spatial = x.shape[2:]
    scales = (None,) * len(spatial)
    if size is None:
        if not isinstance(scale_factor, (tuple, list)):
            scale_factor = (scale_factor,) * len(spatial)
        size = tuple([int(extent * scale) for extent, scale in zip(spatial, scale_factor)])
        if not recompute_scale_factor:
            scales = tuple(scale_factor)
    elif not isinstance(size, (tuple, list)):
        size = (size,) * len(spatial)
    corners = align_corners is True
    exact = not [1 for each in zip(spatial, scales, size) if each[1] is not None and each[0] * each[1] != each[2]]
    if mode == "bicubic" or (not exact and not corners and mode != "area"):
        for axis in range(len(spatial)):
            x = resized(x, axis + 2, size[axis], scales[axis], mode, corners)
        return x
    if mode in ("nearest", "area", "nearest-exact"):
        return ops.interpolate(x, size=tuple(size), mode=mode)
    return ops.interpolate(x, size=tuple(size), mode=mode, align_corners=corners)


def resized(x, axis, size, scale, mode, corners):
    """One axis by a matrix of weights: PyTorch's places, at a scale that need not be that of the sizes."""
    length = x.shape[axis]
    if size == length and mode != "bicubic":
        return x
    step = length / size if scale is None or (mode == "nearest" and size == 2 * length) else 1.0 / scale
    place = ops.arange(size).astype(ms.float32)
    if corners and mode != "nearest":
        place = place * ((length - 1) / max(size - 1, 1))
    elif mode == "nearest":
        place = ops.floor(place * step)
    else:
        place = (place + 0.5) * step - 0.5
    if mode == "nearest-exact":
        place = ops.floor(place + 0.5)
    columns = ops.arange(length).astype(ms.float32).reshape((1, -1))
    if mode == "bicubic":
        first = ops.floor(place)
        weights = ops.zeros((size, length), ms.float32)
        for tap in range(-1, 3):
            away = ops.abs(place - first - tap)
            near = (1.25 * away - 2.25) * away * away + 1.0
            far = ((-0.75 * away + 3.75) * away - 6.0) * away + 3.0
            weight = ops.where(away <= 1.0, near, far).reshape((-1, 1))
            at = ops.clamp(first + tap, 0, length - 1).reshape((-1, 1))
            weights = weights + weight * ops.equal(at, columns).astype(ms.float32)
    else:
        away = ops.abs(ops.clamp(place, 0, length - 1).reshape((-1, 1)) - columns)
        weights = ops.relu(1.0 - away)
    return ops.matmul(x.swapaxes(axis, -1), weights.swapaxes(0, 1).astype(x.dtype)).swapaxes(axis, -1)


def scaled_dot_product_attention(
    query, key, value, attn_mask=None, dropout_p=0.0, is_causal=False, scale=None, enable_gqa=False
):
    """torch.nn.functional.scaled_dot_product_attention."""
    scale = query.shape[-1] ** -0.5 if scale is None else scale
    if enable_gqa:
        key = ops.repeat_interleave(key, query.shape[-3] // key.shape[-3], axis=-3)
        value = ops.repeat_interleave(value, query.shape[-3] // value.shape[-3], axis=-3)
    scores = ops.matmul(query * scale, key.swapaxes(-2, -1))
    if is_causal:
        keep = ops.tril(ops.ones((query.shape[-2], key.shape[-2]), ms.float32)) > 0
        scores = scores.masked_fill(ops.logical_not(keep), float("-inf"))
    if attn_mask is not None:
        if attn_mask.dtype == ms.bool_:
            scores = scores.masked_fill(ops.logical_not(attn_mask), float("-inf"))
        else:
            scores = scores + attn_mask
    attention = ops.softmax(scores, axis=-1)
    if dropout_p > 0.0:
        attention = ops.dropout(attention, p=dropout_p, training=True)
    return ops.matmul(attention, value)


def rms_norm(input, normalized_shape, weight=None, eps=None):
    """torch.nn.functional.rms_norm."""
    axes = tuple(range(-len(normalized_shape), 0))
    eps = 1.1920928955078125e-07 if eps is None else eps
    out = input * ops.rsqrt(ops.square(input).mean(axes, keep_dims=True) + eps)
    return out if weight is None else out * weight


def masked_scatter(x, mask, source):
    """Tensor.masked_scatter: the values of a source, in their order, where a mask is true."""
    mask = ops.broadcast_to(mask, x.shape)
    places = ops.cumsum(mask.reshape((-1,)).astype(ms.int32), 0) - 1
    values = source.reshape((-1,))[ops.maximum(places, 0)].reshape(x.shape)
    return ops.where(mask, values.astype(x.dtype), x)


def unfold_dim(x, dimension, size, step):
    """Tensor.unfold: windows along an axis, as a new last axis."""
    dimension = dimension % x.ndim
    starts = range(0, x.shape[dimension] - size + 1, step)
    rest = tuple(axis for axis in range(x.ndim + 1) if axis != dimension + 1)
    windows = [x.narrow(dimension, start, size) for start in starts]
    return ops.stack(windows, dimension).permute((*rest, dimension + 1))


def select(x, dim, index):
    """Tensor.select."""
    return ops.split(x, 1, axis=dim)[index].squeeze(dim)


def randint(low, high=None, size=None, dtype=None):
    """torch.randint."""
    if size is None:
        low, high, size = 0, low, high
    return ops.randint(low, high, tuple(size)).astype(ms.int64 if dtype is None else dtype)


@ms.jit_class
class Limits:
    """The limits of a floating-point type."""

    def __init__(self, bits, eps, max, tiny):
        self.bits = bits
        self.eps = eps
        self.max = max
        self.min = -max
        self.tiny = tiny
        self.smallest_normal = tiny


LIMITS16 = Limits(16, 2.0**-10, 65504.0, 2.0**-14)

LIMITSB16 = Limits(16, 2.0**-7, 3.3895313892515355e38, 2.0**-126)

LIMITS32 = Limits(32, 2.0**-23, 3.4028234663852886e38, 2.0**-126)

LIMITS64 = Limits(64, 2.0**-52, 1.7976931348623157e308, 2.0**-1022)


def finfo(type=None):
    """torch.finfo."""
    if type == ms.float16:
        return LIMITS16
    if type == ms.bfloat16:
        return LIMITSB16
    return LIMITS64 if type == ms.float64 else LIMITS32


def default_dtype():
    """torch.get_default_dtype."""
    return ms.float32


def is_floating_point(input):
    """torch.is_floating_point."""
    return input.dtype in (ms.float16, ms.float32, ms.float64, ms.bfloat16)


def bernoulli_(x, p=0.5):
    """Tensor.bernoulli_: zeros and ones."""
    return (ops.rand_like(x) < p).astype(x.dtype)


def index_add(x, dim, index, source):
    """Tensor.index_add; ops.index_add changes its input."""
    moved = x.swapaxes(0, dim)
    added = ops.tensor_scatter_add(moved, index.reshape((-1, 1)), source.swapaxes(0, dim))
    return added.swapaxes(0, dim)


def chained(matrices):
    """torch.linalg.multi_dot."""
    product = matrices[0]
    for each in matrices[1:]:
        product = ops.matmul(product, each)
    return product


def dense(indices, values, size=None, dtype=None):
    """torch.sparse_coo_tensor, as a dense tensor: values of the same place are added."""
    indices = ms.Tensor(indices, ms.int64) if not isinstance(indices, ms.Tensor) else indices.astype(ms.int64)
    values = values if isinstance(values, ms.Tensor) else ms.Tensor(values)
    values = values if dtype is None else values.astype(dtype)
    if size is None:
        size = tuple([int(each) + 1 for each in indices.max(1)])
    count = math.prod(size[: indices.shape[0]])
    place = indices[0]
    for axis in range(1, indices.shape[0]):
        place = place * size[axis] + indices[axis]
    flat = ops.zeros((count, *values.shape[1:]), dtype=values.dtype)
    return ops.tensor_scatter_add(flat, place.reshape((-1, 1)), values).reshape(tuple(size))


def one_hot(tensor, num_classes=-1):
    """torch.nn.functional.one_hot."""
    if num_classes == -1:
        num_classes = int(tensor.max()) + 1
    return ops.one_hot(tensor, num_classes)


def dropout2d(input, p=0.5, training=True):
    """torch.nn.functional.dropout2d: whole channels, of inputs of any rank."""
    if not training or p == 0.0:
        return input
    ones = ops.ones(input.shape[:2] + (1,) * (input.ndim - 2), dtype=input.dtype)
    return input * ops.dropout(ones, p=p, training=True)


class Dropout2d(nn.Dropout2d):
    """torch.nn.Dropout2d."""

    def __init__(self, p=0.5, inplace=False):
        super().__init__(p=p)
        self.p = p

    def construct(self, input):
        return dropout2d(input, self.p, self.training)


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


def element(tensor, *indices):
    """`tensor[i, j]`; MindSpore has no gradient of it where tensors without axes are among the indices."""
    single = True
    for each in indices:
        if isinstance(each, ms.Tensor) and each.ndim > 0:
            single = False
    if not single:
        return tensor[indices]
    for each in indices:
        tensor = tensor[each]
    return tensor
