"""Initialisers: torch.nn.init. Each is a helper that sets the values of a parameter, with PyTorch's distribution."""

from __future__ import annotations

from converter.rewriting import Row, call

_SIGNATURES = {
    "constant_": "(tensor, val)",
    "zeros_": "(tensor)",
    "ones_": "(tensor)",
    "eye_": "(tensor)",
    "dirac_": "(tensor, groups=1)",
    "normal_": "(tensor, mean=0.0, std=1.0, generator=None)",
    "uniform_": "(tensor, a=0.0, b=1.0, generator=None)",
    "trunc_normal_": "(tensor, mean=0.0, std=1.0, a=-2.0, b=2.0, generator=None)",
    "xavier_normal_": "(tensor, gain=1.0, generator=None)",
    "xavier_uniform_": "(tensor, gain=1.0, generator=None)",
    "kaiming_normal_": "(tensor, a=0, mode='fan_in', nonlinearity='leaky_relu', generator=None)",
    "kaiming_uniform_": "(tensor, a=0, mode='fan_in', nonlinearity='leaky_relu', generator=None)",
    "orthogonal_": "(tensor, gain=1, generator=None)",
    "calculate_gain": "(nonlinearity, param=None)",
    "_calculate_fan_in_and_fan_out": "(tensor)",
}

_OLD = (
    "constant", "normal", "uniform", "xavier_normal", "xavier_uniform", "kaiming_normal", "kaiming_uniform",
    "orthogonal", "dirac", "eye",
)  # fmt: skip
"""Names without the underscore, of PyTorch before 0.4."""

ROWS: dict[str, Row] = {
    f"torch.nn.init.{name}": call(
        signature,
        f"compat.{ours}(...)",
        value=f"compat.{ours}",
        returns="number" if name == "calculate_gain" else "tensor",
        refused="generator" if "generator" in signature else "",
    )
    for name, ours, signature in (
        *((name, name, signature) for name, signature in _SIGNATURES.items()),
        *((name, f"{name}_", _SIGNATURES[f"{name}_"]) for name in _OLD),
    )
}
