"""Helpers of converted scripts: their text is copied into `_torch_compat.py`. They are never imported from here."""
