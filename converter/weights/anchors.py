"""Anchors: the layer with a kernel that a norm follows. Where two kernels are paired, so are the norms behind them."""

from __future__ import annotations

from collections.abc import Sequence

from converter.weights.layers import Group, Layer
from converter.weights.names import compared

_KERNELS = ("convolution", "transposed convolution", "dense", "kernel", "depthwise")
_KINDS = frozenset({"norm", "convolution", "transposed", "dense", "depthwise", "pointwise"})
"""Words that say what a layer is, in which the names of a norm and of its convolution differ."""


def anchors(layers: Sequence[Layer | Group], *, ordered: bool) -> dict[int, set[int]]:
    """For each layer without a kernel those with one that it may follow, by their indices.

    These are the one before it, and the one whose name differs in the kind of layer only (`block1_conv`, `block1_bn`).

    Args:
        layers: in their order.
        ordered: whether the order says anything.
    """
    names = compared([(layer.path, "") for layer in layers])
    keys = [(name.words - _KINDS, name.order) for name in names]
    twins = {key: index for index, key in enumerate(keys) if _is_kernel(layers[index])}
    found: dict[int, set[int]] = {}
    last: int | None = None
    for index, layer in enumerate(layers):
        if _is_kernel(layer):
            last = index
        elif layer.kind == "norm":
            near = {twins[keys[index]]} if keys[index] in twins else set()
            found[index] = near | ({last} if ordered and last is not None else set())
    return found


def _is_kernel(layer: Layer | Group) -> bool:
    weights = layer.form.weights
    return any(each.role in _KERNELS and len(each.shape) > 1 for each in weights)
