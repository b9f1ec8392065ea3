"""Weights: where the values of a parameter come from, and the steps that turn the source's array into ours.

Steps are data, so that the weight map can list them and another source can go through them again.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypeAlias

import numpy as np

Step: TypeAlias = Mapping[str, Any]
"""One of `transpose`, `reshape`, `slice`, `concatenate`, `zeros`, `cast` below, as plain data."""


SOURCE = "source"
"""A key of a tensor's metadata: JSON with the `name` and `shape` of the tensor that a frontend made it of, and the
steps from there (`transform`)."""


class Tensor(Protocol):
    """An array that may still be on disk (an onnx_ir tensor)."""

    name: str | None
    shape: Any
    dtype: Any

    def numpy(self) -> np.ndarray:
        """Load it."""


def transpose(*perm: int) -> Step:
    """Permute the axes."""
    return {"op": "transpose", "perm": list(perm)}


def reshape(*shape: int) -> Step:
    """Give the array another shape of the same size."""
    return {"op": "reshape", "shape": list(shape)}


def part(axis: int, start: int, stop: int) -> Step:
    """Take `[start:stop]` along one axis."""
    return {"op": "slice", "axis": axis, "start": start, "stop": stop}


def concatenate(axis: int, *parts: Sequence[Step]) -> Step:
    """Apply each list of steps to the same array and join the results along `axis`."""
    return {"op": "concatenate", "axis": axis, "parts": [list(steps) for steps in parts]}


def zeros(*shape: int) -> Step:
    """Zeros, whatever the array is: the source has nothing there."""
    return {"op": "zeros", "shape": list(shape)}


def cast(dtype: str) -> Step:
    """Convert to another element type, by its NumPy name."""
    return {"op": "cast", "dtype": dtype}


def apply(steps: Sequence[Step], array: np.ndarray) -> np.ndarray:
    """Run steps on an array.

    Raises:
        ValueError: a step does not fit the array, or is unknown.
    """
    for step in steps:
        match step["op"]:
            case "transpose":
                array = np.transpose(array, step["perm"])
            case "reshape":
                array = np.reshape(array, step["shape"])
            case "slice":
                index = [slice(None)] * array.ndim
                index[step["axis"]] = slice(step["start"], step["stop"])
                array = array[tuple(index)]
            case "concatenate":
                array = np.concatenate([apply(inner, array) for inner in step["parts"]], step["axis"])
            case "zeros":
                array = np.zeros(step["shape"], array.dtype)
            case "cast":
                array = array.astype(step["dtype"])
            case unknown:
                raise ValueError(f"unknown transform '{unknown}'")
    return array


def joined(steps: Sequence[Step], shape: Sequence[int]) -> tuple[Step, ...]:
    """Steps on an array of `shape`, those that undo each other left out."""
    kept: list[Step] = []
    for step in steps:
        last = kept[-1] if kept else None
        if last and step["op"] == last["op"] == "transpose":
            kept[-1] = transpose(*(last["perm"][axis] for axis in step["perm"]))
        elif last and step["op"] == last["op"] == "reshape":
            kept[-1] = step
        else:
            kept.append(step)
        before = shape_after(kept[:-1], shape)
        if kept[-1] in (reshape(*before), transpose(*range(len(before)))):
            kept.pop()
    return tuple(kept)


def shape_after(steps: Sequence[Step], shape: Sequence[int]) -> tuple[int, ...]:
    """The shape that steps give an array of `shape`, without its values."""
    return apply(steps, np.broadcast_to(np.int8(0), tuple(shape))).shape if steps else tuple(shape)


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
