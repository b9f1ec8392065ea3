"""Layers with PyTorch's signature: for classes that are handed on, derived from, or called with `**kwargs`."""

import mindspore as ms
import numpy as np
from mindspore import Parameter, Tensor, nn, ops


def tuple_of(value, rank):
    """A number for every axis."""
    return tuple(value) if isinstance(value, (tuple, list)) else (value,) * rank


def padding_of(padding, rank, mode="zeros"):
    """PyTorch's padding as MindSpore's pad_mode and padding, which names both sides of each axis."""
    if mode != "zeros":
        return {"pad_mode": "valid"}
    if isinstance(padding, str):
        return {"pad_mode": padding} if padding == "same" else {"pad_mode": "valid"}
    if not isinstance(padding, (tuple, list)):
        return {"pad_mode": "pad", "padding": padding}
    if len(set(padding)) == 1:
        return {"pad_mode": "pad", "padding": padding[0]}
    return {"pad_mode": "pad", "padding": tuple(each for each in padding for _ in range(2))}


def sides_of(padding, rank, kernel_size, dilation, mode):
    """Both sides of each axis, the last one first, that are padded before the convolution; () where it pads itself."""
    if mode == "zeros" or padding == "valid":
        return ()
    if padding != "same":
        return tuple(each for each in reversed(tuple_of(padding, rank)) for _ in range(2))
    pairs = zip(reversed(tuple_of(kernel_size, rank)), reversed(tuple_of(dilation, rank)))
    totals = [step * (size - 1) for size, step in pairs]
    return tuple(each for total in totals for each in (total // 2, total - total // 2))


class Conv1d(nn.Conv1d):
    """torch.nn.Conv1d."""

    def __init__(
        self, in_channels, out_channels, kernel_size, stride=1, padding=0, dilation=1, groups=1, bias=True,
        padding_mode="zeros", device=None, dtype=None,
    ):  # fmt: skip
        first = [
            each[0] if isinstance(each, (tuple, list)) else each for each in (kernel_size, stride, padding, dilation)
        ]
        super().__init__(
            in_channels,
            out_channels,
            first[0],
            stride=first[1],
            dilation=first[3],
            group=groups,
            has_bias=bias,
            **padding_of(first[2], 1, padding_mode),
        )
        self.padding_mode = padding_mode
        self._sides = sides_of(padding, 1, kernel_size, dilation, padding_mode)

    def construct(self, x):
        # graph mode takes super() of a derived class for this one
        return nn.Conv1d.construct(self, ops.pad(x, self._sides, mode=self.padding_mode) if self._sides else x)


class Conv2d(nn.Conv2d):
    """torch.nn.Conv2d."""

    def __init__(
        self, in_channels, out_channels, kernel_size, stride=1, padding=0, dilation=1, groups=1, bias=True,
        padding_mode="zeros", device=None, dtype=None,
    ):  # fmt: skip
        super().__init__(
            in_channels, out_channels, kernel_size if isinstance(kernel_size, int) else tuple(kernel_size),
            stride=stride if isinstance(stride, int) else tuple(stride),
            dilation=dilation if isinstance(dilation, int) else tuple(dilation),
            group=groups, has_bias=bias, **padding_of(padding, 2, padding_mode),
        )  # fmt: skip
        self.padding_mode = padding_mode
        self._sides = sides_of(padding, 2, kernel_size, dilation, padding_mode)

    def construct(self, x):
        # graph mode takes super() of a derived class for this one
        return nn.Conv2d.construct(self, ops.pad(x, self._sides, mode=self.padding_mode) if self._sides else x)

    @property
    def groups(self):
        return self.group


class Conv3d(nn.Conv3d):
    """torch.nn.Conv3d."""

    def __init__(
        self, in_channels, out_channels, kernel_size, stride=1, padding=0, dilation=1, groups=1, bias=True,
        padding_mode="zeros", device=None, dtype=None,
    ):  # fmt: skip
        super().__init__(
            in_channels, out_channels, kernel_size if isinstance(kernel_size, int) else tuple(kernel_size),
            stride=stride if isinstance(stride, int) else tuple(stride), dilation=dilation, group=groups,
            has_bias=bias, **padding_of(padding, 3, padding_mode),
        )  # fmt: skip
        self.padding_mode = padding_mode
        self._sides = sides_of(padding, 3, kernel_size, dilation, padding_mode)

    def construct(self, x):
        # graph mode takes super() of a derived class for this one
        return nn.Conv3d.construct(self, ops.pad(x, self._sides, mode=self.padding_mode) if self._sides else x)


class BatchNorm1d(nn.BatchNorm1d):
    """torch.nn.BatchNorm1d."""

    def __init__(
        self, num_features, eps=1e-05, momentum=0.1, affine=True, track_running_stats=True, device=None, dtype=None
    ):
        super().__init__(
            num_features, eps=eps, momentum=1.0 - momentum, affine=affine,
            use_batch_statistics=None if track_running_stats else True,
        )  # fmt: skip
        self.affine = affine

    @property
    def weight(self):
        return self.gamma if self.affine else None

    @property
    def bias(self):
        return self.beta if self.affine else None


class BatchNorm2d(nn.BatchNorm2d):
    """torch.nn.BatchNorm2d."""

    def __init__(
        self, num_features, eps=1e-05, momentum=0.1, affine=True, track_running_stats=True, device=None, dtype=None
    ):
        super().__init__(
            num_features, eps=eps, momentum=1.0 - momentum, affine=affine,
            use_batch_statistics=None if track_running_stats else True,
        )  # fmt: skip
        self.affine = affine

    @property
    def weight(self):
        return self.gamma if self.affine else None

    @property
    def bias(self):
        return self.beta if self.affine else None

    @property
    def running_mean(self):
        return self.moving_mean

    @property
    def running_var(self):
        return self.moving_variance


class BatchNorm3d(nn.BatchNorm3d):
    """torch.nn.BatchNorm3d."""

    def __init__(
        self, num_features, eps=1e-05, momentum=0.1, affine=True, track_running_stats=True, device=None, dtype=None
    ):
        super().__init__(
            num_features, eps=eps, momentum=1.0 - momentum, affine=affine,
            use_batch_statistics=None if track_running_stats else True,
        )  # fmt: skip
        self.affine = self.bn2d.affine = affine

    @property
    def weight(self):
        return self.bn2d.gamma if self.affine else None

    @property
    def bias(self):
        return self.bn2d.beta if self.affine else None


class LayerNorm(nn.Cell):
    """torch.nn.LayerNorm, with MindSpore's names of its parameters."""

    def __init__(self, normalized_shape, eps=1e-05, elementwise_affine=True, bias=True, device=None, dtype=None):
        super().__init__()
        self.normalized_shape = tuple_of(normalized_shape, 1)
        self.epsilon = eps
        self.elementwise_affine = elementwise_affine
        ones, zeros = ops.ones(self.normalized_shape, ms.float32), ops.zeros(self.normalized_shape, ms.float32)
        affine = elementwise_affine
        self.gamma = Parameter(ones, name="gamma", requires_grad=affine) if affine else ones
        self.beta = Parameter(zeros, name="beta", requires_grad=affine) if affine and bias else zeros
        self.norm = ops.LayerNorm(-len(self.normalized_shape), -len(self.normalized_shape), epsilon=eps)

    @property
    def eps(self):
        return self.epsilon

    @property
    def weight(self):
        return self.gamma

    @property
    def bias(self):
        return self.beta

    def construct(self, x):
        return self.norm(x, self.gamma, self.beta)[0]


class GroupNorm(nn.GroupNorm):
    """torch.nn.GroupNorm."""

    def __init__(self, num_groups, num_channels, eps=1e-05, affine=True, device=None, dtype=None):
        super().__init__(num_groups, num_channels, eps=eps, affine=affine)

    @property
    def weight(self):
        return self.gamma if self.affine else None

    @property
    def bias(self):
        return self.beta if self.affine else None


def embedding(input, weight, padding_idx=None):
    """torch.nn.functional.embedding: the row for padding gets no gradient."""
    found = ops.gather(weight, input, 0)
    if padding_idx is None:
        return found
    return ops.where((input == padding_idx % weight.shape[0]).expand_dims(-1), ops.stop_gradient(found), found)


class Embedding(nn.Embedding):
    """torch.nn.Embedding: its table begins as N(0, 1), and the row for padding is not trained."""

    def __init__(
        self, num_embeddings, embedding_dim, padding_idx=None, max_norm=None, norm_type=2.0, scale_grad_by_freq=False,
        sparse=False, _weight=None, _freeze=False, device=None, dtype=None,
    ):  # fmt: skip
        table = np.random.normal(size=(num_embeddings, embedding_dim)) if _weight is None else _weight.asnumpy()
        padding_idx = None if padding_idx is None else padding_idx % num_embeddings
        super().__init__(
            num_embeddings, embedding_dim, embedding_table=Tensor(table, ms.float32), padding_idx=padding_idx
        )
        if padding_idx is not None and _weight is None:
            table[padding_idx] = 0
            self.embedding_table.set_data(Tensor(table, ms.float32))
        self.padding = padding_idx

    def construct(self, ids):
        # not super(): graph mode takes that of a derived class for its own
        return embedding(ids, self.embedding_table, self.padding)

    @property
    def weight(self):
        return self.embedding_table


def _pool_arguments(kernel_size, stride, padding, rank):
    kernel = kernel_size if isinstance(kernel_size, int) else tuple(kernel_size)
    stride = kernel if stride is None else stride if isinstance(stride, int) else tuple(stride)
    if padding == 0 or (isinstance(padding, (tuple, list)) and not any(padding)):
        return kernel, stride, {}
    return kernel, stride, {"pad_mode": "pad", "padding": padding if isinstance(padding, int) else tuple(padding)}


class MaxPool1d(nn.MaxPool1d):
    """torch.nn.MaxPool1d."""

    def __init__(self, kernel_size, stride=None, padding=0, dilation=1, return_indices=False, ceil_mode=False):
        kernel, stride, padded = _pool_arguments(kernel_size, stride, padding, 1)
        padded = {"pad_mode": "pad", **padded} if ceil_mode or dilation != 1 else padded
        super().__init__(kernel, stride, dilation=dilation, ceil_mode=ceil_mode, **padded)


class MaxPool2d(nn.MaxPool2d):
    """torch.nn.MaxPool2d."""

    def __init__(self, kernel_size, stride=None, padding=0, dilation=1, return_indices=False, ceil_mode=False):
        kernel, stride, padded = _pool_arguments(kernel_size, stride, padding, 2)
        padded = {"pad_mode": "pad", **padded} if ceil_mode or dilation != 1 else padded
        super().__init__(kernel, stride, dilation=dilation, ceil_mode=ceil_mode, **padded)


class MaxPool3d(nn.MaxPool3d):
    """torch.nn.MaxPool3d."""

    def __init__(self, kernel_size, stride=None, padding=0, dilation=1, return_indices=False, ceil_mode=False):
        kernel, stride, padded = _pool_arguments(kernel_size, stride, padding, 3)
        padded = {"pad_mode": "pad", **padded} if ceil_mode or dilation != 1 else padded
        super().__init__(kernel, stride, dilation=dilation, ceil_mode=ceil_mode, **padded)


class AvgPool2d(nn.AvgPool2d):
    """torch.nn.AvgPool2d."""

    def __init__(
        self, kernel_size, stride=None, padding=0, ceil_mode=False, count_include_pad=True, divisor_override=None
    ):
        kernel, stride, padded = _pool_arguments(kernel_size, stride, padding, 2)
        padded = {"pad_mode": "pad", **padded} if ceil_mode else padded
        super().__init__(
            kernel, stride, ceil_mode=ceil_mode, count_include_pad=count_include_pad,
            divisor_override=divisor_override, **padded,
        )  # fmt: skip


class AvgPool3d(nn.AvgPool3d):
    """torch.nn.AvgPool3d."""

    def __init__(
        self, kernel_size, stride=None, padding=0, ceil_mode=False, count_include_pad=True, divisor_override=None
    ):
        kernel, stride, padded = _pool_arguments(kernel_size, stride, padding, 3)
        padded = {"pad_mode": "pad", **padded} if ceil_mode else padded
        super().__init__(
            kernel, stride, ceil_mode=ceil_mode, count_include_pad=count_include_pad,
            divisor_override=divisor_override, **padded,
        )  # fmt: skip


class GELU(nn.GELU):
    """torch.nn.GELU."""

    def __init__(self, approximate="none"):
        super().__init__(approximate=approximate == "tanh")


class ELU(nn.ELU):
    """torch.nn.ELU, with any alpha."""

    def __init__(self, alpha=1.0, inplace=False):
        super().__init__()
        self.factor = alpha

    def construct(self, x):
        return elu(x, self.factor)


class SELU(nn.Cell):
    """torch.nn.SELU."""

    def construct(self, x):
        return selu(x)


class Softplus(nn.Cell):
    """torch.nn.Softplus."""

    def __init__(self, beta=1.0, threshold=20.0):
        super().__init__()
        self.beta = beta
        self.threshold = threshold

    def construct(self, x):
        return ops.softplus(x, beta=self.beta, threshold=self.threshold)


class Identity(nn.Identity):
    """torch.nn.Identity: it takes any arguments."""

    def __init__(self, *args, **kwargs):
        super().__init__()


class Upsample(nn.Cell):
    """torch.nn.Upsample."""

    def __init__(self, size=None, scale_factor=None, mode="nearest", align_corners=None, recompute_scale_factor=None):
        super().__init__()
        self.size = size
        self.scale_factor = scale_factor
        self.mode = mode
        self.align_corners = align_corners

    def construct(self, x):
        return interpolate(x, self.size, self.scale_factor, self.mode, self.align_corners)


class Unflatten(nn.Cell):
    """torch.nn.Unflatten."""

    def __init__(self, dim, unflattened_size):
        super().__init__()
        self.dim = dim
        self.unflattened_size = tuple(unflattened_size)

    def construct(self, x):
        return unflatten(x, self.dim, self.unflattened_size)


class Unfold(nn.Cell):
    """torch.nn.Unfold: the windows of an image as columns."""

    def __init__(self, kernel_size, dilation=1, padding=0, stride=1):
        super().__init__()
        self.kernel_size, self.dilation, self.padding, self.stride = kernel_size, dilation, padding, stride

    def construct(self, input):
        return ops.unfold(input, self.kernel_size, self.dilation, self.padding, self.stride)


class FrozenBatchNorm2d(nn.Cell):
    """torchvision.ops.FrozenBatchNorm2d: statistics, scale and shift that are not trained."""

    buffer_names = ("weight", "bias", "running_mean", "running_var")

    def __init__(self, num_features, eps=1e-5):
        super().__init__()
        self.eps = eps
        self.weight = Parameter(ops.ones((num_features,)), requires_grad=False)
        self.bias = Parameter(ops.zeros((num_features,)), requires_grad=False)
        self.running_mean = Parameter(ops.zeros((num_features,)), requires_grad=False)
        self.running_var = Parameter(ops.ones((num_features,)), requires_grad=False)

    def construct(self, x):
        scale = self.weight * (self.running_var + self.eps).rsqrt()
        bias = self.bias - self.running_mean * scale
        return x * scale.reshape((1, -1, 1, 1)) + bias.reshape((1, -1, 1, 1))


class FloatFunctional(nn.Cell):
    """torch.ao.nn.quantized.FloatFunctional: operators of which quantisation would observe the results."""

    def add(self, x, y):
        return x + y

    def add_scalar(self, x, y):
        return x + y

    def mul(self, x, y):
        return x * y

    def mul_scalar(self, x, y):
        return x * y

    def matmul(self, x, y):
        return ops.matmul(x, y)

    def cat(self, x, dim=0):
        return ops.cat(x, dim)

    def add_relu(self, x, y):
        return ops.relu(x + y)
