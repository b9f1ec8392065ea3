"""Names of weights in files of transformers, which reads and writes some under older names than its modules have."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any


def names_in_module(module: Any, names: Iterable[str]) -> dict[str, str]:
    """A name in a file → the name that transformers gives to it in a module; empty for modules of other libraries.

    Only names change: weights that transformers splits or joins while it reads them keep theirs.
    """
    if not hasattr(module, "base_model_prefix") or not hasattr(module, "config"):
        return {}
    try:
        from transformers.conversion_mapping import get_model_conversion_mapping
        from transformers.core_model_loading import WeightRenaming, rename_source_key

        renamings = [each for each in get_model_conversion_mapping(module) if isinstance(each, WeightRenaming)]
        own = module.state_dict()
        return {name: rename_source_key(name, renamings, [], module.base_model_prefix, own)[0] for name in names}
    except (ImportError, AttributeError, TypeError):  # a version of transformers that renames nothing, or otherwise
        return {}
