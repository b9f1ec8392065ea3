"""Facts: the lines of a journal, each a JSON object, as a process left them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any


def read_facts(file: Path) -> list[dict[str, Any]]:
    """The facts in a file; none if there is no file, and not the last one if its process ended while it wrote."""
    if not file.exists():
        return []
    lines = file.read_text("utf-8").split("\n")
    return [json.loads(line) for line in lines[:-1]]


def add_fact(file: Path, **fact: Any) -> None:
    """Add a fact to a file that no process writes any more."""
    with file.open("a", encoding="utf-8") as facts:
        facts.write(json.dumps(fact) + "\n")


def outputs_are_same(facts: Sequence[dict[str, Any]]) -> bool:
    """Whether an output was compared, and none differs."""
    verdicts = {fact["compared"]["verdict"] for fact in facts if "compared" in fact}
    return "same" in verdicts and "differs" not in verdicts
