"""More of torch.distributions, by their formulas."""

import math

import mindspore as ms
import numpy as np
from mindspore import ops


def tensor_of(value):
    """A parameter of a distribution as a tensor."""
    return ms.tensor(value, ms.float32) if isinstance(value, (int, float)) else value


def triangle_product(lower, vector):
    """The product of matrices and vectors of some leading axes."""
    return (lower * vector.expand_dims(-2)).sum(-1)


class MultivariateNormal(Distribution):
    """torch.distributions.MultivariateNormal, by the triangle of its covariance."""

    def __init__(
        self, loc, covariance_matrix=None, precision_matrix=None, scale_tril=None, validate_args=None
    ):  # fmt: skip
        if precision_matrix is not None:
            covariance_matrix = ops.inverse(precision_matrix)
        self.scale_tril = ops.cholesky(covariance_matrix) if scale_tril is None else scale_tril
        self.loc = loc + ops.zeros_like(self.scale_tril[..., 0])
        self.scale_tril = self.scale_tril + ops.zeros_like(self.loc).expand_dims(-1)

    @property
    def mean(self):
        return self.loc

    @property
    def covariance_matrix(self):
        return ops.matmul(self.scale_tril, self.scale_tril.swapaxes(-2, -1))

    @property
    def variance(self):
        return (self.scale_tril * self.scale_tril).sum(-1)

    def spread(self):
        """The logarithm of the determinant of the triangle."""
        return ops.log(ops.diagonal(self.scale_tril, 0, -2, -1)).sum(-1)

    def rsample(self, sample_shape=()):
        drawn = ops.randn((*sample_shape, *self.loc.shape), dtype=ms.float32)
        return self.loc + triangle_product(self.scale_tril, drawn)

    def log_prob(self, value):
        away = triangle_product(ops.inverse(self.scale_tril), value - self.loc)
        size = self.loc.shape[-1]
        return -0.5 * ((away * away).sum(-1) + size * math.log(2 * math.pi)) - self.spread()

    def entropy(self):
        return 0.5 * self.loc.shape[-1] * (1 + math.log(2 * math.pi)) + self.spread()


class Independent(Distribution):
    """torch.distributions.Independent: the last axes of a batch are one event."""

    def __init__(self, base_distribution, reinterpreted_batch_ndims, validate_args=None):
        self.base_dist, self.count = base_distribution, reinterpreted_batch_ndims

    @property
    def mean(self):
        return self.base_dist.mean

    @property
    def variance(self):
        return self.base_dist.variance

    def rsample(self, sample_shape=()):
        return self.base_dist.rsample(sample_shape)

    def sample(self, sample_shape=()):
        return self.base_dist.sample(sample_shape)

    def whole(self, values):
        return values.sum(tuple(range(-self.count, 0))) if self.count else values

    def log_prob(self, value):
        return self.whole(self.base_dist.log_prob(value))

    def entropy(self):
        return self.whole(self.base_dist.entropy())


class MixtureSameFamily(Distribution):
    """torch.distributions.MixtureSameFamily: components along the last axis before those of an event."""

    def __init__(self, mixture_distribution, component_distribution, validate_args=None):
        self.mixture_distribution, self.component_distribution = mixture_distribution, component_distribution
        self.event_rank = component_distribution.mean.ndim - mixture_distribution.probs.ndim

    def weights(self):
        """The weight of each component beside the values of an event."""
        probs = self.mixture_distribution.probs
        return probs.reshape(probs.shape + (1,) * self.event_rank)

    @property
    def mean(self):
        return (self.weights() * self.component_distribution.mean).sum(-1 - self.event_rank)

    @property
    def variance(self):
        parts, axis = self.component_distribution, -1 - self.event_rank
        away = parts.mean - ops.expand_dims(self.mean, axis)
        return (self.weights() * (parts.variance + away * away)).sum(axis)

    def sample(self, sample_shape=()):
        drawn = self.component_distribution.sample(sample_shape)
        chosen = self.mixture_distribution.sample(sample_shape)
        chosen = ops.one_hot(chosen, self.mixture_distribution.probs.shape[-1]).astype(drawn.dtype)
        chosen = chosen.reshape(chosen.shape + (1,) * self.event_rank)
        return ops.stop_gradient((chosen * drawn).sum(-1 - self.event_rank))

    def log_prob(self, value):
        each = self.component_distribution.log_prob(ops.expand_dims(value, -1 - self.event_rank))
        return ops.logsumexp(each + ops.log_softmax(self.mixture_distribution.logits, -1), -1)


class LogNormal(Normal):
    """torch.distributions.LogNormal."""

    @property
    def mean(self):
        return ops.exp(self.loc + self.scale**2 / 2)

    def rsample(self, sample_shape=()):
        return ops.exp(super().rsample(sample_shape))

    def log_prob(self, value):
        return super().log_prob(ops.log(value)) - ops.log(value)

    def entropy(self):
        return super().entropy() + self.loc


class Laplace(Distribution):
    """torch.distributions.Laplace."""

    def __init__(self, loc, scale, validate_args=None):
        self.loc = tensor_of(loc) + ops.zeros_like(tensor_of(scale))
        self.scale = tensor_of(scale) + ops.zeros_like(self.loc)

    @property
    def mean(self):
        return self.loc

    @property
    def variance(self):
        return 2 * self.scale**2

    def rsample(self, sample_shape=()):
        drawn = ops.rand((*sample_shape, *self.loc.shape), dtype=ms.float32) - 0.5
        return self.loc - self.scale * ops.sign(drawn) * ops.log1p(-2 * ops.clamp(drawn.abs(), max=0.4999999))

    def log_prob(self, value):
        return -ops.log(2 * self.scale) - ops.abs(value - self.loc) / self.scale

    def entropy(self):
        return 1 + ops.log(2 * self.scale)


class Exponential(Distribution):
    """torch.distributions.Exponential."""

    def __init__(self, rate, validate_args=None):
        self.rate = tensor_of(rate)

    @property
    def mean(self):
        return 1 / self.rate

    def rsample(self, sample_shape=()):
        drawn = ops.rand((*sample_shape, *self.rate.shape), dtype=ms.float32)
        return -ops.log1p(-ops.clamp(drawn, max=0.9999999)) / self.rate

    def log_prob(self, value):
        return ops.log(self.rate) - self.rate * value

    def entropy(self):
        return 1 - ops.log(self.rate)


class OneHotCategorical(Categorical):
    """torch.distributions.OneHotCategorical."""

    @property
    def mean(self):
        return self.probs

    def sample(self, sample_shape=()):
        return ops.one_hot(super().sample(sample_shape), self.logits.shape[-1]).astype(ms.float32)

    def log_prob(self, value):
        return (value * self.logits).sum(-1)


class Gamma(Distribution):
    """torch.distributions.Gamma; its samples carry no gradient."""

    def __init__(self, concentration, rate, validate_args=None):
        self.concentration = tensor_of(concentration) + ops.zeros_like(tensor_of(rate))
        self.rate = tensor_of(rate) + ops.zeros_like(self.concentration)

    @property
    def mean(self):
        return self.concentration / self.rate

    @property
    def variance(self):
        return self.concentration / self.rate**2

    def sample(self, sample_shape=()):
        return gamma_values(self.concentration, sample_shape) / ops.stop_gradient(self.rate)

    def log_prob(self, value):
        a, b = self.concentration, self.rate
        return ops.xlogy(a, b) + ops.xlogy(a - 1, value) - b * value - ops.lgamma(a)

    def entropy(self):
        a = self.concentration
        return a - ops.log(self.rate) + ops.lgamma(a) + (1 - a) * ops.digamma(a)


def gamma_values(concentration, sample_shape):
    """Values of the gamma distribution of rate 1."""
    shape = (*sample_shape, *concentration.shape)
    return ms.Tensor(np.random.gamma(concentration.asnumpy(), size=shape).astype(np.float32))


class Dirichlet(Distribution):
    """torch.distributions.Dirichlet; its samples carry no gradient."""

    def __init__(self, concentration, validate_args=None):
        self.concentration = concentration

    @property
    def mean(self):
        return self.concentration / self.concentration.sum(-1, keepdims=True)

    def sample(self, sample_shape=()):
        drawn = gamma_values(self.concentration, sample_shape)
        return drawn / drawn.sum(-1, keepdims=True)

    def norm(self):
        """The logarithm of the integral."""
        return ops.lgamma(self.concentration).sum(-1) - ops.lgamma(self.concentration.sum(-1))

    def log_prob(self, value):
        return ops.xlogy(self.concentration - 1.0, value).sum(-1) - self.norm()

    def entropy(self):
        a, total, count = self.concentration, self.concentration.sum(-1), self.concentration.shape[-1]
        return self.norm() + (total - count) * ops.digamma(total) - ((a - 1.0) * ops.digamma(a)).sum(-1)


class Beta(Dirichlet):
    """torch.distributions.Beta; its samples carry no gradient."""

    def __init__(self, concentration1, concentration0, validate_args=None):
        a, b = tensor_of(concentration1), tensor_of(concentration0)
        super().__init__(ops.stack([a + ops.zeros_like(b), b + ops.zeros_like(a)], -1))

    @property
    def mean(self):
        return super().mean[..., 0]

    def sample(self, sample_shape=()):
        return super().sample(sample_shape)[..., 0]

    def log_prob(self, value):
        return super().log_prob(ops.stack([value, 1.0 - value], -1))
