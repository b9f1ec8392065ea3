"""The journal: the facts that a job's process wrote, read as a verification result."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx_ir as ir

from converter.frontends import frontend_in
from converter.lowering import Translation
from converter.script import Record
from converter.verification.comparisons import NEAR, NodeComparison, OutputComparison, Verdict
from converter.verification.edge_journal import EdgeFinding, as_sensitive, read_edges
from converter.verification.facts import outputs_are_same, read_facts
from converter.verification.job import EDGES, EXPECTED, RESULTS, Job, NodePlan, NoNodePlan
from converter.verification.locate import records_at
from converter.verification.network import MODES
from converter.verification.result import VerificationResult
from converter.verification.sensitivity import Movement, excuse
from converter.verification.supervise import Ending


class Journal:
    """The facts that a job's process wrote before it ended.

    Attributes:
        ending: the ending of the process that ran source and script.
    """

    def __init__(
        self,
        job: Job,
        translation: Translation,
        folder: Path,
        ending: Ending,
        nodes_ending: Ending | None = None,
    ) -> None:
        self._job = job
        self._translation = translation
        self._folder = folder
        self._facts = read_facts(folder / RESULTS)
        complete = self._all("complete")  # edge inputs may have ended the process behind that
        self.ending = Ending("") if "outputs" in complete else ending
        self._last = (Ending("") if complete and complete[-1] != "outputs" else nodes_ending) or self.ending
        self._started = self._all("started")

    def _all(self, kind: str) -> list[Any]:
        return [fact[kind] for fact in self._facts if kind in fact]

    @property
    def wants_nodes(self) -> bool:
        """Whether the nodes are still to be compared: there were too many, or the script ended the process before."""
        if not self.ending.by_itself:
            return False
        return self._has_source and "nodes" not in self._started and not isinstance(self._job.nodes, NoNodePlan)

    @property
    def _has_source(self) -> bool:
        return (self._folder / EXPECTED).exists()

    @property
    def refusal(self) -> str | None:
        """The reason why the source rejects the inputs; None if it accepts them."""
        return next(iter(self._all("refused")), None)

    @property
    def differ(self) -> bool:
        """Whether any output differs."""
        return any(output.verdict == "differs" for output in self._outputs(()))

    @property
    def same(self) -> bool:
        """Whether the outputs are the same on the ordinary inputs."""
        return outputs_are_same(self._facts)

    @property
    def edges_are_done(self) -> bool:
        """Whether all edge inputs were tried that time allowed."""
        return any("finished" in fact for fact in read_facts(self._folder / EDGES))

    @property
    def edge_is_open(self) -> bool:
        """Whether the process ended in an edge input."""
        facts = [fact for fact in read_facts(self._folder / EDGES) if "edge" in fact or "took" in fact]
        return bool(facts) and "took" not in facts[-1]

    def edges(self, endings: Sequence[Ending]) -> tuple[EdgeFinding, ...]:
        """The findings on edge inputs; `endings` are those of the processes that died on them."""
        plan = self._job.nodes
        probes = plan.probes if isinstance(plan, NodePlan) else ()
        facts = read_facts(self._folder / EDGES)
        suspect = frontend_in(self._job.original.frontend).suspect
        found = read_edges(facts, endings, lambda mode, lines: self._locate(mode, lines, ()), probes, suspect)
        return tuple(map(as_sensitive, found)) if self._job.sensitive else found

    @property
    def untried_edges(self) -> tuple[str, ...]:
        """The kinds of edge inputs for which there was no time."""
        return tuple(fact["untried"] for fact in read_facts(self._folder / EDGES) if "untried" in fact)

    @property
    def only_graph_mode_differs(self) -> bool:
        """Whether outputs differ in graph mode only, and no node differs in PyNative mode."""
        differs = {output.mode for output in self._outputs(()) if output.verdict == "differs"}
        return differs == {MODES[1]} and all(node.verdict != "differs" for node in self._nodes())

    @property
    def is_unexplained(self) -> bool:
        """Whether outputs differ, and no node that was compared does."""
        if self._obstacles() or not self.differ:
            return False
        raised = any(fact["lines"] is not None for fact in self._facts if "compared" in fact)
        nodes = self._nodes()
        return bool(nodes) and not raised and all(node.verdict != "differs" for node in nodes)

    @property
    def wants_passes(self) -> bool:
        """Whether outputs differ by more than the source moves, no node does, and the graph is off the source."""
        graph: list[bool] = next(iter(self._all("graph")), [])
        return self.is_unsettled and not all(graph) and not self._rounds_coarsely()

    @property
    def is_unsettled(self) -> bool:
        """Whether outputs differ, and neither a node does nor what the source's runtime computes inaccurately."""
        return self.is_unexplained and self._settled(self._outputs(())) is None

    @property
    def wants_float32(self) -> bool:
        """Whether outputs differ by more than the source moves, no node does, and 16 bits round them."""
        return self.is_unsettled and self._rounds_coarsely()

    @property
    def largest_error(self) -> float:
        """The largest absolute error of an output."""
        return max((output.max_abs or 0.0 for output in self._outputs(())), default=0.0)

    def _settled(self, outputs: Sequence[OutputComparison]) -> tuple[OutputComparison, ...] | None:
        """The outputs, those that differ as the same, since the source is as sensitive or 16 bits round; else None."""
        settled = self._all("float32") or any(self._all("like_nodes"))
        return self._within_rounding(outputs) if settled else self._within_sensitivity(outputs)

    def _within_rounding(self, outputs: Sequence[OutputComparison]) -> tuple[OutputComparison, ...] | None:
        """As `_within_sensitivity`, where source and script are the same without what the source's runtime rounds."""
        differing = [output for output in outputs if output.verdict == "differs"]
        if any(output.max_abs is None or (output.cosine or 0.0) < NEAR for output in differing):
            return None
        return tuple(replace(output, verdict="same") for output in outputs)

    def _within_sensitivity(self, outputs: Sequence[OutputComparison]) -> tuple[OutputComparison, ...] | None:
        """The outputs, those that differ within the source's own sensitivity as the same; None if one differs more."""
        moved: list[dict[str, Any]] = next(iter(self._all("moved")), [])
        if not moved:
            return None
        movements = {name: Movement(**each) for name, each in zip(self._job.outputs, moved, strict=True)}
        settled = []
        for output in outputs:
            reason = excuse(output, movements[output.output]) if output.verdict == "differs" else ""
            if output.verdict == "differs" and not reason:
                return None
            note = "; ".join(filter(None, [output.note, reason]))
            settled.append(replace(output, verdict="same", note=note) if reason else output)
        return tuple(settled)

    def result(self, feeds: Mapping[str, np.ndarray]) -> VerificationResult:
        """The verification result; what the process did not reach is in it with a reason."""
        if self.refusal is not None:
            return VerificationResult((), feeds, f"the source refuses the inputs: {self.refusal}")
        if not self._has_source:
            stopped = not self.ending.by_itself
            return VerificationResult((), feeds, f"the source could not be run: {self.ending.reason}", stopped=stopped)
        nodes = self._nodes()
        outputs = self._outputs(nodes)
        recorded = tuple(OutputComparison(**each) for each in self._all("recorded"))
        result = VerificationResult(outputs, feeds, nodes=nodes, stopped=not self.ending.by_itself, recorded=recorded)
        notes = self._obstacles()
        if not notes and result.verdict == "differs" and result.first_difference is None:
            settled = self._settled(outputs)
            if settled is not None:
                return replace(result, outputs=settled, sensitive=True, note=self._sensitivity_note(outputs))
            notes = [self._explanation(outputs)]
        return replace(result, note="; ".join(notes))

    def _sensitivity_note(self, outputs: Sequence[OutputComparison]) -> str:
        """Both figures: how far the script is off, and how far the source moves."""
        off = max((output.max_abs or 0.0 for output in outputs if output.verdict == "differs"), default=0.0)
        for wide in self._all("float32"):
            return (
                "every node that can be compared is the same on identical inputs; the network computes in 16 bits, and "
                f"what every layer rounds adds up to {off:.2e}: in float32, source and script are {wide:.2e} apart"
            )
        for fact in self._facts:
            if fact.get("like_nodes"):
                return (
                    f"every node that can be compared is the same on identical inputs; the script is off by {off:.2e} "
                    f"where the source's own runtime is inaccurate, at {', '.join(fact['inaccurate'][:3])}: with these "
                    f"computed in 64 bits, it is off by {fact['off_nodes']:.2e}"
                )
        moved = max(each["moved"] for each in self._all("moved")[0])
        return (
            "every node that can be compared is the same on identical inputs; the script is off by at most "
            f"{off:.2e}, and the source's own outputs move by {moved:.2e} when its inputs move by one part in 10^7"
        )

    def _obstacles(self) -> list[str]:
        """The reasons why outputs or nodes were not compared."""
        stubs, plan = self._job.stubs, self._job.nodes
        notes = [f"{stubs} {'node is' if stubs == 1 else 'nodes are'} not converted"] if stubs else []
        notes += [] if self._last.by_itself else [self._last.reason]
        return [*notes, *([plan.reason] if isinstance(plan, NoNodePlan) else self._all("failed"))]

    def _outputs(self, nodes: Sequence[NodeComparison]) -> tuple[OutputComparison, ...]:
        if self._job.stubs:
            return ()
        outputs = []
        for fact in self._facts:
            if "compared" in fact:
                compared = fact["compared"]
                raised = fact["lines"] is not None
                place = self._locate(compared["mode"], fact["lines"], nodes) if raised else ""
                note = "; at ".join(filter(None, [compared["note"], place]))
                outputs.append(OutputComparison(**{**compared, "note": note}))
        for mode in MODES:
            if not any(output.mode == mode for output in outputs):
                ended = f"the script's process ended: {self.ending.reason}"
                why = ended if mode in self._started else "an earlier mode ended the process"
                verdict = _verdict(self.ending)
                outputs += [OutputComparison(verdict, output=n, mode=mode, note=why) for n in self._job.outputs]
        return tuple(outputs)

    def _locate(self, mode: str, lines: Sequence[int], nodes: Sequence[NodeComparison]) -> str:
        """The line where the script raised, and its nodes; of several nodes, those that differ.

        PyNative mode executes asynchronously and raises late: there, the first node that differs by itself is used.
        """
        script, records = self._translation.script, self._translation.program.records
        wrong = [(node.node, node.operator) for node in nodes if node.verdict == "differs"]
        placed = {(record.name, record.operator): record for record in records}
        first = next((record for name in wrong if (record := placed.get(name))), None)
        position = script.position(first.anchor) if first else None
        if first and position and (mode == MODES[0] or not lines):
            return _named(position[0], [first])
        for line in lines:
            here = records_at(line, script, records)
            found = [record for record in here if (record.name, record.operator) in wrong] or here
            if found:
                return _named(line, found)
        return ""

    def _nodes(self) -> tuple[NodeComparison, ...]:
        found: dict[tuple[int, str], NodeComparison] = {}
        for fact in self._facts:
            if "node" in fact:  # the fact of a later iteration replaces that of an earlier one
                found[fact["number"], fact["node"]["value"]] = NodeComparison(**fact["node"])
        if "graph nodes" in self._started:
            found = {key: _in_graph_mode(node) for key, node in found.items()}
        reached, plan = self._all("reached"), self._job.nodes
        if reached and isinstance(plan, NodePlan) and self._started[-1] != "done":  # this node ended the process
            probe = plan.probes[reached[-1]]
            note = f"it ends the process: {self._last.reason}" if self._last.by_itself else self._last.reason
            _, value = probe.outputs[0]
            found[reached[-1], value] = NodeComparison(
                _verdict(self._last), note=note, node=probe.node, operator=probe.operator, value=value
            )
        return tuple(found.values())

    def _explanation(self, outputs: tuple[OutputComparison, ...]) -> str:
        """The likely cause when outputs differ although no node differs by itself."""
        every = "every node that can be compared is the same on identical inputs"
        if all(output.verdict != "differs" for output in outputs if output.mode == MODES[0]):
            compiled = ", compiled by itself too" if "graph nodes" in self._started else ""
            return f"only graph mode differs; {every}{compiled}"
        graph: list[bool] = next(iter(self._all("graph")), [])
        off = [name for name, same in zip(self._job.outputs, graph, strict=False) if not same]
        if off and self._rounds_coarsely():
            return f"{every}: the network computes in 16 bits, and what every layer rounds adds up"
        if off:
            suspect = next(iter(self._all("suspect")), frontend_in(self._job.original.frontend).suspect)
            return f"{every}; the normalised graph itself is off the source at {', '.join(off)}: suspect {suspect}"
        return f"{every}: suspect how the script joins them, or errors that add up"

    def _rounds_coarsely(self) -> bool:
        """Whether the network computes in 16-bit floats; onnxruntime on a CPU does not round these between layers."""
        values = (value for node in self._translation.graph.graph for value in node.outputs)
        return any(value.dtype in (ir.DataType.FLOAT16, ir.DataType.BFLOAT16) for value in values)


def _in_graph_mode(node: NodeComparison) -> NodeComparison:
    """A node's comparison; if it differs, its note says that the node ran in graph mode."""
    note = "; ".join(filter(None, ["in graph mode", node.note]))
    return replace(node, note=note) if node.verdict == "differs" else node


def _named(line: int, records: Sequence[Record]) -> str:
    names = ", ".join(f"'{record.operator}' ({record.name})" for record in records[:3])
    return f"line {line}: {names}{' …' if len(records) > 3 else ''}"


def _verdict(ending: Ending) -> Verdict:
    """The verdict on the script or node that was running when the process ended: `differs` if it ended the process."""
    return "differs" if ending.by_itself else "not comparable"
