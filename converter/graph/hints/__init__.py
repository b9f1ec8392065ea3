"""Hints: names that the source recorded, in scopes, source lines and parameters; names in the script come from them."""
