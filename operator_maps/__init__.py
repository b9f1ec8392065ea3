"""Operator tables: each row maps one ONNX operator to the MindSpore code for it. `lib/` holds shared helpers."""

from operator_maps import registry

__all__ = ["registry"]
