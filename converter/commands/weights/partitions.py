"""Partitions: variables that TensorFlow 1 cut into parts. A checkpoint has the whole, a weight map the parts."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from functools import partial

import numpy as np

from converter.artifacts import LazyTensor, TensorSpec

_PART = re.compile(r"(.+)/part_(\d+)")


def with_parts(found: Mapping[str, LazyTensor], wanted: Sequence[TensorSpec]) -> Mapping[str, LazyTensor]:
    """The tensors of a checkpoint, and the parts that are wanted of them: `w/part_0`, `w/part_1` of `w`.

    Parts follow each other along the one axis in which they are shorter than the whole; others are left out.
    """
    parts: dict[str, dict[int, TensorSpec]] = {}
    for spec in wanted:
        match = _PART.fullmatch(spec.name)
        if match and spec.name not in found and match[1] in found:
            parts.setdefault(match[1], {})[int(match[2])] = spec
    made: dict[str, LazyTensor] = {}
    for name, some in parts.items():
        start, whole = 0, found[name]
        ordered = [some[number] for number in sorted(some)]
        axis = _axis(whole.array.shape, ordered)
        for spec in ordered if axis is not None else ():
            place = (*(slice(None) for _ in range(axis or 0)), slice(start, start + spec.shape[axis or 0]))
            start += spec.shape[axis or 0]
            made[spec.name] = LazyTensor(
                TensorSpec(spec.name, spec.shape, whole.array.dtype), partial(_cut, whole, place)
            )
    used = {name for name in parts if any(part.startswith(f"{name}/part_") for part in made)}
    return {**{name: tensor for name, tensor in found.items() if name not in used}, **made}


def _axis(whole: Sequence[int], parts: Sequence[TensorSpec]) -> int | None:
    """The axis along which the parts make the whole; None if they do not."""
    for axis, extent in enumerate(whole if all(len(part.shape) == len(whole) for part in parts) else ()):
        rest = [*whole[:axis], *whole[axis + 1 :]]
        same = all([*part.shape[:axis], *part.shape[axis + 1 :]] == rest for part in parts)
        if same and sum(part.shape[axis] for part in parts) == extent:
            return axis
    return None


def _cut(whole: LazyTensor, place: tuple[slice, ...]) -> np.ndarray:
    return whole.load()[place]
