"""Losses and distances that MindSpore lacks, or computes with another gradient."""

import math

import mindspore as ms
from mindspore import nn, ops


def reduced(values, reduction):
    """What a loss makes of its values."""
    if reduction == "mean":
        return values.mean()
    return values.sum() if reduction == "sum" else values


def kl_div(input, target, reduction="mean", log_target=False):
    """torch.nn.functional.kl_div."""
    if log_target:
        values = ops.exp(target) * (target - input)
    else:
        positive = target > 0
        known = ops.where(positive, target, ops.ones_like(target))
        values = ops.where(positive, target * ops.log(known), ops.zeros_like(target)) - target * input
    return values.sum() / input.shape[0] if reduction == "batchmean" else reduced(values, reduction)


def binary_cross_entropy_with_logits(input, target, weight=None, reduction="mean", pos_weight=None):
    """torch.nn.functional.binary_cross_entropy_with_logits.

    The gradient of MindSpore's own mean is wrong where a loss of another size is computed behind it.
    """
    return reduced(ops.binary_cross_entropy_with_logits(input, target, weight, pos_weight, "none"), reduction)


def huber_loss(input, target, reduction="mean", delta=1.0):
    """torch.nn.functional.huber_loss."""
    error = (input - target).abs()
    return reduced(ops.where(error <= delta, 0.5 * error * error, delta * (error - 0.5 * delta)), reduction)


def pairwise_distance(x1, x2, p=2.0, eps=1e-06, keepdim=False):
    """torch.nn.functional.pairwise_distance."""
    return norm(x1 - x2 + eps, p, -1, keepdim)


def cosine(x1, x2, dim=1, eps=1e-08):
    """torch.nn.functional.cosine_similarity."""
    least = ms.tensor(eps, ms.float32)
    sizes = ops.maximum(norm(x1, 2, dim), least) * ops.maximum(norm(x2, 2, dim), least)
    return (x1 * x2).sum(dim) / sizes


def cosine_embedding_loss(input1, input2, target, margin=0.0, reduction="mean"):
    """torch.nn.functional.cosine_embedding_loss."""
    found = cosine(input1, input2, -1)
    return reduced(ops.where(target > 0, 1.0 - found, ops.relu(found - margin)), reduction)


def margin_ranking_loss(input1, input2, target, margin=0.0, reduction="mean"):
    """torch.nn.functional.margin_ranking_loss."""
    return reduced(ops.relu(-target * (input1 - input2) + margin), reduction)


def hinge_embedding_loss(input, target, margin=1.0, reduction="mean"):
    """torch.nn.functional.hinge_embedding_loss."""
    zero = ops.zeros_like(input)
    values = ops.where(target != 1, ops.relu(margin - input), zero) + ops.where(target != -1, input, zero)
    return reduced(values, reduction)


def soft_margin_loss(input, target, reduction="mean"):
    """torch.nn.functional.soft_margin_loss."""
    return reduced(ops.log1p(ops.exp(-target * input)), reduction)


def multilabel_soft_margin_loss(input, target, weight=None, reduction="mean"):
    """torch.nn.functional.multilabel_soft_margin_loss."""
    values = -(target * ops.logsigmoid(input) + (1 - target) * ops.logsigmoid(-input))
    values = values if weight is None else values * weight
    return reduced(values.mean(-1), reduction)


def triplet_margin_loss(
    anchor, positive, negative, margin=1.0, p=2, eps=1e-06, swap=False, reduction="mean"
):  # fmt: skip
    """torch.nn.functional.triplet_margin_loss."""
    near, far = pairwise_distance(anchor, positive, p, eps), pairwise_distance(anchor, negative, p, eps)
    if swap:
        far = ops.minimum(far, pairwise_distance(positive, negative, p, eps))
    return reduced(ops.relu(margin + near - far), reduction)


def poisson_nll_loss(input, target, log_input=True, full=False, eps=1e-08, reduction="mean"):
    """torch.nn.functional.poisson_nll_loss."""
    values = ops.exp(input) - target * input if log_input else input - target * ops.log(input + eps)
    if full:
        many = ops.where(target > 1, target, ops.ones_like(target))
        stirling = many * ops.log(many) - many + 0.5 * ops.log(2 * math.pi * many)
        values = values + ops.where(target > 1, stirling, ops.zeros_like(stirling))
    return reduced(values, reduction)


def gaussian_nll_loss(input, target, var, full=False, eps=1e-06, reduction="mean"):
    """torch.nn.functional.gaussian_nll_loss."""
    var = var + ops.stop_gradient(ops.relu(eps - var))
    values = 0.5 * (ops.log(var) + (input - target) ** 2 / var)
    return reduced(values + 0.5 * math.log(2 * math.pi) if full else values, reduction)


class Loss(nn.Cell):
    """A loss with the options of its function."""

    def __init__(self, **options):
        super().__init__()
        self.options = options


class KLDivLoss(Loss):
    """torch.nn.KLDivLoss."""

    def __init__(self, size_average=None, reduce=None, reduction="mean", log_target=False):
        super().__init__(reduction=reduction, log_target=log_target)

    def construct(self, input, target):
        return kl_div(input, target, **self.options)


class BCEWithLogitsLoss(nn.Cell):
    """torch.nn.BCEWithLogitsLoss."""

    def __init__(self, weight=None, size_average=None, reduce=None, reduction="mean", pos_weight=None):
        super().__init__()
        self.weight = weight
        self.reduction = reduction
        self.pos_weight = pos_weight

    def construct(self, input, target):
        return binary_cross_entropy_with_logits(input, target, self.weight, self.reduction, self.pos_weight)


class HuberLoss(Loss):
    """torch.nn.HuberLoss."""

    def __init__(self, reduction="mean", delta=1.0):
        super().__init__(reduction=reduction, delta=delta)

    def construct(self, input, target):
        return huber_loss(input, target, **self.options)


class CosineEmbeddingLoss(Loss):
    """torch.nn.CosineEmbeddingLoss."""

    def __init__(self, margin=0.0, size_average=None, reduce=None, reduction="mean"):
        super().__init__(margin=margin, reduction=reduction)

    def construct(self, input1, input2, target):
        return cosine_embedding_loss(input1, input2, target, **self.options)


class MarginRankingLoss(Loss):
    """torch.nn.MarginRankingLoss."""

    def __init__(self, margin=0.0, size_average=None, reduce=None, reduction="mean"):
        super().__init__(margin=margin, reduction=reduction)

    def construct(self, input1, input2, target):
        return margin_ranking_loss(input1, input2, target, **self.options)


class HingeEmbeddingLoss(Loss):
    """torch.nn.HingeEmbeddingLoss."""

    def __init__(self, margin=1.0, size_average=None, reduce=None, reduction="mean"):
        super().__init__(margin=margin, reduction=reduction)

    def construct(self, input, target):
        return hinge_embedding_loss(input, target, **self.options)


class SoftMarginLoss(Loss):
    """torch.nn.SoftMarginLoss."""

    def __init__(self, size_average=None, reduce=None, reduction="mean"):
        super().__init__(reduction=reduction)

    def construct(self, input, target):
        return soft_margin_loss(input, target, **self.options)


class MultiLabelSoftMarginLoss(nn.Cell):
    """torch.nn.MultiLabelSoftMarginLoss."""

    def __init__(self, weight=None, size_average=None, reduce=None, reduction="mean"):
        super().__init__()
        self.weight = weight
        self.reduction = reduction

    def construct(self, input, target):
        return multilabel_soft_margin_loss(input, target, self.weight, self.reduction)


class TripletMarginLoss(Loss):
    """torch.nn.TripletMarginLoss."""

    def __init__(
        self, margin=1.0, p=2.0, eps=1e-06, swap=False, size_average=None, reduce=None, reduction="mean"
    ):  # fmt: skip
        super().__init__(margin=margin, p=p, eps=eps, swap=swap, reduction=reduction)

    def construct(self, anchor, positive, negative):
        return triplet_margin_loss(anchor, positive, negative, **self.options)


class PoissonNLLLoss(Loss):
    """torch.nn.PoissonNLLLoss."""

    def __init__(
        self, log_input=True, full=False, size_average=None, eps=1e-08, reduce=None, reduction="mean"
    ):  # fmt: skip
        super().__init__(log_input=log_input, full=full, eps=eps, reduction=reduction)

    def construct(self, input, target):
        return poisson_nll_loss(input, target, **self.options)


class GaussianNLLLoss(Loss):
    """torch.nn.GaussianNLLLoss."""

    def __init__(self, full=False, eps=1e-06, reduction="mean"):
        super().__init__(full=full, eps=eps, reduction=reduction)

    def construct(self, input, target, var):
        return gaussian_nll_loss(input, target, var, **self.options)


class CosineSimilarity(nn.Cell):
    """torch.nn.CosineSimilarity."""

    def __init__(self, dim=1, eps=1e-08):
        super().__init__()
        self.dim = dim
        self.eps = eps

    def construct(self, x1, x2):
        return cosine(x1, x2, self.dim, self.eps)


class PairwiseDistance(nn.Cell):
    """torch.nn.PairwiseDistance."""

    def __init__(self, p=2.0, eps=1e-06, keepdim=False):
        super().__init__()
        self.p = p
        self.eps = eps
        self.keepdim = keepdim

    def construct(self, x1, x2):
        return pairwise_distance(x1, x2, self.p, self.eps, self.keepdim)


class CrossEntropyLoss(nn.CrossEntropyLoss):
    """torch.nn.CrossEntropyLoss, for classes in int64 as well."""

    def __init__(self, weight=None, ignore_index=-100, reduction="mean", label_smoothing=0.0):
        super().__init__(weight, ignore_index, reduction, label_smoothing)
        self.class_weight = weight
        self.how = (ignore_index, reduction, label_smoothing)

    def construct(self, logits, labels):
        ignored, reduction, smoothing = self.how
        return ops.cross_entropy(logits, labels, self.class_weight, ignored, reduction, smoothing)


def multi_margin_loss(input, target, p=1, margin=1.0, weight=None, reduction="mean"):
    """torch.nn.functional.multi_margin_loss."""
    own = ops.one_hot(target.astype(ms.int64), input.shape[-1]).astype(input.dtype)
    right = (own * input).sum(-1, keepdims=True)
    short = ops.relu(margin - right + input) ** p
    if weight is not None:
        short = short * (own * weight).sum(-1, keepdims=True)
    return reduced((short * (1 - own)).sum(-1) / input.shape[-1], reduction)


class MultiMarginLoss(nn.Cell):
    """torch.nn.MultiMarginLoss."""

    def __init__(
        self, p=1, margin=1.0, weight=None, size_average=None, reduce=None, reduction="mean"
    ):  # fmt: skip
        super().__init__()
        self.weight = weight
        self.options = {"p": p, "margin": margin, "reduction": reduction}

    def construct(self, input, target):
        return multi_margin_loss(input, target, weight=self.weight, **self.options)
