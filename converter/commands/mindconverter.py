"""The command `mindconverter`: options in, a summary and an exit status out."""

from __future__ import annotations

import argparse
import shlex
from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, cast

from converter.base.files import check_readable, is_prefix
from converter.base.version import __version__
from converter.commands import graph_mode, script_mode, terminal
from converter.commands.inspection import print_inspection
from converter.commands.mode import Mode
from converter.commands.terminal import (
    EXIT_DIFFERS,
    EXIT_DONE,
    add_verbosity,
    end_on_terminate,
    guarded,
    printable,
    table,
)
from converter.commands.terminal.progress import Lines, progress_bar
from converter.commands.terminal.quiet import quiet, verbose

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

    from converter.report import Exported, Finding, Inspection, Outcome, Result
    from converter.verification import OutputComparison

MODES: tuple[Mode, ...] = (script_mode.MODE, graph_mode.MODE)
"""Every mode; if the command line has several sources, the first of these modes is used."""

_MOST_ROWS = 10

_DESCRIPTION = """\
Translate a frozen TensorFlow graph (.pb) or an ONNX model (.onnx) into a MindSpore script, its checkpoint, a map of
the weights and a report. The script is then run beside the source on the same inputs, and the report says how far
their outputs are apart."""

_EPILOG = """\
examples:
  An ONNX model, as it is. Files go to ./output:
    mindconverter --model_file mnist.onnx

  The same for batches of any size, verified on your own inputs (the keys of the .npz are the names of the inputs):
    mindconverter --model_file mnist.onnx --shape N,1,28,28 --verify_inputs digits.npz --output out

  A PyTorch module from its code and its weights (needs: pip install "onnx2mindspore[pytorch]"):
    mindconverter --model mynet.nets:ResNet --weights net.pth --shape N,3,224,224

  A frozen TensorFlow graph (needs: pip install "onnx2mindspore[tensorflow]"):
    mindconverter --model_file frozen.pb --shape 1,224,224,3 --input_nodes input_1:0 --output_nodes Identity:0

  PyTorch scripts (one file, or a package), rewritten in MindSpore:
    mindconverter --in_file models/resnet.py --output converted

  A part of a graph, with two inputs. The second one is a scalar:
    mindconverter --model_file gru.pb --input_nodes X:0 keep_prob:0 --shape 2,784 - --output_nodes output:0

exit status:
  0  written; the report says so where a node became a stub or a result could not be compared
  1  an error, on stderr as: [BadParamError] code: 0000003, msg: what happened and what to do. Nothing is written
  2  wrong usage of the command
  3  written, but the script's outputs differ from those of the source
"""

_HINT = (
    "Before you run the script on a CPU with AVX-512, set ONEDNN_MAX_CPU_ISA=AVX2 in the environment: MindSpore's "
    "convolutions are about 70 times slower without it."
)


def parser() -> argparse.ArgumentParser:
    """The options of the command."""
    command = argparse.ArgumentParser(
        "mindconverter",
        description=_DESCRIPTION,
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
        add_help=False,
    )
    groups = {
        title: command.add_argument_group(title) for title in ("model", "scripts", "result", "verification", "other")
    }
    for mode in MODES:
        mode.add_options(groups)
    result, other = groups["result"], groups["other"]
    result.add_argument(
        "--output", default="./output", metavar="DIR", help="folder of script and checkpoint. Default: ./output"
    )
    result.add_argument("--report", metavar="DIR", help="folder of reports and weight map. Default: that of --output")
    result.add_argument(
        "--operator_map",
        metavar="FILE",
        help="a Python file with rows of your own: they add operators or replace what is there",
    )
    add_verbosity(other)
    other.add_argument("--version", action="version", version=f"%(prog)s {__version__}")
    other.add_argument("-h", "--help", action="help", help="show this text")
    return command


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command and return its exit status; `argv` are the arguments, by default those of the process."""
    command = parser()
    options = command.parse_args(argv)
    mode = next((mode for mode in MODES if any(getattr(options, name) is not None for name in mode.sources)), None)
    if mode is None:
        names = (f"--{name}" for mode in MODES for name in mode.sources)
        command.error(f"the following arguments are required: {' or '.join(names)}")
    if argv is None:
        end_on_terminate()
    return guarded(lambda: _run(mode, options), verbose=options.verbose)


def _run(mode: Mode, options: argparse.Namespace) -> int:
    named = getattr(options, mode.source)
    if named is not None and not Path(named).is_dir() and not is_prefix(Path(named)):
        check_readable(Path(named))  # check first: the imports of a conversion take seconds
    if options.verbose:
        with verbose() as stderr:
            result = mode.convert(options, Lines(stderr))
    else:
        with quiet() as stderr, progress_bar(stderr, tuple(mode.stages)) as observer:
            result = mode.convert(options, None if options.quiet else observer)
    if not options.quiet:
        _print_outcome(result)
    return EXIT_DIFFERS if result.verdict == "differs" else EXIT_DONE


def _print_outcome(outcome: Outcome) -> None:
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
        _say(console, "Note", *exported.notes)
    _say(console, "Written", *map(str, exported.files))
    _say(console, "Hint", f"The second step: mindconverter --model_file {shlex.quote(str(exported.files[0]))}")


def _summarize(result: Result) -> None:
    """Print the number of converted nodes, the verification result, and the files."""
    console = terminal.console()
    total = len(result.records)
    done = total - len(result.unconverted)
    _say(console, "Converted", f"{done} of {total} {result.unit} ({done / total if total else 1:.2%})")
    if result.notes:
        _say(console, "Note", *result.notes)
    if result.unconverted:
        console.print(_unconverted(result.unconverted, result.unit))
    _say(console, "Verified", *_verified(result))
    if result.verification is not None:
        wrong = [output for output in result.verification.outputs if output.verdict != "same"]
        if wrong:
            console.print(_errors(wrong[:_MOST_ROWS]))
        if len(wrong) > _MOST_ROWS:
            _say(console, "", f"and {len(wrong) - _MOST_ROWS} more: see the report")
    _say(console, "Written", *map(str, result.files))
    _say(console, "Hint", _HINT)


def _verified(result: Result) -> Iterator[str]:
    """The verdict, the largest error, and the first node that differs."""
    found = result.verification
    yield f"{result.verdict}: {found.note}" if found is not None and found.note else result.verdict
    if found is None:
        return
    worst = max((output for output in found.outputs if output.max_abs is not None), key=_error, default=None)
    if worst is not None:
        yield (
            f"worst error {_number(worst.max_abs)} absolute, {_number(worst.max_rel)} relative: output {worst.output}, "
            f"{worst.mode} mode"
        )
    if found.first_difference is not None:
        first = found.first_difference
        yield f"the first node that differs by itself: {first.node} ({first.operator})"


def _error(output: OutputComparison) -> float:
    return output.max_abs or 0.0


def _say(console: Console, label: str, *lines: str) -> None:
    for line in lines:
        console.print(f"{label:<10} {printable(line)}")
        label = ""


def _unconverted(records: Sequence[Finding], unit: str) -> Table:
    """A table of the nodes that were not converted, by operator: their number, the first, and its remedy."""
    by_operator: dict[str, list[Finding]] = defaultdict(list)
    for record in records:
        by_operator[record.operator].append(record)
    rows = [(operator, str(len(alike)), alike[0].name, alike[0].became) for operator, alike in by_operator.items()]
    return table(("not converted", unit, "the first", "what to do"), rows)


def _errors(outputs: Sequence[OutputComparison]) -> Table:
    rows = [
        (each.output, each.mode, each.verdict, *map(_number, (each.max_abs, each.max_rel, each.mean_rel)), each.note)
        for each in outputs
    ]
    return table(("output", "mode", "verdict", "max. abs. error", "max. rel.", "mean rel.", ""), rows)


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.1e}"
