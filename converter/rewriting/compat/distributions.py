"""torch.distributions, by their formulas."""

import math

import mindspore as ms
from mindspore import ops


class Distribution:
    """What distributions share."""

    def rsample(self, sample_shape=()):
        raise NotImplementedError(f"{type(self).__name__} draws no samples that carry gradients")

    def sample(self, sample_shape=()):
        return ops.stop_gradient(self.rsample(sample_shape))


class Normal(Distribution):
    """torch.distributions.Normal."""

    def __init__(self, loc, scale, validate_args=None):
        loc = ms.tensor(loc, ms.float32) if isinstance(loc, (int, float)) else loc
        self.loc = loc + ops.zeros_like(scale) if isinstance(scale, ms.Tensor) else loc
        self.scale = scale + ops.zeros_like(loc)

    @property
    def mean(self):
        return self.loc

    @property
    def stddev(self):
        return self.scale

    @property
    def variance(self):
        return self.scale**2

    def rsample(self, sample_shape=()):
        return self.loc + self.scale * ops.randn((*sample_shape, *self.loc.shape), dtype=ms.float32)

    def log_prob(self, value):
        away = (value - self.loc) / self.scale
        return -0.5 * away * away - ops.log(self.scale) - 0.5 * math.log(2 * math.pi)

    def entropy(self):
        return 0.5 + 0.5 * math.log(2 * math.pi) + ops.log(self.scale)


class Uniform(Distribution):
    """torch.distributions.Uniform."""

    def __init__(self, low, high, validate_args=None):
        self.low = ms.tensor(low, ms.float32) if isinstance(low, (int, float)) else low
        self.high = high + ops.zeros_like(self.low)

    @property
    def mean(self):
        return (self.low + self.high) / 2

    def rsample(self, sample_shape=()):
        drawn = ops.rand((*sample_shape, *self.high.shape), dtype=ms.float32)
        return self.low + (self.high - self.low) * drawn

    def log_prob(self, value):
        inside = ops.logical_and(value >= self.low, value < self.high).astype(ms.float32)
        return ops.log(inside) - ops.log(self.high - self.low)

    def entropy(self):
        return ops.log(self.high - self.low)


class Categorical(Distribution):
    """torch.distributions.Categorical."""

    def __init__(self, probs=None, logits=None, validate_args=None):
        if probs is not None:
            self.probs = probs / probs.sum(-1, keepdims=True)
            self.logits = ops.log(ops.clamp(self.probs, 1.1920928955078125e-07, 1.0 - 1.1920928955078125e-07))
        else:
            self.logits = ops.log_softmax(logits, -1)
            self.probs = ops.exp(self.logits)

    def sample(self, sample_shape=()):
        scores = ops.broadcast_to(ops.stop_gradient(self.logits), (*sample_shape, *self.logits.shape))
        noise = ops.rand(scores.shape, dtype=ms.float32)
        noise = -ops.log(-ops.log(ops.clamp(noise, 1e-10, 1.0 - 1e-7)))
        return ops.argmax(scores + noise, dim=-1).astype(ms.int64)

    def log_prob(self, value):
        chosen = ops.one_hot(value.astype(ms.int64), self.logits.shape[-1]).astype(ms.float32)
        return (chosen * self.logits).sum(-1)

    def entropy(self):
        return -(self.probs * self.logits).sum(-1)


class Bernoulli(Distribution):
    """torch.distributions.Bernoulli."""

    def __init__(self, probs=None, logits=None, validate_args=None):
        given = probs if logits is None else logits
        given = ms.tensor(given, ms.float32) if isinstance(given, (int, float)) else given
        self.probs = given if logits is None else ops.sigmoid(given)
        self.logits = given if logits is not None else ops.log(given) - ops.log1p(-given)

    @property
    def mean(self):
        return self.probs

    def sample(self, sample_shape=()):
        drawn = ops.rand((*sample_shape, *self.probs.shape), dtype=ms.float32)
        return (drawn < ops.stop_gradient(self.probs)).astype(ms.float32)

    def log_prob(self, value):
        return value * ops.logsigmoid(self.logits) + (1 - value) * ops.logsigmoid(-self.logits)

    def entropy(self):
        return -self.log_prob(self.probs)


def kl_divergence(p, q):
    """torch.distributions.kl_divergence of two distributions of one kind: normal, categorical, or of Bernoulli."""
    if isinstance(p, Normal) and isinstance(q, Normal):
        ratio = (p.scale / q.scale) ** 2
        return 0.5 * (ratio + ((p.loc - q.loc) / q.scale) ** 2 - 1 - ops.log(ratio))
    if isinstance(p, Categorical) and isinstance(q, Categorical):
        return (p.probs * (p.logits - q.logits)).sum(-1)
    if isinstance(p, Bernoulli) and isinstance(q, Bernoulli):
        return -p.entropy() - q.log_prob(p.probs)
    if hasattr(p, "base_dist") and hasattr(q, "base_dist"):
        return p.whole(kl_divergence(p.base_dist, q.base_dist))
    raise NotImplementedError(f"kl_divergence of {type(p).__name__} and {type(q).__name__} was not converted")
