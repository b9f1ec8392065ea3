"""A mode of the command: a kind of source, with its own options and conversion. Importing it is fast."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

from converter.base.stages import Failures, Observer

if TYPE_CHECKING:
    from converter.report import Outcome

Groups: TypeAlias = Mapping[str, argparse._ArgumentGroup]
"""The groups of options in the help, by title: `model`, `scripts`, `result`, `verification`, `other`."""


@dataclass(frozen=True, kw_only=True)
class Mode:
    """One mode of the command.

    Attributes:
        source: the option that names the source; the mode is chosen by it.
        instead: the option that names a source which is no file, if the mode has one; it chooses the mode too.
        stages: the stages of its conversion.
        add_options: adds its options, including `source`, to the options of all modes.
        convert: converts the source that the options name.
    """

    source: str
    instead: str = ""
    stages: Failures
    add_options: Callable[[Groups], None]
    convert: Callable[[argparse.Namespace, Observer | None], Outcome]

    @property
    def sources(self) -> tuple[str, ...]:
        """The options that name a source."""
        return tuple(filter(None, (self.source, self.instead)))
