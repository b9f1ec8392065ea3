"""Norms, with PyTorch's names of the parameters."""

import mindspore as ms
from mindspore import Parameter, nn, ops


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
    padded = pad(squares, (size // 2, (size - 1) // 2))
    total = ops.zeros_like(squares)
    for offset in range(size):
        total = total + ops.narrow(padded, -1, offset, input.shape[1])
    return input / (k + alpha * total.swapaxes(1, -1) / size) ** beta
