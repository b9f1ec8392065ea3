"""Supervise: the process of a job, as long as there is memory and time for it, and how it ended."""

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
"""Without it, MindSpore's 3x3 convolutions fall to reference code on CPUs that have AVX-512: about 70 times slower."""

LIMIT = 2 * 3600
"""Seconds that a part of a job may take: a network of 100,000 nodes takes less, a loop that does not end takes more."""

COPIES = {".ckpt": 4.0, ".safetensors": 1.6}
"""How often a process has the weights in memory at once, by the checkpoint's format. MindSpore maps a safetensors."""
BASE = 1 << 30
"""Bytes that a process needs besides."""
NUMBER = 8
"""Bytes of a random number, which an input's elements are made of."""

_MEMORY = Path("/proc/meminfo")
_GROUP = Path("/sys/fs/cgroup")


@dataclass(frozen=True)
class Ending:
    """How a process ended.

    Attributes:
        reason: in words, when it did not end well.
        by_itself: whether what it ran ended it; otherwise there was no memory or no time, which says nothing about it.
    """

    reason: str
    by_itself: bool = True


def run(folder: Path, part: str, job: Job, count: Count) -> Ending:
    """Run a part of the job; in its folder, where MindSpore leaves its dumps."""
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
    """Why a job cannot run: its weights would not fit into the memory that there is. Empty when they do."""
    if checkpoint is None:
        return ""
    needed = int(checkpoint.stat().st_size * COPIES[checkpoint.suffix]) + BASE
    free = free_memory()
    if free is None or needed <= free:
        return ""
    return f"to run source and script takes about {needed / 1e9:.1f} GB of memory, {free / 1e9:.1f} GB are free"


def lack_of_memory_for(endpoints: Sequence[Endpoint]) -> str:
    """Why inputs cannot be made: they would not fit into the memory that there is. Empty when they do."""
    needed = sum(math.prod(end.example or ()) * max(end.dtype.itemsize, NUMBER) for end in endpoints)
    free = free_memory()
    if free is None or needed <= free:
        return ""
    return f"the inputs take {needed / 1e9:.1f} GB of memory, {free / 1e9:.1f} GB are free; smaller ones: --shape"


def free_memory() -> int | None:
    """Bytes that a new process can have, in this process's group too; None where the system does not say."""
    known = []
    with suppress(OSError, LookupError, ValueError):
        fields = dict(line.split(":") for line in _MEMORY.read_text(encoding="utf-8").splitlines())
        known.append(int(fields["MemAvailable"].split()[0]) * 1024)
    with suppress(OSError, LookupError, ValueError):  # no file, or `max`
        taken = dict(line.split() for line in (_GROUP / "memory.stat").read_text(encoding="utf-8").splitlines())
        known.append(int((_GROUP / "memory.max").read_text(encoding="utf-8")) - int(taken["anon"]))
    return min(known, default=None)


def be_ended_first() -> None:
    """Let the system, when memory runs out, end this process before any other."""
    with suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text("1000", encoding="utf-8")
