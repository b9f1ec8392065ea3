"""Weights: where the values of a parameter come from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from converter.base.weight_steps import Step, apply, shape_after


class Tensor(Protocol):
    """An array that may still be on disk (an onnx_ir tensor)."""

    name: str | None
    shape: Any
    dtype: Any

    def numpy(self) -> np.ndarray:
        """Load it."""


@dataclass(frozen=True)
class Weight:
    """A parameter's values: a tensor of the source and the steps from there.

    `trainable` says whether it is a parameter that an optimiser changes.
    """

    tensor: Tensor
    steps: tuple[Step, ...] = ()
    trainable: bool = True

    @property
    def source_name(self) -> str:
        """The tensor's name in the source."""
        return self.tensor.name or ""

    @property
    def shape(self) -> tuple[int, ...]:
        """The parameter's shape."""
        return shape_after(self.steps, [int(dim) for dim in self.tensor.shape])

    @property
    def dtype(self) -> str:
        """The parameter's element type, by its NumPy name."""
        casts = [step["dtype"] for step in self.steps if step["op"] == "cast"]
        return casts[-1] if casts else self.tensor.dtype.numpy().name

    @property
    def nbytes(self) -> int:
        """The source tensor's size in bytes."""
        return int(np.prod([int(dim) for dim in self.tensor.shape], dtype=np.int64)) * self.tensor.dtype.itemsize

    def array(self) -> np.ndarray:
        """Load the source's values and take them through the steps."""
        return np.asarray(apply(self.steps, self.tensor.numpy()), order="C")
