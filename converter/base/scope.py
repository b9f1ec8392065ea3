"""Scopes: the calls of modules in the source that contain a node, such as `layer1.0.conv1`."""

from __future__ import annotations

from typing import NamedTuple


class Scope(NamedTuple):
    """A call of a module in the source: its name relative to the enclosing scope, and its class if it was recorded."""

    name: str
    kind: str = ""


NETWORK = Scope("")
"""The only scope of a statement that the source recorded outside of all modules, in the network itself."""
