"""Names of the script's variables, attributes and classes: valid in Python, unique, and close to the source's names."""

from __future__ import annotations

import builtins
import keyword
import re

MODULES = frozenset({"ms", "nn", "ops", "np", "math", "mint", "mindspore", "numpy", "Parameter", "Tensor"})
"""Modules that a script may import; no variable or attribute gets such a name."""

_RESERVED = frozenset(keyword.kwlist) | frozenset(keyword.softkwlist) | frozenset(dir(builtins)) | MODULES | {"self"}


def identifier(text: str, default: str = "x") -> str:
    """Make a lower-case ASCII identifier of any text: `layer1/Conv.0:0` is `layer1_conv_0_0`, `1_conv` is `conv_1`."""
    words = re.sub(r"(?<=[a-z])(?=[A-Z][a-z])", "_", text)
    name = re.sub(r"[^0-9a-zA-Z]+", "_", words).strip("_").lower()[:64].rstrip("_")
    name = re.sub(r"^(\d+)_([a-z]\w*)$", r"\2_\1", name)
    if not name:
        return default
    return f"{default}{name}" if name[0].isdigit() else name


class Namespace:
    """The names used in one scope: `new` returns a valid identifier that is not yet used there."""

    def __init__(self, reserved: frozenset[str] = frozenset()) -> None:
        self._taken = set(_RESERVED | reserved)
        self._next: dict[str, int] = {}

    def __contains__(self, name: str) -> bool:
        return name in self._taken

    def new(self, hint: str, default: str = "x") -> str:
        """Return `hint` as an identifier; when it is already used, with the next free number appended."""
        name = base = identifier(hint, default)
        while name in self._taken:
            number = self._next.get(base, 1)
            self._next[base] = number + 1
            name = f"{base}_{number}"
        self._taken.add(name)
        return name
