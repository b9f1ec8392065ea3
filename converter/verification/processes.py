"""Processes: run a module of this program in a process of its own, and say how it ended."""

from __future__ import annotations

import logging
import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

ONEDNN_ISA = {"ONEDNN_MAX_CPU_ISA": "AVX2"}
"""Without it, MindSpore's 3x3 convolutions use reference code on CPUs with AVX-512, which is about 70 times slower."""


@dataclass(frozen=True)
class Ending:
    """How a process ended.

    Attributes:
        reason: the error, signal or limit that ended it, as a phrase.
        by_itself: False if memory or time ran out, which says nothing about the script; else True.
    """

    reason: str
    by_itself: bool = True


_LOOKS = 0.1
"""Seconds between two looks at the memory of a process."""


def run_module(
    module: str, arguments: Sequence[str], folder: Path, limit: float, memory: float = float("inf")
) -> Ending:
    """Run `python -m module arguments` with a folder as working directory, since MindSpore writes dumps there.

    Args:
        module: of this program.
        arguments: of its command line.
        folder: the working directory.
        limit: seconds after which it is stopped.
        memory: bytes; it is stopped when it holds more (on Linux).
    """
    path = os.pathsep.join([str(Path(__file__).parents[2]), *filter(None, [os.environ.get("PYTHONPATH")])])
    with subprocess.Popen(
        [sys.executable, "-m", module, *arguments],
        cwd=folder,
        env={**ONEDNN_ISA, "GLOG_v": "4", **os.environ, "PYTHONPATH": path},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        errors="replace",
    ) as process:
        try:
            said, errors = _watched(process, time.monotonic() + limit, memory)
        except (TimeoutError, MemoryError) as stopped:
            return Ending(str(stopped), by_itself=False)
        finally:
            process.kill()
    logging.getLogger(__name__).info("%s%s", said, errors)  # what --verbose shows
    return _ending(process.returncode, errors)


def _watched(process: subprocess.Popen[str], end: float, memory: float) -> tuple[str, str]:
    """What a process writes until it ends by itself.

    Raises:
        TimeoutError: it goes on at `end`; the message says how long it took.
        MemoryError: it holds more than `memory` bytes, which the message says.
    """
    began = time.monotonic()
    while True:
        try:
            return process.communicate(timeout=max(0.0, min(_LOOKS, end - time.monotonic())))
        except subprocess.TimeoutExpired:
            if time.monotonic() >= end:
                limit = end - began
                duration = f"{limit / 3600:g} hours" if limit >= 3600 else f"{limit:g} seconds"
                raise TimeoutError(f"it was stopped after {duration}") from None
            if _held_by(process.pid) > memory:
                raise MemoryError(held_more_than(memory)) from None


def held_more_than(memory: float) -> str:
    """The reason that ends a process that holds more than `memory` bytes."""
    return f"it was stopped when it held more than {memory / 1e9:.1f} GB of memory"


def _held_by(process: int) -> int:
    """Bytes of memory that a process holds; 0 where the system does not tell."""
    with suppress(OSError, IndexError, ValueError):
        pages = Path(f"/proc/{process}/statm").read_text(encoding="ascii").split()[1]
        return int(pages) * os.sysconf("SC_PAGE_SIZE")
    return 0


def _ending(status: int, errors: str) -> Ending:
    if status == -signal.SIGKILL:
        return Ending("the system ended it, most likely since memory ran out", by_itself=False)
    if status == -getattr(signal, "SIGALRM", 0):
        return Ending("it took too long", by_itself=False)
    if status < 0:
        return Ending(f"signal {signal.Signals(-status).name}")
    return Ending((errors.strip().splitlines() or [f"exit status {status}"])[-1][:300])
