"""Images: sampling, and moving pixels between space and channels."""

from __future__ import annotations

ROWS: dict = {}
