"""The catalogue of messages: the text that a user reads, in the language of the terminal.

The source text is English and is its own key. `zh.json` maps it to Chinese; the page of a report takes the same file.
"""

from __future__ import annotations

import argparse
import functools
import json
import os
from collections.abc import Mapping
from pathlib import Path

LANGUAGES = ("zh",)
"""The languages that have a catalogue, besides English."""

_VARIABLES = ("LANGUAGE", "LC_ALL", "LC_MESSAGES", "LANG")
"""The environment's variables for the language of messages; the first that is set decides, as in gettext."""


def language() -> str:
    """The language of the terminal, by the environment: `zh` or `en`."""
    locale = next(filter(None, map(os.environ.get, _VARIABLES)), "")
    code = locale.replace("_", "-").split("-")[0].lower()
    return code if code in LANGUAGES else "en"


@functools.cache
def catalogue(code: str) -> Mapping[str, str]:
    """The messages of a language: English text → translated text. English has an empty catalogue."""
    if code not in LANGUAGES:
        return {}
    messages: dict[str, str] = json.loads((Path(__file__).parent / f"{code}.json").read_text(encoding="utf-8"))
    return messages


def tr(text: str) -> str:
    """A message in the language of the terminal; English where the catalogue lacks it."""
    return catalogue(language()).get(text, text)


def translate_help(command: argparse.ArgumentParser) -> None:
    """Translate the help of a command and of its sub-commands."""
    if language() == "en":
        return
    for part in (command, *command._action_groups):
        part.description = tr(part.description) if part.description else None
    command.epilog = tr(command.epilog) if command.epilog else None
    for group in command._action_groups:
        group.title = tr(group.title) if group.title else None
    for action in command._actions:
        action.help = tr(action.help) if action.help else action.help
        if isinstance(action, argparse._SubParsersAction):
            for choice in action._choices_actions:
                choice.help = tr(choice.help) if choice.help else choice.help
            for each in action.choices.values():
                translate_help(each)
