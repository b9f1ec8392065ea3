"""Data movement on Python values: NumPy's functions, such as transpose and gather, on arrays of objects.

An operator is a function of the node's attributes and of arrays of objects (numbers and expressions).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from converter.shapes.arithmetic import Attributes, Operator, numbers
from converter.shapes.value import NotEvaluable, of_array, python_slice

MAX_ITEMS = 64
"""Maximum elements of a tensor in shape arithmetic; a larger tensor is a table."""


def _gather(attributes: Attributes, data: NDArray[Any], indices: NDArray[Any]) -> Any:
    numbers(indices)
    return np.take(data, indices.astype(np.int64), attributes.get("axis", 0))


def _slice(attributes: Attributes, data: NDArray[Any], *bounds: NDArray[Any] | None) -> Any:
    starts, stops, axes, steps = (None if bound is None else numbers(bound) for bound in (*bounds, None, None)[:4])
    index = [slice(None)] * data.ndim
    for i, (start, stop) in enumerate(zip(starts or (), stops or (), strict=True)):
        index[axes[i] if axes else i] = python_slice(start, stop, steps[i] if steps else 1)
    return data[tuple(index)]


def _concat(attributes: Attributes, *arrays: NDArray[Any]) -> Any:
    return np.concatenate(arrays, attributes["axis"])


def _split(attributes: Attributes, data: NDArray[Any], sizes: NDArray[Any] | None = None) -> Any:
    axis, count = attributes.get("axis", 0), attributes["outputs"]
    size = -(-data.shape[axis] // count)
    ends = np.cumsum(numbers(sizes))[:-1] if sizes is not None else np.arange(1, count) * size
    return np.split(data, ends, axis)


def _reshape(attributes: Attributes, data: NDArray[Any], shape: NDArray[Any]) -> Any:
    target = numbers(shape)
    if not attributes.get("allowzero"):
        target = [data.shape[i] if extent == 0 else extent for i, extent in enumerate(target)]
    return data.reshape(target)


def _squeeze(attributes: Attributes, data: NDArray[Any], axes: NDArray[Any] | None = None) -> Any:
    return np.squeeze(data, None if axes is None else tuple(numbers(axes)))


def _unsqueeze(attributes: Attributes, data: NDArray[Any], axes: NDArray[Any]) -> Any:
    return np.expand_dims(data, tuple(numbers(axes)))


def _transpose(attributes: Attributes, data: NDArray[Any]) -> Any:
    return np.transpose(data, attributes.get("perm"))


def _expand(attributes: Attributes, data: NDArray[Any], shape: NDArray[Any]) -> Any:
    return np.broadcast_to(data, _small(np.broadcast_shapes(data.shape, tuple(numbers(shape)))))


def _tile(attributes: Attributes, data: NDArray[Any], repeats: NDArray[Any]) -> Any:
    return np.tile(data, _small(tuple(numbers(repeats))))


def _filled(attributes: Attributes, shape: NDArray[Any]) -> Any:
    value = attributes.get("value")
    number = 0.0 if value is None else of_array(value.numpy()).items[0]
    return np.full(_small(tuple(numbers(shape))), number, object)


def _range(attributes: Attributes, *bounds: NDArray[Any]) -> Any:
    start, limit, delta = (numbers(bound)[0] for bound in bounds)
    if attributes["kind"] != "i":
        raise NotEvaluable
    return np.array(range(start, limit, delta)[: MAX_ITEMS + 1], object)


def _small(shape: tuple[int, ...]) -> tuple[int, ...]:
    if math.prod(shape) > MAX_ITEMS:
        raise NotEvaluable
    return shape


DATA_MOVEMENT: Mapping[str, Operator] = {
    "Concat": _concat,
    "ConstantOfShape": _filled,
    "Expand": _expand,
    "Gather": _gather,
    "Identity": lambda attributes, data: data,
    "Range": _range,
    "Reshape": _reshape,
    "Slice": _slice,
    "Split": _split,
    "Squeeze": _squeeze,
    "Tile": _tile,
    "Transpose": _transpose,
    "Unsqueeze": _unsqueeze,
}
"""ONNX operator → the function that computes it on arrays of Python values."""
