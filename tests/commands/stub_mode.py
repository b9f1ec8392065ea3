"""A mode of the tests' own: it takes a script, rewrites nothing, and reports its calls; `odd` is not converted."""

from __future__ import annotations

import argparse
import ast
from pathlib import Path

import numpy as np

from converter.base.output import FileSet, Output
from converter.base.stages import Observer, Stages
from converter.commands.mode import Groups, Mode
from converter.errors import GeneratorError, ModelLoadingError, ReportGenerationError
from converter.report import Finding, Findings, Result, SourceFiles, write_reports
from converter.verification import OutputComparison, VerificationResult

STAGES = {"parse": ModelLoadingError, "rewrite": GeneratorError, "report": ReportGenerationError}
FILES = FileSet(output=("{}.py",))


def convert(options: argparse.Namespace, observer: Observer | None) -> Result:
    """Copy the script and say what every call in it is."""
    source = Path(options.in_file)
    stages = Stages(STAGES, observer)
    with Output(FILES, source.stem, Path(options.output), options.report and Path(options.report)) as out:
        with stages.stage("parse"):
            tree = ast.parse(source.read_text(encoding="utf-8"))
        with stages.stage("rewrite"):
            calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call)]
            records = tuple(finding(call) for call in sorted(calls, key=lambda call: call.lineno))
        out.script(source.name, source.read_text(encoding="utf-8"))
        verification = verified(options.error) if options.error else None
        with stages.stage("report"):
            findings = Findings(
                name=source.stem,
                source=SourceFiles(
                    path=source, files=(source,), description=f"{source.name} (Python)", kind="torch", runs_on="PyTorch"
                ),
                records=records,
                script=source.read_text(encoding="utf-8"),
                verification=verification,
                options={"in_file": options.in_file},
                stages=stages,
                files=(*out.files, *out.reports),
            )
            write_reports(out, findings)
    return Result(source.stem, out.files, records, verification, unit="calls")


def finding(call: ast.Call) -> Finding:
    """The finding of one call."""
    name = ast.unparse(call.func)
    if name == "fail":
        raise ValueError("odd")
    place = {"line": call.lineno, "column": call.col_offset}
    if "odd" in name:
        return Finding(operator=name, converted=False, became="Write it by hand.", **place)
    return Finding(operator=name, became=name.replace("torch", "mindspore"), **place)


def verified(error: float) -> VerificationResult:
    """As if the outputs were that far apart."""
    verdict = "same" if error < 1e-4 else "differs"
    output = OutputComparison(verdict, error, error, error, output="y", mode="graph")
    return VerificationResult((output,), {"x": np.zeros((1, 2), np.float32)})


def add_options(groups: Groups) -> None:
    """Add the options of the mode."""
    groups["model"].add_argument("--in_file", metavar="FILE", help="a script")
    groups["verification"].add_argument("--error", type=float, metavar="NUMBER", help="how far the outputs are apart")


MODE = Mode(source="in_file", stages=STAGES, add_options=add_options, convert=convert)
