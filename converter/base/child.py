"""Child processes: what the program starts ends with it, also where the system ends the program at once."""

from __future__ import annotations

import ctypes
import signal
import sys

_PR_SET_PDEATHSIG = 1
"""Of Linux's prctl(2): the signal that a process gets when the one that started it ends."""


def end_with_parent() -> None:
    """Make the system end this process when the one that started it ends; on Linux only, elsewhere nothing.

    A process that is killed cannot stop what it started: a source that runs without an end would go on for ever.
    """
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
