"""Operator tables: a row maps one ONNX operator, or one name of PyTorch, to MindSpore. `lib/` is shared."""

from __future__ import annotations

import importlib

__all__ = ["pytorch", "registry"]


def __getattr__(name: str) -> object:
    """Import the tables when they are asked for: those of PyTorch need no ONNX."""
    if name in __all__:
        return importlib.import_module(f"{__name__}.{name}")
    raise AttributeError(f"module '{__name__}' has no attribute '{name}'")
