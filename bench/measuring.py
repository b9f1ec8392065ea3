"""Measure processes: CPU seconds and peak memory, the least of several runs, processes that are compared in turn."""

from __future__ import annotations

import os
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).resolve().parent


@dataclass(frozen=True)
class Cost:
    """What a process cost, its children included; `seconds` are those of the processor, `memory` is the peak in MB."""

    seconds: float
    memory: float
    output: str = ""
    failed: bool = False


def run(command: Sequence[str], folder: Path, path: Sequence[Path], limit: float = 900) -> Cost:
    """Run a command in a folder, with `path` as the search path of Python's modules."""
    known = os.pathsep.join(map(str, path))
    environment = os.environ | {"PYTHONPATH": known, "OMP_NUM_THREADS": "1", "PYTHONHASHSEED": "0"}
    environment |= {"ONEDNN_MAX_CPU_ISA": "AVX2", "TF_CPP_MIN_LOG_LEVEL": "3"}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)  # an installed package has its bytecode
    with tempfile.TemporaryFile("w+") as output:
        process = subprocess.Popen(
            ["timeout", str(limit), *command], cwd=folder, env=environment, stdout=output, stderr=subprocess.DEVNULL
        )
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        output.seek(0)
        text = output.read()
    return Cost(used.ru_utime + used.ru_stime, used.ru_maxrss / 1024, text, process.returncode != 0)


def in_turn(
    commands: Mapping[str, Sequence[str]],
    repetitions: int,
    path: Sequence[Path],
    paths: Mapping[str, Sequence[Path]] | None = None,
) -> dict[str, Cost]:
    """The cheapest run of each command; they take turns, and a first round, which may compile bytecode, is not counted.

    `{folder}` in a command stands for a folder of the run; `paths` has the search paths of those that need another.
    """
    found: dict[str, list[Cost]] = {name: [] for name in commands}
    for repetition in range(repetitions + 1):
        for name in list(commands)[:: 1 if repetition % 2 else -1]:
            if any(each.failed for each in found[name]):
                continue
            with tempfile.TemporaryDirectory() as folder:
                command = [part.replace("{folder}", folder) for part in commands[name]]
                cost = run(command, Path(folder), (paths or {}).get(name, path))
            if repetition or cost.failed or repetitions == 0:
                found[name].append(cost)
    return {name: min(costs, key=lambda each: (each.failed, each.seconds)) for name, costs in found.items()}
