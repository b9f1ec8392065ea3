"""Weights in files of transformers, which has some under older names than its modules, or in other pieces."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from copy import deepcopy
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch


def names_in_module(module: Any, names: Iterable[str]) -> dict[str, str]:
    """A name in a file → the name that transformers gives to it in a module; empty for modules of other libraries.

    Only names change: weights that transformers splits or joins while it reads them keep theirs.
    """
    if not _is_of_library(module):
        return {}
    try:
        from transformers.conversion_mapping import get_model_conversion_mapping
        from transformers.core_model_loading import WeightRenaming, rename_source_key

        renamings = [each for each in get_model_conversion_mapping(module) if isinstance(each, WeightRenaming)]
        own = module.state_dict()
        return {name: rename_source_key(name, renamings, [], module.base_model_prefix, own)[0] for name in names}
    except (ImportError, AttributeError, TypeError):  # a version of transformers that renames nothing, or otherwise
        return {}


def pieces_joined(module: Any, state: Mapping[str, torch.Tensor]) -> Mapping[str, torch.Tensor]:
    """The state with the tensors that transformers makes of several, such as those of experts, in the place of these.

    `state` has the names of `names_in_module`.
    """
    if not _is_of_library(module):
        return state
    try:
        from transformers.conversion_mapping import get_model_conversion_mapping
        from transformers.core_model_loading import WeightConverter, dot_natural_key, rename_source_key

        ways = [each for each in get_model_conversion_mapping(module) if isinstance(each, WeightConverter)]
        by_pattern = {pattern: way for way in ways for pattern in way.source_patterns}
        own, read = module.state_dict(), set()
        begun: dict[str, WeightConverter] = {}
        for name in sorted(state, key=dot_natural_key):
            target, pattern = rename_source_key(name, [], ways, module.base_model_prefix, own)
            if pattern is not None and target in own:
                way = begun.setdefault(target, deepcopy(by_pattern[pattern]))
                way.add_tensor(target, name, pattern, state[name])
                read.add(name)
        made = [way.convert(target, model=module, config=module.config) for target, way in begun.items()]
    except (ImportError, AttributeError, TypeError):  # another version of transformers
        return state
    joined = {name: each[0] if isinstance(each, list) else each for found in made for name, each in found.items()}
    return {name: tensor for name, tensor in state.items() if name not in read} | joined


def _is_of_library(module: Any) -> bool:
    return hasattr(module, "base_model_prefix") and hasattr(module, "config")
