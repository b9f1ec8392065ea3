"""Commands: `mindconverter`, `mindconverter-weights`, and their output on a terminal."""

from __future__ import annotations

from converter.commands.mindconverter import main

__all__ = ["main"]
