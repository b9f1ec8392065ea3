"""The process that runs source and script on the same inputs: `python -m converter.verification.process FOLDER PART`.

It is a process of its own so that a kernel that kills it does not take the conversion with it, and so that oneDNN reads
its environment afresh. The folder holds what `Job.write` wrote; every result is appended to `results.jsonl` at once, so
that what was measured before a crash is kept.
"""

from __future__ import annotations

import gc
import json
import pickle
import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from converter.errors import ConverterError
from converter.frontends import frontend_in
from converter.verification.job import EXPECTED, RESULTS, Job, NodePlan, read_feeds, read_job, with_model
from converter.verification.locate import lines_of
from converter.verification.metrics import Difference, OutputComparison, difference
from converter.verification.nodes import compare_node_outputs
from converter.verification.prober import Note, first_line
from converter.verification.supervise import be_ended_first
from operator_maps import registry

MODES = ("PyNative", "graph")


def main(folder: Path, part: str) -> None:
    """Run a part of a job: the `outputs`, and with them the nodes where these are planned; or the `nodes` alone.

    `graph` compares the nodes in graph mode.
    """
    be_ended_first()
    job = read_job(folder)
    feeds = read_feeds(folder, job)
    with (folder / RESULTS).open("a", encoding="utf-8") as results:

        def note(**fact: Any) -> None:
            results.write(json.dumps(fact) + "\n")
            results.flush()

        if part == "outputs":
            expected = _run_source(job, folder, feeds, note)
            if expected is None:
                return
            (folder / EXPECTED).write_bytes(pickle.dumps(expected))
            for mode in MODES if not job.stubs else ():
                _compare_mode(job, mode, feeds, expected, note)
        if isinstance(job.nodes, NodePlan):
            _compare_node_outputs(job.nodes, folder, feeds, part == "graph", note)


def _load_mindspore() -> None:
    """Import MindSpore, which looks for garbage at each compilation, and exempt what will never be any."""
    if "mindspore" not in sys.modules:
        import mindspore  # noqa: F401

        gc.freeze()
    gc.collect()  # a network that ran before


def _compare_mode(job: Job, mode: str, feeds: Mapping[str, np.ndarray], expected: list[Any], note: Note) -> None:
    note(started=mode)
    _load_mindspore()
    found, lines = _run_script(job, mode, feeds, expected)
    for name, each in zip(job.outputs, found, strict=True):
        note(compared=OutputComparison(output=name, mode=mode, **each.as_dict()).as_dict(), lines=lines)


def _compare_node_outputs(
    plan: NodePlan, folder: Path, feeds: Mapping[str, np.ndarray], graph_mode: bool, note: Note
) -> None:
    """Compare the nodes; and with the source, what all of them together give when each is right."""
    note(started="graph nodes" if graph_mode else "nodes")
    try:
        _load_mindspore()
        operators = registry.fused_operators()
        computed = compare_node_outputs(folder, plan, list(feeds.values()), operators, note, graph_mode)
    except Exception as error:
        note(failed=f"the nodes cannot be compared: {first_line(error)}")
    else:
        expected = pickle.loads((folder / EXPECTED).read_bytes())
        if computed is not None and not graph_mode:
            pairs = zip(computed, expected, strict=True)
            note(graph=[difference(one, other).verdict == "same" for one, other in pairs])
    note(started="done")


def _run_source(job: Job, folder: Path, feeds: Mapping[str, np.ndarray], note: Note) -> list[Any] | None:
    """What the source gives; None, and a note, when it refuses the inputs."""
    note(started="source")
    original = with_model(job.original, folder)
    try:
        return frontend_in(original.frontend).run(original, feeds)
    except ConverterError as error:
        note(refused=error.message)
    except Exception as error:
        note(refused=f"{first_line(error)}")
    return None


def _run_script(
    job: Job, mode: str, feeds: Mapping[str, np.ndarray], expected: list[Any]
) -> tuple[list[Difference], list[int] | None]:
    """Every output's difference; and the lines of the script that an error passed through, None when there is none."""
    import mindspore as ms

    from converter.verification import network
    from converter.verification.arrays import to_mindspore, to_numpy

    ms.set_context(mode=ms.PYNATIVE_MODE if mode == "PyNative" else ms.GRAPH_MODE)

    def results(seed: int) -> list[Any]:
        ms.set_seed(seed)
        result = net(*[to_mindspore(value) for value in feeds.values()])
        return [to_numpy(item) for item in (result if isinstance(result, tuple) else (result,))]

    try:
        net = network.load(job.script, job.checkpoint, job.upcast)
        got, again = results(seed=1), results(seed=2)
    except MemoryError as error:
        return [Difference("not comparable", note=f"memory ran out: {error}")] * len(expected), None
    except Exception as error:
        raised = Difference("differs", note=f"the script raises {first_line(error)}")
        return [raised] * len(expected), lines_of(error, job.script)
    return [
        _of_two_runs(one, two, other, name in job.random, job.precision)
        for name, one, two, other in zip(job.outputs, got, again, expected, strict=True)
    ], None


def _of_two_runs(one: Any, two: Any, expected: Any, random: bool, precision: str) -> Difference:
    """How far an output is from the source's: some kernels of MindSpore are right in a first run only."""
    if random and difference(two, one).max_abs != 0.0:
        return Difference("not comparable", note="a random operator feeds it")
    first, second = difference(one, expected, precision), difference(two, expected, precision)
    if first.verdict == "same" and second.verdict == "differs":
        return replace(second, note="; ".join(filter(None, ["a second run differs from the first", second.note])))
    return first


if __name__ == "__main__":
    main(Path(sys.argv[1]).absolute(), sys.argv[2])
