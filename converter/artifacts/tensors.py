"""Tensors in files: name, shape and element type are read at once, the values only when needed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class TensorSpec:
    """Name, shape and element type (NumPy's name) of a tensor, without its values."""

    name: str
    shape: tuple[int, ...]
    dtype: str


@dataclass(frozen=True)
class LazyTensor:
    """A tensor whose values are loaded on demand: every call of `load` reads them from the file."""

    array: TensorSpec
    load: Callable[[], np.ndarray]
