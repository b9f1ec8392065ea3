"""Edge runs: source and script on edge inputs, in the verification process, behind the ordinary inputs.

Every step is noted before it begins, so that a process that dies in it is followed by another, which goes on behind it.
"""

from __future__ import annotations

import json
import signal
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from converter.frontends import Run, frontend_in
from converter.verification.by_sample import run_by_sample
from converter.verification.comparisons import Difference, badness
from converter.verification.edge_judgement import where_finite, without_tiny
from converter.verification.edges import LARGEST, EdgeInputs, edge_inputs
from converter.verification.facts import read_facts
from converter.verification.job import EDGES, RESULTS, Job, NodePlan, with_model
from converter.verification.locate import lines_of
from converter.verification.metrics import difference
from converter.verification.network import MODES, Network
from converter.verification.nodes import Nodes
from converter.verification.prober import Note, first_line
from operator_maps import registry

SHARE = 0.5
"""Time for edge inputs as a share of the time for ordinary ones, in seconds of the processor."""
LEAST = 15.0
"""Seconds of the processor for edge inputs in any case."""
PATIENCE = 8
"""How much longer a process may take, in seconds of the clock, before it is ended."""
QUICK = 5.0
"""Seconds of the processor for the first run in graph mode, with compilation, up to which it tries other extents."""
FEW = 60
"""Maximum nodes that are compiled one by one, to find the one that differs in graph mode alone."""


@dataclass(frozen=True)
class Loaded:
    """What the ordinary inputs left for the edge inputs; None where they did not need it, or another process had it.

    Attributes:
        run_source: runs the source.
        network: the script as a network.
        nodes: its nodes, as they are compared in PyNative mode.
    """

    run_source: Run | None = None
    network: Network | None = None
    nodes: Nodes | None = None


def try_edges(job: Job, folder: Path, feeds: Mapping[str, np.ndarray], loaded: Loaded) -> None:
    """Compare source and script on edge inputs, and write what is found to the journal of edges at once."""
    earlier = read_facts(folder / EDGES)
    begun = sum("edge" in fact for fact in earlier)
    ordinary = next((fact["seconds"] for fact in read_facts(folder / RESULTS) if "seconds" in fact), 0.0)
    allowed = max(LEAST, SHARE * ordinary) - sum(fact.get("took", 0.0) for fact in earlier)
    began = time.process_time()
    with (folder / EDGES).open("a", encoding="utf-8") as results:

        def note(**fact: Any) -> None:
            results.write(json.dumps(fact) + "\n")
            results.flush()

        _end_after(PATIENCE * max(LEAST, allowed))
        run = _Run(job, folder, loaded, note)
        for number, inputs in enumerate(edge_inputs(job.roles, feeds)):
            if number < begun:
                continue
            if time.process_time() - began > allowed:
                note(untried=inputs.kind)
                continue
            start = time.process_time()
            note(edge=inputs.kind)
            run.compare(inputs)
            note(took=time.process_time() - start)
        note(finished=True)


def _end_after(seconds: float) -> None:
    """Let the system end this process when it takes longer; a kernel that hangs cannot be interrupted otherwise."""
    if hasattr(signal, "setitimer"):  # not on Windows
        signal.setitimer(signal.ITIMER_REAL, seconds)


class _Run:
    """Runs edge inputs one after another."""

    def __init__(self, job: Job, folder: Path, loaded: Loaded, note: Note) -> None:
        self._job = job
        self._folder = folder
        self._run_source = loaded.run_source
        self._network = loaded.network or Network(job)
        self._nodes = loaded.nodes
        self._note = note

    def compare(self, inputs: EdgeInputs) -> None:
        """Compare source and script; where they differ, compare the nodes."""
        self._note(running="source")
        try:
            if self._run_source is None:
                original = with_model(self._job.original, self._folder)
                self._run_source = frontend_in(original.frontend).runner(original)
            expected = run_by_sample(self._run_source, self._job.freed, inputs.feeds, self._job.outputs)
        except Exception as error:
            self._note(refused=first_line(error))
            return
        differing = [mode for mode in self._modes(inputs) if self._differs(mode, inputs, expected)]
        if MODES[0] in differing:
            self._compare_nodes(inputs, expected, graph_mode=False)
        elif differing and isinstance(self._job.nodes, NodePlan) and len(self._job.nodes.probes) <= FEW:
            self._compare_nodes(inputs, expected, graph_mode=True)

    def _modes(self, inputs: EdgeInputs) -> tuple[str, ...]:
        if inputs.extents and self._network.first.get(MODES[1], 0.0) > QUICK:  # they are compiled anew
            return MODES[:1]
        return MODES

    def _differs(self, mode: str, inputs: EdgeInputs, expected: list[Any]) -> bool:
        self._note(running=mode)
        lines: list[int] | None = None
        try:
            got = self._network.run(mode, inputs.feeds)
            if inputs.kind == LARGEST:  # where the source overflows, the order of additions decides
                got = [where_finite(one, other) for one, other in zip(got, expected, strict=True)]
            found = [
                Difference("not comparable")
                if name in self._job.random
                else difference(without_tiny(one), without_tiny(other), self._job.precision)
                for name, one, other in zip(self._job.outputs, got, expected, strict=True)
            ]
        except MemoryError:
            found = [Difference("not comparable", note="memory ran out")]
        except Exception as error:
            found, lines = [Difference("differs", note=f"the script raises {first_line(error)}")], []
            lines = lines_of(error, self._job.script)
        worst = max(found, key=badness)
        self._note(mode=mode, found=worst.as_dict(), lines=lines)
        return worst.verdict == "differs"

    def _compare_nodes(self, inputs: EdgeInputs, expected: list[Any], *, graph_mode: bool) -> None:
        """Compare the nodes, and the outputs that follow from their references."""
        plan = self._job.nodes
        if not isinstance(plan, NodePlan):
            return
        self._note(running="nodes")
        try:
            if graph_mode:
                nodes = Nodes(self._folder, plan, registry.fused_operators(), graph_mode)
            else:
                nodes = self._nodes = self._nodes or Nodes(self._folder, plan, registry.fused_operators())
            computed = nodes.compare(list(inputs.feeds.values()), self._note, edge=True)
        except Exception as error:
            self._note(failed=f"the nodes cannot be compared: {first_line(error)}")
            return
        if computed is not None:
            pairs = zip(computed, expected, strict=True)
            off = [
                difference(without_tiny(one), without_tiny(other), self._job.precision).verdict == "differs"
                for one, other in pairs
            ]
            if inputs.kind != LARGEST:
                self._note(graph=[name for name, is_off in zip(self._job.outputs, off, strict=True) if is_off])
        self._note(nodes="done")
