"""Caches: a decoder of transformers with the keys and values of earlier tokens as inputs and outputs.

Its parameter `past_key_values`, named as an input, stands for two tensors of each layer.
"""

from __future__ import annotations

import functools
import inspect
import re
from collections.abc import Mapping, Sequence
from typing import Any

import torch

from converter.errors import BadParamError
from converter.frontends.pytorch.lines import culprit
from converter.frontends.pytorch.spec import PAST

_PART = re.compile(rf"{PAST}\.(\d+)\.(key|value)")
_PARAMETERS = (PAST, "cache")
"""What releases of transformers call the parameter."""
_TOKENS = 3
"""Tokens of the run that shows the extents of the cache."""

Extents = Sequence[tuple[tuple[int, ...], tuple[int, ...]]]
"""Of keys and values of each layer: (batch, heads, tokens, size)."""


def with_cache(module: torch.nn.Module, label: str) -> Extents:
    """Make the module take and return keys and values of every layer as tensors; returns their extents in a run.

    Its `forward` then takes `past_key_values` as a list of pairs, and returns a dictionary: its outputs, then
    `present.0.key`, `present.0.value`, ….

    Raises:
        BadParamError: the module has no such cache.
    """
    original: Any = module.forward
    signature = inspect.signature(original)
    own = next((name for name in _PARAMETERS if name in signature.parameters), PAST)
    ids = torch.ones((2, _TOKENS), dtype=torch.int64)
    try:
        with torch.no_grad():
            made = original(input_ids=ids, use_cache=True)[own]
        extents = [(tuple(layer.keys.shape), tuple(layer.values.shape)) for layer in made.layers]
        empty = type(made)
        empty()
    except Exception as error:  # the user's code may raise any
        raise BadParamError(
            f"'{label}' does not return the keys and values of each layer as the classes of transformers do: "
            f"{culprit(error)} Omit '{PAST}' in --input_nodes."
        ) from error

    @functools.wraps(original)
    def forward(past_key_values: Any, **kwargs: Any) -> dict[str, Any]:
        cache = empty()
        for index, (key, value) in enumerate(past_key_values):
            cache.update(key, value, index)
        result = original(**{own: cache}, use_cache=True, **kwargs)
        found = {name: value for name, value in result.items() if name != own}
        for index, layer in enumerate(result[own].layers):
            found |= {f"present.{index}.key": layer.keys, f"present.{index}.value": layer.values}
        return found

    renamed = [each.replace(name=PAST) if name == own else each for name, each in signature.parameters.items()]
    forward.__signature__ = signature.replace(parameters=renamed)  # type: ignore[attr-defined]
    module.forward = forward  # type: ignore[method-assign]
    return extents


def names_of(extents: Extents) -> list[str]:
    """The inputs that a cache stands for: `past_key_values.0.key`, `past_key_values.0.value`, …."""
    return [f"{PAST}.{index}.{kind}" for index in range(len(extents)) for kind in ("key", "value")]


def shapes_of(extents: Extents) -> list[tuple[int | str, ...]]:
    """Their shapes, in which the batch and the number of past tokens are free."""
    return [("N", *each[1:-2], "P", each[-1]) for pair in extents for each in pair]


def nested(values: Mapping[str, Any]) -> dict[str, Any]:
    """Values by input as arguments of `forward`: those of a cache are pairs in a list."""
    found: dict[str, Any] = {}
    for name, value in values.items():
        part = _PART.fullmatch(name)
        if part is None:
            found[name] = value
        elif part[2] == "key":
            found.setdefault(PAST, []).append((value, values[f"{PAST}.{part[1]}.value"]))
    return found
