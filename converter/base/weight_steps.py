"""Weight steps: the operations that turn a tensor of the source into a parameter of the script, as plain data (JSON).

`artifacts/checkpoint` runs the steps to write the checkpoint, `artifacts/weight_map` lists them, and
`mindconverter-weights remap` runs them again on another checkpoint of the same source.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

import ml_dtypes  # noqa: F401 - NumPy knows the name `bfloat16` by it
import numpy as np

Step: TypeAlias = Mapping[str, Any]
"""One weight step: a transpose, reshape, slice, concatenate, zeros or cast, as the functions below return it."""


MOST_STEPS = 64
"""Between the source's tensor and a parameter; a weight that needs more is transformed when the network runs."""

SOURCE = "source"
"""Key of a tensor's metadata, its provenance: JSON with the `name` and `shape` of the source's tensor from which it was
computed, its `dtype` if that is another, and the steps from there (`transform`)."""

TIED = "onnx2mindspore.tied"
"""Key of a tensor's metadata: JSON with the other names under which the source has this tensor."""


def transpose(*perm: int) -> Step:
    """Permute the axes."""
    return {"op": "transpose", "perm": list(perm)}


def reshape(*shape: int) -> Step:
    """Give the array another shape of the same size."""
    return {"op": "reshape", "shape": list(shape)}


def slice_axis(axis: int, start: int, stop: int) -> Step:
    """Take `[start:stop]` along one axis."""
    return {"op": "slice", "axis": axis, "start": start, "stop": stop}


def concatenate(axis: int, *parts: Sequence[Step]) -> Step:
    """Apply each list of steps to the same array and join the results along `axis`."""
    return {"op": "concatenate", "axis": axis, "parts": [list(steps) for steps in parts]}


def zeros(*shape: int) -> Step:
    """Zeros of this shape, independent of the array: for a part of a parameter that the source does not have."""
    return {"op": "zeros", "shape": list(shape)}


def add(value: float) -> Step:
    """Add a number to every element: for one that the source adds when it runs."""
    return {"op": "add", "value": value}


def cast(dtype: str) -> Step:
    """Convert to another element type, by its NumPy name."""
    return {"op": "cast", "dtype": dtype}


def apply(steps: Sequence[Step], array: np.ndarray) -> np.ndarray:
    """Run steps, in order, on an array and return the result.

    Raises:
        ValueError: a step does not fit the array's shape, or its kind is unknown.
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
            case "add":
                array = array + np.asarray(step["value"], array.dtype)
            case "cast":
                array = array.astype(step["dtype"])
            case unknown:
                raise ValueError(f"unknown transform '{unknown}'")
    return array


def joined(steps: Sequence[Step], shape: Sequence[int]) -> tuple[Step, ...]:
    """The same steps on an array of `shape`, without pairs that cancel each other."""
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
    """The shape of the result of steps on an array of `shape`; no values are needed."""
    return apply(steps, np.broadcast_to(np.int8(0), tuple(shape))).shape if steps else tuple(shape)
