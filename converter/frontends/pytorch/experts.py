"""Experts: mixtures of experts of transformers in a form that exporters write.

transformers gives each token to its experts alone: by a loop over those that any token chose, or by kernels of its own.
In the network every expert computes every token, and the scores of the router choose: an expert has the score 0 for a
token that did not choose it. The results are the same.
"""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator
from typing import Any

import torch
from torch import nn

_NAME = "every_token"
_MARK = "_is_expert_parallel"
"""An attribute of the modules whose experts transformers can compute in several ways."""


@contextlib.contextmanager
def experts_on_every_token(module: nn.Module) -> Iterator[None]:
    """Inside the block every expert of a model of transformers computes every token."""
    library: Any = sys.modules.get("transformers.integrations.moe")
    ways = getattr(library, "ALL_EXPERTS_FUNCTIONS", None)
    experts: list[Any] = [each for each in module.modules() if hasattr(each, _MARK)]
    if ways is None or not experts:
        yield
        return
    ways.register(_NAME, every_token)
    configs = {id(each.config): each.config for each in experts}.values()
    before = [config._experts_implementation_internal for config in configs]
    try:
        for config in configs:
            config._experts_implementation_internal = _NAME
        yield
    finally:
        for config, way in zip(configs, before, strict=True):
            config._experts_implementation_internal = way


def every_token(self: Any, hidden_states: torch.Tensor, top_k_index: torch.Tensor, top_k_weights: torch.Tensor) -> Any:
    """The experts of a module (`self`) on tokens, (T, C), each weighted by the scores of the token, (T, K)."""
    weight = self.gate_up_proj if self.has_gate else self.up_proj
    chosen = nn.functional.one_hot(top_k_index, len(weight)).to(top_k_weights.dtype)
    scores = (chosen * top_k_weights[..., None]).sum(1)
    inner = _linear(self, hidden_states, "gate_up_proj" if self.has_gate else "up_proj")
    inner = self._apply_gate(inner) if self.has_gate else self.act_fn(inner)
    outer = _linear(self, inner, "down_proj")
    if getattr(self, "has_post_expert_norm", False):
        outer = self.post_expert_norm(outer)
    return (outer * scores.T[..., None]).sum(0).to(hidden_states.dtype)


def _linear(experts: Any, x: torch.Tensor, name: str) -> torch.Tensor:
    """A linear layer of every expert: (…, T, C) to (E, T, D)."""
    weight = getattr(experts, name)
    x = x @ (weight if experts.is_transposed else weight.transpose(1, 2))
    return x + getattr(experts, f"{name}_bias")[:, None] if experts.has_bias else x
