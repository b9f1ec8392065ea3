"""Scopes: the module calls of the source, such as `layer1.0.conv1`, around a node and around its statement."""

from __future__ import annotations

from typing import NamedTuple


class Scope(NamedTuple):
    """A module call in the source: its name within the one around it, and its class where the source recorded one."""

    name: str
    kind: str = ""
