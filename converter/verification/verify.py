"""Verify a script: run it and its source on the same inputs, compare their outputs, and locate differences."""

from __future__ import annotations

import importlib.util
import shutil
import tempfile
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from itertools import chain
from pathlib import Path

import numpy as np
import onnx
import onnx_ir as ir

from converter.errors import REPORT_IT, ConverterError, describe_unexpected
from converter.frontends import Source
from converter.graph import all_nodes, freed_axes
from converter.lowering import Tables, Translation
from converter.verification.by_layer.layers import layers_of
from converter.verification.by_layer.result import is_refused, read_result
from converter.verification.by_sample import sampled_axes
from converter.verification.edges import Role, roles_of
from converter.verification.facts import add_fact
from converter.verification.inputs import other_inputs, verification_inputs
from converter.verification.instrument import instrument
from converter.verification.job import EDGES, RECORDED, RESULTS, TRANSLATED, Job, NodePlan, NoNodePlan, read_job
from converter.verification.journal import Journal
from converter.verification.proof_kit import KIT, REFERENCE, ProofKit
from converter.verification.reference import is_random, values_read_by
from converter.verification.result import Edges, VerificationResult
from converter.verification.sensitivity import ORDERING
from converter.verification.supervise import (
    LIMIT,
    Clock,
    Ending,
    blown_up,
    lack_of_memory,
    lack_of_memory_for,
    most_memory,
    run,
)
from converter.verification.tail_progress import Count
from converter.verification.upcast import can_upcast, has_bfloat16, upcast, upcast_script

SAMPLE = 1000
"""Maximum nodes that are compared, evenly spaced, if no output differs; if one differs, all nodes are compared."""

ENDINGS = 4
"""Maximum processes that may end in an edge input, before the others are given up."""


def verify_script(
    source: Source,
    translation: Translation,
    rows: Tables,
    script: Path,
    checkpoint: Path | None,
    inputs_file: Path | None = None,
    count: Count = lambda done, total: None,
    edges: Edges = "report",
    limit: float = LIMIT,
    memory: float | None = None,
    kit: ProofKit | None = None,
    begin: Callable[[], None] = lambda: None,
) -> VerificationResult:
    """Compare a script with its source, in PyNative and graph mode, and each of its nodes, in a process of its own.

    Args:
        source: the model.
        translation: the program from which the script was written.
        rows: the operator tables of the translation.
        script: the script.
        checkpoint: its checkpoint; None when it has no parameters.
        inputs_file: inputs to run them on, the user's or the source's own, an .npz file.
        count: called with the number of nodes compared so far, and the number of all nodes.
        edges: whether edge inputs are tried when the outputs are the same.
        limit: maximum seconds.
        memory: GB that source and script may take; what is free, if None. If they take more, each layer of the script
            is compared by itself, with the weights that are read for it.
        kit: the proof kit whose reference is wanted.
        begin: called before source and script run, when the inputs are found to fit the model.

    Raises:
        BadParamError: the user's inputs do not fit the model; `begin` has not been called.
        what `begin` raises.
        ModuleNotFoundError: MindSpore is missing.
    """
    if importlib.util.find_spec("mindspore") is None:
        raise ModuleNotFoundError("No module named 'mindspore'", name="mindspore")
    containers = [end.name for end in (*source.inputs, *source.outputs) if end.container]
    if containers:
        return VerificationResult((), {}, f"{', '.join(containers)}: lists and optional values are not compared")
    try:
        if lacking := lack_of_memory_for(source.inputs) or blown_up(translation.graph.graph, memory):
            return VerificationResult((), {}, lacking, stopped=True)
        feeds = verification_inputs(translation.graph.graph, source.inputs, inputs_file)
    except ConverterError:
        raise
    except Exception as error:  # there are no such inputs: the result is not to blame either
        return VerificationResult((), {}, f"{describe_unexpected(error)}. {REPORT_IT}", stopped=True)
    lacking = lack_of_memory(checkpoint, memory)
    if lacking and (reason := _no_layers(translation)):
        return VerificationResult((), feeds, f"{lacking} {reason}", stopped=True)
    begin()
    try:
        with tempfile.TemporaryDirectory(prefix="onnx2mindspore-") as name:
            most = most_memory(translation.graph.graph, feeds, memory)
            verification = _Verification(source, translation, rows, Path(name), count, edges != "none", limit, most)
            if lacking:
                return verification.layer_by_layer(script, checkpoint, feeds, inputs_file, lacking)
            result = verification.run(script, checkpoint, feeds, inputs_file)
            if kit is not None and result.outputs:
                verification.record(kit)
            return result
    except ConverterError as error:
        return VerificationResult((), feeds, error.message, stopped=True)
    except Exception as error:  # the result is not to blame
        return VerificationResult((), feeds, f"{describe_unexpected(error)}. {REPORT_IT}", stopped=True)


def _no_layers(translation: Translation) -> str:
    """Why a script cannot be verified layer by layer; empty if it can be."""
    if freed_axes(translation.graph):
        return "a freed axis is not verified layer by layer"
    if any(not record.converted for record in translation.program.records):
        return "nodes that are not converted cannot run"
    return ""


class _Verification:
    """One verification, in a folder of its own."""

    def __init__(
        self,
        source: Source,
        translation: Translation,
        rows: Tables,
        folder: Path,
        count: Count,
        edges: bool,
        limit: float,
        memory: float,
    ) -> None:
        self._ending = Ending("")
        self._edges = edges
        self._clock = Clock(limit)
        self._memory = memory
        self._source = source
        self._translation = translation
        self._graph = translation.graph
        self._rows = rows
        self._folder = folder
        self._count = count
        self._recorded: Path | None = None

    def run(
        self, script: Path, checkpoint: Path | None, feeds: dict[str, np.ndarray], inputs_file: Path | None
    ) -> VerificationResult:
        """Compare the outputs; the nodes, if not reached; the nodes in graph mode, if only that mode differs; edges."""
        job = self._job(script, checkpoint)
        total = sum(1 for _ in all_nodes(self._graph.graph))
        if total <= SAMPLE and job.nodes is None:
            job = replace(job, nodes=self._plan(1))
        if job.nodes is not None:
            job = replace(job, roles=self._roles())
        self._recorded = self._source.real_outputs if inputs_file == self._source.real_inputs else None
        journal = self._outputs(job, feeds)
        if journal.refusal and (accepted := self._accepted(job, inputs_file)):
            feeds, journal = accepted
        if journal.wants_nodes:
            step = 1 if journal.differ or job.stubs else -(-total // SAMPLE)
            job = replace(job, nodes=job.nodes or self._plan(step), roles=self._roles())
            job.write(self._folder)
            journal = Journal(job, self._translation, self._folder, journal.ending, self._run("nodes", job))
        if journal.only_graph_mode_differs and total <= SAMPLE and isinstance(job.nodes, NodePlan):
            journal = Journal(job, self._translation, self._folder, journal.ending, self._run("graph", job))
        if journal.is_unsettled:
            journal = Journal(job, self._translation, self._folder, journal.ending, self._run("sensitivity", job))
        if journal.wants_float32 and not job.upcast:
            journal = self._in_float32(job, feeds, journal)
        if journal.wants_passes and not (job.freed or job.upcast or self._translation.cast):
            job = replace(job, kept=sorted(self._rows.own))
            job.write(self._folder)
            onnx.save(self._source.model, self._folder / TRANSLATED)
            journal = Journal(job, self._translation, self._folder, journal.ending, self._run("passes", job))
        result = journal.result(feeds)
        if result.sensitive:
            job = replace(job, sensitive=True)
            job.write(self._folder)
            journal = Journal(job, self._translation, self._folder, journal.ending, self._ending)
        return self._with_edges(result, job, journal) if self._edges and (journal.same or result.sensitive) else result

    def record(self, kit: ProofKit) -> None:
        """Write the reference of a proof kit, unless the script ends the process, or the folders cannot hold it."""
        with suppress(OSError):
            (self._folder / KIT).write_text(kit.text, encoding="utf-8")
            run(self._folder, "kit", read_job(self._folder), self._count, self._clock, self._memory)
            if (self._folder / REFERENCE).exists():
                shutil.move(self._folder / REFERENCE, kit.reference)

    def layer_by_layer(
        self,
        script: Path,
        checkpoint: Path | None,
        feeds: dict[str, np.ndarray],
        inputs_file: Path | None,
        lacking: str,
    ) -> VerificationResult:
        """Compare each layer by itself, in both modes, on the values of the source, which runs part by part as ONNX."""
        source, model = self._source, self._source.original.model or self._source.model
        original = source.original
        if original.model is None:  # its runtime would hold all weights
            inputs, outputs = ({end.name: end.value for end in ends} for ends in (source.inputs, source.outputs))
            original = replace(original, model=model, base_dir=source.base_dir, inputs=inputs, outputs=outputs)
        original = replace(original, model_file=None)  # the process reads the graph
        job = Job(
            original=original,
            script=script,
            checkpoint=checkpoint,
            precision=_lowest_precision(self._graph) or original.precision,
            layers=layers_of(self._translation),
        )
        if has_bfloat16(model):
            job = self._wide(job, upcast(model, None))
        for given in chain([feeds], other_inputs(self._graph.graph, source.inputs, inputs_file)):
            job.write(self._folder, given)
            (self._folder / RESULTS).unlink(missing_ok=True)
            ending = self._run("layers", job)
            if not is_refused(self._folder):
                return read_result(self._folder, job, ending, given, lacking)
        return read_result(self._folder, job, ending, feeds, lacking)

    def _roles(self) -> dict[str, Role]:
        return roles_of(self._graph.graph, self._source.inputs) if self._edges and not self._stubs else {}

    @property
    def _stubs(self) -> int:
        return sum(not record.converted for record in self._translation.program.records)

    def _with_edges(self, result: VerificationResult, job: Job, journal: Journal) -> VerificationResult:
        """The result with what edge inputs show, which may end their process some times."""
        endings = []
        for _ in range(ENDINGS):
            if journal.edge_is_open:
                endings.append(self._ending)
            if journal.edges_are_done or not self._ending.by_itself or not self._clock.remaining:
                break
            self._run("edges", job)
        note = "" if journal.edges_are_done else f"not all edge inputs were tried: {self._ending.reason}"
        if journal.untried_edges:
            note = f"there was no time for the edge inputs {', '.join(journal.untried_edges)}"
        return replace(result, edges=journal.edges(endings), edges_note=note)

    def _job(self, script: Path, checkpoint: Path | None) -> Job:
        original = self._source.original
        job = Job(
            original=original,
            script=script,
            checkpoint=checkpoint,
            random=_random_outputs(self._source, self._graph.graph),
            ordered=_ordered_outputs(self._source, self._graph.graph),
            precision=_lowest_precision(self._graph) or original.precision,
            stubs=self._stubs,
            freed=sampled_axes(freed_axes(self._graph), tuple(original.inputs), tuple(original.outputs)),
        )
        model = original.model
        if model is not None and has_bfloat16(model) and can_upcast(model):
            model = upcast(model, original.base_dir)
        elif self._translation.cast != "bfloat16":
            return job
        why = "compared in float32, for want of bfloat16 on a CPU; no node was compared by itself"
        return replace(self._wide(job, model), nodes=NoNodePlan(why))

    def _wide(self, job: Job, model: onnx.ModelProto | None) -> Job:
        """The job in float32, with its source as this model."""
        script = self._folder / "float32" / job.script.name
        script.parent.mkdir()
        script.write_text(upcast_script(job.script.read_text(encoding="utf-8")), encoding="utf-8")
        original = replace(job.original, model=model, model_file=None)
        return replace(job, original=original, script=script, upcast=True, precision="bfloat16")

    def _in_float32(self, job: Job, feeds: dict[str, np.ndarray], journal: Journal) -> Journal:
        """The journal, with how far source and script of 16 bits are apart in float32, if they are the same there."""
        model = self._source.original.model
        if model is None or not can_upcast(model):
            return journal
        wide = self._wide(job, upcast(model, self._source.original.base_dir))
        wide = replace(wide, precision="", nodes=NoNodePlan("they were compared before"), roles={})
        folder = wide.script.parent
        wide.write(folder, feeds)
        run(folder, "outputs", wide, self._count, self._clock, self._memory)
        found = Journal(wide, self._translation, folder, Ending(""))
        if found.same:
            add_fact(self._folder / RESULTS, float32=found.largest_error)
        return Journal(job, self._translation, self._folder, journal.ending, self._ending)

    def _plan(self, step: int) -> NodePlan | NoNodePlan:
        """Write the script that compares every `step`th node."""
        try:
            return instrument(self._graph, self._rows, step).write(self._folder, self._source.base_dir)
        except Exception as error:  # the outputs are compared without it
            return NoNodePlan(f"the nodes cannot be compared: {type(error).__name__}: {error}"[:300])

    def _run(self, part: str, job: Job) -> Ending:
        self._ending = run(self._folder, part, job, self._count, self._clock, self._memory)
        return self._ending

    def _outputs(self, job: Job, feeds: dict[str, np.ndarray]) -> Journal:
        """Compare the outputs on these inputs."""
        job.write(self._folder, feeds)
        for file in (RESULTS, EDGES, RECORDED):
            (self._folder / file).unlink(missing_ok=True)
        if self._recorded is not None and not job.freed:
            shutil.copyfile(self._recorded, self._folder / RECORDED)
        return Journal(job, self._translation, self._folder, self._run("outputs", job))

    def _accepted(self, job: Job, inputs_file: Path | None) -> tuple[dict[str, np.ndarray], Journal] | None:
        """Inputs that the source accepts, with other values for the guessed extents, and their journal; else None.

        A source may require an extent that its inputs declare as free, or a minimum length of a sequence.
        """
        for feeds in other_inputs(self._graph.graph, self._source.inputs, inputs_file):
            journal = self._outputs(job, feeds)
            if not journal.refusal:
                return feeds, journal
        return None


def _lowest_precision(graph: ir.Model) -> str:
    """`float16` if any node computes in it, since its rounding errors add up whatever type the outputs have."""
    half = any(value.dtype == ir.DataType.FLOAT16 for node in all_nodes(graph.graph) for value in node.outputs)
    return "float16" if half else ""


def _random_outputs(source: Source, graph: ir.Graph) -> tuple[str, ...]:
    """The outputs that depend on a random operator; the process finds out whether they vary for these inputs."""
    return _outputs_behind(source, graph, is_random)


def _ordered_outputs(source: Source, graph: ir.Graph) -> tuple[str, ...]:
    """The outputs that depend on an operator that puts values into an order, near ties too."""
    return _outputs_behind(source, graph, lambda node: any(each.op_type in ORDERING for each in all_nodes([node])))


def _outputs_behind(source: Source, graph: ir.Graph, taints: Callable[[ir.Node], bool]) -> tuple[str, ...]:
    tainted: set[ir.Value] = set()
    for node in graph:
        if taints(node) or not tainted.isdisjoint(values_read_by(node)):
            tainted.update(node.outputs)
    return tuple(end.name for end, value in zip(source.outputs, graph.outputs, strict=True) if value in tainted)
