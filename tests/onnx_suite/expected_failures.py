"""Cases that are expected to fail, by reason."""

FAILURES: dict[str, tuple[str, ...]] = {}
"""Reason → cases. Each reason is true of every case under it."""

CRASHES: dict[str, str] = {}
"""Case → why it is not run: MindSpore's kernel ends the process."""
