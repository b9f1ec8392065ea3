"""torch.distributions.TransformedDistribution and the transforms of torch.distributions.transforms."""

import math

from mindspore import ops


class Transform:
    """torch.distributions.transforms.Transform; a class derived from it has `_call` and `_inverse`."""

    event_dim = 0

    def __init__(self, cache_size=0):
        self.cache_size = cache_size

    def __call__(self, x):
        return self._call(x)

    @property
    def inv(self):
        return InverseTransform(self)

    def log_abs_det_jacobian(self, x, y):
        raise NotImplementedError(f"{type(self).__name__} has no log_abs_det_jacobian")


class InverseTransform(Transform):
    """The inverse of a transform."""

    def __init__(self, transform):
        super().__init__()
        self.transform, self.event_dim = transform, transform.event_dim

    def _call(self, x):
        return self.transform._inverse(x)

    def _inverse(self, y):
        return self.transform._call(y)

    def log_abs_det_jacobian(self, x, y):
        return -self.transform.log_abs_det_jacobian(y, x)


class AffineTransform(Transform):
    """torch.distributions.transforms.AffineTransform."""

    def __init__(self, loc, scale, event_dim=0, cache_size=0):
        super().__init__(cache_size)
        self.loc, self.scale, self.event_dim = loc, scale, event_dim

    def _call(self, x):
        return self.loc + self.scale * x

    def _inverse(self, y):
        return (y - self.loc) / self.scale

    def log_abs_det_jacobian(self, x, y):
        size = ops.log(ops.abs(tensor_of(self.scale))) + ops.zeros_like(x)
        return size.sum(tuple(range(-self.event_dim, 0))) if self.event_dim else size


class ExpTransform(Transform):
    """torch.distributions.transforms.ExpTransform."""

    def _call(self, x):
        return ops.exp(x)

    def _inverse(self, y):
        return ops.log(y)

    def log_abs_det_jacobian(self, x, y):
        return x


class SigmoidTransform(Transform):
    """torch.distributions.transforms.SigmoidTransform."""

    def _call(self, x):
        return ops.sigmoid(x)

    def _inverse(self, y):
        y = ops.clamp(y, 1.1754943508222875e-38, 1 - 1.1920928955078125e-07)
        return ops.log(y) - ops.log1p(-y)

    def log_abs_det_jacobian(self, x, y):
        return ops.logsigmoid(x) + ops.logsigmoid(-x)


class TanhTransform(Transform):
    """torch.distributions.transforms.TanhTransform."""

    def _call(self, x):
        return ops.tanh(x)

    def _inverse(self, y):
        return (ops.log1p(y) - ops.log1p(-y)) / 2

    def log_abs_det_jacobian(self, x, y):
        return 2 * (math.log(2) - x + ops.logsigmoid(2 * x))


class PowerTransform(Transform):
    """torch.distributions.transforms.PowerTransform."""

    def __init__(self, exponent, cache_size=0):
        super().__init__(cache_size)
        self.exponent = exponent

    def _call(self, x):
        return ops.pow(x, self.exponent)

    def _inverse(self, y):
        return ops.pow(y, 1 / self.exponent)

    def log_abs_det_jacobian(self, x, y):
        return ops.log(ops.abs(self.exponent * y / x))


class ComposeTransform(Transform):
    """torch.distributions.transforms.ComposeTransform."""

    def __init__(self, parts, cache_size=0):
        super().__init__(cache_size)
        self.parts = list(parts)
        self.event_dim = max([each.event_dim for each in self.parts], default=0)

    def _call(self, x):
        for each in self.parts:
            x = each(x)
        return x

    def _inverse(self, y):
        for each in self.parts[::-1]:
            y = each._inverse(y)
        return y

    def log_abs_det_jacobian(self, x, y):
        total = 0.0
        for each in self.parts:
            after = each(x)
            part = each.log_abs_det_jacobian(x, after)
            total = total + summed_over_last(part, self.event_dim - each.event_dim)
            x = after
        return total


def summed_over_last(values, count):
    """The sum over the last axes."""
    return values.sum(tuple(range(-count, 0))) if count else values


def event_rank(distribution):
    """How many of the last axes are one event."""
    if isinstance(distribution, Independent):
        return distribution.count + event_rank(distribution.base_dist)
    if isinstance(distribution, TransformedDistribution):
        return distribution.rank
    return int(isinstance(distribution, (MultivariateNormal, Dirichlet, OneHotCategorical)))


class TransformedDistribution(Distribution):
    """torch.distributions.TransformedDistribution."""

    def __init__(self, base_distribution, transforms, validate_args=None):
        self.base_dist = base_distribution
        self.transforms = [transforms] if isinstance(transforms, Transform) else list(transforms)
        ranks = [each.event_dim for each in self.transforms]
        self.rank = max([event_rank(base_distribution), *ranks])

    def through(self, x):
        for each in self.transforms:
            x = each(x)
        return x

    def rsample(self, sample_shape=()):
        return self.through(self.base_dist.rsample(sample_shape))

    def sample(self, sample_shape=()):
        return ops.stop_gradient(self.through(self.base_dist.sample(sample_shape)))

    def log_prob(self, value):
        total, y = 0.0, value
        for each in self.transforms[::-1]:
            x = each.inv(y)
            total = total - summed_over_last(each.log_abs_det_jacobian(x, y), self.rank - each.event_dim)
            y = x
        return total + summed_over_last(self.base_dist.log_prob(y), self.rank - event_rank(self.base_dist))
