"""Orientation: which layout is meant where several give the right shape.

A square matrix can be (in, out) or (out, in), and a dense layer behind a flattened image reads its inputs in another
order in TensorFlow. Shapes do not tell; the framework does, or the other weights of the same source.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence

from converter.weights.drafts import Draft
from converter.weights.layouts import TRANSPOSED, Framework, Layout, flattened
from converter.weights.names import split
from converter.weights.roles import role_of_parameter

_MATRICES = ("dense", "")


def oriented(drafts: Sequence[Draft], framework: Framework) -> list[Draft]:
    """The same drafts, each with one layout; where nothing decides, the draft is ambiguous."""
    votes = _Votes(drafts)
    return _behind_a_flatten([_decided(draft, framework, votes) for draft in drafts], framework)


class _Votes:
    """How often weights that fit in one layout only are channels-last, by the last word of their layers' names."""

    def __init__(self, drafts: Sequence[Draft]) -> None:
        self._votes: Counter[tuple[str, str, bool]] = Counter()
        for draft in drafts:
            if len(draft.layouts) == 1 and len(draft.source.shape) > 1:
                role = role_of_parameter(draft.parameter)
                for word in (_last_word(draft), "*"):
                    self._votes[role, word, draft.layouts[0].channels_last] += 1

    def of(self, draft: Draft) -> tuple[bool, str] | None:
        """Whether the source's other weights of this role are channels-last; None without, or with both kinds."""
        role = role_of_parameter(draft.parameter)
        for word in (_last_word(draft), "*"):
            last, first = self._votes[role, word, True], self._votes[role, word, False]
            if bool(last) != bool(first):
                what = f"the source's other '{word}'" if word != "*" else "the source's other matrices"
                return bool(last), what if role in _MATRICES else "the source's other kernels"
            if last and first:
                return None
        return None


def _last_word(draft: Draft) -> str:
    return split(draft.source.name)[0].rpartition("/")[2]


def _decided(draft: Draft, framework: Framework, votes: _Votes) -> Draft:
    if len(draft.layouts) < 2:
        return draft
    source = draft.source
    kernel = split(source.name)[1].endswith("kernel")
    if framework == "tensorflow" or (not framework and kernel):
        return draft.with_layout(_first(draft.layouts, True), "square; TensorFlow and Keras have it so")
    voted = votes.of(draft)
    if voted is not None:
        channels_last, what = voted
        return draft.with_layout(_first(draft.layouts, channels_last), f"square; {what} are so")
    if framework in ("torch", "mindspore"):
        return draft.with_layout(_first(draft.layouts, False), "square; this framework has it so")
    names = " or ".join(layout.name for layout in draft.layouts)
    return draft.with_layout(draft.layouts[0], f"square: {names}?", ambiguous=True)


def _first(layouts: Sequence[Layout], channels_last: bool) -> Layout:
    return next((layout for layout in layouts if layout.channels_last == channels_last), layouts[0])


def _behind_a_flatten(drafts: list[Draft], framework: Framework) -> list[Draft]:
    """Reorder the inputs of dense layers that read a flattened image of TensorFlow's."""
    channels: int | None = None
    result = []
    for draft in drafts:
        role, shape = role_of_parameter(draft.parameter), draft.parameter.array.shape
        result.append(draft)
        if role == "convolution":
            channels = shape[0]
        elif role == "transposed convolution":
            channels = shape[1]
        elif role in ("dense", "embedding", "input weight"):
            if role == "dense" and channels and draft.layouts and draft.layouts[0].name == TRANSPOSED:
                result[-1] = _reordered(draft, channels)
            channels = None
    return result


def _reordered(draft: Draft, channels: int) -> Draft:
    source = draft.source
    inputs = source.shape[0]
    positions = inputs // channels
    if inputs % channels or positions == 1:
        return draft
    height = next(extent for extent in range(math.isqrt(positions), 0, -1) if positions % extent == 0)
    layout = flattened(source.shape, height, positions // height, channels)
    reason = "a convolution is before it: TensorFlow flattens (H, W, C), MindSpore (C, H, W)"
    if height * height == positions:
        return draft.with_layout(layout, reason)
    return draft.with_layout(layout, f"{reason}; H and W are a guess", ambiguous=True)
