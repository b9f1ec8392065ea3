"""Anchors: the layer with a kernel that a norm follows. Where two kernels are paired, so are the norms behind them."""

from __future__ import annotations

from collections.abc import Sequence

from converter.weights.layers import Group, Layer
from converter.weights.names import Name, compared

_KERNELS = ("convolution", "transposed convolution", "dense", "kernel", "depthwise")
_KINDS = frozenset({"norm", "convolution", "transposed", "dense", "depthwise", "pointwise"})
"""Words that say what a layer is, in which the names of a norm and of its convolution differ."""


def anchors(layers: Sequence[Layer | Group], *, ordered: bool) -> dict[int, set[int]]:
    """For each layer without a kernel those with one that it may follow, by their indices.

    These are the one before it, and the only one whose name is the same without the word for a norm (`conv_dw_9`,
    `conv_dw_9_bn`), or else without all words for kinds of layers (`block1_conv`, `block1_bn`).

    Args:
        layers: in their order.
        ordered: whether the order says anything.
    """
    names = compared([(layer.path, "") for layer in layers])
    kernels = [index for index, layer in enumerate(layers) if _is_kernel(layer)]
    twins = [_twins(names, kernels, kinds) for kinds in (frozenset({"norm"}), _KINDS)]
    found: dict[int, set[int]] = {}
    last: int | None = None
    for index, layer in enumerate(layers):
        if _is_kernel(layer):
            last = index
        elif layer.kind == "norm":
            near = next((same[index] for same in twins if len(same[index]) == 1), set())
            found[index] = near | ({last} if ordered and last is not None else set())
    return found


def _twins(names: Sequence[Name], kernels: Sequence[int], kinds: frozenset[str]) -> list[set[int]]:
    """For each layer the kernels whose names are the same without the words for these kinds."""
    keys = [(name.words - kinds, name.order) for name in names]
    found: dict[object, set[int]] = {}
    for index in kernels:
        found.setdefault(keys[index], set()).add(index)
    return [found.get(key, set()) for key in keys]


def _is_kernel(layer: Layer | Group) -> bool:
    weights = layer.form.weights
    return any(each.role in _KERNELS and len(each.shape) > 1 for each in weights)
