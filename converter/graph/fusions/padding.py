"""Merge a Pad with zeros into the attribute `pads` of the convolution or pool that reads it."""

from __future__ import annotations

from typing import Any

import onnx_ir as ir

from converter.graph.fusions.log import NoMatch
from converter.graph.fusions.pattern import Pattern, either, named, op
from converter.graph.fusions.rewrite import Builder, Fusion
from converter.graph.queries import attribute, numbers_of


def _zeros_around(x: Pattern, pads: Pattern) -> Pattern:
    return either(op.Pad(x, pads, mode="constant"), op.Pad(x, pads, 0, mode="constant"))


def padded_convolution(x: Pattern, pads: Pattern, weight: Pattern, y: Pattern) -> Pattern:
    """A convolution of a padded tensor."""
    return named(y, op.Conv(_zeros_around(x, pads), weight))


def padded_convolution_with_bias(x: Pattern, pads: Pattern, weight: Pattern, bias: Pattern, y: Pattern) -> Pattern:
    """A convolution of a padded tensor, with a bias."""
    return named(y, op.Conv(_zeros_around(x, pads), weight, bias))


def convolution(
    builder: Builder, x: ir.Value, pads: ir.Value, weight: ir.Value, y: ir.Value, bias: ir.Value | None = None
) -> ir.Value:
    """Conv with the padding in its attribute `pads`."""
    inputs = (x, weight) if bias is None else (x, weight, bias)
    return builder.Conv(*inputs, **_with_pads(y, pads))


def padded_average(x: Pattern, pads: Pattern, y: Pattern) -> Pattern:
    """An average pool of a padded tensor, without `ceil_mode`."""
    return named(y, op.AveragePool(_zeros_around(x, pads), ceil_mode=0))


def average_pool(builder: Builder, x: ir.Value, pads: ir.Value, y: ir.Value) -> ir.Value:
    """AveragePool that includes its padding in the average, as it included the zeros."""
    attributes, node = _with_pads(y, pads), y.producer()
    if node is None or (any(attribute(node, "pads") or ()) and not _counts_padding(node)):
        raise NoMatch("it has padding of its own, which it does not count")
    return builder.AveragePool(x, **attributes | {"count_include_pad": 1})


def _counts_padding(node: ir.Node) -> bool:
    return attribute(node, "count_include_pad") == 1


def _with_pads(y: ir.Value, pads: ir.Value) -> dict[str, Any]:
    """The attributes of the layer that produces `y`, with `pads` added to its own.

    Raises:
        NoMatch: an attribute cannot express this padding.
    """
    node, more = y.producer(), numbers_of(pads)
    if node is None or more is None or attribute(node, "auto_pad") not in ("NOTSET", "VALID"):
        raise NoMatch("the amounts of its padding are computed, or its own are by auto_pad")
    rank = len(more) // 2
    begins, ends = more[:rank], more[rank:]
    if any((*begins[:2], *ends[:2])) or min(more) < 0:
        raise NoMatch(f"its padding {more} is of samples or channels, or takes elements away")
    around = (*begins[2:], *ends[2:])
    own = attribute(node, "pads") or (0,) * len(around)
    attributes = {name: value.value for name, value in node.attributes.items() if name != "auto_pad"}
    return attributes | {"pads": [a + b for a, b in zip(own, around, strict=True)]}


FUSIONS = (
    Fusion(padded_convolution, convolution),
    Fusion(padded_convolution_with_bias, convolution),
    Fusion(padded_average, average_pool),
)
