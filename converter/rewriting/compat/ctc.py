"""Connectionist temporal classification, whose targets PyTorch also takes one after the other."""

import mindspore as ms
from mindspore import Tensor, ops


def ctc_loss(
    log_probs, targets, input_lengths, target_lengths, blank=0, reduction="mean", zero_infinity=False
):  # fmt: skip
    """torch.nn.functional.ctc_loss."""
    if not isinstance(input_lengths, Tensor):
        input_lengths = Tensor(input_lengths, ms.int64)
    if not isinstance(target_lengths, Tensor):
        target_lengths = Tensor(target_lengths, ms.int64)
    single = log_probs.ndim == 2
    if single:
        log_probs = log_probs.expand_dims(1)
        targets = targets.reshape((1, -1))
        input_lengths, target_lengths = input_lengths.reshape((1,)), target_lengths.reshape((1,))
    if targets.ndim == 1:
        first = (target_lengths.cumsum(0) - target_lengths).reshape((-1, 1))
        places = first + ops.arange(targets.shape[0])[: target_lengths.max()]
        targets = targets[ops.clamp(places, max=targets.shape[0] - 1)]
    loss, _ = ops.ctc_loss(
        log_probs, targets.astype(ms.int32), input_lengths.astype(ms.int32), target_lengths.astype(ms.int32), blank,
        reduction, zero_infinity,
    )  # fmt: skip
    return loss[0] if single and reduction == "none" else loss


class CTCLoss(Loss):
    """torch.nn.CTCLoss."""

    def __init__(self, blank=0, reduction="mean", zero_infinity=False):
        super().__init__(blank=blank, reduction=reduction, zero_infinity=zero_infinity)

    def construct(self, log_probs, targets, input_lengths, target_lengths):
        return ctc_loss(log_probs, targets, input_lengths, target_lengths, **self.options)
