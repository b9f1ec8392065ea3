"""Weights: the source tensor and the weight steps of a parameter."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from converter.base.weight_steps import SOURCE, Step, apply, shape_after


class Tensor(Protocol):
    """An array that may still be on disk (an onnx_ir tensor)."""

    name: str | None
    shape: Any
    dtype: Any

    def numpy(self) -> NDArray[Any]:
        """Load it."""


@dataclass(frozen=True)
class Weight:
    """A parameter's values: a tensor of the source, and the weight steps from it to the parameter.

    `trainable` says whether it is made as a parameter that an optimiser changes. `frozen` says that the script takes it
    out of the training afterwards: MindSpore's layer would train it, the source does not. A `computed` one is no
    tensor that a checkpoint of the source could hold.
    """

    tensor: Tensor
    steps: tuple[Step, ...] = ()
    trainable: bool = True
    frozen: bool = False
    computed: bool = False

    @property
    def trained(self) -> bool:
        """Whether an optimiser changes it."""
        return self.trainable and not self.frozen

    @property
    def added(self) -> bool:
        """Whether the source does not have it: zeros, or another number, that MindSpore's layer needs."""
        recorded = getattr(self.tensor, "metadata_props", {}).get(SOURCE)
        source = json.loads(recorded) if recorded else {"shape": self.tensor.shape, "transform": ()}
        steps = (*source["transform"], *self.steps)
        if "zeros" not in repr(steps):
            return False
        shape = [int(dim) for dim in source["shape"]]
        return np.array_equal(apply(steps, np.zeros(shape, bool)), apply(steps, np.ones(shape, bool)))

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
        return str(casts[-1] if casts else self.tensor.dtype.numpy().name)

    @property
    def nbytes(self) -> int:
        """The source tensor's size in bytes."""
        return math.prod(int(dim) for dim in self.tensor.shape) * int(self.tensor.dtype.itemsize)

    def array(self) -> NDArray[Any]:
        """Load the source tensor and apply the weight steps."""
        return np.asarray(apply(self.steps, self.tensor.numpy()), order="C")
