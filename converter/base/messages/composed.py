"""Messages that the program composes, in another language: the catalogue has their templates.

`'net.onnx' is empty. Export or copy it again.` is found by the template `'{0}' is empty. Export or copy it again.`
Where no template fits a whole message, its sentences are translated one by one; what the catalogue lacks, such as the
message of a library, stays as it is.
"""

from __future__ import annotations

import functools
import re
from typing import NamedTuple

from converter.base.messages import catalogue, language

_PLACE = re.compile(r"\{(\d+)\}")
_SENTENCE_ENDS = re.compile(r"(?<=[.;])\s+")
_WORDS = ("input", "output")
_LONGEST = 2000
"""Characters of a message that is looked at; a longer one stays as it is."""
_MOST_SENTENCES = 8
"""Sentences that a message of the catalogue has, with those of a library in its places."""


class _Template(NamedTuple):
    """A message of the catalogue with places for what is computed.

    Attributes:
        parts: its text between the places.
        translated: its translation, with the same places.
    """

    parts: tuple[str, ...]
    translated: str


def translated(text: str, code: str = "") -> str:
    """A message in a language, by default the terminal's; English where the catalogue lacks it."""
    code = code or language()
    if not catalogue(code) or len(text) > _LONGEST:
        return text
    return _translated(text, code)


def _translated(text: str, code: str) -> str:
    """The translation of some sentences: each time, of as few as there is a message for."""
    text = text.strip()
    ends = [*(match.start() for match in _SENTENCE_ENDS.finditer(text)), len(text)]
    for end in ends[:_MOST_SENTENCES]:
        if (found := _message(text[:end], code)) is not None:
            rest = _translated(text[end:], code)
            return f"{found} {rest}" if rest and found[-1].isascii() else found + rest
    if len(ends) == 1:
        return text
    return f"{text[: ends[0]]} {_translated(text[ends[0] :], code)}"


def _message(text: str, code: str) -> str | None:
    """The translation of a message; None if the catalogue has none.

    A reason is written without a full stop, and becomes a sentence with a capital.
    """
    bare = text.removesuffix(".")
    candidates = ((text, ""), (bare, "。"), (bare[:1].lower() + bare[1:], "。"))
    for candidate, end in candidates:
        known = catalogue(code).get(candidate)
        if known is not None:
            return known if known.endswith(end) else known + end
    for candidate, end in candidates:
        for template in _templates(code):
            match = _match(template, candidate)
            if match is not None:
                return _filled(template, match, code) + end
    return None


def _filled(template: _Template, match: re.Match[str], code: str) -> str:
    """The translation of a template, what stands in its places translated as well where it is a word or a sentence."""
    values = [_translated(value, code) if " " in value or value in _WORDS else value for value in match.groups()]
    return _PLACE.sub(lambda place: values[int(place[1])], template.translated)


def _match(template: _Template, text: str) -> re.Match[str] | None:
    """The match of a template; its fixed parts are looked for first, which is quick."""
    position = 0
    for part in template.parts:
        position = text.find(part, position) + len(part)
        if position < len(part):
            return None
    return _pattern(template.parts).fullmatch(text) if text.startswith(template.parts[0]) else None


@functools.cache
def _pattern(parts: tuple[str, ...]) -> re.Pattern[str]:
    """What a template matches, a group for each place; most templates are never asked for theirs."""
    return re.compile("(.*?)".join(map(re.escape, parts)), re.DOTALL)


@functools.cache
def _templates(code: str) -> tuple[_Template, ...]:
    """The templates of a language, those with the longest text first."""
    found = []
    for text, known in catalogue(code).items():
        if _PLACE.search(text):
            found.append(_Template(tuple(_PLACE.split(text)[::2]), known))
    return tuple(sorted(found, key=lambda template: -sum(map(len, template.parts))))
