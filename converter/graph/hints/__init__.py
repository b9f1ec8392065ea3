"""Hints: names that the source recorded, in scopes, source lines and parameters; names in the script come from them."""

from __future__ import annotations

from converter.graph.hints import scopes
from converter.graph.hints.source_lines import assigned_names
from converter.graph.origins import is_fixed, is_frozen, is_of_inference, is_trained_number, origin_of

__all__ = ["assigned_names", "is_fixed", "is_frozen", "is_of_inference", "is_trained_number", "origin_of", "scopes"]
