"""Commands: `mindconverter`, `mindconverter-weights`, and what they show on a terminal."""

from __future__ import annotations

from converter.commands.mindconverter import main

__all__ = ["main"]
