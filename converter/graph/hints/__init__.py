"""Hints: names that the source recorded, in scopes, source lines and parameters; names in the script come from them."""

from __future__ import annotations

from converter.graph.hints import scopes
from converter.graph.hints.origins import is_fixed, origin_of
from converter.graph.hints.source_lines import assigned_names

__all__ = ["assigned_names", "is_fixed", "origin_of", "scopes"]
