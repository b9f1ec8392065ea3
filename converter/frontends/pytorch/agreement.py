"""Agreement: whether an exported model computes what the module computes, on other inputs than its example."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from converter.frontends.pytorch.inputs import Input, example
from converter.frontends.pytorch.loading import SEED, Loaded
from converter.frontends.pytorch.outputs import named_outputs

_LOG = logging.getLogger(__name__)
_TOLERANCE = 1e-2
"""Relative to the largest number: a branch that the older exporter left out makes a larger difference."""
_SIDE = 32
"""Pixels by which the sides of an image grow: many networks halve them five times."""


def session_of(file: Path) -> Any:
    """What runs an exported model."""
    import onnxruntime

    return onnxruntime.InferenceSession(str(file), providers=["CPUExecutionProvider"])


def differing_output(loaded: Loaded, values: dict[str, torch.Tensor], session: Any) -> str:
    """The first output in which an exported model differs from torch; "" for none, or if torch takes no such input."""
    try:
        expected = named_outputs(loaded.run(values), values)
    except Exception:  # the module takes no such input
        return ""
    fed = {each.name for each in session.get_inputs()}
    found = session.run(list(expected), {name: value.numpy() for name, value in values.items() if name in fed})
    pairs = zip(expected.items(), found, strict=True)
    return next((name for (name, tensor), array in pairs if not _close(np.asarray(array), tensor.numpy())), "")


def is_wrong(loaded: Loaded, values: dict[str, torch.Tensor], file: Path) -> bool:
    """Whether an exported model raises or differs where torch runs; one that onnxruntime cannot load is not."""
    try:
        session = session_of(file)
    except Exception:  # an operator that only onnx's evaluator has
        return False
    try:
        return bool(differing_output(loaded, values, session))
    except Exception as error:  # onnxruntime's classes
        _LOG.info("the exported model does not run at other extents", exc_info=error)
        return True


def other_inputs(inputs: Sequence[Input]) -> Iterator[dict[str, torch.Tensor]]:
    """Inputs with other free extents, a longer first axis, another sign, larger numbers, zeros."""
    for axes in (None, 1):
        yield {each.name: example(_longer(each, axes), each.value.dtype, SEED + 1) for each in inputs}
    plain = {each.name: each.value for each in inputs}
    for factor in (-1, 30, 0):
        yield {name: value * factor if value.is_floating_point() else value for name, value in plain.items()}


def _longer(each: Input, axes: int | None) -> tuple[int, ...]:
    """The extents, larger where they are free and among the first axes: by 1, the sides of an image by 32."""
    step = _SIDE if len(each.shape) == 4 else 1
    return tuple(
        extent + (step if axis > 1 else 1) if isinstance(dim, str) and axis in range(len(each.shape))[:axes] else extent
        for axis, (dim, extent) in enumerate(zip(each.shape, each.value.shape, strict=True))
    )


def odd_extents(each: Input) -> tuple[int, ...]:
    """The extents of an example, larger by 1 where a letter stands behind the first axis."""
    extents = zip(each.shape, each.value.shape, strict=True)
    return tuple(extent + 1 if axis and isinstance(dim, str) else extent for axis, (dim, extent) in enumerate(extents))


def other_samples(inputs: Sequence[Input]) -> Iterator[list[tuple[int, ...]]]:
    """The extents of the examples with one sample more, and with one sample, where a letter of a first axis stands."""
    batches = {each.shape[0] for each in inputs if each.shape and isinstance(each.shape[0], str)}
    for change in (lambda extent: extent + 1, lambda _: 1):
        pairs = [zip(each.shape, each.value.shape, strict=True) for each in inputs]
        yield [tuple(change(extent) if dim in batches else extent for dim, extent in extents) for extents in pairs]


def _close(found: np.ndarray, expected: np.ndarray) -> bool:
    if found.shape != expected.shape:
        return False
    if expected.dtype.kind not in "fc":
        return bool((found == expected).all())
    largest = float(np.abs(expected).max(initial=0.0))
    return bool(np.allclose(found, expected, rtol=_TOLERANCE, atol=_TOLERANCE * largest, equal_nan=True))
