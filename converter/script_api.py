"""Script mode on one screen: PyTorch scripts go in; MindSpore scripts in the same layout, and a report, come out."""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from converter.base.output import Output
from converter.base.recursion import deep_recursion
from converter.base.relaxed_gc import paused_gc
from converter.base.script_mode import FILES, STAGES
from converter.base.stages import Observer, Stages
from converter.errors import BadParamError, ModelLoadingError, ParamMissingError, UnknownModelError
from converter.proving import Network, NetworkResult, prove
from converter.report import FileSides, Result, ScriptFinding, ScriptFindings, SourceFiles, scan_table, write_reports
from converter.rewriting import Conversion, Walk, convert_files, find_files
from operator_maps import pytorch

__all__ = ["convert_script"]


@paused_gc()  # trees and names live until the end
def convert_script(
    in_file: str | Path,
    *,
    output: str | Path = "output",
    report: str | Path | None = None,
    project_path: str | Path | None = None,
    api: str = "nn",
    assume_tensors: bool = False,
    comments: bool = True,
    copy_others: bool = False,
    operator_map: str | Path | None = None,
    scan: bool = False,
    verify_network: str | None = None,
    shape: Sequence[str] = (),
    verify_inputs: str | Path | None = None,
    weights: str | Path | None = None,
    checkpoint_format: str | None = None,
    verify_limit: float = 600,
    observer: Observer | None = None,
) -> Result:
    """Convert a PyTorch script, or a folder of them, with what they import of their project.

    Args:
        in_file: the file or folder.
        output: the folder of the result, which has the layout of the source.
        report: the folder of the reports, where it is another.
        project_path: the folder that the modules of the project are imported from; by default the parent of the
            outermost package around `in_file`, or its folder.
        api: `nn` for mindspore.nn and ops, `mint` for mindspore.mint where it has the name.
        assume_tensors: convert methods that only perhaps are a tensor's.
        comments: put a comment behind each line with something that was not converted.
        copy_others: copy the other files of the folder.
        operator_map: a Python file with rows of the user's own.
        scan: write a table of what would be converted, and no script.
        verify_network: `package.module:factory(arguments)`, a network of the scripts, which is built and run in PyTorch
            and in MindSpore; None to run no code of the scripts.
        shape: of each input of this network, `2,3,224,224`.
        verify_inputs: an `.npz` with its inputs in their order, instead of shapes.
        weights: its weights, a file of PyTorch's, which become the checkpoint beside the result; None for random ones.
        checkpoint_format: of this checkpoint, `ckpt` (the default) or `safetensors`.
        verify_limit: how many seconds PyTorch and MindSpore may take, each.
        observer: is told how far the conversion is.

    Raises:
        ConverterError: with a code; nothing is written then.
    """
    source = Path(in_file)
    name = _name(source)
    network = _network(name, verify_network, shape, verify_inputs, weights, checkpoint_format, verify_limit)
    _check_place(source, Path(output), project_path)
    stages = Stages(STAGES, observer)
    with Output(FILES, name, Path(output), None if report is None else Path(report)) as out:
        with stages.stage("read"), _deeply(source):
            rows = pytorch.load(None if operator_map is None else Path(operator_map), api)
            walk = find_files(source, None if project_path is None else Path(project_path), rows)
            _check_torch(source, walk)
            out.protect(names.file.path for names in walk.whole.values())
        with stages.stage("rewrite"), _deeply(source):
            made = convert_files(
                walk,
                rows,
                api=api,
                assume_tensors=assume_tensors,
                comments=comments,
                remedy=pytorch.Remedies(rows),
                each=stages.each,
            )
        records = findings_of(made)
        if scan:
            out.table(f"scan_of_{name}.csv", scan_table(records))
            return Result(name, out.files, records, None, unit="calls", notes=tuple(_counts(records)))
        for file in made.files:
            out.data(file.path.as_posix(), file.data)
        for path, text in made.extra.items():
            out.data(path.as_posix(), text.encode())
        verification = None
        if network is not None:
            with stages.stage("verify"):
                verification = _proved(out, network, name, walk.root)
        if copy_others:
            for path in _others(source, walk):
                out.data(path.resolve().relative_to(walk.root).as_posix(), path.read_bytes())
        with stages.stage("report"):
            findings = ScriptFindings(
                name=name,
                source=SourceFiles(
                    path=source,
                    files=tuple(file.source.path for file in made.files),
                    description=f"{source.name} ({len(made.files)} Python file{'s' * (len(made.files) != 1)})",
                    kind="torch",
                    runs_on="PyTorch",
                ),
                records=records,
                script="\n".join(file.text for file in made.files),
                verification=verification,
                options={
                    "in_file": source,
                    "project_path": project_path,
                    "api": api,
                    "assume_tensors": assume_tensors,
                    "comments": comments,
                    "copy_others": copy_others,
                    "operator_map": operator_map,
                    "verify_network": verify_network,
                    "shape": tuple(shape),
                    "verify_inputs": verify_inputs,
                    "weights": weights,
                },
                stages=stages,
                files=(*out.files, *out.reports),
                inserted={file.path.as_posix(): file.inserted for file in made.files},
                sides=tuple(sides_of(made)),
            )
            write_reports(out, findings)
    return Result(name, out.files, records, verification, unit="calls")


@contextmanager
def _deeply(source: Path) -> Iterator[None]:
    """Refuse scripts that are nested more deeply than Python goes."""
    try:
        with deep_recursion():
            yield
    except (RecursionError, MemoryError) as error:
        raise ModelLoadingError(
            f"'{source}' has expressions that are nested too deeply. Write them as several statements."
        ) from error


def _network(
    name: str,
    call: str | None,
    shape: Sequence[str],
    inputs: str | Path | None,
    weights: str | Path | None,
    checkpoint_format: str | None,
    limit: float,
) -> Network | None:
    """What is to be proved.

    Raises:
        ParamMissingError: weights without a network.
    """
    if call is None:
        if weights is not None:
            raise ParamMissingError(
                f"--weights '{weights}' belong to a network. Name what makes it: "
                "--verify_network PACKAGE.MODULE:FACTORY()."
            )
        return None
    return Network(
        call,
        tuple(shape),
        None if inputs is None else Path(inputs),
        None if weights is None else Path(weights),
        f"{name}.{checkpoint_format or 'ckpt'}",
        limit,
    )


def _proved(out: Output, network: Network, name: str, source: Path) -> NetworkResult:
    """Run the network of the source and that of the files that wait in the output."""
    with prove(network, name, source, out.waiting) as proof:
        if proof.checkpoint is not None:
            shutil.move(proof.checkpoint, out.checkpoint(proof.checkpoint.name))
            out.weight_map(f"weight_map_of_{name}.json", proof.weight_map)
        return proof.result


def findings_of(made: Conversion) -> tuple[ScriptFinding, ...]:
    """The findings of a conversion, file by file in the order of the source."""
    found = []
    for file in made.files:
        for record in file.records:
            number = file.source.line_of(record.start)
            column = len(file.source.text[file.source.line_span(number)[0] : record.start].decode())
            part, line = file.source.place(number)
            found.append(
                ScriptFinding(
                    operator=record.name,
                    converted=record.converted,
                    became=record.became if record.converted else record.remedy,
                    note=record.note,
                    line=line + 1,
                    column=column,
                    file=f"{file.path.as_posix()}{part}",
                    written=record.written,
                    severity=record.severity,
                )
            )
    return tuple(found)


def sides_of(made: Conversion) -> Iterator[FileSides]:
    """The files of a conversion before and after, each with the lines of its findings."""
    number = 0
    for file in made.files:
        lines = [file.source.line_of(record.start) for record in file.records]
        yield FileSides(
            path=file.path.as_posix(),
            source=file.source.text,
            result=file.text.encode(),
            edits=tuple((edit.start, edit.end, edit.new) for edit in file.edits),
            places=tuple(enumerate(lines, number)),
        )
        number += len(lines)


def _name(source: Path) -> str:
    path = source.resolve()
    if path.is_file() and path.suffix not in (".py", ".ipynb"):
        raise UnknownModelError(f"'{source}' is no Python script. Name a .py file, a notebook or a folder of them.")
    return path.stem if path.is_file() else path.name


def _check_place(source: Path, output: Path, project_path: str | Path | None) -> None:
    """The result must not be written over the source, or into a folder that is converted."""
    place, path = output.resolve(), source.resolve()
    if path.is_dir() and place.is_relative_to(path):
        raise BadParamError(f"--output '{output}' is inside the source '{source}'. Choose a folder outside it.")
    if place == path.parent or (project_path is not None and place == Path(project_path).resolve()):
        raise BadParamError(
            f"--output '{output}' is the folder of the source. Choose another, so that nothing is lost."
        )


def _check_torch(source: Path, walk: Walk) -> None:
    """A source without PyTorch is an error, unless it has been converted before."""
    used = {
        target
        for names in walk.whole.values()
        for bindings in names.module.names.values()
        for binding in bindings
        if binding.kind == "import"
        for target in [binding.target.partition(".")[0]]
    }
    every = used | {star.partition(".")[0] for names in walk.whole.values() for star in names.module.stars}
    inner = any(b"torch" in names.file.text or b"mindspore" in names.file.text for names in walk.whole.values())
    if not every & {"torch", "mindspore"} and not inner:
        raise UnknownModelError(f"'{source}' does not use PyTorch: nothing is to be converted. Name another file.")


def _others(source: Path, walk: Walk) -> list[Path]:
    folder = source if source.is_dir() else source.parent
    converted = {names.file.path.resolve() for names in walk.whole.values()}
    return [
        path
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.resolve() not in converted and "__pycache__" not in path.parts
    ]


def _counts(records: tuple[ScriptFinding, ...]) -> list[str]:
    files = Counter(record.file for record in records)
    return [f"{count} uses of PyTorch in {file}" for file, count in files.most_common(20)]
