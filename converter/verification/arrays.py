"""Arrays: conversion between NumPy and MindSpore."""

from __future__ import annotations

from typing import Any

import numpy as np


def to_mindspore(item: Any) -> Any:
    """A NumPy array as a tensor, a list as a list of tensors, None as None."""
    import mindspore as ms

    if item is None or isinstance(item, list):
        return item and [to_mindspore(part) for part in item]
    array = np.asarray(item)
    if array.dtype.name == "bfloat16":
        return ms.Tensor(array.astype(np.float32), ms.bfloat16)
    return ms.Tensor(np.ascontiguousarray(array).reshape(array.shape))


def to_numpy(item: Any) -> Any:
    """Convert a result of a network to a NumPy array, a list of arrays, or None."""
    import mindspore as ms
    import ml_dtypes

    if isinstance(item, (list, tuple)):
        return [to_numpy(part) for part in item]
    if isinstance(item, ms.Tensor):
        if item.dtype == ms.bfloat16:
            return item.astype(ms.float32).asnumpy().astype(ml_dtypes.bfloat16)
        return item.asnumpy()
    return item if item is None else np.asarray(item)
