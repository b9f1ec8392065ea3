"""Arrays that lie somewhere: what is known of one at once, and its values when they are asked for."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class TensorSpec:
    """What is known of an array without its values; `dtype` is NumPy's name."""

    name: str
    shape: tuple[int, ...]
    dtype: str


@dataclass(frozen=True)
class LazyTensor:
    """An array and how to get its values: `load` reads them, each time anew."""

    array: TensorSpec
    load: Callable[[], np.ndarray]
