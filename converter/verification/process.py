"""The process that runs source and script on the same inputs: `python -m converter.verification.process FOLDER PART`.

It is a separate process so that a kernel that crashes does not end the conversion, and so that oneDNN reads its
environment variables again. `Job.write` wrote the folder. Every result is appended to `results.jsonl` at once, so that
the results before a crash are kept.
"""

from __future__ import annotations

import gc
import json
import pickle
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx

from converter.base.child import end_with_parent
from converter.base.relaxed_gc import paused_gc
from converter.errors import ConverterError
from converter.frontends import Run, frontend_in
from converter.graph.fusions import Replay
from converter.verification.by_pass import suspect_of
from converter.verification.by_sample import first_samples, run_by_sample
from converter.verification.comparisons import THE_SOURCE, Difference, OutputComparison, badness
from converter.verification.edge_runs import Loaded, try_edges
from converter.verification.facts import outputs_are_same, read_facts
from converter.verification.job import (
    EXPECTED,
    MADE,
    RESULTS,
    TRANSLATED,
    Job,
    NodePlan,
    read_feeds,
    read_job,
    read_recorded,
    with_model,
)
from converter.verification.locate import lines_of
from converter.verification.metrics import difference
from converter.verification.network import MODES, Network
from converter.verification.nodes import Nodes
from converter.verification.prober import Note, first_line
from converter.verification.proof_kit import record
from converter.verification.sensitivity import REORDERED, is_reordered, movements
from converter.verification.supervise import be_ended_first
from operator_maps import registry


def main(folder: Path, part: str) -> None:
    """Run a part of a job: `outputs` compares the outputs, then the nodes if they are planned; `nodes` only the nodes.

    `graph` compares only the nodes, in graph mode; `edges` only tries edge inputs, which the others do at their end if
    the outputs are the same; `layers` compares the layers, each by itself; `sensitivity` runs only the source, on
    inputs that are moved a little; `passes` looks for the pass that made the graph something else; `kit` records the
    reference of the proof kit.
    """
    end_with_parent()
    be_ended_first()
    job = read_job(folder)
    if part == "kit":
        record(job, folder)
        return
    feeds = read_feeds(folder, job)
    loaded = Loaded()
    with (folder / RESULTS).open("a", encoding="utf-8") as results:

        def note(**fact: Any) -> None:
            results.write(json.dumps(fact) + "\n")
            results.flush()

        if part == "layers":
            from converter.verification.by_layer.compare import compare_layers

            compare_layers(job, folder, feeds, note)
            note(complete=part, seconds=time.process_time())
            return
        if part == "outputs":
            found = _run_source(job, folder, feeds, note)
            if found is None:
                return
            run_source, expected = found
            loaded = replace(loaded, run_source=run_source if job.roles else None)
            del found, run_source
            (folder / EXPECTED).write_bytes(pickle.dumps(expected))
            recorded = read_recorded(folder)
            _compare_recorded(job, THE_SOURCE, recorded, expected, note)
            if not job.stubs:
                network = Network(job)
                loaded = replace(loaded, network=network)
                for mode in MODES:
                    got = _compare_mode(network, job, mode, feeds, expected, note)
                    (folder / MADE.format(mode)).write_bytes(pickle.dumps(got))
                    _compare_recorded(job, mode, recorded, got, note)
        if part == "sensitivity":
            _move_source(job, folder, feeds, note)
            return
        if part == "passes" and isinstance(job.nodes, NodePlan):
            _compare_passes(job, job.nodes.base_dir, folder, feeds, note)
            return
        if isinstance(job.nodes, NodePlan) and part != "edges":
            nodes = _compare_node_outputs(job.nodes, folder, feeds, part == "graph", note)
            loaded = replace(loaded, nodes=nodes if job.roles and part != "graph" else None)
            del nodes
        if part != "edges":
            note(complete=part, seconds=time.process_time())
    if job.roles and (job.sensitive or outputs_are_same(read_facts(folder / RESULTS))):
        _load_mindspore()
        try_edges(job, folder, feeds, loaded)


def _load_mindspore() -> None:
    """Import MindSpore, and exclude its objects from the garbage collection that it runs at each compilation."""
    if "mindspore" not in sys.modules:
        with paused_gc():
            import mindspore  # noqa: F401
        gc.freeze()
    gc.collect()  # frees the network of an earlier mode


def _compare_mode(
    network: Network, job: Job, mode: str, feeds: Mapping[str, np.ndarray], expected: list[Any], note: Note
) -> Sequence[Any]:
    """Compare the outputs in one mode; returns them, none if the script raises."""
    note(started=mode)
    _load_mindspore()
    found, lines, got = _run_script(network, job, mode, feeds, expected)
    for name, each in zip(job.outputs, found, strict=True):
        note(compared=OutputComparison(output=name, mode=mode, **each.as_dict()).as_dict(), lines=lines)
    return got


def _compare_recorded(
    job: Job, mode: str, recorded: Mapping[str, np.ndarray], outputs: Sequence[Any], note: Note
) -> None:
    """Compare outputs with those that came with the model."""
    for name, output in zip(job.outputs, outputs, strict=False):
        if name in recorded and name not in job.random:
            found = difference(output, recorded[name], job.precision)
            note(recorded=OutputComparison(output=name, mode=mode, **found.as_dict()).as_dict())


def _compare_node_outputs(
    plan: NodePlan, folder: Path, feeds: Mapping[str, np.ndarray], graph_mode: bool, note: Note
) -> Nodes | None:
    """Compare the nodes; then compare the outputs that follow from all the references with the source's."""
    nodes = None
    note(started="graph nodes" if graph_mode else "nodes")
    try:
        _load_mindspore()
        nodes = Nodes(folder, plan, registry.fused_operators(), graph_mode)
        computed = nodes.compare(list(feeds.values()), note)
    except Exception as error:
        note(failed=f"the nodes cannot be compared: {first_line(error)}")
    else:
        expected = pickle.loads((folder / EXPECTED).read_bytes())
        if computed is not None and not graph_mode:
            pairs = zip(computed, expected, strict=True)
            note(graph=[difference(one, other).verdict == "same" for one, other in pairs])
            if nodes.inaccurate:
                note(inaccurate=[*nodes.inaccurate], **_beside_the_nodes(folder, computed))
    note(started="done")
    return nodes


def _beside_the_nodes(folder: Path, computed: Sequence[Any]) -> dict[str, Any]:
    """Whether the script gives in each mode what the references of its nodes give together, and how far it is off."""
    files = [file for mode in MODES if (file := folder / MADE.format(mode)).exists()]
    made = [pickle.loads(file.read_bytes()) for file in files]
    worst = Difference("not comparable")
    if len(made) == len(MODES) and all(len(each) == len(computed) for each in made):
        found = [difference(*pair) for each in made for pair in zip(each, computed, strict=True)]
        worst = max(found, key=badness, default=worst)
    return {"like_nodes": worst.verdict == "same", "off_nodes": worst.max_abs}


def _run_source(job: Job, folder: Path, feeds: Mapping[str, np.ndarray], note: Note) -> tuple[Run, list[Any]] | None:
    """The function that runs the source, and its outputs; None, and a note, if it rejects the inputs."""
    note(started="source")
    original = with_model(job.original, folder)
    try:
        run = frontend_in(original.frontend).runner(original)
        return run, run_by_sample(run, job.freed, feeds, job.outputs)
    except ConverterError as error:
        note(refused=error.message)
    except (MemoryError, OSError):  # no matter of the inputs: the process ends with it
        raise
    except Exception as error:
        note(refused=f"{first_line(error)}")
    return None


def _move_source(job: Job, folder: Path, feeds: Mapping[str, np.ndarray], note: Note) -> None:
    """Note how far the outputs of the source move when its inputs move a little."""
    original = with_model(job.original, folder)
    expected = pickle.loads((folder / EXPECTED).read_bytes())
    run = frontend_in(original.frontend).runner(original)

    def by_sample(moved: Mapping[str, np.ndarray]) -> list[Any]:
        return run_by_sample(run, job.freed, moved, job.outputs)

    with suppress(Exception):  # it refuses these inputs: nothing is known then
        note(moved=[asdict(each) for each in movements(by_sample, feeds, expected)])


def _compare_passes(job: Job, base_dir: Path, folder: Path, feeds: Mapping[str, np.ndarray], note: Note) -> None:
    """Note which pass made the graph something else than the source, and at which node."""
    operators = [*registry.fused_operators()]
    replay = Replay(onnx.load(folder / TRANSLATED, load_external_data=False), base_dir, operators, job.kept)
    expected = pickle.loads((folder / EXPECTED).read_bytes())
    with suppress(Exception):  # a graph between the passes cannot be evaluated: nothing is known then
        if (found := suspect_of(replay, list(feeds.values()), expected, operators)) is not None:
            note(suspect=str(found))


def _run_script(
    network: Network, job: Job, mode: str, feeds: Mapping[str, np.ndarray], expected: list[Any]
) -> tuple[list[Difference], list[int] | None, Sequence[Any]]:
    """The difference of every output; the script's lines in the traceback of an error, None without; the outputs."""
    few, wanted = first_samples(job.freed, feeds, expected, job.outputs)
    try:
        got, again = network.run(mode, feeds, seed=1), network.run(mode, few, seed=2)
    except MemoryError as error:
        return [Difference("not comparable", note=f"memory ran out: {error}")] * len(expected), None, ()
    except Exception as error:
        raised = Difference("differs", note=f"the script raises {first_line(error)}")
        return [raised] * len(expected), lines_of(error, job.script), ()
    found = [
        _of_two_runs(one, two, each, job, name)
        for name, one, two, *each in zip(job.outputs, got, again, expected, wanted, strict=True)
    ]
    return found, None, got


def _of_two_runs(one: Any, two: Any, expected: Sequence[Any], job: Job, output: str) -> Difference:
    """The difference of an output in two runs, the second of which may be of a smaller batch.

    Some kernels of MindSpore are correct in the first run only.
    """
    if output in job.random and difference(two, one).max_abs != 0.0:
        return Difference("not comparable", note="a random operator feeds it")
    first, second = difference(one, expected[0], job.precision), difference(two, expected[1], job.precision)
    if first.verdict == "same" and second.verdict == "differs":
        return replace(second, note="; ".join(filter(None, ["a second run differs from the first", second.note])))
    if first.verdict == "differs" and output in job.ordered and is_reordered(one, expected[0]):
        return replace(first, note="; ".join(filter(None, [first.note, REORDERED])))
    return first


if __name__ == "__main__":
    main(Path(sys.argv[1]).absolute(), sys.argv[2])
