"""Loss functions of torch that an exporter writes without one of their arguments, or refuses, computed otherwise."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch

_OF_CROSS_ENTROPY = ("weight", "size_average", "ignore_index", "reduce", "reduction", "label_smoothing")
_OF_GAUSSIAN = ("full", "eps", "reduction")


def cross_entropy(known: Callable[..., Any], x: torch.Tensor, target: torch.Tensor, *args: Any, **options: Any) -> Any:
    """`cross_entropy` with label smoothing, which the ONNX function leaves out, or to probabilities of the classes.

    Args:
        known: torch's own function.
        x: logits, (N, C, …) or (C,).
        target: classes (N, …), or probabilities like `x`.
        args: further arguments of torch's function by position.
        options: and by name.
    """
    given = dict(zip(_OF_CROSS_ENTROPY, args, strict=False)) | options
    smoothing, is_soft = given.get("label_smoothing", 0.0), target.is_floating_point()
    older = given.get("size_average") is not None or given.get("reduce") is not None
    if older or not (smoothing or is_soft):
        return known(x, target, *args, **options)
    axis = 1 if x.dim() > 1 else 0
    weight, reduction = given.get("weight"), given.get("reduction", "mean")
    likelihood = torch.log_softmax(x, axis)
    if weight is not None:
        likelihood = likelihood * weight.reshape([-1, *[1] * (x.dim() - axis - 1)])
    if is_soft:
        target = target * (1 - smoothing) + smoothing / x.shape[axis]
        loss = -(likelihood * target).sum(axis)
        return loss.sum() / (x.numel() // x.shape[axis]) if reduction == "mean" else _reduced(loss, reduction)
    ignored = given.get("ignore_index", -100)
    kept = target != ignored
    classes = torch.where(kept, target, 0)
    one = -likelihood.gather(axis, classes.unsqueeze(axis)).squeeze(axis)
    loss = (one * (1 - smoothing) - likelihood.sum(axis) * (smoothing / x.shape[axis])) * kept
    if reduction != "mean":
        return _reduced(loss, reduction)
    return loss.sum() / (kept if weight is None else weight[classes] * kept).sum()


def gaussian_nll_loss(
    known: Callable[..., Any], x: torch.Tensor, target: torch.Tensor, var: Any, *args: Any, **options: Any
) -> torch.Tensor:
    """`gaussian_nll_loss` without the check that the variances are positive, which reads them."""
    given = dict(zip(_OF_GAUSSIAN, args, strict=False)) | options
    var = torch.as_tensor(var, dtype=x.dtype)
    if var.dim() == x.dim() - 1 and var.shape == x.shape[:-1]:
        var = var.unsqueeze(-1)
    var = var + (var.clamp(min=given.get("eps", 1e-6)) - var).detach()  # its gradient is that of the variance
    loss = 0.5 * (var.log() + (x - target) ** 2 / var)
    return _reduced(loss + 0.5 * math.log(2 * math.pi) if given.get("full") else loss, given.get("reduction", "mean"))


def _reduced(loss: torch.Tensor, reduction: str) -> torch.Tensor:
    return loss.mean() if reduction == "mean" else loss.sum() if reduction == "sum" else loss


LOSSES: dict[tuple[Any, str], Callable[..., Any]] = {
    (torch.nn.functional, "cross_entropy"): cross_entropy,
    (torch.nn.functional, "gaussian_nll_loss"): gaussian_nll_loss,
}
