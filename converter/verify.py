"""Verify: run the source and the script on the same inputs, and measure how far apart their outputs are."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Comparison:
    """The proof."""

    verdict: str

    def lines(self) -> list[str]:
        """The proof as the text report's last part."""
        return [self.verdict]


def verify(*args: object) -> Comparison:
    """Compare."""
    return Comparison("not comparable")
