"""The terminal's view of what a command made: the summary of a conversion, an exported model."""

from __future__ import annotations

import shlex
from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, cast

from converter.base.messages import tr
from converter.base.messages.composed import translated
from converter.commands import terminal
from converter.commands.inspection import print_inspection
from converter.commands.terminal import printable, table

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

    from converter.report import Exported, Finding, Inspection, Outcome, Result
    from converter.verification import EdgeFinding, OutputComparison, VerificationResult

_MOST_ROWS = 10
_LABEL = 10  # columns


def print_outcome(outcome: Outcome) -> None:
    """Print what was made, in the language of the terminal."""
    from converter.report import Exported, Findings

    if isinstance(outcome, Exported):
        _print_exported(outcome)
    elif isinstance(outcome, Findings):
        print_inspection(cast("Inspection", outcome))
    else:
        _summarize(cast("Result", outcome))


def _print_exported(exported: Exported) -> None:
    console = terminal.console()
    if exported.notes:
        _say(console, tr("Note"), *map(translated, exported.notes))
    _say(console, tr("Written"), *map(str, exported.files))
    command = f"mindconverter --model_file {shlex.quote(str(exported.files[0]))}"
    _say(console, tr("Hint"), tr("The second step: {command}").format(command=command))


def _summarize(result: Result) -> None:
    """Print the number of converted nodes, the verification result, and the files."""
    console = terminal.console()
    total = len(result.records)
    done = total - len(result.unconverted)
    counts = {"done": done, "total": total, "unit": tr(result.unit), "rate": f"{done / total if total else 1:.2%}"}
    _say(console, tr("Converted"), tr("{done} of {total} {unit} ({rate})").format(**counts))
    if result.notes:
        _say(console, tr("Note"), *map(translated, result.notes))
    if result.unconverted:
        console.print(_unconverted(result.unconverted, result.unit))
    scripts = any(Path(file).suffix in (".py", ".ipynb") for file in result.files)
    if scripts:
        _say(console, tr("Verified"), *_verified(result))
    if result.verification is not None:
        wrong = [output for output in result.verification.outputs if output.verdict != "same"]
        if wrong:
            console.print(_errors(wrong[:_MOST_ROWS]))
        if len(wrong) > _MOST_ROWS:
            _say(console, "", tr("and {number} more: see the report").format(number=len(wrong) - _MOST_ROWS))
        _print_edges(console, result.verification)
    _say(console, tr("Written"), *map(str, result.files))
    if not scripts:
        return
    _say(
        console,
        tr("Hint"),
        tr(
            "Before you run the script on a CPU with AVX-512, set ONEDNN_MAX_CPU_ISA=AVX2 in the environment: "
            "MindSpore's convolutions are about 70 times slower without it."
        ),
    )


def _verified(result: Result) -> Iterator[str]:
    """The verdict, the largest error, and the first node or module that differs."""
    found, verdict = result.verification, tr(result.verdict)
    yield f"{verdict}: {translated(found.note)}" if found is not None and found.note else verdict
    if found is None:
        return
    worst = max((output for output in found.outputs if output.max_abs is not None), key=_error, default=None)
    if worst is not None:
        yield tr("worst error {absolute} absolute, {relative} relative: output {output}, {mode} mode").format(
            absolute=_number(worst.max_abs), relative=_number(worst.max_rel), output=worst.output, mode=worst.mode
        )
    if found.first_difference is not None:
        first = found.first_difference
        message = tr("the first node that differs by itself: {node} ({operator})")
        if first.position:
            message = tr("the first module that differs: {node} ({operator}), {position}")
        where = message.format(node=first.node, operator=first.operator, position=first.position)
        yield f"{where}; {translated(first.note)}" if first.note else where


def _print_edges(console: Console, found: VerificationResult) -> None:
    """Print a warning for each kind of edge inputs on which the script differs, and the number of the others."""
    warnings = found.edge_warnings
    lines = [_warning(each) for each in warnings[:_MOST_ROWS]]
    if len(warnings) > _MOST_ROWS:
        lines.append(tr("and {number} more: see the report").format(number=len(warnings) - _MOST_ROWS))
    _say(console, tr("Warning"), *lines)
    if found.edges:
        same = sum(each.verdict == "same" for each in found.edges)
        kernels = sum(bool(each.kernel) for each in found.edges)
        line = tr("{same} of {total} kinds are the same").format(same=same, total=len(found.edges))
        if kernels:
            more = tr("{number} differ by MindSpore's CPU kernels alone").format(number=kernels)
            line = f"{line}; {more}"
        _say(console, tr("Edges"), *filter(None, (line, found.edges_note)))


def _warning(edge: EdgeFinding) -> str:
    line = tr("edge inputs ({kind}): the script differs in {modes} mode").format(
        kind=edge.kind, modes=tr(" and ").join(edge.modes)
    )
    parts = [line, edge.note]
    if edge.node is not None:
        message = tr("the first node that differs by itself: {node} ({operator})")
        parts.append(message.format(node=edge.node.node, operator=edge.node.operator))
    return "; ".join(filter(None, parts))


def _error(output: OutputComparison) -> float:
    return output.max_abs or 0.0


def _say(console: Console, label: str, *lines: str) -> None:
    from rich.cells import set_cell_size

    for line in lines:
        console.print(f"{set_cell_size(label, _LABEL)} {printable(line)}")
        label = ""


def _unconverted(records: Sequence[Finding], unit: str) -> Table:
    """A table of the nodes that were not converted, by operator: their number, the first, and its remedy."""
    by_operator: dict[str, list[Finding]] = defaultdict(list)
    for record in records:
        by_operator[record.operator].append(record)
    rows = [
        (operator, str(len(alike)), alike[0].name, translated(alike[0].became))
        for operator, alike in by_operator.items()
    ]
    return table((tr("not converted"), tr(unit), tr("the first"), tr("what to do")), rows)


def _errors(outputs: Sequence[OutputComparison]) -> Table:
    rows = [
        (
            each.output,
            each.mode,
            tr(each.verdict),
            *map(_number, (each.max_abs, each.max_rel, each.mean_rel)),
            translated(each.note),
        )
        for each in outputs
    ]
    heads = (tr("output"), tr("mode"), tr("verdict"), tr("max. absolute"), tr("max. relative"), tr("mean relative"))
    return table((*heads, ""), rows)


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.1e}"
