"""The whole program on one screen: a file goes in; script, checkpoint, weight map and report come out."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Literal, NamedTuple

import onnx_ir as ir

from converter import frontends, training
from converter.artifacts import checkpoint, weight_map
from converter.base import graph_mode, shards
from converter.base.graph_mode import FILES, FILES_AND_ONNX, INSPECTION_FILES, ONNX_FILES, STAGES
from converter.base.output import FileSet, Output
from converter.base.relaxed_gc import relaxed_gc
from converter.base.stages import Observer, Stages
from converter.errors import BadParamError, ConverterError, describe_unexpected
from converter.frontends import Request, Source, module_name, write_model
from converter.graph import (
    FreedAxis,
    change_element_type,
    cut_points,
    free_axes,
    freed_axes,
    notes_on,
    run_passes,
    source_graph,
)
from converter.graph.fusions import fuse_operators
from converter.graph.normalize import FIXED_EXTENTS, normalize
from converter.lowering import (
    StageDump,
    Tables,
    Translation,
    notes_on_free_lengths,
    notes_on_gradients,
    notes_on_tied,
    translate,
)
from converter.report import (
    Exported,
    Finding,
    Findings,
    Inspection,
    Result,
    docstring_of,
    findings_of,
    inferred_outputs,
    inspection_of,
    kinds_of,
    write_inspection,
    write_reports,
)
from converter.script import eliminate_dead_code
from converter.script.emit import emit
from converter.script.structure import structure
from converter.verification import (
    Edges,
    ProofKit,
    VerificationResult,
    kit_script,
    rounding_note,
    verify_script,
)
from operator_maps import registry

UNVERIFIED = "the conversion ended before its verification did"
"""The note in a report that stands while verification runs."""

__all__ = ["Exported", "Finding", "Inspection", "Result", "convert", "export_onnx", "inspect", "translate_source"]

_FORM = checkpoint.Form()


def convert(
    model_file: str | Path | Any = None,
    inputs: Any = None,
    *,
    model: str | None = None,
    shape: Sequence[str] = (),
    input_nodes: Sequence[str] = (),
    output_nodes: Sequence[str] = (),
    output: str | Path = "output",
    report: str | Path | None = None,
    operator_map: str | Path | None = None,
    checkpoint_format: checkpoint.Format | None = None,
    shard_size: float | None = None,
    dtype: Literal["float32", "float16", "bfloat16"] | None = None,
    verify: bool = True,
    verify_inputs: str | Path | None = None,
    edges: Edges | None = None,
    verify_limit: float = 600,
    dequantise: bool = False,
    verify_memory: float | None = None,
    keep_onnx: bool = False,
    train_script: bool = False,
    proof_kit: bool = False,
    dump_stages: str | Path | None = None,
    observer: Observer | None = None,
    **options: Any,
) -> Result:
    """Translate a model. The arguments are the command's options; `report` is a folder.

    The result is placed before source and script run beside each other; the reports are completed afterwards.

    `model_file` may also be a PyTorch module of the program that calls this, and `inputs` its example inputs: a
    tensor, several in order, or a dictionary by parameter of `forward`. `model` names a call that makes a module.
    `shard_size` is that of the largest file of safetensors, in GB, `dtype` the type in which the script computes.
    `edges` says whether edge inputs are tried (`none`, `report`, the default) and whether the command fails on them
    (`fail`), `verify_limit` how many seconds verification takes at most, and `verify_memory` how many GB of memory.
    `dequantise` translates the float network of a quantised model. `keep_onnx` keeps the normalised model as
    `NAME.onnx`. `train_script` writes `train_NAME.py` also for a source that does not say how it was trained.
    `proof_kit` writes `prove_NAME.py` and its reference, to compare the script on another machine; it needs `verify`.
    `dump_stages` is a folder for the graph and the program between the stages. `observer` is told which stage the
    conversion is in, and how far. `options` are those that only some frontends have.

    Raises:
        ConverterError: with a code, when the model, an option or a folder is at fault; nothing is written then.
    """
    if proof_kit and not verify:
        raise BadParamError("A proof kit (--proof_kit) needs the run of the source that --no_verify leaves out.")
    files = FILES_AND_ONNX if keep_onnx else FILES
    edges = edges or graph_mode.EDGES
    asked: dict[str, Any] = {
        "model": model,
        "input_nodes": input_nodes,
        "output_nodes": output_nodes,
        "shape": shape,
        "operator_map": operator_map,
        "dequantise": dequantise,
    }
    places: dict[str, Any] = {"output": output, "report": report, "observer": observer}
    with _begun(files, model_file, inputs, **asked, **places, **options) as begun:
        name, request, source, rows, out, stages, quantised = begun
        dump, form = StageDump(_path(dump_stages)), checkpoint.Form(checkpoint_format, shard_size, dtype)
        graph = normalized(source, rows, stages, dump)
        if keep_onnx:
            out.model(f"{name}.onnx", partial(write_model, graph, source))
        translation = translate_graph(graph, source, rows, name, form, stages, dump)
        if translation.notes and request.made is None:
            frontends.refuse_invalid_model(request.model_file)  # rather than a script that lacks what could not be read
        source = _with_freed(source, freed_axes(graph))
        of_cpu = (*notes_on_gradients(translation.graph), *notes_on_free_lengths(translation.graph))
        notes = (*source.notes, *translation.notes, *of_cpu, *notes_on_tied(translation.program))
        source = replace(source, notes=notes)
        script = out.script(f"{name}.py", translation.script.text)
        with stages.stage("checkpoint"):
            weights = None
            if translation.checkpoint == shards.INDEX:
                reserve = partial(out.sharded_checkpoint, name)
                weights = checkpoint.write_shards(translation.program, shard_size, reserve, stages.each)
            elif translation.checkpoint is not None:
                weights = out.checkpoint(translation.checkpoint)
                checkpoint.write(translation.program, weights, stages.each)
            out.weight_map(f"weight_map_of_{name}.json", weight_map.text_of(translation.program, name))
            source = _with_training(out, name, source, translation, rows, guessed=train_script)
        used = {
            **asked,
            "checkpoint_format": checkpoint_format,
            "shard_size": shard_size,
            "dtype": dtype,
            "train_script": train_script,
            "proof_kit": proof_kit,
            "verify": verify,
            "edges": edges,
            "verify_limit": verify_limit,
            "verify_memory": verify_memory,
            "verify_inputs": verify_inputs or (source.real_inputs and source.real_inputs.stem),
            **request.options,
        }

        def reported(verification: VerificationResult | None) -> Findings:
            written = tuple(dict.fromkeys((*out.files, *out.reports)))
            findings = findings_of(name, source, translation, verification, used, stages, written)
            write_reports(out, findings)
            return findings

        def place_unverified() -> None:
            reported(VerificationResult((), {}, UNVERIFIED, stopped=True))
            out.place()

        verification = None
        kit = _kit(name, source, translation, request.folder) if proof_kit else None
        if verify:
            with stages.stage("verify"):
                feeds = _path(verify_inputs) or source.real_inputs
                how: dict[str, Any] = {"edges": edges, "limit": verify_limit, "memory": verify_memory, "kit": kit}
                how["begin"] = place_unverified
                verification = verify_script(source, translation, rows, script, weights, feeds, stages.count, **how)
                if quantised is not None:
                    note = rounding_note(quantised, source, verification.feeds)
                    source = replace(source, notes=(*source.notes, note))
            if kit is not None:
                source = _with_kit(out, name, source, kit)
        with stages.stage("report"):
            findings = reported(verification)
    return Result(name, out.files, findings.records, verification, notes=source.notes)


def _with_training(
    out: Output, name: str, source: Source, translation: Translation, rows: Tables, *, guessed: bool
) -> Source:
    """Write the training script, if the source was trained or a guess is wanted; return the source with its notes."""
    trained = source.training or (training.guess(source) if guessed else None)
    if trained is None or not (trained.in_graph or guessed):
        return source
    loss = None
    if trained.loss.source is not None:
        try:
            loss = translate_source(trained.loss.source, rows, "Loss").program
        except ConverterError as error:  # the network is translated all the same
            note = f"No training script is written: its loss could not be translated ({error.message})."
            return replace(source, notes=(*source.notes, note))
    script = training.training_script(name, source, translation, trained, loss)
    out.script(f"train_{name}.py", script.text)
    if script.state:
        checkpoint.save(script.state, out.checkpoint(f"train_{name}.ckpt"))
    return replace(source, notes=(*source.notes, *script.notes))


def _kit(name: str, source: Source, translation: Translation, folder: Path | None) -> ProofKit:
    """The proof kit to be made; its reference waits in the temporary folder of the conversion."""
    assert folder is not None
    text = kit_script(name, source.description, translation.checkpoint)
    return ProofKit(text, folder / f"{name}_reference.npz")


def _with_kit(out: Output, name: str, source: Source, kit: ProofKit) -> Source:
    """Write the proof kit, if it has a reference; return the source with its notes."""
    if not kit.reference.exists():
        note = "No proof kit is written: source and script could not be run, so there is no reference."
        return replace(source, notes=(*source.notes, note))
    out.script(f"prove_{name}.py", kit.text)
    shutil.move(kit.reference, out.checkpoint(kit.reference.name))
    return source


def export_onnx(model_file: str | Path | Any = None, inputs: Any = None, **arguments: Any) -> Exported:
    """Write the cut, normalised model as `NAME.onnx`, and nothing else.

    To convert that file gives the same script as to convert the source. `arguments` are those of `convert` that say
    what is converted: `model`, `shape`, `input_nodes`, `output_nodes`, `output`, `operator_map`, `observer` and the
    options of frontends.

    Raises:
        ConverterError: as `convert` does.
    """
    with _begun(ONNX_FILES, model_file, inputs, **arguments) as (name, _, source, rows, out, stages, _):
        out.model(f"{name}.onnx", partial(write_model, normalized(source, rows, stages), source))
    return Exported(name, out.files, source.notes)


def inspect(model_file: str | Path | Any = None, inputs: Any = None, **arguments: Any) -> Inspection:
    """Look into a model without converting it: its ends, its operators and what they would become, its parameters.

    Writes `inspection_of_NAME.html` and `.json`. `arguments` are those of `export_onnx`, and `report`.

    Raises:
        ConverterError: as `convert` does.
    """
    with _begun(INSPECTION_FILES, model_file, inputs, **arguments) as (name, request, source, rows, out, stages, _):
        graph = normalized(source, rows, stages)
        before, points, kinds = source_graph(graph), cut_points(graph), kinds_of(graph)
        outputs = inferred_outputs(source, graph.graph)
        with stages.stage("fuse operators"):
            graph = fuse_operators(graph, rows.fused, partial(normalized, source, rows))
        with stages.stage("translate"):
            program = translate(graph, rows, stages.each)
        with stages.stage("report"):
            used = {
                "input_nodes": request.input_nodes,
                "output_nodes": request.output_nodes,
                "shape": request.shapes,
                **request.options,
            }
            found = inspection_of(name, source, outputs, before, points, kinds, program, used, stages, out.others)
            write_inspection(out, found)
    return found


class _Begun(NamedTuple):
    """A conversion whose source is read: NAME, what was asked for, the source, the operator tables, where files go.

    `quantised` is the source that the user named, where another, its float network, is translated.
    """

    name: str
    request: Request
    source: Source
    rows: Tables
    out: Output
    stages: Stages
    quantised: Source | None = None


@contextmanager
def _begun(
    files: FileSet,
    model_file: str | Path | Any,
    inputs: Any,
    *,
    model: str | None = None,
    shape: Sequence[str] = (),
    input_nodes: Sequence[str] = (),
    output_nodes: Sequence[str] = (),
    output: str | Path = "output",
    report: str | Path | None = None,
    operator_map: str | Path | None = None,
    dequantise: bool = False,
    observer: Observer | None = None,
    **options: Any,
) -> Iterator[_Begun]:
    """Read the source, for the length of a block in which files are written; the arguments are those of `convert`."""
    given = {name: value for name, value in options.items() if value not in (None, False)}
    path, made = frontends.named(model_file, model, inputs)
    name = module_name(frontends.stem_of(path))
    stages = Stages(STAGES, observer)
    with (
        TemporaryDirectory(prefix="onnx2mindspore-") as folder,
        Output(files, name, Path(output), _path(report)) as out,
        frontends.diagnose_invalid_model(path) if made is None else nullcontext(),
        relaxed_gc(),
    ):
        request = Request(
            path, tuple(input_nodes), tuple(output_nodes), tuple(shape), given, folder=Path(folder), made=made
        )
        with stages.stage("load"):
            source = frontends.load(request)
            rows = registry.load(_path(operator_map))
            quantised = source if dequantise else None
            if quantised is not None:
                source = frontends.dequantised(quantised, Path(folder), rows.own)
        out.protect(source.files)
        yield _Begun(name, request, source, rows, out, stages, quantised)


def translate_source(source: Source, rows: Tables, name: str) -> Translation:
    """Take a source through normalisation, the operator tables and emission."""
    return translate_graph(normalized(source, rows), source, rows, name)


def normalized(source: Source, rows: Tables, stages: Stages | None = None, dump: StageDump | None = None) -> ir.Model:
    """The normalised graph of a source."""
    stages, dump = stages or Stages(STAGES), dump or StageDump(None)
    if dump.wanted:
        dump.graph("load", ir.from_proto(source.model))

    def freed() -> ir.Model:
        graph = normalize(source.model, source.base_dir, stages.each, rows.own)
        free_axes(graph, *_free_extents(source))
        return graph

    with stages.stage("normalize"):
        graph = run_passes(freed, FIXED_EXTENTS)
    dump.graph("normalize", graph)
    return graph


def _with_freed(source: Source, freed: Sequence[FreedAxis]) -> Source:
    """The source with notes on the axes that were freed; verification takes others that only its inputs fix as free."""
    letters = frozenset(axis.letter for axis in freed)
    inputs = tuple(replace(end, freed=end.freed & letters) for end in source.inputs)
    return replace(source, inputs=inputs, notes=(*source.notes, *map(_freed_note, freed)))


def _free_extents(source: Source) -> tuple[dict[str, int], dict[str, int]]:
    """The example extents of the free dimensions of the inputs, and of those among them that the source fixes."""
    extents, fixed = {}, {}
    for end in source.inputs:
        for dim, extent in zip(end.shape or (), end.example or (), strict=True):
            if isinstance(dim, str):
                extents[dim] = extent
                if dim in end.freed:
                    fixed[dim] = extent
    return extents, fixed


def translate_graph(
    graph: ir.Model,
    source: Source,
    rows: Tables,
    name: str,
    form: checkpoint.Form = _FORM,
    stages: Stages | None = None,
    dump: StageDump | None = None,
) -> Translation:
    """Take a normalised graph, which is changed, through the operator tables and emission."""
    stages, dump = stages or Stages(STAGES), dump or StageDump(None)
    cast = change_element_type(graph, form.dtype) if form.dtype is not None else None

    def again() -> ir.Model:
        graph = normalized(source, rows)
        if cast is not None:
            change_element_type(graph, form.dtype or "")
        return graph

    before = source_graph(graph)
    with stages.stage("fuse operators"):
        graph = fuse_operators(graph, rows.fused, again)
    notes = (*notes_on(graph), *([cast] if cast else ()))
    dump.graph("fuse operators", graph)
    with stages.stage("translate"):
        flat = translate(graph, rows, stages.each)
    dump.program("translate", flat)
    with stages.stage("structure"):
        try:
            program = structure(flat)
        except Exception as error:
            program, reason = translate(graph, rows), describe_unexpected(error)
            notes += (f"The search for repeated blocks failed ({reason}): the script has one class. Please report it.",)
        program = eliminate_dead_code(program)
    dump.program("structure", program)
    file = checkpoint.file_for(program, name, form.format, form.shard_size)
    with stages.stage("emit"):
        script = emit(program, docstring_of(source, graph.graph, name, file))
    return Translation(before, graph, program, script, file, notes, form.dtype if cast else None)


def _freed_note(axis: FreedAxis) -> str:
    return (
        f"The model fixes {axis.letter} at {axis.extent}. The script takes any, and computes from each sample what the "
        "model computes."
    )


def _path(given: str | Path | None) -> Path | None:
    return None if given is None else Path(given)
