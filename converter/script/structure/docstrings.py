"""Docstrings of classes: what the class is and does, and where in the source its instances stand."""

from __future__ import annotations

import re

from converter.script.structure.groups import Group

WIDEST_LINE = 110
"""Characters of a docstring's line; the rest of 120 is indentation and quotes. What is wider is said in fewer words."""


def docstring_of(group: Group, name: str, purpose: str) -> str:
    """What the class is and does, and where in the source it came from."""
    purpose = f"{purpose}. " if purpose else ""
    paths = sorted((instance.region.path for instance in group.instances), key=_natural)
    kind = group.model.region.scope.kind
    if len(paths) > 1 and len(set(paths)) == 1 and not kind:
        return f"{purpose}Occurs {len(paths)} times in the source."
    if not any(paths):
        return f"{purpose}Occurs once in the source."
    ranges = paths[:1] if len(set(paths)) == 1 else [f"{paths[0]} … {paths[-1]}", _range(paths[0], paths[-1])]
    suffix = f" ({kind})" if kind and kind != name else ""
    shorter = re.sub(r", with .*(?=\. $)", "", purpose)
    made = [f"{text}Source: {where}{suffix}." for text in (purpose, shorter) for where in ranges]
    return next((doc for doc in made if len(doc) <= WIDEST_LINE), made[0])


def _range(first: str, last: str) -> str:
    """`layers.0…3.attention` for `layers.0.attention` and `layers.3.attention`."""
    pairs = list(zip(first.split("."), last.split("."), strict=False))
    if first.count(".") != last.count(".") or sum(a != b for a, b in pairs) != 1:
        return f"{first} … {last}"
    return ".".join(a if a == b else f"{a}…{b}" for a, b in pairs)


def _natural(path: str) -> list[tuple[str, int]]:
    """Sorts `layer.2` before `layer.10`."""
    return [(text, int(number or 0)) for text, number in re.findall(r"(\D*)(\d*)", path)]
