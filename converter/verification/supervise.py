"""Supervise: run a job's process within limits of memory and time, and report how it ended."""

from __future__ import annotations

import logging
import math
import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from converter.frontends import Endpoint
from converter.verification.job import RESULTS, Job, NodePlan
from converter.verification.tail_progress import Count, tail_progress

ONEDNN_ISA = {"ONEDNN_MAX_CPU_ISA": "AVX2"}
"""Without it, MindSpore's 3x3 convolutions use reference code on CPUs with AVX-512, which is about 70 times slower."""

LIMIT = 2 * 3600
"""Maximum seconds for a part of a job: enough for a network of 100,000 nodes; stops an endless loop."""

COPIES = {".ckpt": 4.0, ".safetensors": 1.6}
"""Copies of the weights that a process holds at once, by checkpoint format. MindSpore memory-maps safetensors."""
BASE = 1 << 30
"""Bytes that a process needs besides the weights."""
NUMBER = 8
"""Bytes of one random number before it is cast to the input's element type."""

_MEMORY = Path("/proc/meminfo")
_GROUP = Path("/sys/fs/cgroup")


@dataclass(frozen=True)
class Ending:
    """How a process ended.

    Attributes:
        reason: the error, signal or limit that ended it, as a phrase.
        by_itself: False if memory or time ran out, which says nothing about the script; else True.
    """

    reason: str
    by_itself: bool = True


def run(folder: Path, part: str, job: Job, count: Count) -> Ending:
    """Run a part of the job, with the job's folder as working directory, since MindSpore writes dumps there."""
    path = os.pathsep.join([str(Path(__file__).parents[2]), *filter(None, [os.environ.get("PYTHONPATH")])])
    nodes = len(job.nodes.probes) if isinstance(job.nodes, NodePlan) else 0
    with tail_progress(folder / RESULTS, nodes, count):
        try:
            done = subprocess.run(
                [sys.executable, "-m", "converter.verification.process", ".", part],
                cwd=folder,
                env={**ONEDNN_ISA, "GLOG_v": "4", **os.environ, "PYTHONPATH": path},
                capture_output=True,
                text=True,
                errors="replace",
                check=False,
                timeout=LIMIT,
            )
        except subprocess.TimeoutExpired:
            return Ending(f"it was stopped after {LIMIT / 3600:g} hours", by_itself=False)
    logging.getLogger(__name__).info("%s%s", done.stdout, done.stderr)  # what --verbose shows
    return _ending(done)


def _ending(done: subprocess.CompletedProcess[str]) -> Ending:
    if done.returncode == -signal.SIGKILL:
        return Ending("the system ended it, most likely since memory ran out", by_itself=False)
    if done.returncode < 0:
        return Ending(f"signal {signal.Signals(-done.returncode).name}")
    return Ending((done.stderr.strip().splitlines() or [f"exit status {done.returncode}"])[-1][:300])


def lack_of_memory(checkpoint: Path | None) -> str:
    """The message that a job's weights need more memory than is free; empty if they fit."""
    if checkpoint is None:
        return ""
    needed = int(checkpoint.stat().st_size * COPIES[checkpoint.suffix]) + BASE
    free = free_memory()
    if free is None or needed <= free:
        return ""
    return f"to run source and script takes about {needed / 1e9:.1f} GB of memory, {free / 1e9:.1f} GB are free"


def lack_of_memory_for(endpoints: Sequence[Endpoint]) -> str:
    """The message that the inputs need more memory than is free; empty if they fit."""
    needed = sum(math.prod(end.example or ()) * max(end.dtype.itemsize, NUMBER) for end in endpoints)
    free = free_memory()
    if free is None or needed <= free:
        return ""
    return f"the inputs take {needed / 1e9:.1f} GB of memory, {free / 1e9:.1f} GB are free; smaller ones: --shape"


def free_memory() -> int | None:
    """Bytes that are free for a new process, within this process's control group; None if the system does not tell."""
    known = []
    with suppress(OSError, LookupError, ValueError):
        fields = dict(line.split(":") for line in _MEMORY.read_text(encoding="utf-8").splitlines())
        known.append(int(fields["MemAvailable"].split()[0]) * 1024)
    with suppress(OSError, LookupError, ValueError):  # no file, or `max`
        taken = dict(line.split() for line in (_GROUP / "memory.stat").read_text(encoding="utf-8").splitlines())
        known.append(int((_GROUP / "memory.max").read_text(encoding="utf-8")) - int(taken["anon"]))
    return min(known, default=None)


def be_ended_first() -> None:
    """Make the system kill this process before any other when memory runs out."""
    with suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text("1000", encoding="utf-8")
