"""The source's own sensitivity: how far its outputs move when its inputs move by one part in 10^7.

Rounding in another order moves values as much. Where the source amplifies that (a network of random weights), or puts
near ties into an order (TopK, non-maximum suppression), outputs differ although every node is right.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from converter.verification.comparisons import Difference, badness
from converter.verification.metrics import TOLERANCE, TOLERANCES, difference

REORDERED = "the same elements in another order"
"""The note of an output that has them."""
ORDERING = frozenset({"NonMaxSuppression", "TopK", "Unique"})
"""Operators that put values into an order: rounding decides that of near ties."""
STEP = 1e-7
"""By how much of itself every element of an input moves; one of 16 bits by the precision of its type."""
DRAWS = 4
"""How often the inputs are moved."""
RATIO = 2.0
"""How much farther than the source a script may be off: it rounds in every layer, while the inputs are moved once."""


@dataclass(frozen=True)
class Movement:
    """How far an output of the source moves.

    Attributes:
        moved: the largest difference from the output for the inputs as they are.
        unequal: the number of elements that are not equal to it.
        number: False if its shape changes, or where it is infinite, so that no number says how far.
    """

    moved: float
    unequal: int = 0
    number: bool = True


def movements(
    run: Callable[[Mapping[str, np.ndarray]], list[Any]], feeds: Mapping[str, np.ndarray], expected: Sequence[Any]
) -> list[Movement]:
    """How far each output moves; `run` runs the source, `expected` are its outputs for the inputs as they are.

    Raises:
        ConverterError: the source refuses the moved inputs.
    """
    worst, unequal = [Difference("same")] * len(expected), [0] * len(expected)
    for draw in range(DRAWS):
        outputs = run(_moved(feeds, np.random.default_rng(draw)))
        found = [difference(one, other) for one, other in zip(outputs, expected, strict=True)]
        worst = [max(pair, key=_size) for pair in zip(worst, found, strict=True)]
        counts = [_unequal(one, other) for one, other in zip(outputs, expected, strict=True)]
        unequal = [max(pair) for pair in zip(unequal, counts, strict=True)]
    return [
        Movement(each.max_abs or 0.0, count, each.verdict == "same" or each.max_abs is not None)
        for each, count in zip(worst, unequal, strict=True)
    ]


def _unequal(one: Any, other: Any) -> int:
    alike = isinstance(one, np.ndarray) and isinstance(other, np.ndarray) and one.shape == other.shape
    return int(np.count_nonzero(one != other)) if alike else 0


def _size(found: Difference) -> tuple[bool, bool, float]:
    return found.verdict == "differs" and found.max_abs is None, *badness(found)


def _moved(feeds: Mapping[str, np.ndarray], generator: np.random.Generator) -> dict[str, np.ndarray]:
    return {name: _nudged(array, generator) for name, array in feeds.items()}


def _nudged(array: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    if array.dtype.kind != "f":
        return array
    step = STEP if array.dtype.itemsize > 2 else float(np.finfo(array.dtype).eps)  # a smaller one moves no 16 bits
    signs = generator.choice([-step, step], array.shape)
    return np.asarray(array.astype(np.float64) * (1 + signs)).astype(array.dtype)


def is_reordered(got: Any, want: Any) -> bool:
    """Whether two arrays have the same elements, within the tolerance of their type, in another order."""
    if not isinstance(want, np.ndarray) or not isinstance(got, np.ndarray) or got.shape != want.shape:
        return False
    if want.dtype.kind not in "fiu" or not want.size:
        return False
    one, other = (np.sort(array.reshape(-1).astype(np.float64)) for array in (got, want))
    tolerance = TOLERANCES.get(want.dtype.name, TOLERANCE) if want.dtype.kind == "f" else 0.0
    return bool(np.abs(one - other).max() <= tolerance * np.abs(other).max())


def excuse(found: Difference, moved: Movement) -> str:
    """Why an output that differs is within the source's sensitivity, as a phrase; empty if it is not."""
    if REORDERED in found.note and moved.moved > 0:
        return f"only the order of near ties differs; the source's own output moves by {moved.moved:.2e}"
    if found.max_abs is None:
        same_kind = "its shape is" in found.note or "NaN or infinities" in found.note
        return "the source's own output changes in the same way" if same_kind and not moved.number else ""
    count = re.match(r"(\d+) of \d+ elements are unequal", found.note)
    if count is not None:  # integers: places of near ties, whose distance says nothing
        near = 0 < int(count[1]) <= RATIO * moved.unequal
        return f"of the source's own output {moved.unequal} elements change" if near else ""
    return f"the source's own output moves by {moved.moved:.2e}" if found.max_abs <= RATIO * moved.moved else ""
