"""Mixtures of experts as they are exported; a class of our own stands in for those of transformers."""

from __future__ import annotations

import sys
from types import SimpleNamespace

import pytest

torch = pytest.importorskip("torch", reason="PyTorch is an extra")

from converter.frontends.pytorch.experts import every_token, experts_on_every_token  # noqa: E402 - it imports torch


class Experts(torch.nn.Module):
    """Three experts, of which each token chooses some."""

    def __init__(self, ways: dict, *, gate: bool = True, bias: bool = False, transposed: bool = False) -> None:
        super().__init__()
        self.ways, self.config = ways, SimpleNamespace(_experts_implementation_internal="loop")
        self._is_expert_parallel = False
        self.has_gate, self.has_bias, self.is_transposed = gate, bias, transposed
        self.up = "gate_up_proj" if gate else "up_proj"
        for name, inner, outer in ((self.up, 4, 12 if gate else 6), ("down_proj", 6, 4)):
            shape = (3, inner, outer) if transposed else (3, outer, inner)
            self.register_parameter(name, torch.nn.Parameter(torch.randn(shape)))
            self.register_parameter(f"{name}_bias", torch.nn.Parameter(torch.randn(3, outer)) if bias else None)

    def _apply_gate(self, x: torch.Tensor) -> torch.Tensor:
        gate, up = x.chunk(2, -1)
        return self.act_fn(gate) * up

    def act_fn(self, x: torch.Tensor) -> torch.Tensor:
        return torch.nn.functional.silu(x)

    def linear(self, x: torch.Tensor, name: str, expert: int) -> torch.Tensor:
        weight, bias = getattr(self, name)[expert], getattr(self, f"{name}_bias")
        weight = weight.T if self.is_transposed else weight
        return torch.nn.functional.linear(x, weight, bias[expert] if self.has_bias else None)

    def loop(self, x: torch.Tensor, chosen: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
        rows = []
        for row, experts, weights in zip(x, chosen, scores, strict=True):
            made = []
            for expert, weight in zip(experts.tolist(), weights, strict=True):
                inner = self.linear(row, self.up, expert)
                inner = self._apply_gate(inner) if self.has_gate else self.act_fn(inner)
                made.append(self.linear(inner, "down_proj", expert) * weight)
            rows.append(sum(made))
        return torch.stack(rows)

    def forward(self, x: torch.Tensor, chosen: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
        way = self.ways.get(self.config._experts_implementation_internal, Experts.loop)
        return way(self, x, chosen, scores)


class Ways(dict):
    """The ways that transformers knows."""

    def register(self, name: str, way: object) -> None:
        self[name] = way


FORMS = ({}, {"gate": False}, {"bias": True}, {"transposed": True, "bias": True})
TOKENS = torch.tensor([[0, 2], [2, 1], [1, 0], [2, 0], [1, 2]])


@pytest.mark.parametrize("form", FORMS)
def test_every_expert_on_every_token(form, monkeypatch):
    torch.manual_seed(0)
    ways = Ways()
    monkeypatch.setitem(sys.modules, "transformers.integrations.moe", SimpleNamespace(ALL_EXPERTS_FUNCTIONS=ways))
    module = torch.nn.Sequential(Experts(ways, **form))[0]
    inputs = torch.randn(5, 4), TOKENS, torch.rand(5, 2)
    wanted = module(*inputs)
    with experts_on_every_token(module):
        assert module.config._experts_implementation_internal == "every_token"
        found = module(*inputs)
    assert ways == {"every_token": every_token}
    assert module.config._experts_implementation_internal == "loop"
    torch.testing.assert_close(found, wanted)


def test_modules_without_experts_and_versions_without_ways(monkeypatch):
    monkeypatch.setitem(sys.modules, "transformers.integrations.moe", SimpleNamespace())
    module = Experts(Ways())
    with experts_on_every_token(module), experts_on_every_token(torch.nn.Linear(2, 2)):
        assert module.config._experts_implementation_internal == "loop"
