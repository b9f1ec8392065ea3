"""Conversion of a walk over a project: every file rewritten, and the helper module that they need."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from symtable import SymbolTable
from typing import NamedTuple

from converter.errors import ScriptGenerationError
from converter.rewriting import helpers, lint
from converter.rewriting.edits import Edit
from converter.rewriting.imports import Imports
from converter.rewriting.inference import Inference
from converter.rewriting.names import Names
from converter.rewriting.records import Record
from converter.rewriting.rewrite import Rewriter
from converter.rewriting.rows import Row
from converter.rewriting.source import SourceFile
from converter.rewriting.state import Options
from converter.rewriting.trees import nodes
from converter.rewriting.walk import Walk, partial_text


@dataclass(frozen=True)
class ConvertedFile:
    """A file after its conversion.

    Attributes:
        path: its place below the output.
        source: the file as it was.
        text: the new text.
        edits: what changed, in the order of the text.
        records: what became of each use of PyTorch.
        inserted: the lines that were inserted for imports.
    """

    path: Path
    source: SourceFile
    text: str
    edits: tuple[Edit, ...]
    records: tuple[Record, ...]
    inserted: tuple[str, ...] = ()

    @property
    def data(self) -> bytes:
        """The new text in the encoding of the file."""
        return self.source.encoded(self.text)


@dataclass(frozen=True)
class Conversion:
    """What came out.

    Attributes:
        files: the converted files.
        extra: further files by their place: the helper module, packages of which only some names are needed.
    """

    files: tuple[ConvertedFile, ...]
    extra: Mapping[Path, str]


def convert_files(
    walked: Walk,
    rows: Mapping[str, Row],
    *,
    api: str = "nn",
    assume_tensors: bool = False,
    comments: bool = True,
    remedy: Callable[[str], str] = Options.remedy,
    each: Callable[[list[Names]], Iterable[Names]] = iter,
) -> Conversion:
    """Convert the files of a walk; `remedy` says what to do about a name without a row.

    Raises:
        ScriptGenerationError: a result is no Python: a defect of this program.
    """
    options = Options(api, assume_tensors, comments, helpers.Available(rows), remedy)
    inference = Inference(walked.project, rows)
    inference.run(walked.whole.values())
    package = _package(walked)
    made: list[_Made] = []
    done = converted_before(walked)
    for names in each(list(walked.whole.values())):
        rewriter = Rewriter(names, inference, options)
        imports = Imports(rewriter, partial(compat_import, names.file, package))
        if names not in done:
            rewriter.run()
            imports.run()
        if options.comments:
            _comment(rewriter)
        text = rewriter.edits.result()
        made.append(_Made(names, rewriter, imports, text, _symbols(names.file, text)))
    extra: dict[Path, str] = {}
    results = {each.names.file.module: lint.defined(each.symbols, each.text) for each in made}
    results[f"{package}.{helpers.NAME}".lstrip(".")] = {"*"}
    for module, wanted in walked.partial.items():
        found = walked.project.module(module)
        if found is not None:
            extra[walked.path(found)] = text = partial_text(found, wanted, walked.project)
            results[module] = lint.defined(lint.symbols_of(text), text)
    absent = {
        module for names in walked.whole.values() for module in lint.absent_modules(names, walked.project, results)
    }
    results.update((module, set()) for module in absent)
    for each_made in made:
        each_made.rewriter.records += _lint(each_made, results, absent)
    if names_needed := {name for each_made in made for name in each_made.rewriter.needs.helpers}:
        if any(b"numpy" in each_made.names.file.text for each_made in made):
            names_needed.add("PRIORITY")
        extra[Path(*package.split("."), f"{helpers.NAME}.py") if package else Path(f"{helpers.NAME}.py")] = (
            helpers.text_of(names_needed, rows)
        )
    return Conversion(tuple(each_made.file(walked) for each_made in made), extra)


def converted_before(walked: Walk) -> set[Names]:
    """The files that are MindSpore's already: every one where the project has no PyTorch, else those that have none."""
    every = list(walked.whole.values())
    tops = {names: {target.partition(".")[0] for target in _imported(names)} for names in every}
    made = {names for names in every if tops[names] & {"mindspore", helpers.NAME}}
    if made and not any("torch" in each for each in tops.values()):
        return set(every)
    return {names for names in made if "torch" not in tops[names]}


def _imported(names: Names) -> Iterator[str]:
    """What a file imports, with the helper module by its own name."""
    for node, _ in names.imports:
        if isinstance(node, ast.ImportFrom):
            yield node.module or ""
        for alias in node.names:
            if isinstance(node, ast.Import) or alias.name == helpers.NAME:
                yield alias.name


class _Made(NamedTuple):
    """A file that has been rewritten, its new text and the names in that."""

    names: Names
    rewriter: Rewriter
    imports: Imports
    text: str
    symbols: SymbolTable

    def file(self, walked: Walk) -> ConvertedFile:
        edits = tuple(self.rewriter.edits.ordered())
        records, inserted = tuple(self.rewriter.records), tuple(self.imports.inserted)
        return ConvertedFile(walked.path(self.names), self.names.file, self.text, edits, records, inserted)


def _lint(made: _Made, results: Mapping[str, set[str]], absent: set[str]) -> list[Record]:
    """What the result of a file uses though nothing defines it."""
    file = made.names.file
    gone = {
        alias.asname or alias.name.partition(".")[0]
        for node, scope in made.names.imports
        for alias in made.imports.torch_aliases(node, scope)
    }
    remedies = dict.fromkeys(lint.unbound(made.symbols, gone), "Its import has gone, but it is used; define it.")
    lost = lint.may_lose_imports(made.names, results)
    for module, name, line in lint.lost_imports(made.names, ast.parse(made.text), results) if lost else ():
        why = f"there is no module {module}" if module in absent else f"that of {module} does not define it"
        remedies[name] = f"The result imports it in line {line}, but {why}."
    found = []
    for name, remedy in sorted(remedies.items()):
        node = lint.place(name, made.names)
        start, end = file.start(node), file.end(node)  # type: ignore[arg-type]
        found.append(
            Record(start=start, end=end, name=name, written=name, converted=False, remedy=remedy, use="undefined")
        )
    return found


def _package(walked: Walk) -> str:
    """The package that holds every converted file, and so the helper module; empty where there is none."""
    tops = {module.partition(".")[0] for module in walked.whole}
    only = tops.pop() if len(tops) == 1 else ""
    found = walked.project.module(only) if only else None
    return only if found is not None and found.file.is_package else ""


def compat_import(file: SourceFile, package: str, alias: str) -> str:
    """How a file imports the helper module."""
    if not package:
        return f"import {helpers.NAME} as {alias}"
    depth = file.package.count(".") + 1
    return f"from {'.' * depth} import {helpers.NAME} as {alias}"


def _symbols(file: SourceFile, text: str) -> SymbolTable:
    try:
        return lint.symbols_of(text)
    except SyntaxError as error:
        line = text.splitlines()[(error.lineno or 1) - 1 :][:1]
        raise ScriptGenerationError(
            f"the conversion of '{file.path}' is no Python (line {error.lineno}: {line}). Nothing was written. "
            "Please report it.",
            expected=False,
        ) from error


def _comment(rewriter: Rewriter) -> None:
    """Put a comment behind each line with something that was not converted."""
    file = rewriter.file
    lines: dict[int, list[Record]] = {}
    for record in rewriter.records:
        if not record.converted and record.use != "perhaps":
            lines.setdefault(file.line_of(record.end), []).append(record)
    if not lines:
        return
    inside = [
        (file.start(node), file.end(node))
        for statement in file.tree.body
        if any(statement.lineno - 1 <= line < (statement.end_lineno or 0) for line in lines)
        for node in nodes(statement)
        if isinstance(node, (ast.Constant, ast.JoinedStr)) and node.lineno != node.end_lineno
    ]
    edits = rewriter.edits.ordered()
    for line, records in lines.items():
        start, after = file.line_span(line)
        text = file.text[start:after]
        end = start + len(text.rstrip())
        covered = any(edit.start < end < edit.end for edit in edits)
        if covered or text.rstrip().endswith(b"\\") or any(begin < end < stop for begin, stop in inside):
            continue
        names = dict.fromkeys(record.name for record in records)
        rewriter.edits.insert(end, f"  # [UnConvert] {', '.join(names)}: {records[0].remedy}")
