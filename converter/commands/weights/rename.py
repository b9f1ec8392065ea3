r"""Rename: rules in a file that map the names in a checkpoint to those in a weight map.

A line is `pattern -> replacement`: a regular expression that must match a whole name, and the new name, in which `\1`
is the first group. The first line that matches is used; a name that no line matches is unchanged. Empty lines and lines
that begin with `#` are ignored.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from converter.artifacts import LazyTensor
from converter.errors import BadParamError


@dataclass(frozen=True)
class Rule:
    """One line of a file of rules."""

    line: int
    pattern: re.Pattern[str]
    replacement: str

    def apply(self, name: str) -> str | None:
        """The new name; None when the pattern does not match."""
        match = self.pattern.fullmatch(name)
        return None if match is None else match.expand(self.replacement)


def read_rules(file: Path) -> tuple[Rule, ...]:
    """Read a file of rules.

    Raises:
        BadParamError: the file cannot be read, or a line is malformed.
    """
    try:
        lines = file.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not text"
        raise BadParamError(f"'{file}' cannot be read: {reason}. Check --rename.") from error
    return tuple(
        _rule(file, number, line)
        for number, line in enumerate(lines, start=1)
        if line.strip() and not line.lstrip().startswith("#")
    )


def _rule(file: Path, number: int, line: str) -> Rule:
    pattern, arrow, replacement = line.partition("->")
    if not arrow:
        raise BadParamError(f"'{file}', line {number}: '{line.strip()}' is not of the form: pattern -> replacement.")
    try:
        compiled = re.compile(pattern.strip())
        re.sub(compiled, replacement.strip(), "")  # raises if the replacement refers to a group that the pattern lacks
    except (re.error, IndexError) as error:
        raise BadParamError(f"'{file}', line {number}: {error}. Write a regular expression of Python's.") from error
    return Rule(number, compiled, replacement.strip())


def renamed(tensors: Mapping[str, LazyTensor], rules: Sequence[Rule]) -> dict[str, LazyTensor]:
    """Apply the rules to the names of tensors.

    Raises:
        BadParamError: two tensors get the same name.
    """
    result: dict[str, LazyTensor] = {}
    before: dict[str, str] = {}
    for name, tensor in tensors.items():
        new = next((new for rule in rules if (new := rule.apply(name)) is not None), name)
        if new in result:
            raise BadParamError(f"--rename gives '{before[new]}' and '{name}' one name, '{new}'. Change a line.")
        before[new] = name
        result[new] = replace(tensor, array=replace(tensor.array, name=new))
    return result
