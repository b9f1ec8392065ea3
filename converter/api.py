"""The whole program on one screen: a file goes in; script, checkpoint, weight map and report come out."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import nullcontext
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import onnx_ir as ir

from converter import frontends
from converter.artifacts import checkpoint, weight_map
from converter.base.graph_mode import FILES, STAGES
from converter.base.output import Output
from converter.base.relaxed_gc import relaxed_gc
from converter.base.stages import Observer, Stages
from converter.frontends import Request, Source, module_name
from converter.graph import source_graph
from converter.graph.fusions import fuse_operators
from converter.graph.normalize import normalize
from converter.lowering import StageDump, Tables, Translation, translate
from converter.report import Finding, Result, docstring_of, findings_of, write_reports
from converter.script import eliminate_dead_code
from converter.script.emit import emit
from converter.script.structure import structure
from converter.verification import verify_script
from operator_maps import registry

__all__ = ["Finding", "Result", "convert", "translate_source"]


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
    verify: bool = True,
    verify_inputs: str | Path | None = None,
    dump_stages: str | Path | None = None,
    observer: Observer | None = None,
    **options: Any,
) -> Result:
    """Translate a model. The arguments are the command's options; `report` is a folder.

    `model_file` may also be a PyTorch module of the program that calls this, and `inputs` its example inputs: a
    tensor, several in order, or a dictionary by parameter of `forward`. `model` names a call that makes a module.
    `dump_stages` is a folder for the graph and the program between the stages. `observer` is told which stage the
    conversion is in, and how far. `options` are those that only some frontends have.

    Raises:
        ConverterError: with a code, when the model, an option or a folder is at fault; nothing is written then.
    """
    given = {name: value for name, value in options.items() if value not in (None, False)}
    path, made = frontends.named(model_file, model, inputs)
    name = module_name(frontends.stem_of(path))
    stages = Stages(STAGES, observer)
    with (
        TemporaryDirectory(prefix="onnx2mindspore-") as folder,
        Output(FILES, name, Path(output), _path(report)) as out,
        frontends.diagnose_invalid_model(path) if made is None else nullcontext(),
        relaxed_gc(),
    ):
        request = Request(
            path, tuple(input_nodes), tuple(output_nodes), tuple(shape), given, folder=Path(folder), made=made
        )
        with stages.stage("load"):
            source = frontends.load(request)
            rows = registry.load(_path(operator_map))
        translation = translate_source(source, rows, name, checkpoint_format, stages, StageDump(_path(dump_stages)))
        script = out.script(f"{name}.py", translation.script.text)
        with stages.stage("checkpoint"):
            weights = None
            if translation.checkpoint is not None:
                weights = out.checkpoint(translation.checkpoint)
                checkpoint.write(translation.program, weights, stages.each)
            out.weight_map(f"weight_map_of_{name}.json", weight_map.text_of(translation.program, name))
        verification = None
        if verify:
            with stages.stage("verify"):
                inputs = _path(verify_inputs) or source.real_inputs
                verification = verify_script(source, translation, rows, script, weights, inputs, stages.count)
        with stages.stage("report"):
            used = {
                "model": model,
                "input_nodes": request.input_nodes,
                "output_nodes": request.output_nodes,
                "shape": request.shapes,
                "operator_map": operator_map,
                "checkpoint_format": checkpoint_format,
                "verify": verify,
                "verify_inputs": verify_inputs or (source.real_inputs and source.real_inputs.stem),
                **given,
            }
            files = (*out.files, *out.reports)
            findings = findings_of(name, source, translation, verification, used, stages, files)
            write_reports(out, findings)
    return Result(name, out.files, findings.records, verification, notes=source.notes)


def translate_source(
    source: Source,
    rows: Tables,
    name: str,
    checkpoint_format: checkpoint.Format | None = None,
    stages: Stages | None = None,
    dump: StageDump | None = None,
) -> Translation:
    """Take a source through normalisation, the operator tables and emission."""
    stages, dump = stages or Stages(STAGES), dump or StageDump(None)
    if dump.wanted:
        dump.graph("load", ir.from_proto(source.model))
    with stages.stage("normalize"):
        graph = normalize(source.model, source.base_dir, stages.each, rows.own)
        before = source_graph(graph)
    dump.graph("normalize", graph)
    with stages.stage("fuse operators"):
        fuse_operators(graph, rows.fused)
    dump.graph("fuse operators", graph)
    with stages.stage("translate"):
        flat = translate(graph, rows, stages.each)
    dump.program("translate", flat)
    with stages.stage("structure"):
        program = eliminate_dead_code(structure(flat))
    dump.program("structure", program)
    kind = checkpoint.format_for(program, checkpoint_format)
    file = f"{name}.{kind}" if any(program.parameters()) else None
    with stages.stage("emit"):
        script = emit(program, docstring_of(source, graph.graph, name, file))
    return Translation(before, graph, program, script, file)


def _path(given: str | Path | None) -> Path | None:
    return None if given is None else Path(given)
