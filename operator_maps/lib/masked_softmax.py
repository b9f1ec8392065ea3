"""The softmax of attention whose mask may hide whole rows."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mindspore import ops


def masked_softmax(scores):
    """Softmax along the last axis; zeros in a row that is -inf everywhere, of which a mask hides everything."""
    hidden = ops.amax(scores, -1, True) == float("-inf")
    return ops.where(hidden, 0.0, ops.softmax(ops.where(hidden, 0.0, scores), -1))
