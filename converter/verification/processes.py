"""Processes: run a module of this program in a process of its own, and say how it ended."""

from __future__ import annotations

import logging
import os
import signal
import subprocess
import sys
from collections.abc import Sequence
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


def run_module(module: str, arguments: Sequence[str], folder: Path, limit: float) -> Ending:
    """Run `python -m module arguments` with a folder as working directory, since MindSpore writes dumps there.

    Args:
        module: of this program.
        arguments: of its command line.
        folder: the working directory.
        limit: seconds after which it is stopped.
    """
    path = os.pathsep.join([str(Path(__file__).parents[2]), *filter(None, [os.environ.get("PYTHONPATH")])])
    try:
        done = subprocess.run(
            [sys.executable, "-m", module, *arguments],
            cwd=folder,
            env={**ONEDNN_ISA, "GLOG_v": "4", **os.environ, "PYTHONPATH": path},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            check=False,
            timeout=limit,
        )
    except subprocess.TimeoutExpired:
        time = f"{limit / 3600:g} hours" if limit >= 3600 else f"{limit:g} seconds"
        return Ending(f"it was stopped after {time}", by_itself=False)
    logging.getLogger(__name__).info("%s%s", done.stdout, done.stderr)  # what --verbose shows
    return _ending(done)


def _ending(done: subprocess.CompletedProcess[str]) -> Ending:
    if done.returncode == -signal.SIGKILL:
        return Ending("the system ended it, most likely since memory ran out", by_itself=False)
    if done.returncode == -getattr(signal, "SIGALRM", 0):
        return Ending("it took too long", by_itself=False)
    if done.returncode < 0:
        return Ending(f"signal {signal.Signals(-done.returncode).name}")
    return Ending((done.stderr.strip().splitlines() or [f"exit status {done.returncode}"])[-1][:300])
