"""Hints: what the source calls things, by its scopes, its lines, its parameters and the names of its extents."""
