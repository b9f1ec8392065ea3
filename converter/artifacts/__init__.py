"""Artifacts: the files of a result that hold or describe tensors, which are the checkpoint and the weight map."""

from __future__ import annotations

from converter.artifacts import checkpoint, weight_map
from converter.artifacts.tensors import LazyTensor, TensorSpec
from converter.artifacts.weight_map import Entry, entry_of

__all__ = ["Entry", "LazyTensor", "TensorSpec", "checkpoint", "entry_of", "weight_map"]
