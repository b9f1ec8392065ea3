"""Places: in which line of the user's code a module was made, and in which one it was called."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from types import FrameType
from typing import Any

import torch

Place = tuple[str, int]
"""A file below the folder of the source, and a line from 1."""

_MADE = "_made_at"


class Places:
    """The lines of the code below a folder.

    Args:
        folder: from which the modules of the source are imported.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = os.path.join(folder, "")
        self._torch = os.path.join(os.path.dirname(torch.__file__), "")

    @contextlib.contextmanager
    def recorded(self) -> Iterator[None]:
        """Inside the block, every module remembers where it was made."""
        original = torch.nn.Module.__init__

        def initialize(module: Any, *args: Any, **kwargs: Any) -> None:
            original(module, *args, **kwargs)
            module.__dict__[_MADE] = self.first(sys._getframe(1), constructs=module)

        torch.nn.Module.__init__ = initialize  # type: ignore[method-assign,assignment]
        try:
            yield
        finally:
            torch.nn.Module.__init__ = original  # type: ignore[method-assign]

    def made(self, module: Any) -> Place | None:
        """Where a module was made; None if not in the user's code."""
        place: Place | None = module.__dict__.get(_MADE)
        return place

    def first(self, frame: FrameType | None, constructs: Any = None) -> Place | None:
        """The innermost line of the user's code in a frame or around it, but for the constructors of a module."""
        while frame is not None:
            code = frame.f_code
            own = constructs is not None and code.co_argcount and frame.f_locals.get(code.co_varnames[0]) is constructs
            name = code.co_filename
            if not own and name.startswith(self._folder) and not name.startswith(self._torch):
                return name[len(self._folder) :].replace(os.sep, "/"), frame.f_lineno
            frame = frame.f_back
        return None
