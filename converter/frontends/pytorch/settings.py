"""Settings: a module as it is exported and run, and as it was afterwards."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Collection, Iterator
from functools import partial
from typing import Any

import torch
from torch import nn
from torch.nn import functional
from torch.nn.modules.dropout import _DropoutNd

_PATHS = ("DropPath", "StochasticDepth")
"""Classes that leave out whole branches in training."""
_PACKED = "find_packed_sequence_indices"
"""What transformers finds texts in a row with."""
CHANNEL_DROPOUTS = (nn.Dropout1d, nn.Dropout2d, nn.Dropout3d)
"""Classes that drop whole channels."""
_SCRIPTED = ("AlphaDropout", "FeatureAlphaDropout")
"""Classes of dropout that the exporter leaves out of TorchScript."""


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


@contextlib.contextmanager
def dropouts_kept(module: nn.Module) -> Iterator[None]:
    """Inside the block the dropout modules act as in training, so that an exporter writes them.

    They work on a copy: of one in place, an exporter writes the random numbers. It does so, too, of one that drops
    whole channels (`Dropout2d`): inside the block these drop single elements, as ONNX's Dropout does.
    """
    dropouts = [each for each in module.modules() if isinstance(each, _DropoutNd) and _is_kept(each)]
    dropouts = [each for each in dropouts if each.p > 0 and not each.training]
    for each in dropouts:
        each.forward = partial(functional.dropout, p=each.p, training=True)
    try:
        yield
    finally:
        for each in dropouts:
            del each.forward


def _is_kept(module: nn.Module) -> bool:
    return any(type(module).forward is kind.forward for kind in (nn.Dropout, *CHANNEL_DROPOUTS))


def drops_channels(module: nn.Module | None) -> bool:
    """Whether a module, which may be TorchScript, drops whole channels."""
    name = getattr(module, "original_name", "")
    return isinstance(module, CHANNEL_DROPOUTS) or name in [kind.__name__ for kind in CHANNEL_DROPOUTS]


def lost_in_training(module: nn.Module) -> str | None:
    """A sentence about what acts in torch's training, and is not in the network."""
    found = [
        f"{name} ({getattr(each, 'original_name', type(each).__name__)})"
        for name, each in module.named_modules()
        if (isinstance(each, nn.RNNBase) and each.dropout > 0 and each.num_layers > 1)
        or (isinstance(each, nn.MultiheadAttention) and each.dropout > 0)
        or (isinstance(each, _DropoutNd) and each.p > 0 and not _is_kept(each))
        or type(each).__name__ in _PATHS
        or getattr(each, "original_name", "") in (*_PATHS, *_SCRIPTED)
    ]
    if not found:
        return None
    some = ", ".join(found[:3]) + (f" and {len(found) - 3} more" if len(found) > 3 else "")
    return f"The dropout of {some} acts in torch's training mode only; the script does not have it."
