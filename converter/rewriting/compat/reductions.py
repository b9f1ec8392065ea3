"""Order statistics, comparisons of whole tensors, and what is drawn from a distribution."""

import mindspore as ms
import numpy as np
from mindspore import ops


def flat_if_none(x, dim):
    """A tensor and the axis of a reduction: all elements where there is none."""
    return (x.reshape((-1,)), 0) if dim is None else (x, dim)


def kthvalue(x, k, dim=-1, keepdim=False):
    """torch.kthvalue: the k-th smallest value and its index."""
    values, indices = ops.sort(x, dim)
    values, indices = ops.narrow(values, dim, k - 1, 1), ops.narrow(indices, dim, k - 1, 1).astype(ms.int64)
    return (values, indices) if keepdim else (values.squeeze(dim), indices.squeeze(dim))


def median(x, dim=None, keepdim=False):
    """torch.median: of two in the middle the smaller one; with an axis also its index."""
    flat, axis = flat_if_none(x, dim)
    found = kthvalue(flat, (flat.shape[axis] + 1) // 2, axis, keepdim)
    return found[0] if dim is None else found


def quantile(x, q, dim=None, keepdim=False, interpolation="linear"):
    """torch.quantile between neighbours, linearly."""
    if interpolation != "linear":
        raise NotImplementedError(f"quantile with interpolation={interpolation!r} was not converted")
    if not isinstance(q, (int, float)):
        return ops.stack([quantile(x, float(each), dim, keepdim) for each in q.asnumpy()])
    flat, axis = flat_if_none(x, dim)
    values = ops.sort(flat, axis)[0]
    place = q * (values.shape[axis] - 1)
    low = int(place)
    lower = ops.narrow(values, axis, low, 1)
    upper = ops.narrow(values, axis, min(low + 1, values.shape[axis] - 1), 1)
    found = lower + (upper - lower) * (place - low)
    return found if keepdim and dim is not None else found.squeeze(axis)


def nanmean(x, dim=None, keepdim=False):
    """torch.nanmean."""
    flat, axis = flat_if_none(x, dim)
    known = ops.logical_not(ops.isnan(flat))
    total = ops.where(known, flat, ops.zeros_like(flat)).sum(axis, keepdims=keepdim)
    return total / known.astype(flat.dtype).sum(axis, keepdims=keepdim)


def nansum(x, dim=None, keepdim=False):
    """torch.nansum."""
    flat, axis = flat_if_none(x, dim)
    return ops.where(ops.isnan(flat), ops.zeros_like(flat), flat).sum(axis, keepdims=keepdim)


def aminmax(x, dim=None, keepdim=False):
    """torch.aminmax."""
    return (x.min(), x.max()) if dim is None else (x.amin(dim, keepdim), x.amax(dim, keepdim))


def allclose(input, other, rtol=1e-05, atol=1e-08, equal_nan=False):
    """torch.allclose."""
    return bool(ops.isclose(input, other, rtol, atol, equal_nan).all())


def equal(input, other):
    """torch.equal: shapes and values."""
    return input.shape == other.shape and bool(ops.equal(input, other).all())


def isin(elements, test_elements, assume_unique=False, invert=False):
    """torch.isin."""
    if not isinstance(test_elements, ms.Tensor):
        test_elements = ms.tensor(test_elements, elements.dtype).reshape((-1,))
    found = ops.equal(elements.expand_dims(-1), test_elements.reshape((-1,))).any(-1)
    return ops.logical_not(found) if invert else found


def diag(x, diagonal=0):
    """torch.diag: the matrix of a vector, or the diagonal of a matrix."""
    return ops.diag_embed(x, diagonal) if x.ndim == 1 else ops.diagonal(x, diagonal, 0, 1)


def multinomial(input, num_samples, replacement=False, generator=None):
    """torch.multinomial: the largest of log probabilities to which Gumbel's noise is added."""
    scores = ops.log(ops.maximum(input.astype(ms.float32), ms.tensor(1e-30, ms.float32)))
    if not replacement:
        return ops.topk(scores + gumbel_like(scores), num_samples, dim=-1)[1].astype(ms.int64)
    drawn = [ops.argmax(scores + gumbel_like(scores), dim=-1) for _ in range(num_samples)]
    return ops.stack(drawn, -1).astype(ms.int64)


def gumbel_like(x):
    """Noise of Gumbel's distribution."""
    return -ops.log(-ops.log(ops.clamp(ops.rand(x.shape, dtype=ms.float32), 1e-10, 1.0 - 1e-7)))


def gumbel_softmax(logits, tau=1, hard=False, eps=1e-10, dim=-1):
    """torch.nn.functional.gumbel_softmax."""
    soft = ops.softmax((logits + gumbel_like(logits)) / tau, axis=dim)
    if not hard:
        return soft
    whole = ops.equal(soft, soft.amax(dim, True)).astype(soft.dtype)
    return whole - ops.stop_gradient(soft) + soft


def bernoulli(input, p=None, generator=None):
    """torch.bernoulli: ones with the given probabilities."""
    chance = input if p is None else p
    return (ops.rand(input.shape, dtype=ms.float32) < chance).astype(input.dtype)


def rand_like(input, dtype=None):
    """torch.rand_like."""
    return ops.rand(input.shape, dtype=input.dtype if dtype is None else dtype)


def randn_like(input, dtype=None):
    """torch.randn_like."""
    return ops.randn(input.shape, dtype=input.dtype if dtype is None else dtype)


def randint_like(input, low, high=None, dtype=None):
    """torch.randint_like."""
    low, high = (0, low) if high is None else (low, high)
    return ops.randint(low, high, input.shape).astype(input.dtype if dtype is None else dtype)


def normal(mean, std=1.0, size=None, generator=None):
    """torch.normal."""
    shape = size if size is not None else mean.shape if isinstance(mean, ms.Tensor) else std.shape
    return ops.randn(tuple(shape), dtype=ms.float32) * std + mean


def exponential_(x, lambd=1.0):
    """Tensor.exponential_: what it draws."""
    return -ops.log(1.0 - ops.rand(x.shape, dtype=ms.float32)).astype(x.dtype) / lambd


class Generator:
    """torch.Generator: random numbers of its own, for orders and splits."""

    def __init__(self, device=None):
        self.random = np.random.default_rng()

    def manual_seed(self, seed):
        self.random = np.random.default_rng(seed)
        return self


def randperm(n, generator=None, dtype=None):
    """torch.randperm."""
    if generator is None:
        return ops.randperm(n).astype(ms.int64 if dtype is None else dtype)
    return ms.Tensor(generator.random.permutation(n), ms.int64 if dtype is None else dtype)


def scatter_reduce(x, dim, index, src, reduce, include_self=True):
    """Tensor.scatter_reduce; of a sum or a mean the values that are there count where `include_self` says so."""
    index = index.astype(ms.int64)
    ones = ops.ones_like(src)
    count = ops.tensor_scatter_elements(ops.zeros_like(x), index, ones, dim, "add")
    kept = x if include_self else ops.where(count > 0, ops.zeros_like(x), x)
    if reduce in ("sum", "mean"):
        total = ops.tensor_scatter_elements(kept, index, src, dim, "add")
        return total if reduce == "sum" else total / ops.maximum(count + int(include_self), ops.ones_like(count))
    if reduce not in ("amax", "amin"):
        raise NotImplementedError(f"scatter_reduce with reduce={reduce!r} was not converted")
    lowest = src.min() if reduce == "amax" else src.max()
    kept = x if include_self else ops.where(count > 0, ops.zeros_like(x) + lowest, x)
    places = list(ops.meshgrid(*[ops.arange(each) for each in index.shape], indexing="ij"))
    places[dim] = index
    scattered = ops.tensor_scatter_max if reduce == "amax" else ops.tensor_scatter_min
    return scattered(kept, ops.stack(places, -1), src)


def bincount(input, weights=None, minlength=0):
    """torch.bincount."""
    length = ms.Tensor(minlength, ms.int64)
    if input.shape[0] > 0:
        length = ops.maximum(input.max().astype(ms.int64) + 1, length)
    places = ops.range(ms.Tensor(0, ms.int64), length, ms.Tensor(1, ms.int64))  # graph mode has no arange to a tensor
    hits = ops.equal(input.reshape((-1, 1)), places.astype(input.dtype))
    if weights is None:
        return hits.astype(ms.int64).sum(0)
    return (hits.astype(weights.dtype) * weights.reshape((-1, 1))).sum(0)


def tensordot(a, b, dims=2):
    """torch.tensordot."""
    if isinstance(dims, int):
        left, right = list(range(a.ndim - dims, a.ndim)), list(range(dims))
    else:
        left, right = [[each] if isinstance(each, int) else list(each) for each in dims]
    left, right = [each % a.ndim for each in left], [each % b.ndim for each in right]
    rows = [each for each in range(a.ndim) if each not in left]
    columns = [each for each in range(b.ndim) if each not in right]
    inner = 1
    for each in left:
        inner = inner * a.shape[each]
    x = a.permute(tuple(rows + left)).reshape((-1, inner))
    y = b.permute(tuple(right + columns)).reshape((inner, -1))
    return ops.matmul(x, y).reshape(tuple([a.shape[each] for each in rows] + [b.shape[each] for each in columns]))


def broadcast_shapes(*shapes):
    """torch.broadcast_shapes."""
    rank = max([len(each) for each in shapes])
    full = [(1,) * (rank - len(each)) + tuple(each) for each in shapes]
    return tuple([max(sizes) for sizes in zip(*full)])


def broadcast_tensors(*tensors):
    """torch.broadcast_tensors."""
    shape = broadcast_shapes(*[each.shape for each in tensors])
    return tuple([ops.broadcast_to(each, shape) for each in tensors])


def fill_diagonal(x, fill_value, wrap=False):
    """Tensor.fill_diagonal_ of a matrix: what it becomes."""
    return ops.where(ops.eye(x.shape[0], x.shape[1], ms.bool_), ops.full_like(x, fill_value), x)


def index_copy(x, dim, index, source):
    """Tensor.index_copy."""
    moved = x.swapaxes(0, dim)
    return ops.tensor_scatter_update(moved, index.reshape((-1, 1)), source.swapaxes(0, dim)).swapaxes(0, dim)


def index_put(x, indices, values, accumulate=False):
    """Tensor.index_put with indices of one shape for the first axes."""
    places = ops.stack([each.reshape((-1,)).astype(ms.int64) for each in indices], -1)
    shape = (places.shape[0], *x.shape[len(indices) :])
    values = ops.broadcast_to(values.reshape((-1, *x.shape[len(indices) :])) if values.ndim > 0 else values, shape)
    return ops.tensor_scatter_add(x, places, values) if accumulate else ops.tensor_scatter_update(x, places, values)


class IntegerLimits:
    """The limits of an integer type."""

    def __init__(self, bits, signed):
        self.bits = bits
        self.min = -(2 ** (bits - 1)) if signed else 0
        self.max = 2 ** (bits - 1) - 1 if signed else 2**bits - 1


def iinfo(type):
    """torch.iinfo."""
    name = str(type).lower()
    return IntegerLimits(int("".join([each for each in name if each.isdigit()])), "uint" not in name)


def is_complex(input):
    """torch.is_complex."""
    return input.dtype in (ms.complex64, ms.complex128)


def parts_of(x):
    """The real and the imaginary part of a tensor or a number."""
    if isinstance(x, ms.Tensor) and is_complex(x):
        return ops.real(x), ops.imag(x)
    return x, None


def magnitude(x):
    """abs of a tensor that may be complex, a real one: MindSpore's stays complex."""
    return ops.ComplexAbs()(x) if is_complex(x) else ops.abs(x)


def complex_product(a, b):
    """The product of tensors of which some may be complex: MindSpore's has no gradient, and takes no two types."""
    (real, imag), (other, rest) = parts_of(a), parts_of(b)
    if imag is None and rest is None:
        return a * b
    if imag is None:
        return ops.Complex()(real * other, real * rest)
    if rest is None:
        return ops.Complex()(real * other, imag * other)
    return ops.Complex()(real * other - imag * rest, real * rest + imag * other)


def view_as_complex(input):
    """torch.view_as_complex."""
    return ops.Complex()(input[..., 0], input[..., 1])


def clone(input):
    """torch.clone."""
    return input.copy()


def scatter(x, dim, index, src=None, value=None):
    """torch.scatter: of a tensor or of one number."""
    index = index.astype(ms.int64)
    src = value if src is None else src
    if not isinstance(src, ms.Tensor):
        return ops.tensor_scatter_elements(x, index, ops.full(index.shape, src, dtype=x.dtype), dim)
    for axis in range(x.ndim):
        if src.shape[axis] > index.shape[axis]:
            src = ops.narrow(src, axis, 0, index.shape[axis])
    return ops.tensor_scatter_elements(x, index, src.astype(x.dtype), dim)
