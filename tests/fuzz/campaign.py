"""Compare very many random models with their sources, in one process at a time, with a journal.

Each case is a line of JSON: its family, its number, and what became of it (`same`, `explained`, `differs`, `declined`,
`error`, `late`, or `died` with the signal). A run goes on behind the last case of its journal, and behind one that
ended the process.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

LATE = 40
"""Seconds of the processor after which a case is given up."""
STUCK = 600
"""Seconds of wall time after which a process whose journal does not grow is ended."""


def supervise(journal: Path, families: Sequence[str], numbers: range, graph_mode: int) -> None:
    """Run a campaign in a process that is replaced when it dies."""
    while next(_waiting(journal, families, numbers), None):
        command = [
            sys.executable,
            str(Path(__file__).resolve()),
            str(journal.resolve()),
            ",".join(families),
            str(numbers.start),
            str(numbers.stop),
        ]
        process = subprocess.Popen([*command, str(graph_mode)], cwd=journal.parent)
        code = _wait(process, journal)
        if code == 0:
            continue
        now = next(_waiting(journal, families, numbers), None)
        if now is not None:
            _write(journal, {"family": now[0], "number": now[1], "result": "died", "what": f"exit status {code}"})


def _wait(process: subprocess.Popen[bytes], journal: Path) -> int:
    """The exit status of a process, which is killed when its journal does not grow."""
    began = time.time()
    while True:
        try:
            return process.wait(timeout=5)
        except subprocess.TimeoutExpired:
            if journal.exists() and time.time() - max(began, journal.stat().st_mtime) > STUCK:
                process.kill()


def _waiting(journal: Path, families: Sequence[str], numbers: range) -> Iterator[tuple[str, int]]:
    """The cases that the journal does not have."""
    done = {(line["family"], line["number"]) for line in read(journal)}
    return ((family, number) for number in numbers for family in families if (family, number) not in done)


def read(journal: Path) -> list[dict[str, Any]]:
    """The lines of a journal."""
    return [json.loads(line) for line in journal.read_text().splitlines()] if journal.exists() else []


def _write(journal: Path, line: dict[str, Any]) -> None:
    with journal.open("a") as file:
        file.write(json.dumps(line) + "\n")


def work(journal: Path, families: Sequence[str], numbers: range, graph_mode: int) -> None:
    """Run the cases that the journal does not have; every `graph_mode`-th one in graph mode, too."""
    import mindspore as ms

    from converter.script import emit

    ms.runtime.launch_blocking()  # in a process of small tensors, its threads take four fifths of the time
    formatted = emit._format
    for family, number in _waiting(journal, families, numbers):
        emit._format = formatted if _in_graph_mode(family, number, graph_mode) else str  # a process for each script
        began, used = time.perf_counter(), time.process_time()
        line = {"family": family, "number": number, **case(family, number, _in_graph_mode(family, number, graph_mode))}
        line["seconds"] = round(time.perf_counter() - began, 2)
        line["cpu"] = round(time.process_time() - used, 3)
        _write(journal, line)


def _in_graph_mode(family: str, number: int, every: int) -> bool:
    return (number + sum(family.encode())) % every == 0


def case(family: str, number: int, graph_mode: bool) -> dict[str, Any]:
    """What became of a case."""
    from fuzz.building import NotAcceptedError
    from fuzz.comparing import MODES, findings
    from fuzz.random_graphs import random_model

    def late(*_: object) -> None:
        raise TimeoutError

    signal.signal(signal.SIGPROF, late)
    signal.setitimer(signal.ITIMER_PROF, LATE)
    try:
        model, feeds, wanted = random_model(family, number)
        modes = tuple(MODES) if graph_mode else ("PyNative",)
        found = list(findings(model, feeds, wanted, modes, evaluator=True))
        nodes = len(model.graph.node)
    except TimeoutError:
        return {"result": "late"}
    except NotAcceptedError as error:
        return {"result": "none", "what": str(error)}
    except Exception as error:
        from fuzz.run import cause

        return {
            "result": "error",
            "what": f"{type(error).__name__}: {' '.join(str(error).split())[:300]}",
            "where": cause(error),
        }
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
    open_ = [each for each in found if not each.explained]
    first = (open_ or found or [None])[0]
    result: dict[str, Any] = {"result": "same", "nodes": nodes, "modes": len(modes), "inputs": len(feeds)}
    if first is not None:
        declined = first.what.startswith("is not converted")
        result["result"] = "explained" if first.explained else "declined" if declined else "differs"
        result |= {name: value for name, value in vars(first).items() if value}
    return result


def summary(journal: Path) -> str:
    """The counts of a journal, and every unexplained kind of difference with its first case."""
    lines = read(journal)
    counts = Counter(line["result"] for line in lines)
    graph, used = sum(line.get("modes") == 2 for line in lines), sum(line.get("cpu", 0) for line in lines)
    text = [f"{len(lines)} cases, {graph} in graph mode too, {used:.0f} s of the processor: {dict(counts)}"]
    kinds: dict[tuple[str, ...], list[dict[str, Any]]] = {}
    for line in lines:
        if line["result"] not in ("same", "explained"):
            what = line.get("what", "")
            key = (line["result"], line.get("node", ""), line.get("mode", ""), line.get("feeds", ""), what[:12])
            kinds.setdefault(key, []).append(line)
    for key, cases in sorted(kinds.items(), key=lambda item: -len(item[1])):
        first = cases[0]
        names = " ".join(f"{line['family']}:{line['number']}" for line in cases[:4])
        rest = " ".join(str(first.get(name, ""))[:500] for name in ("what", "where", "detail"))
        text.append(f"{len(cases)} x {' | '.join(key)} [{names}] {rest}")
    return "\n".join(text)


if __name__ == "__main__":
    sys.path[:0] = [str(Path(__file__).parents[1]), str(Path(__file__).parents[2])]
    os.environ.setdefault("ONEDNN_MAX_CPU_ISA", "AVX2")
    work(Path(sys.argv[1]), sys.argv[2].split(","), range(int(sys.argv[3]), int(sys.argv[4])), int(sys.argv[5]))
