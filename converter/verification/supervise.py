"""Supervise: run a job's process within limits of memory and time, and report how it ended."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

import numpy as np
import onnx_ir as ir

from converter.base.shards import files_of
from converter.frontends import Endpoint
from converter.graph import all_nodes
from converter.verification.job import RESULTS, Job, NodePlan
from converter.verification.processes import Ending, held_more_than, run_module
from converter.verification.tail_progress import Count, tail_progress

LIMIT = 600
"""Maximum seconds for a verification, if the user says no other; stops an endless loop."""

COPIES = {".ckpt": 4.0, ".safetensors": 1.6}
"""Copies of the weights that a process holds at once, by checkpoint format. MindSpore memory-maps safetensors."""
BASE = 1 << 30
"""Bytes that a process needs besides the weights."""
NUMBER = 8
"""Bytes of one random number before it is cast to the input's element type."""

LARGE = 128 << 20
"""Bytes of a tensor that any network may make."""
EXPANSION = 4096
"""How many times larger than weights and inputs together a larger tensor may be."""

SPACE = 2_500_000_000
"""Bytes that a process may hold besides what its network needs: its libraries take up to half of it."""
FOR_WEIGHTS = 64
"""How many times larger than the weights what is computed may be."""
FOR_INPUTS = 4096
"""The same for the inputs: a transfer of style holds 2.8 GB for an image of 0.6 MB, with all its nodes compared."""
FOR_A_NODE = 200_000
"""Bytes that graph mode may take to compile a node."""

_NO_NUMBERS = (None, ir.DataType.UNDEFINED, ir.DataType.STRING)

_MEMORY = Path("/proc/meminfo")
_GROUP = Path("/sys/fs/cgroup")


class Clock:
    """The time that a verification has, from now on: `limit` seconds."""

    def __init__(self, limit: float) -> None:
        self.limit = limit
        self._began = time.monotonic()

    @property
    def remaining(self) -> float:
        """Seconds, at least 0."""
        return max(0.0, self._began + self.limit - time.monotonic())


def run(folder: Path, part: str, job: Job, count: Count, clock: Clock, memory: float) -> Ending:
    """Run a part of the job, within `memory` bytes.

    The working directory is the job's folder, since MindSpore writes dumps there.
    """
    nodes = len(job.nodes.probes) if isinstance(job.nodes, NodePlan) else 0
    with tail_progress(folder / RESULTS, nodes, count):
        ending = run_module("converter.verification.process", [".", part], folder, clock.remaining, memory)
    if ending.reason == held_more_than(memory):
        return Ending(f"{ending.reason} (--verify_memory)", by_itself=False)
    if not clock.remaining and not ending.by_itself:
        return Ending(f"it was stopped after {clock.limit:g} seconds (--verify_limit)", by_itself=False)
    return ending


def lack_of_memory(checkpoint: Path | None, memory: float | None = None) -> str:
    """The beginning of a message: the weights need more memory than is free, or than `memory` GB; empty if they fit."""
    if checkpoint is None:
        return ""
    needed = int(sum(file.stat().st_size * COPIES[file.suffix] for file in files_of(checkpoint))) + BASE
    size = f"{needed / 1e9:.1f}"
    if memory is not None and needed > memory * 1e9:
        return f"to run source and script takes about {size} GB of memory, --verify_memory is {memory:g} GB;"
    free = free_memory()
    if free is None or needed <= free:
        return ""
    return f"to run source and script takes about {size} GB of memory, {free / 1e9:.1f} GB are free;"


def lack_of_memory_for(endpoints: Sequence[Endpoint]) -> str:
    """The message that the inputs need more memory than is free; empty if they fit."""
    needed = sum(math.prod(end.example or ()) * max(end.dtype.itemsize, NUMBER) for end in endpoints)
    free = free_memory()
    if free is None or needed <= free:
        return ""
    return f"the inputs take {needed / 1e9:.1f} GB of memory, {free / 1e9:.1f} GB are free; smaller ones: --shape"


def blown_up(graph: ir.Graph, memory: float | None = None) -> str:
    """The message that a network makes an enormous tensor of next to nothing; empty if not, or if `memory` GB allow it.

    A file of a hundred bytes can tile two numbers to terabytes.
    """
    held = _weights_of(graph) + sum(map(_bytes, graph.inputs))
    most = max((value for node in all_nodes(graph) for value in node.outputs), key=_bytes, default=None)
    needed = 0 if most is None else _bytes(most)
    if most is None or needed <= max(LARGE, EXPANSION * held) or (memory is not None and needed <= memory * 1e9):
        return ""
    return (
        f"'{most.name}' would take {needed / 1e9:.3g} GB, weights and inputs {held / 1e9:.1g} GB; "
        "--verify_memory GB allows it"
    )


def most_memory(graph: ir.Graph, feeds: Mapping[str, np.ndarray], memory: float | None = None) -> float:
    """Bytes that the process may hold, more than any ordinary network takes; more if `memory` GB allow it.

    A loop that doubles what it is given is small, and so is all that is known of it before it runs.
    """
    inputs = sum(array.nbytes for array in feeds.values())
    nodes = sum(1 for _ in all_nodes(graph))
    needed = SPACE + FOR_WEIGHTS * _weights_of(graph) + FOR_INPUTS * inputs + FOR_A_NODE * nodes
    return max(needed, (memory or 0) * 1e9)


def _weights_of(graph: ir.Graph) -> int:
    """Bytes of the weights."""
    weights = (each.const_value for each in graph.initializers.values() if each.dtype != ir.DataType.STRING)
    return sum(weight.nbytes for weight in weights if weight is not None)


def _bytes(value: ir.Value) -> int:
    """The size of a tensor of numbers and fixed shape; 0 of any other."""
    if value.shape is None or value.dtype in _NO_NUMBERS or not all(isinstance(dim, int) for dim in value.shape):
        return 0
    return int(math.prod(map(int, value.shape)) * value.dtype.itemsize)  # type: ignore[arg-type]


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
