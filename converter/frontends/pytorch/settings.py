"""Settings: a module as it is exported and run, and as it was afterwards."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Collection, Iterator
from typing import Any

import torch
from torch import nn

_PACKED = "find_packed_sequence_indices"
"""What transformers finds texts in a row with."""


@contextlib.contextmanager
def as_network(module: nn.Module) -> Iterator[None]:
    """Inside the block the module is in evaluation mode, and computes nothing but its outputs.

    - A model of transformers returns no cache of keys and values (`use_cache`).
    - `nn.Transformer` does not compare its mask with a causal one: that branch on values cannot be exported, and only
      chooses a kernel. Nor does attention use its fused kernel, which the exporter does not know.
    """
    transformer: Any = nn.modules.transformer
    compares, fast = transformer._detect_is_causal_mask, torch.backends.mha.get_fastpath_enabled()
    transformer._detect_is_causal_mask = lambda mask, is_causal=None, size=None: is_causal is True
    torch.backends.mha.set_fastpath_enabled(False)
    training = {each: each.training for each in module.modules()} if not _is_frozen(module) else {}
    caches = [config for config in _configs(module) if getattr(config, "use_cache", False)]
    try:
        if training:
            module.eval()
        for config in caches:
            config.use_cache = False
        yield
    finally:
        for each, mode in training.items():
            each.training = mode
        for config in caches:
            config.use_cache = True
        torch.backends.mha.set_fastpath_enabled(fast)
        transformer._detect_is_causal_mask = compares


@contextlib.contextmanager
def with_forward(module: nn.Module, forward: Callable[..., Any]) -> Iterator[None]:
    """Inside the block the module has another `forward`."""
    own = vars(module).get("forward")
    module.forward = forward  # type: ignore[method-assign]
    try:
        yield
    finally:
        if own is None:
            del module.forward
        else:
            module.forward = own  # type: ignore[method-assign]


@contextlib.contextmanager
def one_text_a_row(inputs: Collection[str]) -> Iterator[None]:
    """Inside the block, models of transformers do not look for several texts in one row, unless positions are an input.

    They look at the positions, which otherwise just count. When the module runs, transformers finds one text and drops
    the mask that keeps texts apart; an exporter would write all of it.
    """
    masks: Any = sys.modules.get("transformers.masking_utils")
    find = getattr(masks, _PACKED, None)
    if find is None or "position_ids" in inputs:
        yield
        return
    setattr(masks, _PACKED, lambda position_ids: None)
    try:
        yield
    finally:
        setattr(masks, _PACKED, find)


def _is_frozen(module: nn.Module) -> bool:
    """Whether the module is that of an exported program, which has no modes."""
    return "GraphModule" in type(module).__name__ or type(module).__name__ == "InterpreterModule"


def _configs(module: nn.Module) -> list[Any]:
    """The configurations of a model of transformers and of its parts, each once."""
    configs = (getattr(each, "config", None) for each in module.modules())
    return list({id(config): config for config in configs if config is not None}.values())
