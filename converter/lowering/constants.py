"""Constants that no layer has: which are trained, which the script computes, and what they are called."""

from __future__ import annotations

import re
from dataclasses import replace

import numpy as np
import onnx_ir as ir

from converter.graph import is_folded
from converter.graph.hints import is_frozen, is_trained_number, origin_of, scopes
from converter.script import Weight
from converter.shapes import kind_of

FORBIDDEN = -1e9
"""A constant with a number at or below this is a mask: added to scores, it excludes positions."""
LARGEST_MASK = 1 << 24
"""Maximum elements of a constant that is checked for being a mask: a mask of 4096 x 4096 positions."""


def standalone(weight: Weight, value: ir.Value) -> Weight:
    """A weight as a parameter of its own; what the source lacks or computes, such as a mask, is not trained."""
    source = _viewed(value)
    unknown = scopes.is_generated(source.name) and not origin_of(source)[0]
    is_number = source.const_value is not None and source.const_value.size == 1
    if is_frozen(source) or (is_number and not is_trained_number(source)):
        weight = replace(weight, trainable=False, frozen=False)
    elif unknown or weight.added or (weight.trainable and _is_mask(weight)):
        weight = replace(weight, trainable=False)
    return replace(weight, computed=not weight.trainable and (weight.added or _is_computed(source)))


def hint(value: ir.Value) -> str:
    """A name for a constant; a view of a weight has the weight's, where that means something."""
    name = scopes.constant_hint(_viewed(value))
    return scopes.constant_hint(value) if name == "constant" else name


def _viewed(value: ir.Value) -> ir.Value:
    """The constant that a value is, or is a view of."""
    while value.const_value is None:
        value = value.producer().inputs[0]  # type: ignore[union-attr,assignment]
    return value


def _is_computed(constant: ir.Value) -> bool:
    """Whether the source computes a constant that is not trained; a float of a module's own name may be a buffer."""
    name = constant.name or ""
    of_exporter = scopes.is_generated(name) or name.startswith("const_fold_opt")
    own_name = re.fullmatch(r"[A-Za-z_]\w*(\.\w+)*", name) and not of_exporter
    return kind_of(constant.dtype) != "f" or is_folded(constant) or not own_name


def _is_mask(weight: Weight) -> bool:
    """Whether a constant is a mask, which excludes positions when added to scores; no weight has such numbers."""
    size = int(np.prod([int(extent) for extent in weight.tensor.shape], dtype=np.int64))
    return 1 < size <= LARGEST_MASK and bool((weight.tensor.numpy() <= FORBIDDEN).any())
