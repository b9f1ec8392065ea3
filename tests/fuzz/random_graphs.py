"""Random right models by families, and the inputs on which they are compared with their source.

Inputs are ordinary ones, other extents of the first axis, zeros, edges of the element type, and NaN.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from random import Random

import numpy as np
import onnx
from fuzz.building import Builder, NotAcceptedError, names_read, run
from fuzz.chains import random_chain
from fuzz.control_flow import control_flow
from fuzz.near_fusions import FORMS
from fuzz.operators import OPERATORS
from fuzz.rare_operators import RARE

FAMILIES: Mapping[str, Callable[[Builder], None]] = {
    "chains": random_chain,
    **FORMS,
    **OPERATORS,
    "control_flow": control_flow,
    **RARE,
}
"""What fills a `Builder`, by name."""
_ATTEMPTS = 200


def random_model(family: str, number: int) -> tuple[onnx.ModelProto, list[dict[str, np.ndarray]], list[list | None]]:
    """A model of a family, whose outputs are the values that nothing reads; its inputs; what it gives on each."""
    for attempt in range(_ATTEMPTS):
        random = Random(f"{family} {number} {attempt}")
        b = Builder(random, random.choice([13, 17, 18, 20, 20, 21, 22, 23]) if family != "chains" else 20)
        try:
            FAMILIES[family](b)
        except NotAcceptedError:
            if not b.nodes:
                continue
        read = {name for node in b.nodes for name in names_read(node)}
        ends = [name for name, _ in b.values if name not in read and name not in b.feeds]
        if not ends:
            continue
        feeds = [b.feeds, *_variations(b)]
        try:
            model = b.model(ends)
            return model, feeds, run(model, feeds, b.evaluator)
        except Exception:  # together they are not accepted, as where extents are free
            continue
    raise LookupError(f"nothing is accepted for {family} {number}")


def _variations(b: Builder) -> list[dict[str, np.ndarray]]:
    """Another extent of the first axes; zeros; large numbers, ties and infinities; NaN."""

    def varied(change: Callable[[np.ndarray], np.ndarray]) -> dict[str, np.ndarray]:
        return {name: x if name in b.fixed else change(x).astype(x.dtype) for name, x in b.feeds.items()}

    def longer(x: np.ndarray) -> np.ndarray:
        return np.resize(b.numbers.permutation(x.ravel()), (len(x) + 1, *x.shape[1:])) if x.ndim and x.size else x

    def mixed(x: np.ndarray, numbers: np.ndarray) -> np.ndarray:
        return np.where(b.numbers.random(x.shape) < 0.3, b.numbers.choice(numbers, x.shape), x)

    def with_nan(x: np.ndarray) -> np.ndarray:
        return mixed(x, np.array([np.nan], np.float32)) if x.dtype.kind in "fV" else x

    found = [varied(longer)] if b.free else []
    found += [varied(np.zeros_like), varied(lambda x: mixed(x, _edges(x.dtype)))]
    return [*found, varied(with_nan)] if any(x.dtype.kind in "fV" for x in b.feeds.values()) else found


def _edges(dtype: np.dtype) -> np.ndarray:
    """The edges of an element type: infinities, both zeros, ties, the largest and the smallest numbers."""
    if dtype.kind in "iu":
        info = np.iinfo(dtype)
        return np.array([info.max, info.min, 0, 1, 1, 2, *([-1, -7] if dtype.kind == "i" else [])], dtype)
    if dtype.kind == "b":
        return np.array([False, True])
    large = [65504, 1e-4] if dtype.itemsize == 2 else [2**31, -(2.0**40), 1e-30, 65504]
    return np.array([np.inf, -np.inf, 0, -0.0, 1, 1, -1, *large]).astype(dtype)
